"""What may be done without asking, with asking, or not at all (`configs/policy.yaml`): data and pure decisions, no IO.

A site may be stricter than these defaults anywhere. It may be looser only up to what a tier allows: nothing of tier 3
runs unasked, nothing of tier 4 on one person's word, and nothing of tier 5 runs at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from remediations.model.base import Frozen
from remediations.model.names import ClusterName, HostName, same_host, same_name, short_name
from remediations.model.plan import Plan
from remediations.model.tier import Tier


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


def loosest(tier: Tier) -> Gate:
    """The loosest gate that any rule may give to plans of this tier."""
    return _LOOSEST[tier][0]


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


class Caps(Frozen):
    """How much may happen. A change is one plan applied, however many steps it has."""

    per_host_per_hour: int = Field(default=4, ge=0, description="Changes that touch one host, within an hour")
    per_hour: int = Field(default=20, ge=0, description="Changes in all, within an hour")
    max_open_runs: int = Field(default=10, ge=1, description="Runs that are open at once, waiting for approval included")


class Waits(Frozen):
    """When a condition that ends by itself (a limit reached, a backup running) counts as a fault."""

    at_most_minutes: float = Field(
        default=60, gt=0, le=1440, description="Minutes that an episode may last before steps are planned"
    )
    times: int = Field(default=3, ge=2, description="Separate incidents within the look-back that make it a fault at once")
    look_back_hours: float = Field(default=168, gt=0, le=8760, description="Hours of history that are looked at")


class Decision(Frozen):
    """The gate that a plan has to pass, and the rule of the policy file that says so."""

    gate: Gate
    rule: str = Field(min_length=1, description="For people: which entry of policy.yaml decided, and over what")


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
    waits: Waits = Waits()
    lease_seconds: float = Field(
        default=600, ge=150, le=3600, description="Seconds that a host is held for one change; longer than any command may take"
    )

    def gate(self, plan: Plan, *, hosts: Sequence[str], cluster: str | None) -> Decision:
        """Which gate `plan` has to pass, and why.

        The remediation's gate stands, else its tier's. The gates of the cluster and of every host that the plan touches
        (`hosts`, and those that its steps name) can only make it stricter, and so can the bounds of the plan's own tier.
        """
        gates, tier = self.gates, plan.tier
        if plan.remediation in gates.remediations:
            base = Decision(gate=gates.remediations[plan.remediation], rule=f"gates.remediations.{plan.remediation}")
        elif tier in gates.tiers:
            base = Decision(gate=gates.tiers[tier], rule=f"gates.tiers.{int(tier)}")
        else:
            base = Decision(gate=_DEFAULTS[tier], rule=f"the default of tier {tier}")
        touched_hosts, touched_clusters = _touched(plan, hosts, cluster)
        stricter = [
            Decision(gate=gate, rule=f"gates.clusters.{name}")
            for name, gate in gates.clusters.items()
            if any(same_name(short_name(name), short_name(each)) for each in touched_clusters)
        ]
        stricter += [
            Decision(gate=gate, rule=f"gates.hosts.{name}")
            for name, gate in gates.hosts.items()
            if any(same_host(name, each) for each in touched_hosts)
        ]
        stricter.append(Decision(gate=loosest(tier), rule=f"tier {tier}: {_LOOSEST[tier][1]}"))
        chosen = max([base, *stricter], key=lambda decision: decision.gate.strictness)
        over = "" if chosen is base else f" (stricter than {base.rule}: {base.gate})"
        return Decision(gate=chosen.gate, rule=f"{chosen.rule}: {chosen.gate}{over}")

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


def _touched(plan: Plan, hosts: Sequence[str], cluster: str | None) -> tuple[set[str], set[str]]:
    found = {host.rstrip("$") for host in hosts}
    clusters = {cluster} if cluster else set()
    for step in plan.steps:
        found.add(step.host)
        if step.close is not None:
            found.add(step.close.host)
        if step.target.kind in ("host", "computer account", "cluster node"):
            found.add(step.target.name.rstrip("$"))
        if step.target.kind == "cluster":
            clusters.add(step.target.name)
    return found, clusters
