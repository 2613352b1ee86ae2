"""Know before it fails: every by-state repair and every check, planned for every way between hosts, before anything moves.

Facts are declared by the repairs and read once: a command goes to a host once, however many ways need its answer, all of a
host's in one batch. Deciding is `plan()` in memory. So requests grow with hosts, and only memory grows with ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from remediations.engine.gather import Gathered, gather
from remediations.engine.ports import Clock, Observe, Reading, quietly
from remediations.engine.propose import asked_for
from remediations.engine.readiness_findings import ANY_VM, Asked, by_silence, each_once, finding_of, ids_of, silence_of, way_of
from remediations.engine.readiness_scope import Machines, Scope
from remediations.facts.host import guests
from remediations.facts.query import Query
from remediations.facts.switches import Connections
from remediations.model.contract import Hop
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Fact, NotApplicable, Unknown
from remediations.model.incident import Incident, What
from remediations.model.names import same_host
from remediations.model.readiness import ORDER, Finding, HostSeen, Readiness, VmSeen, Way, worst
from remediations.model.site import Site
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


@dataclass
class _Sweep:
    """Everything that is to be planned, by what it is planned for."""

    site: Site
    asked: dict[Repair, Asked] = field(default_factory=dict)
    queries: dict[str, Query[Any]] = field(default_factory=dict)

    def ask(self, repairs: Iterable[tuple[Repair, bool]], incident: Incident) -> tuple[Repair, ...]:
        """Have these planned. Those that were asked for before are not asked for again."""
        evidence = Evidence(incident=incident)
        found: list[Repair] = []
        for repair, check in repairs:
            found.append(repair)
            if repair in self.asked:
                continue
            new = self.asked[repair] = Asked(repair, check)
            told = asked_for(repair).model_copy(update={"incident": incident}) if check else evidence
            try:
                wanted = _expected_switches(repair, repair.reads(self.site, told), self.site)
                new.glance = self._known(glance) if (glance := repair.glance(self.site)) is not None else None
                fewer = self._of_one_witness(repair, wanted)
                new.more = wanted if fewer else None
                new.reads = wanted if new.glance else self._known(fewer or wanted)
            except LookupError as error:
                new.cannot = str(error)
        return tuple(dict.fromkeys(found))

    def look_closer(self, found: Gathered) -> None:
        """Ask in full what the cheaper questions, or one witness alone, have left in doubt."""
        for each in self.asked.values():
            if each.glance is not None and each.reads is not None:
                each.clear = each.repair.clear(**found.inputs(each.glance))
                if not each.clear:
                    each.reads = self._known(each.reads)
            elif each.more is not None and (_unanswered(each.reads, found) or finding_of(each, found) is not None):
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

        A node that is in the cluster shows what every other one would: membership is agreed upon. Asked of every node, a
        cluster's resources would come once from each, the virtual machines of all of them every time.
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


def assess(
    hosts: Reading, site: Site, scope: Scope, *, clock: Clock, now: Callable[[], float], observe: Observe = quietly
) -> Readiness:
    """Look ahead. Sends nothing but reads. Never raises for a host: what cannot be read makes its ways unknown, and says why.

    `now` counts seconds. Raises `LookupError` for a name that the inventory does not have.
    """
    began, at = now(), clock()
    names = scope.names(site)
    pairs = tuple(_ways(names, site, across=scope.across))
    sweep = _Sweep(site)
    needs = {(here, there): sweep.ask(_by_pair(here, there, site), _incident(here, there, site)) for here, there in pairs}
    wants_vms = bool(scope.vms) or scope.all_vms
    # A host that no way needs is read all the same: whether it answers is part of the report.
    listed = {name: guests(name) for name in names} if wants_vms or not pairs else {}
    for query in listed.values():
        sweep.queries.setdefault(query.id, query)
    found = observe(f"read {len(names)} hosts", lambda: gather(hosts, site, sweep.queries.values()))
    machines = Machines(site, names, {name: found.of(query) for name, query in listed.items()}, scope)
    sweep.look_closer(found)
    vm_needs = {each: _vm_ways(each, pairs, sweep) for each in machines.chosen}
    known = machines.known_absent(query for query in sweep.queries.values() if not found.has(query))
    # Who has said nothing is not asked again: one silence, one reason.
    known |= {each.id: Unknown(reason=found.silent[each.host]) for each in sweep.queries.values() if each.host in found.silent}
    found += Gathered(known, {})
    if more := [query for query in sweep.queries.values() if not found.has(query)]:
        closer = f"look closer: {len(more)} questions about {len(vm_needs)} virtual machines and what was in doubt"
        found += observe(closer, lambda: gather(hosts, site, more))
    ways, vms, findings = observe(
        f"plan {len(sweep.asked)} repairs and checks for {len(pairs)} ways",
        lambda: _judged(sweep, found, needs, vm_needs, machines),
    )
    seen = (
        HostSeen(name=name, cluster=home.name if (home := site.cluster_of(name)) else "", silent=found.silent.get(name, ""))
        for name in names
    )
    took = round(now() - began, 3)
    report = Readiness(at=at, seconds=took, across=scope.across, hosts=tuple(seen), ways=ways, vms=vms, findings=findings)
    ordered = sorted(findings, key=lambda each: (ORDER[each.level], -report.concerned.get(each.id, 0)))
    return Readiness.model_construct(**{**dict(report), "findings": tuple(ordered)})


def _judged(
    sweep: _Sweep,
    found: Gathered,
    needs: Mapping[tuple[str, str], tuple[Repair, ...]],
    vm_needs: Mapping[tuple[str, str], _VmWays],
    machines: Machines,
) -> tuple[tuple[Way, ...], tuple[VmSeen, ...], tuple[Finding, ...]]:
    """Plan everything, once, and say of every way what it comes to."""
    silent = {name: silence_of(name, why) for name, why in found.silent.items()}
    planned = {repair: by_silence(finding_of(asked, found), found.silent, silent) for repair, asked in sweep.asked.items()}
    every = {each.id: each for each in (*silent.values(), *planned.values(), *machines.lost) if each is not None}

    def judged(here: str, there: str, repairs: Iterable[Repair]) -> tuple[Finding, ...]:
        mute = [silent[host] for host in (here, there) if host in silent]
        own = [each for repair in repairs if (each := planned[repair]) is not None]
        return each_once((*mute, *own))

    by_pair = {(here, there): judged(here, there, repairs) for (here, there), repairs in needs.items()}
    ways = tuple(way_of(here, there, findings) for (here, there), findings in by_pair.items())
    vms = []
    for (vm, host), need in vm_needs.items():
        always = judged(host, host, need.always)
        onward = tuple(
            way_of(host, there, (*always, *by_pair[host, there], *judged(host, there, own))) for there, own in need.ways.items()
        )
        best = max((way.level for way in onward), key=ORDER.__getitem__, default=worst(each.level for each in always))
        vms.append(VmSeen(name=vm, host=host, level=best, findings=ids_of(always), ways=onward))
    vms += machines.unplaced
    used = {each for way in ways for each in way.findings} | {each for vm in vms for each in vm.findings}
    used |= {each for vm in vms for way in vm.ways for each in way.findings}
    return ways, tuple(vms), tuple(each for key, each in every.items() if key in used)


# ---- ways ------------------------------------------------------------------------------------------------------------


def _ways(names: Sequence[str], site: Site, *, across: bool) -> Iterator[tuple[str, str]]:
    """Ordered pairs that a virtual machine could move between: within a cluster, and from one standalone host to another.

    A clustered virtual machine moves live only within its cluster. What is no role of its cluster may leave a node like a
    standalone host's: `across` takes all pairs.
    """
    home = {name: cluster.name if (cluster := site.cluster_of(name)) else "" for name in names}
    return ((here, there) for here in names for there in names if here != there and (across or home[here] == home[there]))


def _incident(here: str, there: str, site: Site, vm: str | None = None) -> Incident:
    """What would be reported if the move failed; without a virtual machine, what both ends share."""
    home = site.cluster_of(here)
    return Incident.model_construct(
        what=What.MIGRATION if vm else What.DRAIN, vm=vm, source=here, destination=there, cluster=home.name if home else None
    )


def _by_pair(here: str, there: str, site: Site) -> Iterator[tuple[Repair, bool]]:
    """What is planned for a way whatever moves on it; whether each is only a check."""
    incident, some_vm = _incident(here, there, site), _incident(here, there, site, ANY_VM)
    for entry in BY_PAIR:
        yield from ((each, False) for each in entry.for_incident(some_vm, site))
    for entry in PAIR_CHECKS:
        yield from ((each, True) for each in entry.for_incident(some_vm, site))
    if site.expect(there).switches:
        yield MatchVirtualSwitches(vm=ANY_VM, source=here, destination=there), False
    for entry, both in _of_hosts():
        # The way back is a way of its own.
        yield from ((each, False) for each in entry.for_incident(incident, site) if not (both and each.way_back))


@cache
def _of_hosts() -> tuple[tuple[Any, bool], ...]:
    """The repairs by state of hosts and pairs of them, and whether each has requests for the way back as well."""
    return tuple(
        (entry, "way_back" in entry.model_fields)
        for entry in CATALOGUE.values()
        if issubclass(entry, Repair) and entry.proof is Proof.STATE
        if "vm" not in entry.model_fields and entry not in NOT_A_WAY
    )


def _expected_switches(repair: Repair, reads: Reads, site: Site) -> Reads:
    """For any virtual machine: what site.yaml expects of the destination stands for the switches that it uses."""
    if not isinstance(repair, MatchVirtualSwitches) or repair.vm != ANY_VM:
        return reads
    names = frozenset(site.expect(repair.destination).switches or ())
    used = Connections(subject=ANY_VM, name=ANY_VM, host=repair.source, switches=names)
    return Reads({**reads.given, "used": used}, **{name: each for name, each in reads.queries.items() if name != "used"})


def _by_vm(vm: str, here: str, there: str, site: Site) -> Iterator[tuple[Repair, bool]]:
    """What is planned for one virtual machine on a way, beside what is planned for the way itself."""
    incident = _incident(here, there, site, vm)
    for entry in CATALOGUE.values():
        if not issubclass(entry, Repair) or "vm" not in entry.model_fields or entry in (*BY_PAIR, *PAIR_CHECKS):
            continue
        if entry.proof is Proof.STATE or entry in VM_CHECKS:
            yield from ((each, entry in VM_CHECKS) for each in entry.for_incident(incident, site))


# ---- virtual machines ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _VmWays:
    """What is planned for a virtual machine: for every destination, and for each."""

    always: tuple[Repair, ...]
    ways: Mapping[str, tuple[Repair, ...]]


def _vm_ways(one: tuple[str, str], pairs: Sequence[tuple[str, str]], sweep: _Sweep) -> _VmWays:
    """Have a virtual machine's repairs planned, to everywhere that it could go from where it is."""
    vm, host = one
    ways = {
        there: sweep.ask(_by_vm(vm, here, there, sweep.site), _incident(here, there, sweep.site, vm))
        for here, there in pairs
        if same_host(here, host)
    }
    always = tuple(
        each
        for each in dict.fromkeys(repair for repairs in ways.values() for repair in repairs)
        if len(ways) > 1 and all(each in repairs for repairs in ways.values())
    )
    return _VmWays(always, {there: tuple(each for each in own if each not in always) for there, own in ways.items()})


def _compares(query: Query[Any]) -> bool:
    return any(each.contract.hop is Hop.PEER for each in query.commands)


def _is_of_cluster(query: Query[Any]) -> bool:
    """Whether it asks what every node of a cluster knows."""
    return all("Cluster" in each.name for each in query.commands)


def _unanswered(reads: Reads | None, found: Gathered) -> bool:
    """Whether a node that was asked for all of its cluster did not tell: it may be the one that is out of it."""
    asked = (each for each in reads.queries.values() if not isinstance(each, Query)) if reads else ()
    return any(not isinstance(found.of(query), Fact) for several in asked for query in several.values())


__all__ = ["ANY_VM", "Scope", "assess"]
