"""Planning only what is not plainly right, and asking one witness first, finds exactly what planning everything finds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_mock import MockerFixture

from remediations.engine import readiness_plain as plain
from remediations.engine.gather import Gathered, gather
from remediations.engine.ports import Reading
from remediations.engine.readiness import Scope, assess
from remediations.engine.readiness_ways import homes, of_two_hosts
from remediations.facts.network import ClusterNetwork, ClusterNetworks
from remediations.facts.query import Query
from remediations.lab.lab import Lab, shipped_module
from remediations.lab.world.faults import FAULTS
from remediations.lab.world.world import World
from remediations.ledger import utc_now
from remediations.model.fact import Unknown
from remediations.model.readiness import Level, Readiness
from remediations.model.site import Site
from remediations.remoting import Remoting
from remediations.settings import resolve


@dataclass
class Remembered:
    """Asks the hosts once: both looks ahead are given the same answers."""

    seen: dict[str, Any] = field(default_factory=dict)
    seen_as: dict[str, str] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)

    def read(self, hosts: Reading, site: Site, queries: Iterable[Query[Any]]) -> Gathered:
        """As `gather`."""
        asked = list(queries)
        new = [each for each in asked if each.id not in self.seen]
        found = gather(hosts, site, new)
        self.seen |= found.seen
        self.seen_as |= found.seen_as
        self.silent |= found.silent
        named = {each.host for each in asked}
        return Gathered(
            {each.id: self.seen[each.id] for each in asked},
            self.seen_as,
            {host: why for host, why in self.silent.items() if host in named},
        )


def both(lab: Lab, mocker: MockerFixture, **scope: Any) -> tuple[Readiness, Readiness]:
    """What is found by planning everything, and by planning what is in doubt."""
    remembered = Remembered()
    with Remoting(lab.site(), resolve) as hosts:

        def look() -> Readiness:
            return assess(hosts, lab.site(), Scope(**scope), clock=utc_now, now=time.monotonic, read=remembered.read)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("remediations.engine.readiness.tests", lambda group: {})
            patch.setattr("remediations.engine.readiness.names", lambda group: lambda here, there: False)
            patch.setattr("remediations.engine.readiness_sweep.Sweep._of_one_witness", lambda *given: None)
            everything = look()
        return everything, look()


def check(everything: Readiness, doubted: Readiness) -> None:
    assert doubted.ways == everything.ways
    assert doubted.vms == everything.vms
    assert doubted.findings == everything.findings
    assert doubted.hosts == everything.hosts


@pytest.mark.parametrize("across", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_site_with_a_silent_node_and_a_wrong_clock_is_told_alike(mocker: MockerFixture, *, across: bool) -> None:
    with Lab() as lab:
        lab.inject("time_skew")
        lab.server.stop_host("HV02")
        everything, doubted = both(lab, mocker, across=across)
    check(everything, doubted)
    assert {Level.FAILS, Level.UNKNOWN} <= {way.level for way in doubted.ways}


def test_a_network_that_only_a_node_with_the_module_knows_of_is_told_alike(mocker: MockerFixture) -> None:
    """The one node that is asked first does not know that migrations are kept off every network; the other one does."""
    with Lab() as lab:
        assert lab.world.cluster is not None
        for network in lab.world.cluster.networks.values():
            network.excluded = True
        lab.world.hosts["HV02"].module = None
        everything, doubted = both(lab, mocker, clusters=("CLUSTER1",))
    check(everything, doubted)
    by_id = {each.id: each for each in doubted.findings}
    kept_off = "CLUSTER1 keeps migrations off every network that joins"
    for way in doubted.ways:
        assert way.level is Level.FAILS
        assert any(why.startswith(kept_off) for each in way.findings for why in by_id[each].why), way.key


def test_three_nodes_have_six_ways_and_are_told_alike(mocker: MockerFixture) -> None:
    """One node has lost its switch and does not own VM42; of the two others each is the other's, whatever the third is."""
    with Lab(World.contoso(module=shipped_module(), nodes=3)) as lab:
        assert lab.world.cluster is not None
        switches = lab.world.hosts["HV05"].switches
        switches["Other"] = switches.pop("Compute")
        switches["Other"].name = "Other"
        lab.world.cluster.roles["VM42"].possible = ("HV01", "HV02")
        everything, doubted = both(lab, mocker, clusters=("CLUSTER1",), all_vms=True)
    check(everything, doubted)
    nodes = ("HV01", "HV02", "HV05")
    assert {(way.source, way.destination): way.level for way in doubted.ways} == {
        (here, there): Level.FAILS if there == "HV05" else Level.READY for here in nodes for there in nodes if here != there
    }
    (vm,) = [each for each in doubted.vms if each.name == "VM42"]
    assert vm.level is Level.READY
    told = {way.destination: {doubted.by_id[each].remediation for each in way.findings} for way in vm.ways}
    assert told == {"HV02": set(), "HV05": {"add-possible-owner", "match-virtual-switches"}}


