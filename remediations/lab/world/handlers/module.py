"""The functions of our own module, on hosts that have it.

- Get-RemediationModule: Version, Hash (SHA-256 of the .psm1, upper-case hexadecimal)
- Get-RemediationTicket: Lines (klist's, in the host's language), Culture, UtcOffsetMinutes, Now (UTC)
- Clear-RemediationTicket: Lines
- Set-RemediationClusterLimit: nothing
- Get-RemediationClusterMigration: Exclude, Order (ids of networks, semicolons between)
- Get-RemediationClusterLog: Path, Length (bytes), Cut, Content (gzip), Removed
- Compare-RemediationVM: MessageId, Message, Source for each incompatibility; nothing when there is none
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Int64, Object
from remediations.lab.world import migration, tickets
from remediations.lab.world.directory import guid
from remediations.lab.world.handlers.clustering import local_cluster
from remediations.lab.world.handlers.hyperv import machines_asked, peer
from remediations.lab.world.handlers.shape import vm_error
from remediations.lab.world.hosts import GIB
from remediations.lab.world.text import say
from remediations.lab.world.world import World

MESSAGES: Mapping[str, int] = {
    "migration.switch": 33012,
    "migration.protector": 24008,
    "migration.cpu": 24008,
    "migration.version": 24004,
    "migration.memory": 20153,
}
"""Compare-VM's message ids; Microsoft publishes no list of them but 33012, so match on any and read the text."""


def get_module(world: World, call: Call) -> None:
    """Get-RemediationModule."""
    module = world.host(call.host).module
    if module is not None:
        call.output(_custom(Version=module.version, Hash=module.hash))


def get_ticket(world: World, call: Call) -> None:
    """Get-RemediationTicket."""
    host, now = world.host(call.host), world.clock.now()
    realm = world.directory.domain.upper()
    lines = tickets.listing(
        host.tickets, client=f"{host.name.lower()}$", realm=realm, culture=host.culture, zone=host.zone, now=now
    )
    minutes = int(host.offset.total_seconds() // 60)
    call.output(_custom(Lines=lines, Culture=host.culture, UtcOffsetMinutes=minutes, Now=now))


def clear_ticket(world: World, call: Call) -> None:
    """Clear-RemediationTicket."""
    host = world.host(call.host)
    host.tickets.purge()
    call.output(_custom(Lines=tickets.purging(host.culture)))


def set_cluster_limit(world: World, call: Call) -> None:
    """Set-RemediationClusterLimit -Maximum: the cluster's own property, which its nodes take over."""
    wanted = int(call.parameters["Maximum"])
    if not 1 <= wanted <= 64:
        text = (
            f"Cannot validate argument on parameter 'Maximum'. The {wanted} argument is outside the allowed range of 1 to 64. "
            "Supply an argument that is within the allowed range and then try the command again."
        )
        kind = "System.Management.Automation.ParameterBindingValidationException"
        raise CommandError(
            text, "ParameterArgumentValidationError", "InvalidData", exception=kind, command_type=call.name, target=str(wanted)
        )
    cluster = local_cluster(world, call)
    cluster.maximum_parallel_migrations = wanted
    for name in cluster.nodes:
        world.host(name).migration.maximum = cluster.maximum_parallel_migrations


def get_cluster_log(world: World, call: Call) -> None:
    """Get-RemediationClusterLog -Minutes -Megabytes: what this node has to tell, a line an event, the newest last."""
    cluster, host = local_cluster(world, call), world.host(call.host)
    since = world.clock.now() - timedelta(minutes=int(call.parameters["Minutes"]))
    now = f"{world.clock.now():%Y/%m/%d-%H:%M:%S}"
    lines = [f"000012ac.00000f1c::{now}.000 INFO  [NODE] Node {host.name}: cluster {cluster.name}"]
    lines += [
        f"000012ac.00000f1c::{each.time:%Y/%m/%d-%H:%M:%S}.000 ERR   [RHS] {each.text('en-US')}"
        for each in host.log.events
        if each.time >= since
    ]
    text, most = "\r\n".join([*lines, ""]).encode("utf-8"), int(call.parameters["Megabytes"]) * 1024**2
    path = f"C:\\Windows\\Temp\\HyperVRemediation-{guid(f'log {host.name}')}\\{host.name}_cluster.log"
    content = gzip.compress(text[-most:])
    call.output(_custom(Path=path, Length=len(text), Cut=len(text) > most, Content=content, Removed=True))


def get_cluster_migration(world: World, call: Call) -> None:
    """Get-RemediationClusterMigration."""
    networks = local_cluster(world, call).networks.values()
    named = [(f"{each.id}", each.excluded) for each in networks if each.role]
    call.output(
        _custom(
            Exclude=";".join(each for each, excluded in named if excluded),
            Order=";".join(each for each, excluded in named if not excluded),
        )
    )


def compare_vm(world: World, call: Call) -> None:
    """Compare-RemediationVM -Name -DestinationHost."""
    host, name = world.host(call.host), str(call.parameters["Name"])
    machine = next((each for each in world.machines_on(host.name) if each.name.casefold() == name.casefold()), None)
    if machine is None:
        raise vm_error(call, say("vm.not_found", host.culture, vm=name), "InvalidParameter", "InvalidArgument", target=name)
    destination = peer(world, call, str(call.parameters["DestinationHost"]))
    for _, reason in migration.incompatibilities(world, machine, destination):
        call.output(_custom(MessageId=MESSAGES[reason.key], Message=reason.text(host.culture), Source=machine.name))


def _custom(**properties: Any) -> Object:
    return Object(("System.Management.Automation.PSCustomObject", "System.Object"), properties, custom=True)


def get_disk_chain(world: World, call: Call) -> None:
    """Get-RemediationDiskChain -Name: the files of a virtual machine's first disk, from the one in use down."""
    for machine in machines_asked(world, call, "Name"):
        files = machine.chain
        for number, (path, readable) in enumerate(files):
            parent = files[number + 1][0] if readable and number + 1 < len(files) else ""
            call.output(
                Object(
                    ("System.Management.Automation.PSCustomObject", "System.Object"),
                    {
                        "Path": path,
                        "ParentPath": parent,
                        "Readable": readable,
                        "FileSize": Int64((12 * GIB if parent else 80 * GIB) if readable else 0),
                        "Free": Int64(1024 * GIB),
                    },
                )
            )
            if not readable:
                break
