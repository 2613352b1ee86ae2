"""What a remediation is, for people and scripts: its place in the catalogue, and every command that it may send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from remediations.catalogue.remediation import Remediation, Repair
from remediations.facts.query import Query
from remediations.model.base import Frozen
from remediations.model.contract import Effect, Hop, contract
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident, What
from remediations.model.site import Site


class Sent(Frozen):
    """One command that a remediation may send."""

    name: str
    module: str
    parameters: tuple[str, ...]
    """Those that this program may pass, whichever remediation sends it."""
    effect: Effect
    hop: Hop


class Description(Frozen):
    """One row of the catalogue."""

    id: str
    title: str
    kind: str
    """`repair` or `operation`."""
    causes: tuple[str, ...]
    proof: str | None
    """How its causes are proven: state, episode or exclusion; none for an operation."""
    tier: int
    reversal: str
    needs_vm_off: bool
    least_server: int
    """First Windows Server release it is for."""
    commands: tuple[Sent, ...]
    """Reads first, then changes, by name."""

    @property
    def changes(self) -> tuple[str, ...]:
        """Names of the commands that do more than read; none for guidance."""
        return tuple(each.name for each in self.commands if each.effect is not Effect.READ)


def describe(entry: type[Remediation], site: Site) -> Description:
    """A remediation's row. What it reads is asked of `site`, for an example incident: any site with a cluster will do."""
    names = {*_reads(entry, site), *entry.sends}
    sent = [contract(name) for name in names]
    return Description(
        id=entry.id,
        title=entry.title,
        kind=entry.kind,
        causes=tuple(cause.value for cause in entry.causes) if issubclass(entry, Repair) else (),
        proof=entry.proof.value if issubclass(entry, Repair) else None,
        tier=int(entry.tier),
        reversal=entry.reversal.value,
        needs_vm_off=entry.needs_vm_off,
        least_server=entry.least_server,
        commands=tuple(
            Sent(name=each.name, module=each.module, parameters=each.allowed, effect=each.effect, hop=each.hop)
            for each in sorted(sent, key=lambda each: (each.effect is not Effect.READ, each.name))
        ),
    )


def _reads(entry: type[Remediation], site: Site) -> set[str]:
    """Names of the commands that its facts are read with."""
    found: set[str] = set()
    for incident in examples(site):
        for request in _requests(entry, incident, site):
            try:
                queries = request.reads(site, Evidence(incident=incident)).queries.values()
            except LookupError:
                continue  # the example is of a kind (standalone, cluster) that this one is not for
            for query in queries:
                for one in (query,) if isinstance(query, Query) else query.values():
                    found |= {each.name for each in one.commands}
    return found


def _requests(entry: type[Remediation], incident: Incident, site: Site) -> Iterable[Remediation]:
    if issubclass(entry, Repair):
        return entry.for_incident(incident, site)
    return _built(entry, incident)


def _built(entry: type[Remediation], incident: Incident) -> list[Remediation]:
    """An operation's request from an incident, its fields by their names."""
    known: Mapping[str, Any] = {
        "vm": incident.vm or "VM42",
        "node": incident.source,
        "host": incident.source,
        "source": incident.source,
        "to": incident.destination,
        "destination": incident.destination,
        "cluster": incident.cluster,
    }
    try:
        return [entry.model_validate({name: value for name, value in known.items() if name in entry.model_fields})]
    except ValidationError:
        return []


def examples(site: Site) -> list[Incident]:
    """A move within a cluster, a drain of one of its nodes, and a move between standalone hosts, where the site has such."""
    found = []
    for cluster in site.clusters[:1]:
        source, destination = cluster.nodes[0], cluster.nodes[-1]
        found += [
            Incident(vm="VM42", source=source, destination=destination, cluster=cluster.name),
            Incident(what=What.DRAIN, source=source, cluster=cluster.name),
        ]
    alone = [host.name for host in site.hosts if site.cluster_of(host.name) is None]
    if len(alone) > 1:
        found.append(Incident(vm="VM42", source=alone[0], destination=alone[1]))
    return found


def table(rows: Iterable[Description]) -> str:
    """The catalogue as a markdown table."""
    head = ["| remediation | causes | what it sends | tier | undo | VM off | Server |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(each) for each in rows)])


def _row(row: Description) -> str:
    sends = ", ".join(f"`{name}`" for name in row.changes) or "nothing: instructions and evidence"
    causes = ", ".join(f"`{cause}`" for cause in row.causes) or "asked for by name"
    off = "yes" if row.needs_vm_off else "no"
    undo = row.reversal if row.changes else "–"
    return f"| `{row.id}` | {causes} | {sends} | {row.tier} | {undo} | {off} | {row.least_server} |"
