"""What a remediation has earned by its record: how often it was verified in a row, and what spoilt it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import AwareDatetime, Field

from remediations.model.base import Frozen
from remediations.model.policy import Gate, Trust, loosest
from remediations.model.tier import Tier


class Spoilt(Frozen):
    """Why a verified repair turned out not to have helped."""

    how: Literal["false fire", "came back"]
    """It did not cure what it was applied for; or the same cause was back on the same target soon after."""
    detail: str
    at: AwareDatetime


class Trial(Frozen):
    """One remediation applied in earnest, and whether its verification succeeded."""

    remediation: str
    run: str
    at: AwareDatetime
    verified: bool
    detail: str
    spoilt: Spoilt | None = None


class OpenBreaker(Frozen):
    """A remediation that is not tried any more until a person closes its breaker."""

    remediation: str
    opened_at: AwareDatetime
    why: str


class Record(Frozen):
    """What the ledger says of one remediation, over all its trials."""

    remediation: str
    verified: int = Field(ge=0, description="Trials that were verified, those that were spoilt later included")
    failed: int = Field(ge=0)
    false_fires: int = Field(ge=0, description="Verified, but not what was needed: the same failure went on")
    came_back: int = Field(ge=0, description="Verified, and the same cause was back on the same target soon after")
    in_a_row: int = Field(ge=0, description="Verified since the last blemish")
    blemish: str | None = Field(
        description="The last failure, false fire or return, with its time; none if there never was one"
    )

    @classmethod
    def of(cls, remediation: str, trials: Iterable[Trial]) -> Record:
        """The record of one remediation, from all its trials in any order."""
        mine = [each for each in trials if each.remediation == remediation]
        blemishes = [(each.at, f"failed ({each.detail})") for each in mine if not each.verified]
        blemishes += [(each.spoilt.at, f"{each.spoilt.how} ({each.spoilt.detail})") for each in mine if each.spoilt is not None]
        last = max(blemishes, default=None)
        return cls(
            remediation=remediation,
            verified=sum(each.verified for each in mine),
            failed=sum(not each.verified for each in mine),
            false_fires=sum(each.spoilt is not None and each.spoilt.how == "false fire" for each in mine),
            came_back=sum(each.spoilt is not None and each.spoilt.how == "came back" for each in mine),
            in_a_row=sum(each.verified and each.spoilt is None and (last is None or each.at > last[0]) for each in mine),
            blemish=None if last is None else f"{last[0]:%Y-%m-%d %H:%M} UTC: {last[1]}",
        )

    def trusted(self, trust: Trust) -> bool:
        """Whether `auto` may hold for it."""
        return self.in_a_row >= trust.verified_in_a_row

    def missing(self, trust: Trust, tier: Tier) -> str:
        """What is missing until policy may let it run unasked, or why nothing ever is, for people."""
        if loosest(tier) is not Gate.AUTO:
            return f"nothing more to reach: tier {tier} goes no further than {loosest(tier)}"
        if self.trusted(trust):
            return f"nothing: auto holds where policy says so (gates.remediations.{self.remediation}: auto)"
        since = f" since {self.blemish}" if self.blemish else ""
        more = trust.verified_in_a_row - self.in_a_row
        return f"{more} more verified without a failure (so far {self.in_a_row} in a row{since})"
