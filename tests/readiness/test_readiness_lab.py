"""Looking ahead at the lab, on real sockets: what would fail says why, what is unread is unknown, and nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_mock import MockerFixture

from remediations.catalogue import CATALOGUE
from remediations.engine.gather import Gathered, gather
from remediations.engine.ports import Reading
from remediations.engine.readiness import Scope, assess
from remediations.facts.query import Query
from remediations.lab.lab import Lab
from remediations.lab.world.world import World
from remediations.ledger import utc_now
from remediations.model.contract import Effect, contracts
from remediations.model.fact import Unknown
from remediations.model.plan import Verdict
from remediations.model.readiness import Level, Readiness, Way, compare
from remediations.model.site import Site
from remediations.remoting import Remoting
from remediations.settings import resolve

Look = Callable[..., Readiness]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as running:
        yield running


@pytest.fixture
def look(lab: Lab) -> Iterator[Look]:
    with Remoting(lab.site(), resolve) as hosts:
        yield lambda **scope: assess(hosts, lab.site(), Scope(**scope), clock=utc_now, now=time.monotonic)


def ways(report: Readiness) -> dict[tuple[str, str], Way]:
    return {(way.source, way.destination): way for way in report.ways}


def told(report: Readiness, *pair: str) -> set[str]:
    return {report.by_id[each].remediation for each in ways(report)[pair[0], pair[1]].findings}


def test_a_healthy_site_is_ready_and_every_host_is_asked_once(lab: Lab, look: Look) -> None:
    report = look(all_vms=True)
    assert {pair: way.level for pair, way in ways(report).items()} == {
        ("HV01", "HV02"): Level.READY,
        ("HV02", "HV01"): Level.READY,
        ("HV03", "HV04"): Level.NOTED,  # different releases, which move one way only
        ("HV04", "HV03"): Level.NOTED,
    }
    assert {vm.name: vm.level for vm in report.vms}.items() >= {"VM42": Level.READY, "VM51": Level.NOTED}.items()
    assert {way.destination: way.level for vm in report.vms if vm.name == "VM52" for way in vm.ways} == {"HV03": Level.NOTED}
    # Once for the hosts, once for the virtual machines: a batch each.
    for host in ("HV01", "HV02", "HV03", "HV04"):
        assert lab.requests.count(host, "Command") == 2
    assert all(contracts()[each.name].effect is Effect.READ for each in lab.journal)


@pytest.mark.long
def test_no_command_goes_to_a_host_twice_however_many_ways_need_it(lab: Lab, look: Look) -> None:
    look(across=True)
    for host in ("HV01", "HV03", "DC1", "DC2"):
        asked = [(each.name, str(each.parameters)) for each in lab.journal if each.host == host and each.name != "Write-Output"]
        assert asked
        assert len(asked) == len(set(asked))


@pytest.mark.long
def test_more_than_a_pipeline_holds_goes_in_several(lab: Lab, look: Look, mocker: MockerFixture) -> None:
    whole = look()
    mocker.patch("remediations.engine.gather.BATCH", 7)
    lab.requests.clear()
    parts = look()
    assert lab.requests.count("HV01", "Command") > 3
    assert {way.key: way.level for way in parts.ways} == {way.key: way.level for way in whole.ways}


@pytest.mark.long
def test_a_name_in_doubt_is_looked_at_closer(lab: Lab, look: Look) -> None:
    look()
    assert not any(each.parameters.get("NoHostsFile") for each in lab.journal), "all is well at a glance"
    lab.world.hosts["HV03"].network.hosts_file["hv04.contoso.com"] = "10.9.9.9"
    report = look()
    assert "repair-name-resolution" in told(report, "HV03", "HV04")
    (one,) = (each for each in report.findings if each.remediation == "repair-name-resolution")
    assert "the hosts file of HV03 says so" in one.why[0]
    closer = {each.host for each in lab.journal if each.parameters.get("NoHostsFile")}
    assert closer == {"HV03", "HV04"}, "both ends of the way that is in doubt, and nobody else"


@pytest.mark.parametrize("without", [(), ("HV04",)])
def test_names_are_asked_for_in_one_command_or_singly_where_the_module_is_missing(
    lab: Lab, look: Look, without: tuple[str, ...]
) -> None:
    for host in without:
        lab.world.hosts[host].module = None
    assert not any("repair-name-resolution" in told(look(), *pair) for pair in (("HV03", "HV04"), ("HV04", "HV03")))
    at_once = {each.host for each in lab.journal if each.name == "Get-RemediationName" and each.outcome == "completed"}
    singly = {each.host for each in lab.journal if each.name == "Resolve-DnsName"}
    assert (at_once, singly) == ({"HV01", "HV02", "HV03", "HV04"} - set(without), set(without))
    lab.world.hosts["HV04"].network.hosts_file["hv03.contoso.com"] = "10.9.9.9"
    report = look()
    assert all("repair-name-resolution" in told(report, *pair) for pair in (("HV03", "HV04"), ("HV04", "HV03")))


@pytest.mark.parametrize(
    ("cause", "remediation", "pair"),
    [
        ("spn_missing", "register-spns", ("HV03", "HV04")),
        pytest.param("migration_not_enabled", "enable-live-migration", None, marks=pytest.mark.long),
        pytest.param("firewall_blocked", "open-firewall", None, marks=pytest.mark.long),
        pytest.param("quorum_or_cluster_health", "explain-cluster-health", ("HV01", "HV02"), marks=pytest.mark.long),
    ],
)
def test_a_fault_is_found_before_anything_moves(
    lab: Lab, look: Look, cause: str, remediation: str, pair: tuple[str, str] | None
) -> None:
    lab.inject(cause)
    before = lab.state()
    report = look()
    assert lab.state() == before
    failing = {key for key, way in ways(report).items() if way.level is Level.FAILS}
    assert failing, cause
    assert pair is None or pair in failing
    assert all(remediation in told(report, *key) for key in failing)
    for one in (each for each in report.findings if each.remediation == remediation):
        assert one.why
        assert one.lines or one.instructions
        assert report.concerned[one.id] in (1, len(failing))
        if one.lines:
            assert one.digest
            assert one.ask.startswith(f"remediate plan {remediation} --")


@pytest.mark.long
def test_what_blocks_one_virtual_machine_is_its_own(lab: Lab, look: Look) -> None:
    lab.inject("checkpoint_problem")
    report = look(all_vms=True)
    blocked = {vm.name: {report.by_id[each].remediation for way in vm.ways for each in way.findings} for vm in report.vms}
    assert any("merge-checkpoints" in each for each in blocked.values())
    assert all(way.level in (Level.READY, Level.NOTED) for way in report.ways), "no host is to blame"


@pytest.mark.long
def test_different_processors_are_no_fault_as_such(lab: Lab, look: Look) -> None:
    """HV02's is older: what was started there moves to HV01, whatever the facts of the two look like."""
    lab.inject("cpu_incompatible")
    report = look(vms=("VM42", "VM43"))
    there = {vm.name: way for vm in report.vms for way in vm.ways if {way.source, way.destination} == {"HV01", "HV02"}}
    assert {name: way.level for name, way in there.items()} == dict.fromkeys(("VM42", "VM43"), Level.UNKNOWN)
    assert all(
        report.by_id[each].remediation == "enable-processor-compatibility" for way in there.values() for each in way.findings
    )
    assert lab.move("VM43", "HV01").refusal is None
    assert lab.move("VM42", "HV02").refusal is not None


