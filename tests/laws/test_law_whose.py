"""Whose it is: what has our machine's name or its id and is not our machine is neither read as it nor changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from breaking import remediate
from law_bench import Bench

from remediations.catalogue.enable_processor_compatibility import EnableProcessorCompatibility
from remediations.catalogue.match_virtual_switches import MatchVirtualSwitches
from remediations.catalogue.move_vm import MoveVm
from remediations.engine import Engine, Over
from remediations.engine.gather import gather
from remediations.facts.host import Guests, namesakes
from remediations.lab.protocol import Fault
from remediations.lab.world.directory import CONTROL, DELEGATION
from remediations.lab.world.machines import Machine
from remediations.model.causes import Cause
from remediations.model.outcome import Ending

CPU = Cause.CPU_INCOMPATIBLE.value


def copied(bench: Bench, host: str, replication: str) -> None:
    """VM51 is on HV03, and `host` shows one of the same name and the same id, off."""
    world = bench.lab.world
    ours = world.machine("VM51")
    other = replace(ours, host=host, state="Off", features=frozenset(), vendor="", replication=replication, guid=ours.id)
    world.machines["another"] = other
    ours.replication = "Primary" if replication == "Replica" else "None"


def compatible(bench: Bench) -> EnableProcessorCompatibility:
    world = bench.lab.world
    world.host("HV04").cpu = replace(world.host("HV04").cpu, name="Intel(R) Xeon(R) Gold 5118", stepping=4)
    return EnableProcessorCompatibility(vm="VM51", source="HV03", destination="HV04")


def test_what_a_replica_shows_decides_nothing_about_the_machine_that_it_is_of(bench: Bench) -> None:
    """By the replica, which is off, the shutdown would be done before it was sent, and the setting never show."""
    copied(bench, "HV04", "Replica")
    request = compatible(bench)
    report = bench.engine().carry_out("run-1", request, dry_run=False, gate=bench.approving, requested_by="ben")
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert [(host, name) for host, name, _ in bench.changes()] == [
        ("HV03", "Stop-VM"),
        ("HV03", "Set-VMProcessor"),
        ("HV03", "Start-VM"),
    ]
    assert (bench.lab.world.machine("VM51").compatible, bench.lab.world.machines["another"].compatible) == (True, False)


def test_the_other_way_round_the_machine_is_found_where_it_is(bench: Bench) -> None:
    copied(bench, "HV04", "Replica")
    request = compatible(bench).model_copy(update={"source": "HV04", "destination": "HV03"})
    report = bench.engine().carry_out("run-1", request, dry_run=True, gate=bench.approving, requested_by="ben")
    assert report.plan is not None
    assert {step.host for step in report.plan.steps} == {"HV03"}, report.markdown


def test_of_two_that_have_the_same_id_nobody_knows_which_is_meant(bench: Bench) -> None:
    copied(bench, "HV04", "None")
    report = bench.engine().carry_out("run-1", compatible(bench), dry_run=False, gate=bench.approving, requested_by="ben")
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert "HV03 and HV04 both have it, by the same id" in report.outcome.summary
    assert (bench.asked, bench.changes()) == ([], [])


def at(bench: Bench, piece: str, meddle: Callable[[], None]) -> Engine:
    """An engine that somebody meddles with right before a piece of its work."""
    engine = bench.engine()
    shown = engine.observe

    def observe(name: str, work: Callable[[], object]) -> object:
        if piece in name:
            with bench.lab.world.lock:
                meddle()
        return shown(name, work)

    engine.observe = observe
    return engine


def test_what_somebody_switched_off_meanwhile_is_not_switched_on(bench: Bench) -> None:
    failure, machine = bench.lab.fail(CPU), bench.lab.world.machine("VM42")
    report = remediate(at(bench, ": Stop-VM", machine.power_off), failure, bench.approving)
    assert [name for _, name, _ in bench.changes()] == ["Set-VMProcessor"], report.markdown
    assert (machine.state, report.retried) == ("Off", False)
    assert "VM42 is Off" in report.outcome.summary, report.outcome


def half_way(bench: Bench) -> None:
    """The run ends with VM42 off for it, and what would start it cannot be sent."""
    failure = bench.lab.fail(CPU)
    bench.lab.protocol_faults.add(Fault(action="Command", kind="wsman", command="Start-ClusterResource", count=None))
    report = bench.mend(failure)
    assert report.outcome.ending is Ending.FAILED, report.outcome
    bench.lab.protocol_faults.clear()
    bench.clock.ahead += timedelta(hours=1)


def test_a_machine_that_has_taken_the_name_of_ours_is_not_started_for_it(bench: Bench) -> None:
    half_way(bench)
    machine, engine, sent = bench.lab.world.machine("VM42"), bench.engine(), len(bench.changes())
    machine.guid = uuid4()
    engine.recover(lambda run: Over(reason=None, words="it ended"))
    assert (machine.state, len(bench.changes())) == ("Off", sent)
    (left,) = engine.left_over(lambda run: Over(reason=None, words="it ended"), lambda run: "")
    assert "ends with Start-ClusterResource -Name 'Virtual Machine VM42'" in left.what
    assert "is not there any more" in left.why


def test_a_machine_that_is_off_for_us_is_started_where_its_cluster_has_it_once_its_own_node_is_gone(bench: Bench) -> None:
    half_way(bench)
    world, machine = bench.lab.world, bench.lab.world.machine("VM42")
    assert world.cluster is not None
    with world.lock:
        machine.host = world.cluster.roles["VM42"].owner = "HV02"
    bench.lab.protocol_faults.add(Fault(host="HV01", kind="die"))
    bench.engine().recover(lambda run: Over(reason=None, words="it ended"))
    world.wait(lambda: machine.running)
    assert bench.changes()[-1][:2] == ("HV02", "Start-ClusterResource")
    assert bench.ledger.open_brackets() == []


def renamed(bench: Bench, *, off: bool) -> Machine:
    """VM44 was called VM42 when it was made highly available; it was renamed, and another one was made by its old name."""
    world = bench.lab.world
    assert world.cluster is not None
    old, role, new = world.machine("VM44"), world.cluster.role_of("VM44"), world.cluster.role_of("VM42")
    assert role is not None
    assert new is not None
    role.called, new.called = "VM42", "VM42 (1)"
    if off:
        old.power_off()
        role.state = "Offline"
    return old


def test_what_the_resource_of_its_name_holds_is_not_started_for_it(bench: Bench) -> None:
    failure, old = bench.lab.fail(CPU), renamed(bench, off=True)
    report = bench.mend(failure)
    assert (old.state, bench.lab.world.machine("VM42").state, bench.changes()) == ("Off", "Running", []), report.markdown
    assert "it may belong to another machine" in report.outcome.summary


def test_a_move_takes_the_machine_by_its_id_and_nothing_by_a_name_that_was_another_ones(bench: Bench) -> None:
    old = renamed(bench, off=False)
    request = MoveVm(vm="VM42", source="HV01", to="HV02")
    bench.engine().carry_out("run-1", request, dry_run=False, gate=bench.approving, requested_by="ben")
    assert (old.host, bench.lab.world.machine("VM42").host) == ("HV01", "HV02")


def test_what_others_let_the_account_act_for_since_keeps_the_protocol_that_it_needs(bench: Bench) -> None:
    """HV03 was let act for others at HV04 by us, with any protocol; somebody let it act at another host after that."""
    assert bench.mend(bench.lab.fail(Cause.ACCESS_DENIED_DELEGATION.value)).verified
    directory = bench.lab.world.directory
    account = directory.computer("HV03").guid

    def shown(attribute: str) -> Any:
        return directory.controllers["DC1"].value(account, attribute)

    with bench.lab.world.lock:
        directory.write("DC1", account, DELEGATION, [*shown(DELEGATION), "cifs/hv09.contoso.com"])
    had = shown(CONTROL)
    back = bench.engine().undo("undo-1", "run-1", dry_run=False, gate=bench.approving, requested_by="ben")
    assert back.outcome.ending is Ending.NEEDS_PERSON, back.markdown
    assert "others use it meanwhile" in back.outcome.summary
    assert shown(CONTROL) == had


def test_a_switch_that_machines_have_come_to_is_not_taken_from_under_them(bench: Bench) -> None:
    site, world = bench.lab.site(), bench.lab.world
    wanted = site.hosts[1].expect.model_copy(update={"switches": {"Lab": "Private"}})
    hosts = tuple(each.model_copy(update={"expect": wanted}) if each.name == "HV02" else each for each in site.hosts)
    world.host("HV01").switches["Lab"] = replace(world.host("HV01").switches["Compute"], name="Lab")
    machine = world.machine("VM42")
    machine.switch = "Lab"
    engine = bench.engine()
    engine.site = site.model_copy(update={"hosts": hosts})
    request = MatchVirtualSwitches(vm="VM42", source="HV01", destination="HV02")
    report = engine.carry_out("run-1", request, dry_run=False, gate=bench.approving, requested_by="ben")
    assert (report.verified, "Lab" in world.host("HV02").switches) == (True, True), report.markdown
    world.machine("VM43").switch = "Lab"
    back = engine.undo("undo-1", "run-1", dry_run=False, gate=bench.approving, requested_by="ben")
    assert back.outcome.ending is Ending.NEEDS_PERSON, back.markdown
    assert "a virtual machine of HV02 is connected to Lab" in back.outcome.summary
    assert "Lab" in world.host("HV02").switches


def test_a_host_names_those_whose_names_hold_the_one_that_is_asked_for(bench: Bench) -> None:
    query = namesakes("VM4", "HV01")
    found = gather(bench.remoting, bench.lab.site(), [query, namesakes("none of these", "HV01")])
    seen = found.of(query)
    assert isinstance(seen, Guests)
    assert set(seen.ids.values()) == {"VM42", "VM44"}
    assert all(isinstance(each, Guests) for each in found.seen.values())
