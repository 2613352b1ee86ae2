"""Whether what was reported still fails: where the virtual machine is now, and what the logs say that came after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from remediations.catalogue.drain_node import DrainNode
from remediations.catalogue.move_vm import MoveVm
from remediations.catalogue.remediation import Operation, anywhere
from remediations.diagnosis import ReportedEvent, of_files
from remediations.diagnosis.names import incident_of
from remediations.engine.gather import gather, queries_of
from remediations.engine.ports import Reading
from remediations.facts.events import FAILED, SUCCEEDED, Event, HostEvents, migration_events
from remediations.facts.query import Query
from remediations.ledger import OpenIncident
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable
from remediations.model.incident import Incident, What
from remediations.model.plan import Verdict
from remediations.model.site import Site

BEFORE = timedelta(minutes=5)
"""Events from so long before a failure belong to it (FIELD-FACTS, order of proof)."""


def failed_operation(incident: Incident) -> Operation | None:
    """What had failed, as an operation: its plan says whether it has meanwhile succeeded.

    None for a storage migration: moving the machine would be something else than what had failed.
    """
    if incident.what is What.DRAIN and incident.source:
        return DrainNode(node=incident.source)
    if of_files(incident):
        return None
    if incident.vm is None or (incident.source is None and incident.destination is None):
        return None
    return MoveVm(vm=incident.vm, source=incident.source, to=incident.destination or "any")


def nodes_of(incident: Incident, site: Site) -> tuple[str, ...]:
    """The hosts whose logs may know of an incident: every node of the cluster, else both ends."""
    ends = tuple(name for name in (incident.source, incident.destination) if name)
    named = site.cluster(incident.cluster) if incident.cluster else None
    cluster = named or next((each for each in map(site.cluster_of, ends) if each is not None), None)
    return cluster.nodes if cluster else ends


def over_by_now(hosts: Reading, site: Site, incidents: Sequence[OpenIncident]) -> dict[str, str]:
    """Of these incidents those whose symptom is gone, by id: how that is known. What cannot be read is not gone."""
    if not incidents:
        return {}
    asked = []
    since = min(each.incident.occurred_at or each.opened_at for each in incidents) - BEFORE
    logs: dict[str, Query[HostEvents]] = {}
    for opened in incidents:
        try:
            logs |= {node: migration_events(node, since) for node in nodes_of(opened.incident, site)}
            if (operation := failed_operation(opened.incident)) is not None:
                asked.append((opened.id, operation, operation.reads(site, Evidence(incident=opened.incident))))
        except LookupError:
            continue  # a name that site.yaml has no more: its run says so
    found = gather(hosts, site, [*queries_of(reads for _, _, reads in asked), *logs.values()])
    over = {}
    for opened in incidents:
        nodes = [found.of(logs[node]) for node in nodes_of(opened.incident, site) if node in logs]
        if event := succeeded_since(opened.incident, nodes):
            over[opened.id] = f"Read again: {event}."
    for incident_id, operation, reads in asked:
        inputs = found.inputs(reads)
        if operation.planned(inputs).verdict is Verdict.ABSENT and not nowhere(inputs):
            over[incident_id] = f"Read again: {operation.summary} has nothing left to do."
    return over


def nowhere(inputs: Mapping[str, Any]) -> str:
    """Why the virtual machine that would not move is not there at all; nothing if it is, or may be."""
    machines = inputs.get("machine")
    seen = anywhere(machines) if isinstance(machines, Mapping) else None
    return seen.reason if isinstance(seen, NotApplicable) else ""


def succeeded_since(incident: Incident, logs: Iterable[object]) -> str:
    """Which event says that the virtual machine has moved after it had failed; empty if none does.

    The newest word counts: a success with a failure after it is none. A success that came before the report counts only if
    all logs could be read and hold the failure before it: alerts are often later than what they tell of.
    """
    if incident.what is not What.MIGRATION or incident.vm is None:
        return ""
    read = list(logs)
    told = [(event, seen.subject) for seen in read if isinstance(seen, HostEvents) for event in seen.events]
    mine = sorted((each for each in told if _names(each[0], incident.vm)), key=lambda each: each[0].time)
    good = [each for each in mine if each[0].id in SUCCEEDED]
    bad = [each for each in mine if each[0].id in FAILED]
    if not good or (bad and bad[-1][0].time >= good[-1][0].time):
        return ""
    event, host = good[-1]
    whole = all(isinstance(each, HostEvents) for each in read)
    after = incident.occurred_at is not None and event.time > incident.occurred_at
    if not after and not (bad and whole):
        return ""
    return f"event {event.id} on {host} at {event.time:%H:%M:%S} UTC says that it has moved"


def _names(event: Event, vm: str) -> bool:
    """Whether an event is about this very virtual machine, not about one whose name only begins like it."""
    told = incident_of(ReportedEvent(text=event.message, event_id=event.id), drained=False)
    return told is not None and told.vm is not None and told.vm.casefold() == vm.casefold()
