"""Everything that a look ahead plans, and everything that it asks hosts for that: each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from remediations.catalogue.remediation import Reads, Repair
from remediations.catalogue.repair_name_resolution import RepairNameResolution
from remediations.engine.gather import Gathered, queries_of
from remediations.engine.propose import asked_for
from remediations.engine.readiness_findings import Asked, finding_of
from remediations.engine.readiness_ways import expected_switches
from remediations.facts.query import Query
from remediations.model.contract import Hop
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Fact, NotApplicable
from remediations.model.incident import Incident
from remediations.model.site import Site


@dataclass
class Sweep:
    """Everything that is to be planned, by what it is planned for."""

    site: Site
    asked: dict[Repair, Asked] = field(default_factory=dict)
    queries: dict[str, Query[Any]] = field(default_factory=dict)

    def ask(
        self, repairs: Iterable[tuple[Repair, bool]], incident: Incident, *, by_one_witness: bool = True
    ) -> tuple[Repair, ...]:
        """Have these planned. Those that were asked for before are not asked for again.

        `by_one_witness`: of what every node of a cluster knows, one is asked first, and `look_closer` asks the others.
        """
        evidence = Evidence(incident=incident)
        found: list[Repair] = []
        for repair, check in repairs:
            found.append(repair)
            if repair in self.asked:
                continue
            new = self.asked[repair] = Asked(repair, check)
            told = asked_for(repair).model_copy(update={"incident": incident}) if check else evidence
            try:
                wanted = expected_switches(repair, repair.reads(self.site, told), self.site)
                fewer = self._of_one_witness(repair, wanted) if by_one_witness else None
                new.more = wanted if fewer else None
                new.reads = self._known(fewer or wanted)
            except LookupError as error:
                new.cannot = str(error)
        return tuple(dict.fromkeys(found))

    def look_closer(self, found: Gathered) -> None:
        """Ask every witness of a cluster what one of them alone has left in doubt."""
        for each in self.asked.values():
            if each.more is not None and each.reads is not None and _in_doubt(each, each.reads, found):
                each.reads, each.more = self._known(each.more), None

    def _known(self, reads: Reads) -> Reads:
        """`reads` with one object for each query, however many ask it; comparing by a second hop is left out."""
        given: dict[str, Any] = dict(reads.given)
        kept: dict[str, Query[Any] | Mapping[str, Query[Any]]] = {}
        for name, asked in reads.queries.items():
            if isinstance(asked, Query):
                kept[name] = self.queries.setdefault(asked.id, asked)
            elif any(_compares(each) for each in asked.values()):
                given[name] = NotApplicable(reason="a look ahead lets no host ask another one about a virtual machine")
            else:
                kept[name] = {host: self.queries.setdefault(each.id, each) for host, each in asked.items()}
        return Reads(given, **kept)

    def _of_one_witness(self, repair: Repair, reads: Reads) -> Reads | None:
        """`reads` with each question about a cluster put to one of its nodes, the same for all ways; None if there is none.

        A node that is in the cluster shows what every other one would: membership is agreed upon. Only what the module tells
        may be known to some of them alone; an answer without it is not complete, and leaves a doubt. Asked of every node,
        a cluster's resources would come once from each, the virtual machines of all of them every time.
        """
        kept: dict[str, Query[Any] | Mapping[str, Query[Any]]] = {}
        fewer = False
        for name, asked in reads.queries.items():
            of_cluster = not isinstance(asked, Query) and all(_is_of_cluster(each) for each in asked.values())
            if isinstance(asked, Query) or not of_cluster or len(asked) < 2 or not repair.takes_any(name):
                kept[name] = asked
                continue
            fewer = True
            known = next(((host, each) for host, each in asked.items() if each.id in self.queries), None)
            kept[name] = dict([known or next(iter(asked.items()))])
        return Reads(reads.given, **kept) if fewer else None


def _in_doubt(each: Asked, reads: Reads, found: Gathered) -> bool:
    """Whether what one node said of its cluster does not settle it.

    A node that did not tell may be the one out of it, and one that told a part may be the only one without the module.
    """
    if not all(found.has(query) for query in queries_of([reads])):
        return True
    several = (asked for asked in reads.queries.values() if not isinstance(asked, Query))
    told = (found.of(query) for asked in several for query in asked.values())
    return not all(isinstance(seen, Fact) and seen.complete for seen in told) or finding_of(each, found) is not None


def _compares(query: Query[Any]) -> bool:
    return any(each.contract.hop is Hop.PEER for each in query.commands)


def _is_of_cluster(query: Query[Any]) -> bool:
    """Whether it asks what every node of a cluster knows."""
    return all("Cluster" in each.name for each in query.commands)


def queries_left(sweep: Sweep, found: Gathered) -> Iterator[Query[Any]]:
    """What was asked for and is not yet known."""
    return (query for query in sweep.queries.values() if not found.has(query))


def name_views(sweep: Sweep) -> Iterator[Query[Any]]:
    """What is asked of single hosts about single names."""
    for repair, asked in sweep.asked.items():
        if isinstance(repair, RepairNameResolution) and asked.reads is not None:
            view = asked.reads.queries["view"]
            yield from (view,) if isinstance(view, Query) else view.values()
