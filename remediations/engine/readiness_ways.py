"""What is planned for a way, and for a virtual machine on it: the requests that could explain a failed move."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from remediations.catalogue import CATALOGUE
from remediations.catalogue.explain_cluster_health import ExplainClusterHealth
from remediations.catalogue.explain_integration_services import ExplainIntegrationServices
from remediations.catalogue.explain_memory import ExplainMemory
from remediations.catalogue.explain_patch_level import ExplainPatchLevel
from remediations.catalogue.explain_speculation_control import ExplainSpeculationControl
from remediations.catalogue.match_virtual_switches import MatchVirtualSwitches
from remediations.catalogue.release_backing_up import ReleaseBackingUp
from remediations.catalogue.remediation import Reads, Repair
from remediations.catalogue.retry_drain import RetryDrain
from remediations.catalogue.wait_until_free import WaitUntilFree
from remediations.engine.readiness_findings import ANY_VM
from remediations.facts.switches import Connections
from remediations.model.incident import Incident, What
from remediations.model.site import Cluster, Site
from remediations.model.tier import Proof

BY_PAIR: tuple[type[Repair], ...] = (ExplainClusterHealth,)
"""Repairs whose request names a virtual machine, though its facts are those of the two hosts."""

PAIR_CHECKS: tuple[type[Repair], ...] = (ExplainPatchLevel,)
VM_CHECKS: tuple[type[Repair], ...] = (
    ExplainMemory,
    ExplainSpeculationControl,
    ExplainIntegrationServices,
    ReleaseBackingUp,
    WaitUntilFree,
)
"""Checks of the guide's list whose cause no fact alone proves: what they find is noted, and a way stays what it is."""

NOT_A_WAY: tuple[type[Repair], ...] = (RetryDrain,)
"""By-state repairs of something else than a way: a drain that failed is the node's own matter."""

OF_ONE_HOST = frozenset({"host"})
"""The fields of a request that is about one host, whatever the other end of the way."""


@dataclass(frozen=True, eq=False)
class Home:
    """Hosts of which each is looked at as source and as destination of each other: a cluster's nodes, or all without one."""

    cluster: Cluster | None
    hosts: tuple[str, ...]

    @property
    def sample(self) -> Iterator[tuple[str, str]]:
        """Ways on which every host is once the source and once the destination."""
        if len(self.hosts) > 1:
            yield from zip(self.hosts, (*self.hosts[1:], self.hosts[0]), strict=True)


def homes(names: Sequence[str], site: Site) -> tuple[Home, ...]:
    """The hosts by where their virtual machines can go live."""
    found: dict[str, tuple[Cluster | None, list[str]]] = {}
    for name in names:
        cluster = site.cluster_of(name)
        found.setdefault(cluster.name if cluster else "", (cluster, []))[1].append(name)
    return tuple(Home(cluster, tuple(hosts)) for cluster, hosts in found.values())


def ways(names: Sequence[str], site: Site, *, across: bool) -> Iterator[tuple[str, str]]:
    """Ordered pairs that a virtual machine could move between: within a cluster, and from one standalone host to another.

    A clustered virtual machine moves live only within its cluster. What is no role of its cluster may leave a node like a
    standalone host's: `across` takes all pairs.
    """
    within = {name: home for home in homes(names, site) for name in home.hosts}
    return ((here, there) for here in names for there in (names if across else within[here].hosts) if here != there)


def incident_of(here: str, there: str, site: Site, vm: str | None = None) -> Incident:
    """What would be reported if the move failed; without a virtual machine, what both ends share."""
    home = site.cluster_of(here)
    return Incident.model_construct(
        what=What.MIGRATION if vm else What.DRAIN, vm=vm, source=here, destination=there, cluster=home.name if home else None
    )


@cache
def entries() -> Mapping[type[Repair], int]:
    """The repairs that are planned for a way whatever moves on it, with the order in which they are told."""
    by_state: list[type[Repair]] = [
        entry
        for entry in CATALOGUE.values()
        if issubclass(entry, Repair) and entry.proof is Proof.STATE
        if "vm" not in entry.model_fields and entry not in NOT_A_WAY
    ]
    told: tuple[type[Repair], ...] = (*BY_PAIR, *PAIR_CHECKS, MatchVirtualSwitches, *by_state)
    return {entry: place for place, entry in enumerate(told)}


@cache
def of_two_hosts() -> frozenset[type[Repair]]:
    """Those of them whose request names both ends."""
    return frozenset(entry for entry in entries() if not set(entry.model_fields) <= OF_ONE_HOST)


def by_pair(here: str, there: str, site: Site, only: Container[type[Repair]] | None = None) -> Iterator[tuple[Repair, bool]]:
    """What is planned for a way whatever moves on it, or of that only some repairs; whether each is only a check."""
    incident, some_vm = incident_of(here, there, site), incident_of(here, there, site, ANY_VM)
    for entry in entries():
        if only is not None and entry not in only:
            continue
        if entry is MatchVirtualSwitches:
            if site.expect(there).switches:
                yield MatchVirtualSwitches(vm=ANY_VM, source=here, destination=there), False
        elif entry in BY_PAIR or entry in PAIR_CHECKS:
            yield from ((each, entry in PAIR_CHECKS) for each in entry.for_incident(some_vm, site))
        else:
            # The way back is a way of its own.
            yield from ((each, False) for each in entry.for_incident(incident, site) if not getattr(each, "way_back", False))


def by_vm(vm: str, here: str, there: str, site: Site) -> Iterator[tuple[Repair, bool]]:
    """What is planned for one virtual machine on a way, beside what is planned for the way itself."""
    incident = incident_of(here, there, site, vm)
    for entry in CATALOGUE.values():
        if not issubclass(entry, Repair) or "vm" not in entry.model_fields or entry in (*BY_PAIR, *PAIR_CHECKS):
            continue
        if entry.proof is Proof.STATE or entry in VM_CHECKS:
            yield from ((each, entry in VM_CHECKS) for each in entry.for_incident(incident, site))


def expected_switches(repair: Repair, reads: Reads, site: Site) -> Reads:
    """For any virtual machine: what site.yaml expects of the destination stands for the switches that it uses."""
    if not isinstance(repair, MatchVirtualSwitches) or repair.vm != ANY_VM:
        return reads
    names = frozenset(site.expect(repair.destination).switches or ())
    used = Connections(subject=ANY_VM, name=ANY_VM, host=repair.source, switches=names)
    given: dict[str, Any] = {**reads.given, "used": used}
    return Reads(given, **{name: each for name, each in reads.queries.items() if name != "used"})
