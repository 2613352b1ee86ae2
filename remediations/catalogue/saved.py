"""What the saved-state remediations judge by: when a virtual machine was saved, and what came of starting it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads, Seen
from remediations.facts.cluster import Node, from_any, node, role, witnesses
from remediations.facts.query import Query
from remediations.facts.saved import SaveHistory, save_history_on
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.fact import NotApplicable
from remediations.model.site import Site

RESTART = timedelta(hours=1)
"""A host that starts within this time after a save was shutting down when it saved."""
DRAINED = frozenset({"InProgress", "Completed", "Failed"})


@dataclass(frozen=True)
class Story:
    """What became of a saved virtual machine, from the logs of every host that may have had it."""

    saved: datetime | None
    unreadable: datetime | None
    by: str
    """Host that saved it last; empty if no log tells."""
    restarted: str
    """The same, if it started again soon after; else empty."""

    @property
    def refused(self) -> bool:
        """Whether a start after that save failed because the state could not be read."""
        return self.saved is not None and self.unreadable is not None and self.unreadable > self.saved


def reads(vm: str, host: str, site: Site, given: Mapping[str, object]) -> Reads:
    """The virtual machine, its role, and each host's history of saving it and of its own drains."""
    hosts, cluster = homes(host, site), site.cluster_of(host)
    queries: dict[str, Query[Any] | Mapping[str, Query[Any]]] = {
        "machine": virtual_machine_on(vm, hosts),
        "histories": save_history_on(hosts),
    }
    if cluster is None:
        alone = NotApplicable(reason=f"{hosts[0]} is no node of a cluster in site.yaml")
        return Reads({**given, "group": alone, "drains": {}}, **queries)
    asked = witnesses(cluster, host)
    drains = {name: node(cluster.name, name, asked[0]) for name in cluster.nodes}
    return Reads(given, **queries, group=from_any(role, vm, of=asked), drains=drains)


def story(histories: Mapping[str, Seen], machine: Machine) -> Story | None:
    """What the logs say of a virtual machine; none if the one of the host that has it could not be read."""
    known = {name: seen for name, seen in histories.items() if isinstance(seen, SaveHistory)}
    if machine.host not in known:
        return None
    mine = machine.subject.casefold()
    times = {name: each.saved[mine] for name, each in known.items() if mine in each.saved}
    saved = max(times.values(), default=None)
    by = next((name for name, at in times.items() if at == saved), "")
    restarted = by if by and timedelta() < known[by].booted - times[by] < RESTART else ""
    return Story(saved, known[machine.host].unreadable.get(mine), by, restarted)


def drained(drains: Mapping[str, Seen], by: str) -> bool:
    """Whether the host that saved it, `by`, is being drained, or was and has not been resumed."""
    seen = drains.get(by)
    return isinstance(seen, Node) and seen.drain in DRAINED
