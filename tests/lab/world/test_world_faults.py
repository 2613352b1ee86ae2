"""Each fault makes its move (or drain) fail by the rules, and an administrator's remedy makes it succeed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

import pytest
from world_probe import Ask

from remediations.lab.world.cluster import Role
from remediations.lab.world.directory import DELEGATION, MIGRATION_SERVICE
from remediations.lab.world.faults import FAULTS, Fault
from remediations.lab.world.hosts import CASCADE_LAKE, EDITIONS, GIB, OLD_MICROCODE
from remediations.lab.world.world import World
from remediations.model.causes import Cause


def add_spn(ask: Ask) -> None:
    spn = f"{MIGRATION_SERVICE}/hv04.contoso.com"
    assert not ask(
        "DC1", "Set-ADComputer", Identity="HV04", ServicePrincipalNames={"Add": spn}, Server="dc1.contoso.com"
    ).errors


def purge(ask: Ask) -> None:
    assert not ask("HV03", "Clear-RemediationTicket").errors


def raise_limit(ask: Ask) -> None:
    assert not ask("HV01", "Set-RemediationClusterLimit", Maximum=4).errors


def restart_compatible(ask: Ask) -> None:
    for command, parameters in (
        ("Stop-VM", {"Name": ["VM42"]}),
        ("Set-VMProcessor", {"VMName": ["VM42"], "CompatibilityForMigrationEnabled": True}),
        ("Start-ClusterResource", {"Name": "Virtual Machine VM42"}),
    ):
        assert not ask("HV01", command, **parameters).errors


def drain_again(ask: Ask) -> None:
    assert not ask("HV01", "Suspend-ClusterNode", Name="HV01", Drain=True).errors


def delegate(ask: Ask) -> None:
    where = {"Identity": "HV03$", "Server": "dc1.contoso.com"}
    for lost in ("HV04", "hv04.contoso.com"):
        assert not ask("DC1", "Set-ADComputer", Add={DELEGATION: f"{MIGRATION_SERVICE}/{lost}"}, **where).errors
    assert not ask("DC1", "Set-ADAccountControl", TrustedToAuthForDelegation=True, **where).errors
    purge(ask)


def use_kerberos(ask: Ask) -> None:
    for host in ("HV03", "HV04"):
        assert not ask(host, "Set-VMHost", VirtualMachineMigrationAuthenticationType="Kerberos").errors


def enable(ask: Ask) -> None:
    assert not ask("HV04", "Enable-VMMigration").errors


def add_network(ask: Ask) -> None:
    assert not ask("HV04", "Add-VMMigrationNetwork", Subnet="10.0.20.0/24").errors


def open_port(ask: Ask) -> None:
    assert not ask("HV04", "Enable-NetFirewallRule", Name=["VIRT-MIGL-In-TCP-NoScope"]).errors


def let_own(ask: Ask) -> None:
    for resource in ("Virtual Machine VM42", "Virtual Machine Configuration VM42"):
        assert not ask("HV01", "Set-ClusterOwnerNode", Resource=resource, Owners=["HV01", "HV02"]).errors


def eject(ask: Ask) -> None:
    where = {"ControllerNumber": 0, "ControllerLocation": 1}
    assert not ask("HV01", "Set-VMDvdDrive", VMName="VM44", **where, Path=None).errors


def forget(ask: Ask) -> None:
    assert not ask("HV03", "Clear-DnsClientCache").errors


def upgrade(ask: Ask) -> None:
    for command, parameters in (("Stop-VM", {}), ("Update-VMVersion", {"Force": True}), ("Start-VM", {})):
        assert not ask("HV01", command, Name=["VM42"], **parameters).errors


def compress(ask: Ask) -> None:
    assert not ask("HV01", "Set-VMHost", VirtualMachineMigrationPerformanceOption="Compression").errors


def rename_switch(ask: Ask) -> None:
    for each in ask("HV02", "Get-VMSwitch").all:
        if each["Name"] != "Compute":
            assert not ask("HV02", "Rename-VMSwitch", Name=each["Name"], NewName="Compute").errors


def bind_switch(ask: Ask) -> None:
    """At the console: Set-VMSwitch -NetAdapterName, which this program never sends."""
    assert isinstance(ask, partial)
    switch = ask.args[0].host("HV02").switches.get("Compute")
    if switch is not None:
        switch.kind, switch.uplinks = "External", ("Slot 3 Port 1", "Slot 3 Port 2")


def start(ask: Ask) -> None:
    ask("HV01", "Start-ClusterResource", Name="Virtual Machine VM44")


def delete_state(ask: Ask) -> None:
    ask("HV01", "Remove-VMSavedState", VMName="VM44")
    start(ask)


def by_hand(change: Callable[[World], object]) -> Callable[[Ask], None]:
    """What a person does at the console, or elsewhere in the domain."""

    def mend(ask: Ask) -> None:
        assert isinstance(ask, partial)
        change(ask.args[0])

    return mend


def set_of(host: str, **values: object) -> Callable[[Ask], None]:
    return by_hand(lambda world: vars(world.host(host)).update(values))


def in_world(mend: Callable[[World], object]) -> Callable[[Ask], None]:
    """What a person does at the machine, or by commands that this program never sends."""

    def remedy(ask: Ask) -> None:
        assert isinstance(ask, partial)
        mend(ask.args[0])

    return remedy


def split_role(world: World) -> None:
    roles = world.cluster.roles if world.cluster else {}
    if roles["VM42"].others:
        roles["VM42"].others = ()
        roles["VM44"] = Role("VM44", roles["VM42"].owner, "VM44")


def join_again(world: World) -> None:
    if world.cluster and world.cluster.nodes["HV02"].state == "Down":
        world.cluster.nodes["HV02"].state = "Up"


def find_paths(world: World) -> None:
    for volume in world.cluster.volumes.values() if world.cluster else ():
        volume.unreachable.clear()


def detach(ask: Ask) -> None:
    """A person's work: no command of ours detaches a disk, updates a guest, or frees a worker process."""
    world = ask.args[0]  # the fixture is a partial over its world
    machine = world.machine("VM44")
    machine.disks.clear()
    machine.outdated = ""
    if machine.state == "Stopping":
        machine.state = "Running"
        world.cluster.roles["VM44"].state = "Online"


