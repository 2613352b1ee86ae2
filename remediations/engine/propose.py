"""From an incident to a proposal: what report and logs suggest, what the facts prove, and the plan that would mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from remediations.catalogue import CATALOGUE, repairs_for
from remediations.catalogue.remediation import Reads, Remediation, Repair, anywhere
from remediations.diagnosis import ReportedEvent, diagnose
from remediations.engine.gather import as_changed, gather, queries_of, reads_of
from remediations.engine.parts import fold
from remediations.engine.ports import Considered, Reading
from remediations.engine.symptom import BEFORE, failed_operation, nodes_of, nowhere, succeeded_since
from remediations.engine.whose import Neighbours, concerns
from remediations.facts.events import HostEvents, migration_events
from remediations.facts.host import Guests, namesakes
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.diagnosis import Diagnosis, Evidence, Hypothesis, Sighting
from remediations.model.fact import Change, NotApplicable, Unknown
from remediations.model.incident import Incident, What
from remediations.model.plan import Blocked, Manual, Plan, Satisfied, Step, Verdict, Wait
from remediations.model.site import Site
from remediations.model.tier import Proof

TELLING = 3
"""Reasons of one plan that are told at most where it stands among others."""

AFTER = timedelta(minutes=5)
"""Events until so long after a failure belong to it (FIELD-FACTS, order of proof)."""


@dataclass(frozen=True)
class Proposal:
    """What was found, and what is to be done about it."""

    incident: Incident
    evidence: Evidence
    considered: tuple[Considered, ...]
    also_seen: tuple[Plan, ...]
    """By-state faults that nothing points to: listed, never planned."""
    chosen: tuple[Remediation, ...] = ()
    plan: Plan | None = None
    """The mend; it may only wait, block or instruct: its items say."""
    presumed: bool = False
    """Whether it is what is left after exclusion, not proven."""
    retry: Plan | None = None
    over: bool = False
    """Whether what had failed has meanwhile succeeded."""
    gone: str = ""
    """Why there is nothing to move: the virtual machine is on none of the hosts that were asked."""
    override: str = ""
    """Why this mend is probably set back by somebody: it was verified a short time ago."""
    elsewhere: str = ""
    """Which other nodes nothing keeps the virtual machine from, where none was asked for and the mend is no small thing."""
    seen_as: Mapping[str, str] = field(default_factory=dict)

    @property
    def cause(self) -> Cause | None:
        """The innermost cause that the plan is for."""
        first = self.chosen[0] if self.chosen else None
        if not isinstance(first, Repair):
            return None
        pointed = (each.cause for each in self.evidence.hypotheses if each.cause in first.causes)
        return next(pointed, first.causes[0])


def canonical(incident: Incident, site: Site) -> Incident:
    """The incident with the inventory's spelling of its hosts and cluster.

    Raises `LookupError` that names the field that is unknown, or that cannot be: a move to where it starts, a drain of a
    standalone host.
    """
    found: dict[str, Any] = {}
    for name in ("source", "destination"):
        reported = getattr(incident, name)
        if reported:
            host = site.find(reported)
            if host is None:
                known = ", ".join(each.name for each in site.hosts)
                raise LookupError(f"{name}: {reported} is not in the inventory (site.yaml has {known})")
            found[name] = host.name
    cluster = site.cluster(incident.cluster) if incident.cluster else None
    if cluster is None:
        host_name = found.get("source") or found.get("destination")
        cluster = site.cluster_of(host_name) if host_name else None
    if "source" in found and found["source"] == found.get("destination"):
        raise LookupError(f"destination: {incident.destination} is the source itself; name another host, or none for any")
    if incident.what is What.DRAIN and cluster is None:
        raise LookupError(f"source: {incident.source} is no node of a cluster in site.yaml, and only a node can be drained")
    return incident.model_copy(update=found | {"cluster": cluster.name if cluster else None})


def propose(
    hosts: Reading,
    site: Site,
    incident: Incident,
    *,
    now: datetime,
    sightings: Sequence[Sighting] = (),
    tried: frozenset[Cause],
    tried_again: bool = False,
) -> Proposal:
    """Read what is needed, plan every candidate, and choose. `tried` are presumed causes that were tried for this incident.

    `tried_again`: the failure is that of a move of ours (see `gather_evidence`).
    """
    evidence = gather_evidence(hosts, site, incident, now=now, sightings=sightings, tried_again=tried_again)
    incident = evidence.incident or incident
    failed = failed_operation(incident)
    candidates: list[tuple[Cause, Repair]] = []
    for hypothesis in evidence.hypotheses:
        for repair in repairs_for(hypothesis.cause):
            known = [each for _, each in candidates]
            candidates += [(hypothesis.cause, each) for each in repair.for_incident(incident, site) if each not in known]
    suspected = {hypothesis.cause for hypothesis in evidence.hypotheses}
    unasked = [
        each
        for entry in CATALOGUE.values()
        if issubclass(entry, Repair) and entry.proof is Proof.STATE and not suspected & set(entry.causes)
        for each in entry.for_incident(incident, site)
    ]
    looked = _looked_at(evidence, incident, site)
    unasked = [each for each in unasked if each not in looked]
    everything: list[Remediation] = [*(repair for _, repair in candidates), *unasked, *looked, *([failed] if failed else [])]
    # What only words point to is asked as if it were suspected, and shown; nothing else is planned any different for it.
    doubted = evidence.model_copy(update={"hypotheses": evidence.weak, "weak": ()})
    reads = [reads_of(each, site, doubted if each in looked else evidence) for each in everything]
    found = gather(hosts, site, queries_of(each for each in reads if isinstance(each, Reads)))
    inputs = [found.inputs(each) if isinstance(each, Reads) else {} for each in reads]
    plans = [
        each.planned(own) if isinstance(asked, Reads) else each.blind(asked.reason)
        for each, asked, own in zip(everything, reads, inputs, strict=True)
    ]
    by_candidate = list(zip(candidates, plans, inputs, strict=False))

    considered = tuple(
        _considered(hypothesis, [plan for (_, repair), plan, _ in by_candidate if hypothesis.cause in repair.causes])
        for hypothesis in evidence.hypotheses
    )
    asked_of = len(candidates) + len(unasked)
    also_seen = tuple(plan for plan in plans[len(candidates) : asked_of] if plan.verdict is Verdict.PRESENT)
    by_look = list(zip(looked, plans[asked_of:], strict=False))
    considered += tuple(
        _considered(hypothesis, [plan for repair, plan in by_look if hypothesis.cause in repair.causes])
        for hypothesis in evidence.weak
    )
    asked, gone = (plans[-1], nowhere(inputs[-1])) if failed else (None, "")
    base = Proposal(
        incident=incident,
        evidence=evidence,
        considered=considered,
        also_seen=also_seen,
        # A drain is asked for again by the repair of its own cause, which first sees to what is left on the node.
        retry=asked if incident.what is What.MIGRATION else None,
        over=(asked is not None and asked.verdict is Verdict.ABSENT and not gone) or bool(evidence.succeeded),
        gone=gone,
        seen_as=found.seen_as,
    )
    if base.over or base.gone:
        return base
    chosen = _choose(base, [(repair, plan, own) for (_, repair), plan, own in by_candidate], tried)
    if chosen.plan is None or base.retry is None or failed is None:
        return chosen
    # What is tried again is asked for together with the mend, so it is planned on what the mend leaves.
    after = as_changed(inputs[-1], chosen.plan.changes)
    return replace(chosen, retry=failed.planned(after))


def _looked_at(evidence: Evidence, incident: Incident, site: Site) -> list[Repair]:
    """The repairs of causes that only words point to: their facts are read and shown, and none of them is ever chosen."""
    found = [
        each
        for hypothesis in evidence.weak
        for repair in repairs_for(hypothesis.cause)
        for each in repair.for_incident(incident, site)
    ]
    return [each for place, each in enumerate(found) if each not in found[:place]]


_Found = tuple[Repair, Plan, Mapping[str, Any]]
"""A candidate, its plan on the facts as they are, and the inputs of that plan."""


def _choose(base: Proposal, found: Sequence[_Found], tried: frozenset[Cause]) -> Proposal:
    """State before episode before exclusion; a presumed cause only alone, once, and with every sibling by state absent."""
    present = [each for each in found if each[1].verdict is Verdict.PRESENT]
    by_state = [each for each in present if each[0].proof is Proof.STATE]
    by_episode = [each for each in present if each[0].proof is Proof.EPISODE]
    excluded = all(plan.verdict is Verdict.ABSENT for repair, plan, _ in found if repair.proof is Proof.STATE)
    presumed = [each for each in present if each[0].proof is Proof.EXCLUSION and excluded and not tried & set(each[0].causes)]
    mendable = _chain(by_state)
    chosen = mendable or by_state[:1] or by_episode[:1] or presumed[:1]
    if not chosen:
        return base
    remediations = tuple(repair for repair, _, _ in chosen)
    plan = fold(remediations, [own for _, _, own in chosen])
    return Proposal(
        **{**base.__dict__, "chosen": remediations, "plan": plan, "presumed": chosen is not mendable and chosen == presumed[:1]}
    )


def _chain(by_state: Sequence[_Found]) -> list[_Found]:
    """Those that can be mended, in the catalogue's order, each judged on the facts as those before it will leave them.

    So what one has to come before (delegation before Kerberos) makes the other possible, and what is mended by the way is left
    out.
    """
    order = list(CATALOGUE)
    chosen: list[_Found] = []
    made: list[Change] = []
    for repair, plan, own in sorted(by_state, key=lambda each: order.index(each[0].id)):
        then = repair.planned(as_changed(own, made))
        if then.appliable:
            chosen.append((repair, plan, own))
            made += then.changes
    return chosen


def gather_evidence(
    hosts: Reading,
    site: Site,
    incident: Incident,
    *,
    now: datetime,
    sightings: Sequence[Sighting] = (),
    tried_again: bool = False,
) -> Evidence:
    """What the report suggests and what both nodes' logs add, strongest first; fills in a destination that the logs name.

    `tried_again`: the failure is that of a move of ours, which may take its time, so what the logs have up to now counts.
    """
    said = diagnose(incident)
    incident, not_found = _located(hosts, site, _completed(incident, said, site))
    at = incident.occurred_at or now
    until = max(at, now if tried_again else at) + AFTER
    nodes = nodes_of(incident, site)
    queries = [migration_events(node, at - BEFORE) for node in nodes]
    around = [namesakes(incident.vm, node) for node in nodes] if incident.vm else []
    found = gather(hosts, site, [*queries, *around])
    known = Neighbours(seen for each in around if isinstance(seen := found.of(each), Guests))
    scores: dict[Cause, Hypothesis] = {each.cause: each for each in said.hypotheses}
    logs = [found.of(query) for query in queries]
    for query, seen in zip(queries, logs, strict=True):
        if not isinstance(seen, HostEvents):
            continue
        for event in seen.events:
            if event.time > until or not concerns(event, incident, known):
                continue
            told = diagnose(
                ReportedEvent(
                    text=event.message,
                    event_id=event.id,
                    channel=event.channel,
                    provider=event.provider,
                    computer=query.host,
                    time=event.time,
                )
            )
            incident = _completed(incident, told, site)
            for each in told.hypotheses:
                quoted = Hypothesis(
                    cause=each.cause,
                    score=each.score,
                    evidence=(f"event {event.id} on {query.host}", *each.evidence),
                    against=each.against,
                )
                scores[each.cause] = _stronger(scores.get(each.cause), quoted)
    ranked = sorted(scores.values(), key=lambda each: -each.score)
    return Evidence(
        incident=incident,
        hypotheses=tuple(ranked),
        weak=() if ranked else said.weak,
        sightings=tuple(sightings),
        succeeded=succeeded_since(incident, logs),
        not_found=not_found,
        logs=tuple(query.host for query, seen in zip(queries, logs, strict=True) if isinstance(seen, HostEvents)),
        unread=tuple(
            seen.reason for query, seen in zip(queries, logs, strict=True) if isinstance(seen, (Unknown, NotApplicable))
        ),
    )


def _located(hosts: Reading, site: Site, incident: Incident) -> tuple[Incident, str]:
    """The incident with the host that has the virtual machine now as its source, where the report named none.

    With it why no host was found, for people; empty if one was, or none was looked for.
    """
    if incident.source is not None or incident.vm is None:
        return incident, ""
    cluster = site.cluster(incident.cluster) if incident.cluster else None
    queries = virtual_machine_on(incident.vm, cluster.nodes if cluster else [host.name for host in site.hosts])
    found = gather(hosts, site, queries.values())
    seen = anywhere({host: found.of(query) for host, query in queries.items()})
    if isinstance(seen, Unknown):
        silent = [each.reason.partition("\n")[0] for each in map(found.of, queries.values()) if isinstance(each, Unknown)]
        return incident, f"The host that {incident.vm} is on is not known: {'; '.join(silent)}"
    if not isinstance(seen, Machine):
        return incident, f"No virtual machine {incident.vm} is on {', '.join(queries)}; check its name"
    if seen.host == incident.destination:
        return incident, ""
    return canonical(incident.model_copy(update={"source": seen.host}), site), ""


def _completed(incident: Incident, told: Diagnosis, site: Site) -> Incident:
    """The incident with what its own text, or an event's, says of hosts that the report left out."""
    if told.incident is None:
        return incident
    found: dict[str, str] = {}
    for name in ("source", "destination"):
        said = getattr(told.incident, name)
        host = site.find(said) if said and getattr(incident, name) is None else None
        if host is not None and host.name not in (incident.source, incident.destination, *found.values()):
            found[name] = host.name
    return canonical(incident.model_copy(update=found), site) if found else incident