@pytest.mark.long
def test_a_switch_that_the_site_expects_is_missed_before_a_machine_needs_it(lab: Lab, look: Look) -> None:
    lab.inject("switch_missing")
    report = look()
    (lacking,) = {way.destination for way in report.ways if way.level is Level.FAILS}
    assert all(
        "match-virtual-switches" in told(report, way.source, lacking) for way in report.ways if way.destination == lacking
    )
    assert not any("VMName" in each.parameters for each in lab.journal), "no machine was asked about"


def test_a_silent_host_is_never_ready_and_says_why(lab: Lab, look: Look) -> None:
    lab.server.stop_host("HV04")
    report = look()
    found = ways(report)
    for pair in (("HV03", "HV04"), ("HV04", "HV03")):
        assert found[pair].level is Level.UNKNOWN
        assert [report.by_id[each].title for each in found[pair].findings] == ["HV04 could not be read"]
    assert found["HV01", "HV02"].level is Level.READY
    (silent,) = (host for host in report.hosts if host.silent)
    assert silent.name == "HV04"
    assert "HV04" in silent.silent


def test_a_cluster_that_runs_on_no_node_is_told_of_its_own_ways_alone(lab: Lab, look: Look) -> None:
    assert lab.world.cluster is not None
    for node in lab.world.cluster.nodes.values():
        node.state = "Down"
    report = look(all_vms=True)
    found = ways(report)
    for pair in (("HV01", "HV02"), ("HV02", "HV01")):
        assert found[pair].level is not Level.READY
        assert "configure-migration-networks" in told(report, *pair)
    assert found["HV03", "HV04"].level is Level.NOTED
    assert not any(host.silent for host in report.hosts)


@pytest.mark.long
def test_a_silent_controller_leaves_what_the_directory_decides_unknown(lab: Lab, look: Look) -> None:
    lab.server.stop_host("DC1")
    report = look()
    assert ways(report)["HV03", "HV04"].level is Level.UNKNOWN
    assert "DC1 could not be read" in {each.title for each in report.findings}


