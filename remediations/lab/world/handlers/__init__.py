"""What each computer of the lab offers: its commands, and the world's answer to each.

The tables at the head of `hyperv`, `clustering`, `directory`, `windows` and `module` name the main properties of every object;
each has as many more as Windows' own.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from remediations.lab.cmdlet import Call, CommandError, Handler, Surface
from remediations.lab.world.handlers import (
    channel,
    clustering,
    devices,
    directory,
    firewall,
    hyperv,
    module,
    networks,
    patches,
    services,
    shielding,
    states,
    switching,
    windows,
)
from remediations.lab.world.world import World
from remediations.model.contract import contracts

Answer: TypeAlias = Callable[[World, Call], None] | Callable[[World, Call], Awaitable[None]]


@dataclass(frozen=True)
class Simulated:
    """How the lab carries out one command, and with which of its parameters."""

    answer: Answer
    parameters: frozenset[str]


def _does(answer: Answer, *parameters: str) -> Simulated:
    return Simulated(answer, frozenset(parameters))


HYPERV: Mapping[str, Simulated] = {
    "Get-VM": _does(hyperv.get_vm, "Name", "Id"),
    "Get-VMHost": _does(hyperv.get_vm_host),
    "Get-VMProcessor": _does(hyperv.get_vm_processor, "VMName"),
    "Get-VMSnapshot": _does(hyperv.get_vm_snapshot, "VMName"),
    "Get-VMHostSupportedVersion": _does(states.get_supported_version),
    "Update-VMVersion": _does(states.update_version, "Name", "Force"),
    "Save-VM": _does(states.save_vm, "Name"),
    "Remove-VMSavedState": _does(states.remove_saved_state, "VMName"),
    "Get-VMHardDiskDrive": _does(devices.get_hard_disk_drive, "VMName"),
    "Get-VMIntegrationService": _does(devices.get_integration_service, "VMName"),
    "Remove-VMSnapshot": _does(states.remove_snapshot, "VMName", "Name"),
    "Get-VMDvdDrive": _does(devices.get_dvd_drive, "VMName"),
    "Set-VMDvdDrive": _does(devices.set_dvd_drive, "VMName", "ControllerNumber", "ControllerLocation", "Path"),
    "Stop-VM": _does(hyperv.stop_vm, "Name"),
    "Start-VM": _does(hyperv.start_vm, "Name"),
    "Set-VMProcessor": _does(hyperv.set_vm_processor, "VMName", "CompatibilityForMigrationEnabled"),
    "Set-VMHost": _does(
        hyperv.set_vm_host,
        "MaximumVirtualMachineMigrations",
        "MaximumStorageMigrations",
        "VirtualMachineMigrationAuthenticationType",
        "VirtualMachineMigrationPerformanceOption",
    ),
    "Enable-VMMigration": _does(networks.enable_migration),
    "Disable-VMMigration": _does(networks.disable_migration),
    "Get-VMMigrationNetwork": _does(networks.get_networks),
    "Add-VMMigrationNetwork": _does(networks.add_network, "Subnet"),
    "Remove-VMMigrationNetwork": _does(networks.remove_network, "Subnet"),
    "Get-VMSwitch": _does(switching.get_switch, "Name"),
    "Rename-VMSwitch": _does(switching.rename_switch, "Name", "NewName"),
    "New-VMSwitch": _does(switching.new_switch, "Name", "SwitchType"),
    "Remove-VMSwitch": _does(switching.remove_switch, "Name"),
    "Get-VMSecurity": _does(hyperv.get_vm_security, "VMName"),
    "Get-VMNetworkAdapter": _does(switching.get_network_adapter, "VMName", "All"),
    "Move-VM": _does(hyperv.move_vm, "Name", "DestinationHost", "IncludeStorage", "DestinationStoragePath"),
}
CLUSTERING: Mapping[str, Simulated] = {
    "Get-Cluster": _does(clustering.get_cluster),
    "Get-ClusterNode": _does(clustering.get_node, "Name"),
    "Get-ClusterGroup": _does(clustering.get_group, "Name"),
    "Get-ClusterResource": _does(clustering.get_resource, "Name"),
    "Get-ClusterOwnerNode": _does(clustering.get_owner_node, "Group", "Resource"),
    "Set-ClusterOwnerNode": _does(clustering.set_owner_node, "Resource", "Owners"),
    "Get-ClusterSharedVolume": _does(clustering.get_shared_volume, "Name"),
    "Get-ClusterSharedVolumeState": _does(clustering.get_volume_state),
    "Get-ClusterQuorum": _does(clustering.get_quorum),
    "Get-ClusterNetwork": _does(networks.get_cluster_networks),
    "Get-ClusterNetworkInterface": _does(networks.get_cluster_interfaces),
    "Get-CauRun": _does(clustering.get_cau_run),
    "Start-ClusterResource": _does(clustering.start_resource, "Name"),
    "Move-ClusterSharedVolume": _does(clustering.move_shared_volume, "Name", "Node"),
    "Move-ClusterVirtualMachineRole": _does(clustering.move_role, "Name", "VMId", "Node", "MigrationType", "Wait", "Cancel"),
    "Suspend-ClusterNode": _does(clustering.suspend_node, "Name", "Drain", "TargetNode"),
    "Resume-ClusterNode": _does(clustering.resume_node, "Name", "Failback"),
}
DIRECTORY: Mapping[str, Simulated] = {
    "Get-ADComputer": _does(directory.get_computer, "Identity", "Properties", "Server"),
    "Get-ADObject": _does(directory.get_object, "LDAPFilter", "Properties", "SearchBase", "Server"),
    "Get-ADReplicationAttributeMetadata": _does(directory.get_metadata, "Object", "Properties", "Server"),
    "Get-ADDomainController": _does(directory.get_controllers, "Filter", "Server"),
    "Get-ADUser": _does(directory.get_user, "Identity", "Properties", "Server"),
    "Set-ADComputer": _does(directory.set_computer, "Identity", "ServicePrincipalNames", "Add", "Remove", "Server"),
    "Set-ADAccountControl": _does(directory.set_account_control, "Identity", "TrustedToAuthForDelegation", "Server"),
}
WINDOWS: Mapping[str, Simulated] = {
    "Get-WinEvent": _does(windows.get_win_event, "FilterHashtable", "MaxEvents"),
    "Get-CimInstance": _does(windows.get_cim_instance, "ClassName", "Namespace", "Filter"),
    "Test-ComputerSecureChannel": _does(windows.test_secure_channel),
    "Get-Service": _does(services.get_service, "Name"),
    "Restart-Service": _does(services.restart_service, "Name"),
    "Get-StorageJob": _does(windows.get_storage_job),
    "Get-NetAdapter": _does(networks.get_adapters),
    "Get-NetAdapterAdvancedProperty": _does(networks.get_advanced_properties, "RegistryKeyword"),
    "Get-NetIPAddress": _does(networks.get_addresses),
    "Get-NetConnectionProfile": _does(firewall.get_connection_profiles),
    "Get-NetFirewallRule": _does(firewall.get_rules, "Name", "Direction", "Action", "Enabled", "PolicyStore"),
    "Get-NetFirewallProfile": _does(firewall.get_profiles, "PolicyStore"),
    "Get-NetFirewallPortFilter": _does(firewall.get_port_filters, "Protocol", "PolicyStore"),
    "Enable-NetFirewallRule": _does(firewall.enable_rule, "Name"),
    "Disable-NetFirewallRule": _does(firewall.disable_rule, "Name"),
    "Resolve-DnsName": _does(networks.resolve_name, "Name", "NoHostsFile", "Server"),
    "Get-DnsClientCache": _does(networks.get_cache),
    "Clear-DnsClientCache": _does(networks.clear_cache),
    "Test-NetConnection": _does(networks.test_connection, "ComputerName", "Port"),
}
ATC: Mapping[str, Simulated] = {"Get-NetIntent": _does(switching.get_intent)}
"""Network ATC's, on hosts that have the feature."""
MODULE: Mapping[str, Simulated] = {
    "Get-RemediationModule": _does(module.get_module),
    "Get-RemediationTicket": _does(module.get_ticket),
    "Clear-RemediationTicket": _does(module.clear_ticket),
    "Set-RemediationClusterLimit": _does(module.set_cluster_limit, "Maximum"),
    "Get-RemediationClusterLog": _does(module.get_cluster_log, "Minutes", "Megabytes"),
    "Get-RemediationClusterMigration": _does(module.get_cluster_migration),
    "Get-RemediationShieldedCertificate": _does(shielding.get_certificates),
    "Get-RemediationKeyProtector": _does(shielding.get_protector, "Name"),
    "Get-RemediationWinRM": _does(channel.get_winrm),
    "Add-RemediationListener": _does(channel.add_listener),
    "Remove-RemediationListener": _does(channel.remove_listener),
    "Add-RemediationTrustedHost": _does(channel.trust, "Name"),
    "Remove-RemediationTrustedHost": _does(channel.distrust, "Name"),
    "Set-RemediationProxyBypass": _does(channel.set_bypass, "Name", "Bypass"),
    "Get-RemediationPatchLevel": _does(patches.get_patch_level),
    "Get-RemediationSpeculation": _does(patches.get_speculation),
    "Get-RemediationName": _does(networks.get_names, "Name"),
    "Get-RemediationVssWriter": _does(services.get_vss_writers),
    "Get-RemediationDiskChain": _does(module.get_disk_chain, "Name"),
    "Compare-RemediationVM": _does(module.compare_vm, "Name", "DestinationHost"),
}
KEYS: Mapping[str, Simulated] = {
    "Export-RemediationShieldedCertificate": _does(shielding.export, "Thumbprint"),
    "Import-RemediationShieldedCertificate": _does(shielding.bring_in, "Thumbprint", "Pfx"),
    "Remove-RemediationShieldedCertificate": _does(shielding.take_out, "Thumbprint"),
}
"""The module's too, but in a role of their own, which the lab's restricted endpoints do not have."""