def restart_backup(ask: Ask) -> None:
    ask("HV01", "Restart-Service", Name=["wbengine"])


def listen(ask: Ask) -> None:
    if not ask("HV04", "Get-RemediationWinRM").only["Listeners"][1:]:
        assert not ask("HV04", "Add-RemediationListener").errors


def trust(ask: Ask) -> None:
    assert not ask("HV03", "Add-RemediationTrustedHost", Name="hv04.contoso.com").errors


def merge(ask: Ask) -> None:
    ask("HV01", "Remove-VMSnapshot", VMName="VM44", Name=["before update"])
    clock = ask.args[0].clock  # the fixture is a partial over its world
    clock.advance(5)


def bring_up(world: World) -> None:
    """Firmware, microcode and updates as HV01 has them; an older processor stays one."""
    host = world.host("HV02")
    host.edition = EDITIONS[2022]
    if host.cpu is OLD_MICROCODE:
        host.cpu = CASCADE_LAKE


REMEDIES: Mapping[str, Callable[[Ask], None]] = {
    "credssp_protocol_mismatch": use_kerberos,
    "time_skew": set_of("HV04", skew=timedelta()),
    "machine_account": set_of("HV03", secure_channel=True),
    "user_rights_logon_as_service": set_of("HV02", logon_as_service=None),
    "gpo_registry_pol_corrupt": set_of("HV04", registry_pol_corrupt=False),
    "smb_permissions": by_hand(lambda world: [accounts.add("HV04$") for accounts in world.shares.values()]),
    "access_denied_delegation": delegate,
    "credssp_no_credentials": use_kerberos,
    "credential_guard_blocks_credssp": use_kerberos,
    "firewall_blocked": open_port,
    "name_resolution": forget,
    "network_unreachable": compress,
    "winrm_misconfigured": listen,
    "trusted_hosts": trust,
    "migration_not_enabled": enable,
    "migration_network_missing": add_network,
    "spn_missing": add_spn,
    "kerberos_tickets_stale": purge,
    "migration_limit_reached": raise_limit,
    "cpu_incompatible": restart_compatible,
    "node_drain_failed": drain_again,
    "dvd_or_iso_attached": eject,
    "checkpoint_problem": merge,
    "backing_up_stuck": restart_backup,
    "shared_disk_unsupported": detach,
    "pass_through_disk": detach,
    "stuck_stopping": detach,
    "integration_services_outdated": detach,
    "vm_in_use_or_busy": start,
    "saved_state_corrupt": delete_state,
    "config_version_mismatch": upgrade,
    "possible_owner_excluded": let_own,
    "switch_missing": rename_switch,
    "insufficient_memory": in_world(lambda world: setattr(world.host("HV02"), "memory", 512 * GIB)),
    "quorum_or_cluster_health": in_world(join_again),
    "cluster_group_multi_vm": in_world(split_role),
    "duplicate_vm": in_world(lambda world: world.host("HV02").planned.clear()),
    "storage_unreachable": in_world(find_paths),
    "vtpm_key_protector": in_world(lambda world: world.host("HV02").shielded.update(world.host("HV01").shielded)),
    "switch_mismatch": bind_switch,
    "patch_or_firmware_mismatch": in_world(bring_up),
    "speculation_control_mismatch": set_of("HV02", mitigated=True),
}
MIGRATIONS = [fault for fault in FAULTS.values() if fault.vm]
ADDS = frozenset({"spn_missing", "access_denied_delegation"})
"""Remedies that add what is there already unless their own fault took it away."""