def _stronger(one: Hypothesis | None, other: Hypothesis) -> Hypothesis:
    if one is None:
        return other
    best = max(one, other, key=lambda each: each.score)
    rest = tuple(dict.fromkeys((*one.evidence, *other.evidence)))[:6]
    return best.model_copy(update={"evidence": rest})


_NONE_FOR_IT = "no remediation of this catalogue is for it"


def _considered(hypothesis: Hypothesis, plans: Iterable[Plan]) -> Considered:
    """One line of the report: the strongest verdict of the plans that this cause has, and why."""
    plans = list(plans)
    if not plans:
        known = bool(repairs_for(hypothesis.cause))
        why = "the report does not name both hosts that it would be looked for on" if known else _NONE_FOR_IT
        return Considered(hypothesis=hypothesis, verdict=None, why=why)
    order = (Verdict.PRESENT, Verdict.UNKNOWN, Verdict.ABSENT)
    plan = min(plans, key=lambda each: order.index(each.verdict))
    return Considered(hypothesis=hypothesis, verdict=plan.verdict, plan=plan, why="; ".join(reasons(plan)))


def reasons(plan: Plan) -> list[str]:
    """Why a plan says what it says: the items that decide its verdict, in their own words."""
    telling = [item.why for item in plan.items if isinstance(item, (Step, Wait, Manual))]
    telling = telling or [item.why for item in plan.items if isinstance(item, Blocked)]
    telling = telling or [item.why for item in plan.items if isinstance(item, Satisfied)]
    said = list(dict.fromkeys(telling))
    return said if len(said) <= TELLING else [*said[: TELLING - 1], f"and {len(said) - TELLING + 1} more like this"]


def asked_for(repair: Repair) -> Evidence:
    """The evidence that a person gives by asking for a repair by name: its causes are what they suspect."""
    asked = ("asked for by a person",)
    return Evidence(hypotheses=tuple(Hypothesis(cause=cause, score=1.0, evidence=asked) for cause in repair.causes))