PLAIN, JEA = "Microsoft.PowerShell", "Remediation"
"""The session configurations that every computer of the lab has."""

CONTROLLERS_RELEASE = 2022
"""Windows Server release of the domain controllers."""


class Commands(Mapping[str, Handler]):
    """The commands of one computer, as it is equipped at the moment they are asked for."""

    def __init__(self, world: World, computer: str) -> None:
        self._world, self._computer = world, computer
        self._found: tuple[tuple[bool, ...], dict[str, Simulated]] = ((), {})

    def __getitem__(self, name: str) -> Handler:
        return bound(self._world, self._installed()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._installed())

    def __len__(self) -> int:
        return len(self._installed())

    def _installed(self) -> dict[str, Simulated]:
        host = self._world.hosts.get(self._computer)
        equipped = (host.cluster_tools, host.module is not None, host.intents is not None) if host else (False,)
        if self._found[0] != equipped:
            found = dict(DIRECTORY)
            if host is not None:
                found = {**HYPERV, **WINDOWS, **DIRECTORY, **(CLUSTERING if host.cluster_tools else {})}
                found |= {**MODULE, **KEYS} if host.module is not None else {}
                found |= ATC if host.intents is not None else {}
            self._found = equipped, {name: each for name, each in found.items() if name in contracts()}
        return self._found[1]


