"""Know before it fails: every by-state repair and every check, planned for every way between hosts, before anything moves.

Facts are declared by the repairs and read once: a command goes to a host once, however many ways need its answer, all of a
host's in one batch. Deciding is `plan()` in memory, and only for what is not plainly right (`readiness_plain`). So requests
grow with hosts, and only memory grows with ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remediations.catalogue.remediation import Repair
from remediations.catalogue.repair_name_resolution import RepairNameResolution
from remediations.engine.gather import Gathered, gather
from remediations.engine.ports import Clock, Observe, Reading, quietly
from remediations.engine.readiness_findings import ANY_VM, by_silence, each_once, finding_of, ids_of, silence_of, way_of
from remediations.engine.readiness_plain import Group, names, names_unanswered, questions, questions_again, tests
from remediations.engine.readiness_scope import Machines, Scope
from remediations.engine.readiness_sweep import Sweep, name_views, queries_left
from remediations.engine.readiness_ways import Home, by_pair, by_vm, entries, homes, incident_of, of_two_hosts, ways
from remediations.facts.host import guests
from remediations.facts.names import unresolvable
from remediations.facts.query import Query
from remediations.model.fact import Unknown
from remediations.model.names import same_host
from remediations.model.readiness import ORDER, Finding, HostSeen, Readiness, VmSeen, Way, worst
from remediations.model.site import Site

Pair = tuple[str, str]
Read = Callable[[Reading, Site, Iterable[Query[Any]]], Gathered]


def assess(
    hosts: Reading,
    site: Site,
    scope: Scope,
    *,
    clock: Clock,
    now: Callable[[], float],
    observe: Observe = quietly,
    read: Read = gather,
) -> Readiness:
    """Look ahead. Sends nothing but reads. Never raises for a host: what cannot be read makes its ways unknown, and says why.

    `now` counts seconds. `read` puts queries to the hosts; `Readers.read` does so in several processes. Raises `LookupError`
    for a name that the inventory does not have.
    """
    began, at = now(), clock()
    chosen = scope.names(site)
    pairs = tuple(ways(chosen, site, across=scope.across))
    sweep, needs = Sweep(site), Needs(homes(chosen, site), across=scope.across)
    needs.ask_hosts(sweep, pairs)
    wants_vms = bool(scope.vms) or scope.all_vms
    # A host that no way needs is read all the same: whether it answers is part of the report.
    listed = {name: guests(name) for name in chosen} if wants_vms or not pairs else {}
    for query in (*questions(site, needs.neighbours), *listed.values()):
        sweep.queries.setdefault(query.id, query)
    found = observe(f"read {len(chosen)} hosts", lambda: read(hosts, site, sweep.queries.values()))
    again = [each for each in questions_again(site, needs.neighbours, found.get) if each.host not in found.silent]
    unanswered = {}
    if again:
        singly = observe(f"ask {len(again)} hosts for one name after the other", lambda: read(hosts, site, again))
        # A host that told everything else, and comes to no end with names, is not silent: its DNS servers are.
        unanswered = {host: unresolvable(host, why) for host, why in singly.silent.items()}
        found += Gathered(singly.seen, singly.seen_as)
    unanswered |= names_unanswered(site, needs.neighbours, found.get)
    machines = Machines(site, chosen, {name: found.of(query) for name, query in listed.items()}, scope)
    doubts = needs.ask_doubts(sweep, pairs, found)
    sweep.look_closer(found)
    vm_needs = {each: _vm_ways(each, pairs, sweep) for each in machines.chosen}
    known = machines.known_absent(queries_left(sweep, found))
    # Each further name would take as long again, and with all of them a host would seem to be silent.
    known |= {each.id: Unknown(reason=unanswered[each.host]) for each in name_views(sweep) if each.host in unanswered}
    # Who has said nothing is not asked again: one silence, one reason.
    known |= {each.id: Unknown(reason=found.silent[each.host]) for each in sweep.queries.values() if each.host in found.silent}
    found += Gathered(known, {})
    if more := list(queries_left(sweep, found)):
        closer = f"look closer: {len(more)} questions about {len(vm_needs)} virtual machines and what was in doubt"
        found += observe(closer, lambda: read(hosts, site, more))
    seen_ways, vms, findings = observe(
        f"plan {len(sweep.asked)} repairs and checks for {len(pairs)} ways",
        lambda: _judged(sweep, found, pairs, doubts, needs, vm_needs, machines),
    )
    seen = (
        HostSeen(name=name, cluster=home.name if (home := site.cluster_of(name)) else "", silent=found.silent.get(name, ""))
        for name in chosen
    )
    took = round(now() - began, 3)
    report = Readiness.model_construct(
        at=at, seconds=took, across=scope.across, hosts=tuple(seen), ways=seen_ways, vms=vms, findings=findings
    )
    ordered = sorted(findings, key=lambda each: (ORDER[each.level], -report.concerned.get(each.id, 0)))
    return Readiness.model_construct(**{**dict(report), "findings": tuple(ordered)})


# ---- what each way needs ---------------------------------------------------------------------------------------------


class Needs:
    """The repairs of every way: those of one host once for each host, those of two only where a test leaves doubt."""

    def __init__(self, among: Sequence[Home], *, across: bool) -> None:
        self.homes = tuple(among)
        self.home_of = {host: home for home in among for host in home.hosts}
        self.neighbours: tuple[tuple[str, ...], ...] = (tuple(self.home_of),) if across else tuple(each.hosts for each in among)
        """Hosts that have to find each other by name."""
        self.leaving: dict[str, tuple[Repair, ...]] = {}
        """The repairs of a way that are about its source alone."""
        self.entering: dict[str, tuple[Repair, ...]] = {}
        """Those about its destination alone."""

    def ask_hosts(self, sweep: Sweep, pairs: Iterable[Pair]) -> None:
        """Have planned what is about one host, and everything of ways between homes; read what the tests stand on."""
        site = sweep.site
        # All names are asked for by one question of each host.
        others = frozenset(entries()) - {RepairNameResolution}
        for home in self.homes:
            for here, there in home.sample:
                asked = sweep.ask(by_pair(here, there, site, others), incident_of(here, there, site))
                alone = [each for each in asked if type(each) not in of_two_hosts()]
                self.leaving[here] = tuple(each for each in alone if same_host(_host(each), here))
                self.entering[there] = tuple(each for each in alone if not same_host(_host(each), here))
        for here, there in pairs:
            if self.home_of[here] is not self.home_of[there]:
                sweep.ask(by_pair(here, there, site, others), incident_of(here, there, site))

    def ask_doubts(self, sweep: Sweep, pairs: Iterable[Pair], found: Gathered) -> dict[Pair, tuple[Repair, ...]]:
        """Have planned what no test vouches for; of ways between homes, all but the names. Nothing where all is well."""
        site = sweep.site
        vouching = {home: tests(Group(site, home.hosts, home.cluster, found.get)) for home in self.homes}
        untested = {home: of_two_hosts() - {RepairNameResolution} - set(known) for home, known in vouching.items()}
        everything = frozenset(entries()) - {RepairNameResolution}
        named = {host: names(Group(site, hosts, None, found.get)) for hosts in self.neighbours for host in hosts[:1]}
        finds = {host: named[hosts[0]] for hosts in self.neighbours for host in hosts}
        doubts: dict[Pair, tuple[Repair, ...]] = {}
        for here, there in pairs:
            home = self.home_of[here]
            if home is self.home_of[there]:
                wanted = untested[home].union([repair for repair, sure in vouching[home].items() if not sure(here, there)])
            else:
                wanted = everything
            if not finds[here](here, there):
                wanted = wanted | {RepairNameResolution}
            if wanted and (asked := sweep.ask(by_pair(here, there, site, wanted), incident_of(here, there, site))):
                doubts[here, there] = asked
        return doubts

    def of(self, here: str, there: str, doubts: Mapping[Pair, tuple[Repair, ...]]) -> tuple[Repair, ...]:
        """The repairs that a way is judged by, in the order in which they are told."""
        own = doubts.get((here, there), ())
        if self.home_of[here] is not self.home_of[there]:
            return own
        places = entries()
        return tuple(sorted((*own, *self.entering[there], *self.leaving[here]), key=lambda each: places[type(each)]))


def _host(repair: Repair) -> str:
    return str(repair.host)  # type: ignore[attr-defined] # the one field of what is about one host


# ---- judging ---------------------------------------------------------------------------------------------------------


def _judged(  # noqa: PLR0917 - all that was asked and found, once
    sweep: Sweep,
    found: Gathered,
    pairs: Sequence[Pair],
    doubts: Mapping[Pair, tuple[Repair, ...]],
    needs: Needs,
    vm_needs: Mapping[Pair, _VmWays],
    machines: Machines,
) -> tuple[tuple[Way, ...], tuple[VmSeen, ...], tuple[Finding, ...]]:
    """Plan everything, once, and say of every way what it comes to."""
    silent = {name: silence_of(name, why) for name, why in found.silent.items()}
    planned: dict[Repair, Finding | None] = {}
    every = {each.id: each for each in (*silent.values(), *machines.lost)}

    def of(repair: Repair) -> Finding | None:
        if repair not in planned:
            planned[repair] = by_silence(finding_of(sweep.asked[repair], found), found.silent, silent)
        return planned[repair]

    def judged(here: str, there: str, repairs: Iterable[Repair]) -> tuple[Finding, ...]:
        mute = [silent[host] for host in (here, there) if host in silent]
        return each_once((*mute, *(each for repair in repairs if (each := of(repair)) is not None)))

    troubled = {host for host in needs.home_of if host in silent} | {
        host
        for side in (needs.leaving, needs.entering)
        for host, repairs in side.items()
        if any(of(repair) is not None for repair in repairs)
    }
    found_of: dict[Pair, tuple[Finding, ...]] = {}
    seen_ways = []
    for here, there in pairs:
        if here in troubled or there in troubled or (here, there) in doubts:
            found_of[here, there] = judged(here, there, needs.of(here, there, doubts))
        seen_ways.append(way_of(here, there, found_of.get((here, there), ())))
    vms = []
    for (vm, host), need in vm_needs.items():
        always = judged(host, host, need.always)
        onward = tuple(
            way_of(host, there, (*always, *found_of.get((host, there), ()), *judged(host, there, own)))
            for there, own in need.ways.items()
        )
        best = max((way.level for way in onward), key=ORDER.__getitem__, default=worst(each.level for each in always))
        vms.append(VmSeen(name=vm, host=host, level=best, findings=ids_of(always), ways=onward))
    vms += machines.unplaced
    every |= {each.id: each for each in planned.values() if each is not None}
    used = {each for way in seen_ways for each in way.findings} | {each for vm in vms for each in vm.findings}
    used |= {each for vm in vms for way in vm.ways for each in way.findings}
    return tuple(seen_ways), tuple(vms), tuple(each for key, each in every.items() if key in used)


# ---- virtual machines ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _VmWays:
    """What is planned for a virtual machine: for every destination, and for each."""

    always: tuple[Repair, ...]
    ways: Mapping[str, tuple[Repair, ...]]


def _vm_ways(one: Pair, pairs: Sequence[Pair], sweep: Sweep) -> _VmWays:
    """Have a virtual machine's repairs planned, to everywhere that it could go from where it is."""
    vm, host = one
    onward = {
        # Nobody looks closer after this: whoever may know is asked at once.
        there: sweep.ask(by_vm(vm, here, there, sweep.site), incident_of(here, there, sweep.site, vm), by_one_witness=False)
        for here, there in pairs
        if same_host(here, host)
    }
    always = tuple(
        each
        for each in dict.fromkeys(repair for repairs in onward.values() for repair in repairs)
        if len(onward) > 1 and all(each in repairs for repairs in onward.values())
    )
    return _VmWays(always, {there: tuple(each for each in own if each not in always) for there, own in onward.items()})


__all__ = ["ANY_VM", "Scope", "assess"]
