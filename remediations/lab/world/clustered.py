"""What a cluster finds against moving a role, before Hyper-V is asked: each with an event of its own beside the free text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from remediations.lab.world.text import Sentence, sentence, system_message

if TYPE_CHECKING:
    from remediations.lab.world.cluster import Role
    from remediations.lab.world.hosts import Host
    from remediations.lab.world.machines import Machine
    from remediations.lab.world.world import World

ALREADY_EXISTS = 0x80071392

EVENTS: Mapping[str, int] = {
    "ha.several": 21124,
    "ha.leftover": 21121,
    "ha.directory": 21153,
    "ha.switch_missing": 21159,
    "ha.switch_disconnected": 21145,
    "ha.switch_bound": 21158,
}
"""Reasons that have an event of their own."""


def state_of(world: World, role: Role) -> str:
    """What a role's machines make of it: Online, Offline, or PartialOnline where somebody put several into it."""
    running = [world.machine(each).state == "Running" for each in (role.machine, *role.others)]
    return "Online" if all(running) else "PartialOnline" if any(running) else "Offline"


def obstacles(world: World, machine: Machine, source: Host, destination: Host) -> Iterator[tuple[int, Sentence]]:
    """Code and reason, in the order in which a cluster comes upon them; nothing between hosts of no common cluster."""
    cluster = world.cluster_of(source.name)
    role = cluster.role_of(machine.name) if cluster is not None and cluster is world.cluster_of(destination.name) else None
    if role is None:
        return
    if role.others:
        yield 0, sentence("ha.several")
    configuration = role.configuration(machine.name)
    if machine.id in destination.planned:
        why, code = system_message(ALREADY_EXISTS), f"0x{ALREADY_EXISTS:08X}"
        yield ALREADY_EXISTS, sentence("ha.leftover", resource=configuration, why=why, code=code)
    for volume in cluster.volumes.values() if cluster else ():
        if destination.name in volume.unreachable and machine.path.startswith(volume.path):
            yield 0, sentence("ha.directory", resource=configuration, path=machine.path)
    yield from ((0, reason) for reason in _switch(machine, role.resource(machine.name), source, destination))


def _switch(machine: Machine, resource: str, source: Host, destination: Host) -> Iterator[Sentence]:
    """What it says of the switch that a virtual machine uses."""
    if not machine.switch:
        return
    here, there = source.switches.get(machine.switch), destination.switches.get(machine.switch)
    if here is not None and here.kind != "External":
        yield sentence("ha.switch_bound", resource=resource)
    elif there is None:
        yield sentence("ha.switch_missing", resource=resource, node=destination.name)
    elif there.kind != "External" or not there.linked:
        yield sentence("ha.switch_disconnected", resource=resource, node=destination.name)
