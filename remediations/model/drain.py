"""How long drains took, and what that says of the next one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pydantic import AwareDatetime, Field

from remediations.model.base import Frozen

LEAST = 1024
"""Mebibytes that a drain has to have moved to say anything of speed: below, it is the moves' beginning and end that count."""


class Drained(Frozen):
    """A drain that came to its end."""

    node: str
    mebibytes: int = Field(ge=0, description="Memory of the machines that it moved, as they had it before")
    seconds: float = Field(ge=0, description="From its pause to its end")
    at: AwareDatetime


class Pace(Frozen):
    """What earlier drains of a cluster say of the next one."""

    seconds_per_gib: float = Field(ge=0)
    drains: int = Field(ge=1, description="How many it is the median of")
    newest: AwareDatetime


def pace(drained: Sequence[Drained]) -> Pace | None:
    """The median of drains that moved enough to tell; None without any."""
    told = [each for each in drained if each.mebibytes >= LEAST]
    if not told:
        return None
    rates = [each.seconds / (each.mebibytes / 1024) for each in told]
    return Pace(seconds_per_gib=median(rates), drains=len(told), newest=max(each.at for each in told))
