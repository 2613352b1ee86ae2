"""Who hosts and movers are, as Windows' commands show it."""

from __future__ import annotations

import pytest
from world_probe import Ask

from remediations.lab.world.world import World

GUARD = {"Namespace": "root/Microsoft/Windows/DeviceGuard", "ClassName": "Win32_DeviceGuard"}
RIGHTS = {"Namespace": "root\\rsop\\computer", "ClassName": "RSOP_UserPrivilegeRight"}


@pytest.mark.parametrize("runs", [True, False])
def test_credential_guard_is_a_service_that_runs(world: World, ask: Ask, runs: bool) -> None:
    world.host("HV04").credential_guard = runs
    assert (1 in ask("HV04", "Get-CimInstance", **GUARD).only["SecurityServicesRunning"]) is runs


def test_a_right_that_no_object_lists_has_no_instance(world: World, ask: Ask) -> None:
    assert ask("HV02", "Get-CimInstance", **RIGHTS).objects == []
    world.host("HV02").logon_as_service = ("*S-1-5-80-0",)
    where = "UserRight='SeServiceLogonRight' AND precedence=1"
    assert ask("HV02", "Get-CimInstance", **RIGHTS, Filter=where).only["AccountList"] == ["*S-1-5-80-0"]
    assert ask("HV02", "Get-CimInstance", **RIGHTS, Filter="UserRight='SeBackupPrivilege'").objects == []


def test_the_secure_channel_is_true_or_false(world: World, ask: Ask) -> None:
    assert ask("HV03", "Test-ComputerSecureChannel").objects == [True]
    world.host("HV03").secure_channel = False
    assert ask("HV03", "Test-ComputerSecureChannel").objects == [False]


@pytest.mark.parametrize(("name", "protected"), [("adm-jones", True), ("adm-smith", False), ("svc-remediate", False)])
def test_groups_are_shown_by_sid(ask: Ask, name: str, protected: bool) -> None:
    found = ask("DC1", "Get-ADUser", Identity=name, Properties=["tokenGroups", "AccountNotDelegated"], Server="dc1.contoso.com")
    assert any(sid.endswith("-525") for sid in found.only["tokenGroups"]) is protected
    assert any(sid.endswith("-513") for sid in found.only["tokenGroups"])
    assert found.only["AccountNotDelegated"] is (name == "adm-smith")


def test_the_authentication_type_is_set_and_shown(world: World, ask: Ask) -> None:
    assert not ask("HV03", "Set-VMHost", VirtualMachineMigrationAuthenticationType="CredSSP").errors
    assert world.host("HV03").migration.authentication == "CredSSP"
    assert ask("HV03", "Get-VMHost").only["VirtualMachineMigrationAuthenticationType"] == "CredSSP"


def test_a_share_that_refuses_a_host_is_told_there(world: World) -> None:
    for accounts in world.shares.values():
        accounts.discard("HV04$")
    assert world.move("VM51", "HV04").refusal is not None
    assert {event.kind.id for event in world.host("HV04").log.events} == {20100, 31010}
    assert {event.kind.id for event in world.host("HV03").log.events} == {20413, 21024}
