"""Who gets a run: of many failures with one cause on one pair of hosts, the first. Pure: what is open and policy in, moves out.

- A failure starts a run at once, unless a run of its group is open, or policy's `max_open_runs` are: then it waits, oldest
  first.
- A group is one top hypothesis and one pair of hosts, whatever the direction; or one node, where several of its pairs fail
  with that hypothesis. Without any hypothesis it is one very pair.
- Others of a group join the run that leads it until its plan is sealed. Later ones wait for its outcome if that plan mends
  them too; otherwise they are no part of the group.
- What was left when the outcome came is read again before anything else happens with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from remediations.catalogue.remediation import Remediation, Repair
from remediations.diagnosis import diagnose
from remediations.engine.parts import parts_of
from remediations.ledger import Board, Move, Queued, Standing
from remediations.model.causes import Cause
from remediations.model.incident import Incident
from remediations.model.names import short_name
from remediations.model.plan import Plan
from remediations.model.site import Site

Covers = Callable[[Plan, Incident], bool]
"""Whether what a plan mends is what this incident needs mended too."""


@dataclass(frozen=True)
class Group:
    """What failures are grouped by."""

    cause: Cause | None
    """The top hypothesis of its text; none if that says nothing."""
    hosts: frozenset[str]
    """The pair, or what is known of it: short names without case. The cluster's, behind a colon, where no host is known."""

    def holds(self, other: Group) -> bool:
        """Whether a failure of the other group belongs to a run for this one."""
        if self.cause is not other.cause or not self.hosts:
            return False
        return self.hosts == other.hosts or (self.cause is not None and not self.hosts.isdisjoint(other.hosts))


@lru_cache(maxsize=32_768)
def group_of(incident: Incident) -> Group:
    """The group of an incident, from its own text and fields: no host is asked."""
    hosts = frozenset(short_name(name).casefold() for name in (incident.source, incident.destination) if name)
    if not hosts and incident.cluster:
        hosts = frozenset({f":{short_name(incident.cluster).casefold()}"})
    told = diagnose(incident).hypotheses
    return Group(told[0].cause if told else None, hosts)


def arrange(board: Board, *, max_open_runs: int, covers: Covers) -> list[Move]:
    """Where each incident that waits, or was left, stands from now on; nothing for one that stays where it is."""
    moves = [
        Move(incident_id=each.id, standing=Standing.AGAIN, why=f"{each.leader} has its outcome; it is read again")
        for each in board.left
    ]
    free = max_open_runs - board.running
    leads = [
        (group_of(each.opened.incident), each)
        for each in (*board.leading, *board.waiting)
        if each.standing in (Standing.STARTED, Standing.WAITS)
    ]
    for each in board.waiting:
        lead = None if each.standing is Standing.WAITS else _lead(leads, each, covers)
        if lead is not None:
            moves.append(_follow(each, lead))
        elif free > 0:
            free -= 1
            moves.append(Move(incident_id=each.id, standing=Standing.STARTED, why="it is the first of its group"))
            leads.append((group_of(each.opened.incident), each))
        elif each.standing is Standing.NEW:
            why = f"{max_open_runs} runs are open (policy.yaml, caps: max_open_runs)"
            moves.append(Move(incident_id=each.id, standing=Standing.WAITS, why=why))
            leads.append((group_of(each.opened.incident), each))
    return moves


def _lead(leads: Iterable[tuple[Group, Queued]], each: Queued, covers: Covers) -> Queued | None:
    """The incident whose run this one goes with; one that can still be joined before one whose outcome is waited for."""
    mine = group_of(each.opened.incident)
    found = [lead for group, lead in leads if group.holds(mine)]
    open_to_all = next((lead for lead in found if not lead.sealed), None)
    return open_to_all or next((lead for lead in found if _covered(lead.sealed, each.opened.incident, covers)), None)


def _follow(each: Queued, lead: Queued) -> Move:
    group = group_of(lead.opened.incident)
    same = f"the same hypothesis ({group.cause.value})" if group.cause else "the same pair of hosts"
    if lead.sealed:
        why = f"the plan of {lead.id}, with {same}, is being decided or carried out; it waits for the outcome"
        return Move(incident_id=each.id, standing=Standing.HELD, leader=lead.id, why=why)
    return Move(incident_id=each.id, standing=Standing.JOINED, leader=lead.id, why=f"it goes with {lead.id}: {same}")


def _covered(plans: Iterable[Plan], incident: Incident, covers: Covers) -> bool:
    """Whether a run's sealed plans mend an incident; the move tried again is nobody else's."""
    mends = [plan for plan in plans if plan.proof is not None]
    return any(covers(plan, incident) for plan in mends)


def covers(plan: Plan, incident: Incident, site: Site) -> bool:
    """Whether what a plan mends may be what an incident needs mended: the incident would ask for the same repairs.

    A repair that was asked for by its virtual machine and changes none (a switch that its host lacks) counts as everybody's
    on the same path; only facts can say so for certain (`companions.part_ways`).
    """
    return bool(plan.request) and own_parts(plan, incident, site) is not None


def own_parts(plan: Plan, incident: Incident, site: Site) -> list[Repair] | None:
    """The repairs of a plan as an incident would ask for them itself; None if it would not."""
    machines = {step.target.name.casefold() for step in plan.steps if step.target.kind in OF_A_MACHINE}
    shared = bool(plan.steps) and machines <= {(incident.vm or "").casefold()}
    found: list[Repair] = []
    try:
        for part in parts_of(plan):
            own = [] if not isinstance(part, Repair) else list(type(part).for_incident(incident, site))
            same = next((each for each in own if each == part), None)
            if same is None and shared:
                same = next((each for each in own if _aim(each) == _aim(part)), None)
            if same is None:
                return None
            found.append(same)
    except (LookupError, ValueError):
        return None  # a name that the files do not know any more: it is read on its own
    return found


OF_A_MACHINE = frozenset({"virtual machine", "cluster role"})
"""Kinds of a step's target that are one virtual machine's own."""


def _aim(part: Remediation) -> dict[str, object]:
    return part.model_dump(exclude={"vm"})
