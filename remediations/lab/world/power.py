"""Starting and shutting down virtual machines. A guest shuts down by itself, in its own time, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remediations.lab.world.clustered import state_of
from remediations.lab.world.machines import Machine
from remediations.lab.world.migration import memory_shortage

if TYPE_CHECKING:
    from remediations.lab.world.world import World


def shut_down(world: World, machine: Machine) -> None:
    """Ask the guest to shut down; it is Off after a while, or stays Running if it hangs."""
    if machine.hangs:
        return
    machine.state = "Stopping"
    world.agenda.after(world.pace.shutdown, lambda: _off(world, machine))


def switch_on(world: World, machine: Machine) -> None:
    """Start it; after a while it is Running, or what it was, if it cannot (a role is then Failed)."""
    saved = machine.state == "Saved"
    machine.state = "Starting"
    world.agenda.after(world.pace.start, lambda: _on(world, machine, saved=saved))


def save(world: World, machine: Machine) -> None:
    """Keep its memory in a file, as a host does that shuts down."""
    machine.state = "Saved"
    world.host(machine.host).log.write(18510, world.now, vm=machine.name, id=machine.id)
    _offline(world, machine)


def _off(world: World, machine: Machine) -> None:
    machine.power_off()
    _offline(world, machine)


def _offline(world: World, machine: Machine) -> None:
    cluster = world.cluster_of(machine.host)
    role = cluster.role_of(machine.name) if cluster else None
    if role is not None:
        role.state = state_of(world, role)
        if role.state == "Offline":
            world.host(machine.host).log.write(1204, world.now, role=role.name)


def _on(world: World, machine: Machine, *, saved: bool) -> None:
    host = world.host(machine.host)
    cluster = world.cluster_of(machine.host)
    role = cluster.role_of(machine.name) if cluster else None
    unreadable = saved and machine.unreadable
    if unreadable or memory_shortage(world, machine, host):
        if saved:
            machine.state = "Saved"
        else:
            machine.power_off()
        if unreadable:
            host.log.write(15130, world.now, vm=machine.name, id=machine.id)
        if role is not None:
            role.state = "Failed"
            resource = role.resource(machine.name)
            host.log.write(1069, world.now, resource=resource, type="Virtual Machine", role=role.name)
        return
    if saved:
        machine.restore(world.now)
    else:
        machine.power_on(host.offers, world.now)
    if role is not None:
        role.state = state_of(world, role)
        host.log.write(21119, world.now, resource=role.resource(machine.name))
        host.log.write(1201, world.now, role=role.name)