def test_every_fault_is_a_known_cause_and_has_a_remedy_here() -> None:
    assert set(FAULTS) == set(REMEDIES) <= {str(cause) for cause in Cause}


@pytest.mark.parametrize("fault", MIGRATIONS, ids=lambda fault: fault.cause)
def test_the_move_works_without_the_fault(world: World, fault: Fault) -> None:
    move = world.move(fault.vm, fault.destination, elsewhere=fault.elsewhere)
    world.wait(lambda: move.over)
    assert move.refusal is None


@pytest.mark.parametrize("fault", MIGRATIONS, ids=lambda fault: fault.cause)
def test_the_move_fails_with_it_and_works_once_mended(world: World, ask: Ask, fault: Fault) -> None:
    fault.inject(world)
    for _ in range(2):  # it does not mend itself
        move = world.move(fault.vm, fault.destination, elsewhere=fault.elsewhere)
        world.wait(lambda move=move: move.over)
        assert move.refusal is not None
        assert world.machine(fault.vm).host == fault.source
    REMEDIES[fault.cause](ask)
    move = world.move(fault.vm, fault.destination, elsewhere=fault.elsewhere)
    world.wait(lambda: move.over)
    assert move.refusal is None


@pytest.mark.parametrize("fault", MIGRATIONS, ids=lambda fault: fault.cause)
@pytest.mark.parametrize("other", [cause for cause in REMEDIES if cause not in ("node_drain_failed", "cpu_incompatible")])
def test_another_faults_remedy_does_not_help(world: World, ask: Ask, fault: Fault, other: str) -> None:
    if REMEDIES[other] is REMEDIES[fault.cause] or (fault.cause, other) == ("vm_in_use_or_busy", "saved_state_corrupt"):
        return
    fault.inject(world)
    if other not in ADDS:
        REMEDIES[other](ask)
    move = world.move(fault.vm, fault.destination, elsewhere=fault.elsewhere)
    world.wait(lambda: move.over)
    assert move.refusal is not None


def test_a_failed_drain_leaves_the_node_paused_with_its_role_and_works_again(world: World, ask: Ask) -> None:
    FAULTS["node_drain_failed"].inject(world)
    node = ask("HV02", "Get-ClusterNode", Name=["HV01"]).only
    assert (node["State"], node["DrainStatus"]) == ("Paused", "Failed")
    assert world.machine("VM44").host == "HV01"
    assert world.machine("VM42").host == "HV02"
    told = [(event.kind.id, event.text("en-US")) for event in world.host("HV01").log.events if event.kind.id in (1137, 1677)]
    assert [number for number, _ in told] == [1137, 1677]
    assert "'VM44' for drain could not be completed. The operation failed with error code 0x800700AA." in told[0][1]
    drain_again(ask)
    assert world.cluster is not None
    world.wait(lambda: world.cluster.nodes["HV01"].drain == "Completed")
    assert world.machine("VM44").host == "HV02"


@pytest.mark.parametrize("cause", FAULTS)
def test_a_fault_is_in_the_past_and_never_in_the_future(world: World, cause: str) -> None:
    FAULTS[cause].inject(world)
    now = world.clock.now()
    assert all(event.time <= now for host in world.hosts.values() for event in host.log.events)
    assert all(
        stamp.local_time <= now
        for controller in world.directory.controllers.values()
        for attributes in controller.history.values()
        for stamps in attributes.values()
        for stamp in stamps
    )