@pytest.mark.long
@pytest.mark.parametrize("cause", ["", *[each for each, fault in FAULTS.items() if fault.source == "HV01"][::4]])
def test_every_fourth_fault_of_a_cluster_of_three_is_told_alike(mocker: MockerFixture, cause: str) -> None:
    with Lab(World.contoso(module=shipped_module(), nodes=3)) as lab:
        if cause:
            lab.inject(cause)
        everything, doubted = both(lab, mocker, clusters=("CLUSTER1",), all_vms=True)
    check(everything, doubted)
    assert len(doubted.ways) == 6
    if not cause:
        assert {way.level for way in doubted.ways} == {Level.READY}


@pytest.mark.parametrize(("excluded", "sure"), [(False, True), (True, False), (None, False)])
def test_a_cluster_network_is_free_only_where_a_node_says_so(*, excluded: bool | None, sure: bool) -> None:
    def shows(known: bool | None) -> ClusterNetworks:
        joined = frozenset({"HV01", "HV02"})
        return ClusterNetworks(
            subject="CLUSTER1",
            networks=frozenset({ClusterNetwork(name="Net 1", subnet="", used=True, up_at=joined, excluded=known)}),
        )

    with Lab() as lab:
        site = lab.site()
    told = {"HV01": shows(None), "HV02": shows(excluded)}
    group = plain.Group(site, ("HV01", "HV02"), site.cluster("CLUSTER1"), lambda query: told[query.host])
    test = plain._networks(group)
    assert test is not None
    assert test("HV01", "HV02") is sure


@pytest.mark.long
@pytest.mark.parametrize("cause", ["", *FAULTS])
def test_every_fault_of_the_lab_is_told_alike(mocker: MockerFixture, cause: str) -> None:
    with Lab() as lab:
        if cause:
            lab.inject(cause)
        everything, doubted = both(lab, mocker, all_vms=True)
    check(everything, doubted)


def test_what_was_not_read_is_never_plainly_right() -> None:
    with Lab() as lab:
        site = lab.site()
    hosts = tuple(host.name for host in site.hosts)
    for nothing in (None, Unknown(reason="it said nothing")):
        found = {"of": nothing}
        for home in homes(hosts, site):
            group = plain.Group(site, home.hosts, home.cluster, lambda query, found=found: found["of"])
            here, there = home.hosts[:2]
            sure = {repair.id for repair, test in plain.tests(group).items() if test(here, there)}
            assert not sure
            assert not plain.names(group)(here, there)


def test_there_is_a_test_for_every_repair_that_is_about_two_hosts() -> None:
    from remediations.catalogue.repair_name_resolution import RepairNameResolution

    assert of_two_hosts() == {*plain._TESTS, RepairNameResolution}, "without one it is planned for every way of every site"
