"""What each computer of the lab offers: its commands, and the world's answer to each.

The tables at the head of `hyperv`, `clustering`, `directory`, `windows` and `module` name the main properties of every object;
each has as many more as Windows' own.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeAlias

from remediations.lab.cmdlet import Call, Handler, Surface
from remediations.lab.world.handlers import clustering, directory, hyperv, module, windows
from remediations.lab.world.world import World

Answer: TypeAlias = Callable[[World, Call], None] | Callable[[World, Call], Awaitable[None]]

HYPERV: Mapping[str, Answer] = {
    "Get-VM": hyperv.get_vm,
    "Get-VMHost": hyperv.get_vm_host,
    "Get-VMProcessor": hyperv.get_vm_processor,
    "Get-VMSnapshot": hyperv.get_vm_snapshot,
    "Stop-VM": hyperv.stop_vm,
    "Start-VM": hyperv.start_vm,
    "Set-VMProcessor": hyperv.set_vm_processor,
    "Set-VMHost": hyperv.set_vm_host,
    "Move-VM": hyperv.move_vm,
}
CLUSTERING: Mapping[str, Answer] = {
    "Get-Cluster": clustering.get_cluster,
    "Get-ClusterNode": clustering.get_node,
    "Get-ClusterGroup": clustering.get_group,
    "Get-ClusterResource": clustering.get_resource,
    "Get-ClusterOwnerNode": clustering.get_owner_node,
    "Get-ClusterSharedVolume": clustering.get_shared_volume,
    "Get-ClusterQuorum": clustering.get_quorum,
    "Get-CauRun": clustering.get_cau_run,
    "Start-ClusterGroup": clustering.start_group,
    "Move-ClusterSharedVolume": clustering.move_shared_volume,
    "Move-ClusterVirtualMachineRole": clustering.move_role,
    "Suspend-ClusterNode": clustering.suspend_node,
    "Resume-ClusterNode": clustering.resume_node,
}
DIRECTORY: Mapping[str, Answer] = {
    "Get-ADComputer": directory.get_computer,
    "Get-ADObject": directory.get_object,
    "Get-ADReplicationAttributeMetadata": directory.get_metadata,
    "Get-ADDomainController": directory.get_controllers,
    "Set-ADComputer": directory.set_computer,
}
WINDOWS: Mapping[str, Answer] = {
    "Get-WinEvent": windows.get_win_event,
    "Get-CimInstance": windows.get_cim_instance,
    "Get-StorageJob": windows.get_storage_job,
}
MODULE: Mapping[str, Answer] = {
    "Get-RemediationModule": module.get_module,
    "Get-RemediationTicket": module.get_ticket,
    "Clear-RemediationTicket": module.clear_ticket,
    "Set-RemediationClusterLimit": module.set_cluster_limit,
    "Compare-RemediationVM": module.compare_vm,
}

PLAIN, JEA = "Microsoft.PowerShell", "Remediation"
"""The session configurations that every computer of the lab has."""

CONTROLLERS_RELEASE = 2022
"""Windows Server release of the domain controllers."""


class Commands(Mapping[str, Handler]):
    """The commands of one computer, as it is equipped at the moment they are asked for."""

    def __init__(self, world: World, computer: str) -> None:
        self._world, self._computer = world, computer

    def __getitem__(self, name: str) -> Handler:
        return bound(self._world, self._installed()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._installed())

    def __len__(self) -> int:
        return len(self._installed())

    def _installed(self) -> dict[str, Answer]:
        host = self._world.hosts.get(self._computer)
        if host is None:
            return dict(DIRECTORY)
        clustering = CLUSTERING if host.cluster_tools else {}
        return {**HYPERV, **WINDOWS, **DIRECTORY, **clustering, **(MODULE if host.module is not None else {})}


def bound(world: World, answer: Answer) -> Handler:
    """An answer as the protocol calls it: time catches up first, and nothing else happens meanwhile."""

    async def handle(call: Call) -> None:
        if inspect.iscoroutinefunction(answer):
            await answer(world, call)
            return
        with world.lock:
            world.settle()
            answer(world, call)

    return handle


def surfaces(world: World) -> list[Surface]:
    """Every computer's plain and JEA configuration. JEA shows the same commands by name, and refuses scripts."""
    everything = frozenset({*HYPERV, *CLUSTERING, *DIRECTORY, *WINDOWS, *MODULE})
    found = []
    for computer in (*world.hosts, *world.directory.controllers):
        commands, host = Commands(world, computer), world.hosts.get(computer)
        release = host.edition.year if host else CONTROLLERS_RELEASE
        found.append(Surface(computer, PLAIN, commands, no_language=False, release=release))
        found.append(Surface(computer, JEA, commands, visible=everything, release=release))
    return found