@pytest.mark.long
def test_without_the_module_what_it_would_tell_is_unknown_not_a_fault() -> None:
    with Lab(World.contoso(module=None)) as lab, Remoting(lab.site(), resolve) as hosts:
        report = assess(hosts, lab.site(), Scope(), clock=utc_now, now=time.monotonic)
    assert {way.level for way in report.ways} == {Level.UNKNOWN}
    unknown = [each for each in report.findings if each.level is Level.UNKNOWN]
    assert all(each.verdict is Verdict.UNKNOWN and not each.digest for each in unknown)
    assert any("remediate host export" in why for each in unknown for why in each.why)


def test_the_scope_narrows_and_names_what_it_does_not_know(look: Look) -> None:
    assert {host.name for host in look(clusters=("CLUSTER1",)).hosts} == {"HV01", "HV02"}
    assert [vm.name for vm in look(vms=("vm42",)).vms] == ["VM42"]
    alone = look(hosts=("HV01", "HV03"))
    assert not alone.ways, "a clustered machine cannot move there live"
    assert len(look(hosts=("HV01", "HV03"), across=True).ways) == 2
    with pytest.raises(LookupError, match="HV99 is not in the inventory"):
        look(hosts=("HV99",))
    with pytest.raises(LookupError, match="no host of these has a virtual machine VM99"):
        look(vms=("VM99",))
    assert [vm.name for vm in look(vms=("VM42", "VM99"), lenient=True).vms] == ["VM42"]
    with pytest.raises(LookupError, match="domain controller"):
        look(hosts=("DC1",))


@pytest.mark.long
def test_a_second_look_tells_what_changed(lab: Lab, look: Look) -> None:
    first = look()
    assert {way.level for way in first.ways} <= {Level.READY, Level.NOTED}, first.findings
    lab.inject("spn_missing")
    second = look()
    changed = compare(second, first)
    assert {way.key for way in changed.lost} == {"hv03>hv04", "hv04>hv03"}
    assert "register-spns" in {second.by_id[each].remediation for each in changed.appeared}
    back = compare(first.model_copy(update={"at": datetime.now(UTC)}), second)
    assert {way.key for way in back.regained} == {"hv03>hv04", "hv04>hv03"}
    assert any("SPN" in title for title in back.gone)
    again = Readiness.model_validate_json(second.model_dump_json())
    assert again == second


def test_every_repair_by_state_is_planned_for_ways_or_for_virtual_machines(lab: Lab) -> None:
    from remediations.catalogue.remediation import Repair
    from remediations.engine.readiness_ways import NOT_A_WAY, by_pair, by_vm
    from remediations.model.tier import Proof

    site = lab.site()
    asked = {
        repair.id
        for here, there in (("HV01", "HV02"), ("HV03", "HV04"))
        for repair, _ in (*by_pair(here, there, site), *by_vm("VM1", here, there, site))
    }
    by_state = {each.id for each in CATALOGUE.values() if issubclass(each, Repair) and each.proof is Proof.STATE}
    assert by_state - asked == {each.id for each in NOT_A_WAY}


def no_names_on_hv03(report: Readiness) -> None:
    assert [each.silent for each in report.hosts if each.name == "HV03"] == [""]
    (finding,) = (each for each in report.findings if each.remediation == "repair-name-resolution")
    assert finding.level is Level.UNKNOWN
    assert "names cannot be resolved on HV03: its DNS servers do not answer; see Get-DnsClientServerAddress" in finding.why[0]
    assert ways(report)["HV01", "HV02"].level is Level.READY


@pytest.mark.parametrize("module", ["with the module", "without"])
def test_where_dns_servers_do_not_answer_no_name_is_asked_for_twice(module: str, lab: Lab, look: Look) -> None:
    """Each question takes its time in vain; three for each peer take longer than a host may, which then seems to be silent."""
    host = lab.world.hosts["HV03"]
    host.network.dns_silent = 0.0
    if module == "without":
        host.module = None
    no_names_on_hv03(look())
    asked = [each.parameters["Name"] for each in lab.journal if each.host == "HV03" and each.name == "Resolve-DnsName"]
    assert sorted(asked) == ([] if module == "with the module" else ["hv03.contoso.com", "hv04.contoso.com"])


def test_a_host_that_comes_to_no_end_with_names_is_not_silent(lab: Lab) -> None:
    lab.world.hosts["HV03"].module = None

    def read(hosts: Reading, site: Site, queries: Iterable[Query[Any]]) -> Gathered:
        wanted = list(queries)
        only_names = all(each.commands[0].name == "Resolve-DnsName" for each in wanted if each.host == "HV03")
        asked = any(each.host == "HV03" for each in wanted)
        late = {"HV03": "HV03: the read was not finished in time"} if asked and only_names else {}
        seen = {each.id: Unknown(reason=late[each.host]) for each in wanted if each.host in late}
        return gather(hosts, site, [each for each in wanted if each.host not in late]) + Gathered(seen, {}, late)

    with Remoting(lab.site(), resolve) as hosts:
        no_names_on_hv03(assess(hosts, lab.site(), Scope(), clock=utc_now, now=time.monotonic, read=read))
