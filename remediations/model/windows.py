"""Maintenance windows: wall-clock times in a time zone. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, model_validator

from remediations.model.base import Frozen

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Clock = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")]
"""A time of day as a wall clock shows it, `00:00` to `24:00`."""


class Window(Frozen):
    """A maintenance window: from one wall-clock time to another, on given days, in a time zone.

    A window that ends earlier than it starts runs over midnight and belongs to the day on which it starts. Wall-clock
    times follow daylight saving: a window may be an hour shorter or longer on the night of the change.
    """

    days: tuple[Day, ...] = Field(
        default=DAYS, min_length=1, description="Days on which it starts, as mon, tue; every day if left out"
    )
    start: Clock = Field(alias="from", description='When it opens, as "22:00"')
    end: Clock = Field(alias="to", description='When it closes, as "05:00"; "24:00" is the end of the day')
    zone: ZoneInfo = Field(description="IANA name of the time zone, as Europe/Berlin")

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.start in (self.end, "24:00"):
            raise ValueError(
                f'a window from {self.start} to {self.end} has no length; for a whole day write "00:00" to "24:00"'
            )
        return self

    def holds(self, at: datetime) -> bool:
        """Whether the window is open at `at` (aware)."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        start, end = _minutes(self.start), _minutes(self.end)
        today = DAYS[local.weekday()] in self.days
        if start < end:
            return today and start <= minute < end
        yesterday = DAYS[local.weekday() - 1] in self.days
        return (today and minute >= start) or (yesterday and minute < end)

    def openings(self, after: datetime) -> Iterator[datetime]:
        """When it opens within the eight days after `after` (aware), in its own time zone."""
        local = after.astimezone(self.zone)
        for ahead in range(9):
            day = local.date() + timedelta(days=ahead)
            opening = datetime.combine(day, time.fromisoformat(self.start), self.zone)
            if DAYS[day.weekday()] in self.days and opening > after:
                yield opening


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
