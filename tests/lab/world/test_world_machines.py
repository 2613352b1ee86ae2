"""Virtual machines: power, processor settings, Move-VM and its second hop, and what Compare-VM finds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from world_probe import Ask

from remediations.lab.world.hosts import GIB, HASWELL
from remediations.lab.world.machines import Snapshot
from remediations.lab.world.world import World


def test_off_and_on_through_the_role(world: World, ask: Ask) -> None:
    begun = world.clock.now()
    assert not ask("HV01", "Stop-VM", Name=["VM42"]).errors
    assert world.clock.now() > begun
    assert ask("HV01", "Get-VM", Name=["VM42"]).only["State"] == "Off"
    assert ask("HV01", "Get-ClusterResource", Name=["Virtual Machine VM42"]).only["State"] == "Offline"
    assert ask("HV01", "Get-ClusterGroup", Name=["VM42"]).only["State"] == "Offline"
    assert ask("HV02", "Start-ClusterResource", Name="Virtual Machine VM42").only["State"] == "Online"
    assert ask("HV01", "Get-VM", Name=["VM42"]).only["State"] == "Running"


def test_twice_is_only_a_warning(ask: Ask) -> None:
    assert ask("HV04", "Start-VM", Name=["VM52"]).warnings == [
        "Der virtuelle Computer befindet sich bereits im angegebenen Zustand."
    ]
    ask("HV03", "Stop-VM", Name=["VM51"])
    assert ask("HV03", "Stop-VM", Name=["VM51"]).warnings == ["The virtual machine is already in the specified state."]
    assert not ask("HV03", "Start-VM", Name=["VM51"]).errors


def test_a_guest_that_does_not_react_stays_on(world: World, ask: Ask) -> None:
    before = world.state_hash()
    world.machine("VM42").hangs = True
    (error,) = ask("HV01", "Stop-VM", Name=["VM42"]).errors
    assert "0x800705B4" in error.message
    assert world.state_hash() == before


@pytest.mark.parametrize("state", ["Running", "Saved", "Paused"])
def test_the_processor_is_changed_only_while_off(world: World, ask: Ask, state: str) -> None:
    vm = world.machine("VM42")
    vm.state = state
    before = world.state_hash()
    assert ask("HV01", "Set-VMProcessor", VMName=["VM42"], CompatibilityForMigrationEnabled=True).ids == ["InvalidState"]
    assert world.state_hash() == before
    vm.state = "Off"
    assert not ask("HV01", "Set-VMProcessor", VMName=["VM42"], CompatibilityForMigrationEnabled=True).errors
    assert ask("HV01", "Get-VMProcessor", VMName=["VM42"]).only["CompatibilityForMigrationEnabled"] is True


def test_the_guest_sees_less_from_its_next_start_on(world: World) -> None:
    vm = world.machine("VM42")
    whole = vm.features
    vm.compatible = True
    assert vm.features == whole
    vm.power_off()
    vm.power_on(HASWELL, world.now)
    assert vm.features < HASWELL.features


def test_checkpoints_are_shown(world: World, ask: Ask) -> None:
    world.machine("VM42").snapshots.append(Snapshot("before update", datetime(2026, 1, 2, tzinfo=UTC)))
    found = ask("HV01", "Get-VMSnapshot", VMName=["VM42"]).only
    assert (found["Name"], found["VMName"], found["SnapshotType"]) == ("before update", "VM42", "Standard")
    assert ask("HV01", "Get-VMSnapshot", VMName=["VM44"]).objects == []


def test_move_vm_reports_progress_and_arrives(world: World, ask: Ask) -> None:
    heard = ask("HV04", "Move-VM", Name="VM52", DestinationHost="hv03.contoso.com")
    assert not heard.errors
    assert heard.percents == sorted(heard.percents)
    assert heard.percents[-1] == 100
    assert world.machine("VM52").host == "HV03"


def test_move_vm_says_everything_in_the_hosts_language(world: World, ask: Ask) -> None:
    world.host("HV03").migration.enabled = False
    (error,) = ask("HV04", "Move-VM", Name="VM52", DestinationHost="HV03").errors
    assert error.error_id == "OperationFailed"
    assert error.hresult & 0xFFFFFFFF == 0x8007274D
    assert 'an der Migrationsquelle "HV04"' in error.message
    assert "(0x8007274D)" in error.message


@pytest.mark.parametrize("command", ["Move-VM", "Compare-RemediationVM"])
def test_the_second_hop(world: World, ask: Ask, command: str) -> None:
    world.second_hops["HV03"] = "none"
    before = world.state_hash()
    (error,) = ask("HV03", command, Name="VM51", DestinationHost="HV04").errors
    assert (error.error_id, error.category) == ("AccessDenied", "PermissionDenied")
    assert world.state_hash() == before
    assert world.host("HV03").log.events == []  # our own failed hop leaves no trace of a migration
    for hop in ("gmsa", "credssp", "delegated"):
        world.second_hops["HV03"] = hop
        assert not ask("HV03", "Compare-RemediationVM", Name="VM51", DestinationHost="HV04").errors


def test_credssp_passes_on_only_what_a_credssp_endpoint_has(world: World, ask: Ask) -> None:
    ask("HV03", "Set-VMHost", VirtualMachineMigrationAuthenticationType="CredSSP")
    assert ask("HV03", "Get-VMHost").only["VirtualMachineMigrationAuthenticationType"] == "CredSSP"
    (error,) = ask("HV03", "Move-VM", Name="VM51", DestinationHost="HV04").errors
    assert error.hresult & 0xFFFFFFFF == 0x8009030E
    world.second_hops["HV03"] = "credssp"
    assert not ask("HV03", "Move-VM", Name="VM51", DestinationHost="HV04").errors


def test_a_clustered_machine_is_not_moved_behind_the_clusters_back(world: World, ask: Ask) -> None:
    world.second_hops["HV01"] = "gmsa"
    assert ask("HV01", "Move-VM", Name="VM42", DestinationHost="HV02").ids == ["InvalidOperation"]
    assert world.machine("VM42").host == "HV01"


def test_compare_finds_what_would_refuse_the_machine(world: World, ask: Ask) -> None:
    world.second_hops["HV01"] = "gmsa"
    assert ask("HV01", "Compare-RemediationVM", Name="VM42", DestinationHost="HV02").objects == []
    world.host("HV02").cpu = HASWELL
    found = ask("HV01", "Compare-RemediationVM", Name="VM42", DestinationHost="HV02").only
    assert set(found) == {"MessageId", "Message", "Source"}
    assert "processor-specific features" in found["Message"]


@pytest.mark.parametrize(
    ("host", "parameters", "message"),
    [
        ("HV01", {"Name": ["VM99"]}, 'Hyper-V was unable to find a virtual machine with name "VM99".'),
        ("HV04", {"Name": ["VM99"]}, 'Hyper-V konnte keinen virtuellen Computer mit dem Namen "VM99" finden.'),
        ("HV02", {"Name": ["VM42"]}, 'Hyper-V was unable to find a virtual machine with name "VM42".'),
    ],
)
def test_a_machine_that_is_not_here(ask: Ask, host: str, parameters: dict[str, object], message: str) -> None:
    (error,) = ask(host, "Get-VM", **parameters).errors
    assert (error.error_id, error.category, error.message) == ("InvalidParameter", "InvalidArgument", message)


def test_wildcards_and_ids(world: World, ask: Ask) -> None:
    assert [each["Name"] for each in ask("HV01", "Get-VM", Name=["vm4?"]).all] == ["VM42", "VM44"]
    assert ask("HV01", "Get-VM", Name=["X*"]).errors == []
    assert ask("HV01", "Get-VM", Id=world.machine("VM44").id).only["Name"] == "VM44"


def test_a_host_without_the_memory_does_not_start_it(world: World, ask: Ask) -> None:
    ask("HV01", "Stop-VM", Name="VM42")
    world.host("HV01").memory = 8 * GIB
    (error,) = ask("HV01", "Start-VM", Name="VM42").errors
    assert (error.error_id, error.category) == ("OutOfMemory", "ResourceUnavailable")
    assert "(0x8007000E)" in error.message
    assert ask("HV01", "Start-ClusterResource", Name="Virtual Machine VM42").errors
    assert ask("HV01", "Get-ClusterResource", Name="Virtual Machine VM42").only["State"] == "Failed"
    assert {each["Id"] for each in ask("HV01", "Get-WinEvent", FilterHashtable={"LogName": "System"}).all} == {1069}
    world.host("HV01").memory = 64 * GIB
    assert ask("HV01", "Start-ClusterResource", Name="Virtual Machine VM42").only["State"] == "Online"


def test_storage_has_a_limit_of_its_own(world: World, ask: Ask) -> None:
    ask("HV03", "Set-VMHost", MaximumStorageMigrations=0)
    (error,) = ask("HV03", "Move-VM", Name="VM51", DestinationHost="HV04", IncludeStorage=True).errors
    assert "maximum storage migration limit '0' was reached" in error.message
    assert not ask("HV03", "Move-VM", Name="VM51", DestinationHost="HV04").errors
