"""Time in the lab: a clock that tests can move, and an agenda of what happens by itself once its time has come."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time, moved by `advance`."""

    def __init__(self) -> None:
        self._moved = timedelta()

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC) + self._moved

    def advance(self, by: timedelta | float) -> None:
        """Move the clock forward, by a timedelta or by seconds."""
        self._moved += by if isinstance(by, timedelta) else timedelta(seconds=by)

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass for a command."""
        await asyncio.sleep(seconds)

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass for a person at the console."""
        time.sleep(seconds)


class ManualClock(Clock):
    """A clock that stands still, and jumps ahead when somebody waits on it."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)) -> None:
        super().__init__()
        self._start = start

    def now(self) -> datetime:
        """The moment that the clock was moved to."""
        return self._start + self._moved

    async def sleep(self, seconds: float) -> None:
        """Jump ahead, and let other tasks run."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def wait(self, seconds: float) -> None:
        """Jump ahead."""
        self.advance(seconds)


@dataclass(order=True)
class Entry:
    """Something that will happen; `cancel` takes it off the agenda."""

    due: datetime
    number: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """It will not happen."""
        self.cancelled = True


class Agenda:
    """What happens by itself, in order of its time. Nothing runs in the background: `settle` plays what is due.

    While an entry plays, `now` is the moment it was due, so events carry the time at which they happened and not the time at
    which somebody looked.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._entries: list[Entry] = []
        self._numbers = itertools.count()
        self._playing: datetime | None = None

    @property
    def now(self) -> datetime:
        """The moment being played; the clock's time otherwise."""
        return self._playing or self.clock.now()

    def after(self, seconds: float, action: Callable[[], None]) -> Entry:
        """Do `action` once `seconds` have passed from now."""
        entry = Entry(self.now + timedelta(seconds=seconds), next(self._numbers), action)
        heapq.heappush(self._entries, entry)
        return entry

    def settle(self) -> None:
        """Play everything that is due by the clock."""
        while self._entries and self._entries[0].due <= self.clock.now():
            entry = heapq.heappop(self._entries)
            if not entry.cancelled:
                with self.playing(entry.due):
                    entry.action()

    @contextmanager
    def playing(self, moment: datetime) -> Iterator[None]:
        """Within this block it is `moment`: how a fault is given a past."""
        before, self._playing = self._playing, moment
        try:
            yield
        finally:
            self._playing = before