def bound(world: World, simulated: Simulated) -> Handler:
    """A command as the protocol calls it: time catches up first, and nothing else happens meanwhile.

    A parameter that the lab does not simulate is refused, so that nothing passes for done that was only overlooked.
    """

    async def handle(call: Call) -> None:
        if unknown := sorted(set(call.parameters) - simulated.parameters):
            text = f"The lab does not simulate {call.name} -{unknown[0]}."
            raise CommandError(text, "LabUnsupported", "NotImplemented", command_type=call.name, target=unknown[0])
        if inspect.iscoroutinefunction(simulated.answer):
            await simulated.answer(world, call)
            return
        with world.lock:
            world.settle()
            simulated.answer(world, call)

    return handle


def surfaces(world: World) -> list[Surface]:
    """Every computer's plain and JEA configuration. JEA shows the same commands by name, and refuses scripts."""
    everything = frozenset({*HYPERV, *CLUSTERING, *DIRECTORY, *WINDOWS, *ATC, *MODULE})
    found = []
    for computer in (*world.hosts, *world.directory.controllers):
        commands, host = Commands(world, computer), world.hosts.get(computer)
        release = host.edition.year if host else CONTROLLERS_RELEASE
        found.append(Surface(computer, PLAIN, commands, no_language=False, release=release))
        found.append(Surface(computer, JEA, commands, visible=everything, release=release))
    return found
