"""What may be done without asking, with asking, or not at all (`configs/policy.yaml`): data and pure decisions, no IO.

A site may be stricter than these defaults anywhere. It may be looser only up to what a tier allows: nothing of tier 3
runs unasked, nothing of tier 4 on one person's word, and nothing of tier 5 runs at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from remediations.model.base import Frozen
from remediations.model.maintenance import Maintenance
from remediations.model.names import ClusterName, HostName
from remediations.model.plan import Plan
from remediations.model.tier import Tier
from remediations.model.windows import Window


class Gate(StrEnum):
    """What must happen before a plan is applied, from the loosest to the strictest."""

    AUTO = "auto"  # applied without asking
    APPROVE = "approve"  # shown, and applied once a person approved this very plan
    APPROVE_TWICE = "approve-twice"  # the same by two different people, of whom whoever asked is never the second
    PROPOSE = "propose"  # shown, never applied by us
    OBSERVE = "observe"  # diagnosed and recorded; no plan is offered
    NEVER = "never"  # refused, whoever asks

    @property
    def strictness(self) -> int:
        """0 for the loosest; the greater of two is the stricter."""
        return list(Gate).index(self)

    @property
    def people(self) -> int:
        """How many people have to approve; 0 where nobody is asked."""
        return {Gate.APPROVE: 1, Gate.APPROVE_TWICE: 2}.get(self, 0)


class Proven(StrEnum):
    """What proves who approved, from the weakest to the strongest."""

    NAME = "name"  # the name that was given: whoever may answer may give any
    CODE = "code"  # and a one-time code that only this enrolled approver's authenticator shows

    @property
    def strength(self) -> int:
        """0 for the weakest; the greater of two proves more."""
        return list(Proven).index(self)


class Needed(Frozen):
    """What an approval of one plan takes."""

    people: int = Field(ge=1, description="Different people who have to approve")
    proof: Proven = Field(description="What each of them has to prove it with")
    own: bool = Field(description="Whether whoever asked for the plan is enough")
    typed: str = Field(default="", description="The target's name, which each has to type; empty if nobody has to")


class Retry(StrEnum):
    """Whether the move that had failed is asked for again once its repair is verified."""

    NEVER = "never"
    APPROVE = "approve"  # in a form of its own
    WITH_REPAIR = "with-repair"  # in the repair's form, as part two, with its own digest


_DEFAULTS = {
    Tier.READ: Gate.AUTO,
    Tier.LOCAL: Gate.APPROVE,
    Tier.DIRECTORY: Gate.APPROVE,
    Tier.WORKLOAD: Gate.APPROVE,
    Tier.IRREVERSIBLE: Gate.APPROVE_TWICE,
    Tier.PERSON: Gate.PROPOSE,
}
_LOOSEST = {
    Tier.READ: (Gate.AUTO, "reads change nothing"),
    Tier.LOCAL: (Gate.AUTO, "it can be undone on one host"),
    Tier.DIRECTORY: (Gate.AUTO, "it can be undone"),
    Tier.WORKLOAD: (Gate.APPROVE, "it touches running virtual machines, so a person approves each time"),
    Tier.IRREVERSIBLE: (Gate.APPROVE_TWICE, "it cannot be undone, so two people approve each time"),
    Tier.PERSON: (Gate.PROPOSE, "only a person may do it"),
}

_PROOF = {
    Tier.LOCAL: Proven.NAME,
    Tier.DIRECTORY: Proven.NAME,
    Tier.WORKLOAD: Proven.CODE,
    Tier.IRREVERSIBLE: Proven.CODE,
}


def usual(tier: Tier) -> Gate:
    """The gate of a tier that the policy file says nothing of."""
    return _DEFAULTS[tier]


def loosest(tier: Tier) -> Gate:
    """The loosest gate that any rule may give to plans of this tier."""
    return _LOOSEST[tier][0]


def why_not_looser(tier: Tier) -> str:
    """Why nothing looser than `loosest` may stand for plans of this tier."""
    return _LOOSEST[tier][1]


def too_loose(tier: Tier, gate: Gate) -> str | None:
    """Why `gate` may not stand for plans of this tier, "what is wrong; what would be right"; None if it may."""
    least, because = _LOOSEST[tier]
    if gate.strictness >= least.strictness:
        return None
    allowed = ", ".join(each for each in Gate if each.strictness >= least.strictness)
    return f"{gate} is too loose for tier {tier}: {because}; write one of {allowed}"


class Gates(Frozen):
    """Gates by tier and by remediation, and the clusters and hosts where something stricter holds."""

    tiers: Mapping[Tier, Gate] = Field(default={}, description="Gate of each tier; a tier that is left out keeps its default")
    remediations: Mapping[str, Gate] = Field(
        default={}, description="By remediation id: stands in the place of its tier's gate"
    )
    clusters: Mapping[ClusterName, Gate] = Field(default={}, description="By cluster: can only make it stricter")
    hosts: Mapping[HostName, Gate] = Field(default={}, description="By host: can only make it stricter")

    @field_validator("tiers")
    @classmethod
    def _within_bounds(cls, tiers: Mapping[Tier, Gate]) -> Mapping[Tier, Gate]:
        mistakes = {str(int(tier)): why for tier, gate in tiers.items() if (why := too_loose(tier, gate))}
        if mistakes:
            raise PydanticCustomError("mistakes", "{text}", {"text": " / ".join(mistakes.values()), "mistakes": mistakes})
        return tiers


class Caps(Frozen):
    """How much may happen. A change is one plan applied, however many steps it has."""

    per_host_per_hour: int = Field(default=4, ge=0, description="Changes that touch one host, within an hour")
    per_host_per_day: int = Field(default=12, ge=0, description="The same within 24 hours")
    per_cluster_per_hour: int = Field(default=8, ge=0, description="Changes that touch a node of one cluster, within an hour")
    per_cluster_per_day: int = Field(default=40, ge=0, description="The same within 24 hours")
    per_cause_per_hour: int = Field(default=8, ge=0, description="Changes that mend one cause, anywhere, within an hour")
    per_cause_per_day: int = Field(default=40, ge=0, description="The same within 24 hours")
    per_hour: int = Field(default=20, ge=0, description="Changes in all, within an hour")
    per_day: int = Field(default=100, ge=0, description="Changes in all, within 24 hours")
    max_open_runs: int = Field(default=10, ge=1, description="Runs that are open at once, waiting for approval included")


class Trust(Frozen):
    """When `auto` holds for a remediation: once its own record, in this ledger, has earned it."""

    verified_in_a_row: int = Field(
        default=10, ge=0, description="Verified without a failure in between, before auto holds for a remediation; 0: at once"
    )
    comes_back_hours: float = Field(
        default=24, ge=0, le=720, description="Hours within which the same cause on the same target spoils what was verified"
    )


class Breaker(Frozen):
    """When a remediation that fails is not tried any more, until a person closes its breaker."""

    failures: int = Field(default=3, ge=1, description="Failed verifications of one remediation that open its breaker")
    within_hours: float = Field(default=24, gt=0, le=720, description="Hours within which they count")


class Waits(Frozen):
    """When a condition that ends by itself (a limit reached, a backup running) counts as a fault."""

    at_most_minutes: float = Field(
        default=60, gt=0, le=1440, description="Minutes that an episode may last before steps are planned"
    )
    times: int = Field(default=3, ge=2, description="Separate incidents within the look-back that make it a fault at once")
    look_back_hours: float = Field(default=168, gt=0, le=8760, description="Hours of history that are looked at")


class Policy(Frozen):
    """The whole policy. Every field has the default that the packaged `policy.yaml` writes out."""

    pause: bool = Field(default=False, description="true stops every change, also what is queued")
    gates: Gates = Gates()
    retry: Retry = Field(default=Retry.WITH_REPAIR, description="Whether the failed move is tried again after its repair")
    own_approval_tier: Tier = Field(
        default=Tier.LOCAL, description="Highest tier of a plan that the person who asked for it may approve; 0 for none"
    )
    proof: Mapping[Tier, Proven] = Field(
        default=_PROOF, description="What proves who approved, by tier: name or code; a tier that is left out keeps its default"
    )
    approval_hours: float = Field(default=8, gt=0, le=168, description="Hours after which an unanswered approval expires")
    windows: Mapping[Tier, Annotated[tuple[Window, ...], Field(min_length=1)]] = Field(
        default={Tier.WORKLOAD: (Window.model_validate({"from": "22:00", "to": "05:00", "zone": "UTC"}),)},
        description="Maintenance windows by tier; a tier that is left out may be changed at any time",
    )
    caps: Caps = Caps()
    cooldown_minutes: float = Field(
        default=30, ge=0, le=10080, description="Minutes before the same cause on the same target again"
    )
    trust: Trust = Trust()
    breaker: Breaker = Breaker()
    waits: Waits = Waits()
    maintenance: Maintenance = Maintenance()
    lease_seconds: float = Field(
        default=600, ge=150, le=3600, description="Seconds that a host is held for one change; longer than any command may take"
    )

    def proof_of(self, tier: Tier) -> Proven:
        """What proves who approved a plan of this tier."""
        return {**_PROOF, **self.proof}.get(tier, Proven.NAME)

    def needed(self, plan: Plan, gate: Gate) -> Needed:
        """What an approval of `plan` takes behind `gate`. Raises `ValueError` for a gate behind which nobody is asked."""
        if not gate.people:
            raise ValueError(f"behind the gate {gate} nobody is asked")
        return Needed(
            people=gate.people,
            proof=self.proof_of(plan.tier),
            own=gate.people == 1 and plan.tier <= self.own_approval_tier,
            typed=plan.aim if plan.tier is Tier.IRREVERSIBLE else "",
        )

    def in_window(self, tier: Tier, at: datetime) -> bool:
        """Whether plans of this tier may be applied at `at` (aware); always, for a tier without windows."""
        return tier not in self.windows or any(window.holds(at) for window in self.windows[tier])

    def next_opening(self, tier: Tier, at: datetime) -> datetime:
        """`at` itself if plans of this tier may be applied then, else when the next window opens, in its time zone."""
        if self.in_window(tier, at):
            return at
        return min(opening for window in self.windows[tier] for opening in window.openings(at))
