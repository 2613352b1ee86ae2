"""Versions and saved states of virtual machines: what Hyper-V refuses, and what it leaves in the log."""

from __future__ import annotations

import pytest
from world_probe import Ask

from remediations.lab.world.events import VMMS, WORKER
from remediations.lab.world.machines import Snapshot
from remediations.lab.world.world import World


@pytest.mark.parametrize("state", ["Running", "Saved", "Paused"])
def test_a_version_is_only_raised_while_off(world: World, ask: Ask, state: str) -> None:
    machine = world.machine("VM51")
    machine.state, machine.version = state, "5.0"
    assert ask("HV03", "Update-VMVersion", Name=["VM51"], Force=True).ids == ["InvalidState"]
    assert machine.version == "5.0"
    machine.state = "Off"
    assert not ask("HV03", "Update-VMVersion", Name=["VM51"], Force=True).errors
    assert machine.version == "9.0"


def test_a_host_names_one_default_version(ask: Ask) -> None:
    shown = ask("HV04", "Get-VMHostSupportedVersion").all
    assert [each["Version"] for each in shown if each["IsDefault"]] == ["12.0"]
    assert "5.0" not in [each["Version"] for each in shown]


def test_a_saved_machine_cannot_move_and_goes_on_from_where_it_was(world: World, ask: Ask) -> None:
    machine = world.machine("VM44")
    before = machine.features
    assert not ask("HV01", "Save-VM", Name=["VM44"]).errors
    assert (machine.state, ask("HV01", "Get-ClusterGroup", Name=["VM44"]).only["State"]) == ("Saved", "Offline")
    told = world.host("HV01").log.newest(18510)
    assert told is not None
    assert told.kind.channel == WORKER
    move = world.move("VM44", "HV02")
    assert move.refusal is not None
    assert not ask("HV01", "Start-ClusterResource", Name="Virtual Machine VM44").errors
    assert (machine.state, machine.features) == ("Running", before)


def test_an_unreadable_state_keeps_a_machine_from_starting_until_it_is_deleted(world: World, ask: Ask) -> None:
    machine = world.machine("VM51")
    assert not ask("HV03", "Save-VM", Name=["VM51"]).errors
    machine.unreadable = True
    refused = ask("HV03", "Start-VM", Name=["VM51"])
    assert "0xC0370027" in str(refused.errors[0])
    assert machine.state == "Saved"
    told = world.host("HV03").log.newest(15130)
    assert told is not None
    assert told.kind.channel == VMMS
    assert not ask("HV03", "Remove-VMSavedState", VMName="VM51").errors
    assert (machine.state, machine.features) == ("Off", frozenset())
    assert not ask("HV03", "Start-VM", Name=["VM51"]).errors


def test_there_is_nothing_to_delete_of_a_running_machine(world: World, ask: Ask) -> None:
    assert ask("HV03", "Remove-VMSavedState", VMName="VM51").ids == ["InvalidState"]
    assert world.machine("VM51").state == "Running"


def test_a_checkpoint_that_only_one_host_has_keeps_a_machine_there_until_it_is_merged(world: World, ask: Ask) -> None:
    machine = world.machine("VM44")
    machine.snapshots.append(Snapshot("here", world.now, folder="D:\\Checkpoints"))
    chain = ask("HV01", "Get-RemediationDiskChain", Name="VM44").all
    assert [each["ParentPath"] for each in chain] == [chain[1]["Path"], ""]
    move = world.move("VM44", "HV02")
    assert move.refusal is not None
    assert move.refusal.code == 0x80070003
    assert not ask("HV01", "Remove-VMSnapshot", VMName="VM44", Name=["here"]).errors
    assert "MergingDisks" in ask("HV01", "Get-VM", Name=["VM44"]).only["OperationalStatus"]
    world.clock.advance(5)
    assert len(ask("HV01", "Get-RemediationDiskChain", Name="VM44").all) == 1
    move = world.move("VM44", "HV02")
    assert move.refusal is None


def test_a_chain_ends_where_a_file_is_missing(world: World, ask: Ask) -> None:
    machine = world.machine("VM44")
    machine.snapshots += [Snapshot("lost", world.now, missing=True), Snapshot("newest", world.now)]
    shown = ask("HV01", "Get-RemediationDiskChain", Name="VM44").all
    assert [each["Readable"] for each in shown] == [True, False]


def test_a_service_that_is_restarted_lets_go_of_what_it_held(world: World, ask: Ask) -> None:
    machine = world.machine("VM44")
    machine.busy, machine.held_by = "BackingUp", "wbengine"
    world.host("HV01").services["wbengine"] = "Running"
    found = ask("HV01", "Get-Service", Name=["wbengine", "DPMRA"])
    assert ([each["Status"] for each in found.all], found.ids) == (["Running"], ["NoServiceFoundForGivenName"])
    assert not ask("HV01", "Restart-Service", Name=["LanmanServer"]).errors
    assert machine.busy == "BackingUp"
    assert not ask("HV01", "Restart-Service", Name=["wbengine"]).errors
    assert machine.busy == ""
