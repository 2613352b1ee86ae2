"""Live migration by the rules: what refuses a move, what a refused and a completed move leave behind.

Nothing here knows why the lab's state is as it is. A move within the cluster is started by the cluster service on the
source node itself, so it needs a ticket but no delegation; a move between standalone hosts is started by somebody from
elsewhere, so with Kerberos the source must be allowed to delegate to the destination.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from remediations.lab.world import clustered, devices, identity, network
from remediations.lab.world.hosts import GIB, Host
from remediations.lab.world.machines import Machine
from remediations.lab.world.text import Sentence, sentence, system_message

if TYPE_CHECKING:
    from remediations.lab.world.world import World

BUSY, OUT_OF_MEMORY, CPU = 0x800700AA, 0x8007000E, 0x80048054
NOT_OWNER, PAUSED, NOT_AVAILABLE = 0x80071398, 0x800713CE, 0x8007138D

_OWN_EVENTS = {"ha.switch_missing": 21159, "ha.switch_disconnected": 21145, "ha.switch_bound": 21158}
"""Reasons that have an event of their own beside the free text of 21502."""

HOST_RESERVE = 4 * GIB
"""What the host keeps for itself."""


@dataclass(frozen=True)
class Refusal:
    """Why a move does not take place."""

    code: int
    """HRESULT, unsigned; 0 for a reason that has none."""
    sentences: tuple[Sentence, ...]
    """From the outside in; the last is the reason."""
    side: Literal["source", "destination", "cluster"] = "source"
    """Who refuses; the cluster service does so before Hyper-V is asked."""
    event: int = 21502
    """The event of the high-availability channel that carries the text on a node."""

    @property
    def hresult(self) -> int:
        """The code as .NET has it: signed."""
        return self.code - (1 << 32) if self.code else -2146233087


@dataclass
class Migration:
    """One move, under way or over."""

    machine: str
    source: str
    destination: str
    started: datetime
    seconds: float
    storage: bool = False
    refusal: Refusal | None = None
    done: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.refusal is not None or self.done is not None

    def percent(self, now: datetime) -> int:
        """How far it is: 0 to 100."""
        if self.done:
            return 100
        return min(99, int(100 * (now - self.started).total_seconds() / self.seconds)) if self.seconds else 99


def limit(world: World, host: Host, *, storage: bool = False) -> int:
    """How many moves a host takes part in at a time: a cluster's own limit wins over its nodes' settings."""
    if storage:
        return host.migration.storage_maximum
    cluster = world.cluster_of(host.name)
    return cluster.maximum_parallel_migrations if cluster else host.migration.maximum


def start(
    world: World,
    machine: Machine,
    destination: Host,
    *,
    storage: bool = False,
    delegates: bool = False,
    mover: str = "",
    seconds: float | None = None,
) -> Migration:
    """Begin a move; if a rule refuses it, it is over at once and has left its events.

    `delegates`: whoever asks has credentials on the source that CredSSP can pass on. `mover`: their account. `seconds`: how
    long it takes, if not as long as others.
    """
    source = world.host(machine.host)
    seconds = world.pace.migration if seconds is None else seconds
    move = Migration(machine.name, source.name, destination.name, world.now, seconds, storage)
    if world.cluster_of(source.name) is None:
        source.log.write(20413, world.now, vm=machine.name, host=destination.name, id=machine.id)
    found = refusals(world, machine, source, destination, storage=storage, delegates=delegates, mover=mover)
    move.refusal = next(found, None)
    world.migrations.append(move)
    if move.refusal:
        _failed(world, move, machine, source, destination)
    else:
        world.agenda.after(seconds, lambda: _arrive(world, move, machine, destination))
    return move


def refuse(world: World, machine: Machine, destination: Host, code: int) -> Migration:
    """A move that the cluster service refuses before anything is tried: over at once, told by the source's log."""
    source = world.host(machine.host)
    why = sentence("ha.action", why=system_message(code), code=f"0x{code:08X}")
    move = Migration(machine.name, source.name, destination.name, world.now, 0, refusal=Refusal(code, (why,), "cluster"))
    _failed(world, move, machine, source, destination)
    return move


def refusals(
    world: World,
    machine: Machine,
    source: Host,
    destination: Host,
    *,
    storage: bool = False,
    delegates: bool = False,
    mover: str = "",
) -> Iterator[Refusal]:
    """Everything that stands against a move, in the order in which Windows comes upon it."""
    at_source = sentence("migration.source", vm=machine.name, host=source.name, id=machine.id)
    at_destination = sentence("migration.destination", vm=machine.name, host=destination.name, id=machine.id)
    if machine.busy or world.migration_of(machine.name) is not None:
        reason = sentence("migration.busy", vm=machine.name, why=system_message(BUSY), code=f"0x{BUSY:08X}")
        yield Refusal(BUSY, (at_source, reason))
    if machine.state not in ("Running", "Paused", "Off"):
        yield Refusal(0, (at_source, sentence("vm.state")))
    if reached := _full(world, machine, source, storage):
        yield Refusal(0, (at_source, reached), event=21501)
    if not source.migration.enabled:
        yield Refusal(0, (at_source, sentence("migration.disabled")))
    if code := network.obstacle(world, source, destination):
        told = 0 if code == network.NOT_WINRM else code
        yield Refusal(told, (at_source, _unreached(destination, code)))
    if destination.registry_pol_corrupt:
        yield Refusal(network.TIMED_OUT, (at_source, _connect(destination, network.TIMED_OUT)))
    code = identity.authenticate(world, source, destination, delegates=delegates, mover=mover)
    if code:
        why = (sentence("migration.authenticate"),) if code == identity.NO_CREDENTIALS else ()
        yield Refusal(code, (at_source, _connect(destination, code), *why))
    if reached := _full(world, machine, destination, storage):
        yield Refusal(0, (at_destination, reached), "destination", 21501)
    yield from (
        Refusal(code, (at_destination, reason), "destination") for code, reason in identity.denied(world, machine, destination)
    )
    for code, reason in clustered.obstacles(world, machine, source, destination):
        yield Refusal(code, (reason,), "cluster")
    yield from (
        Refusal(code, (at_destination, reason), "destination")
        for code, reason in incompatibilities(world, machine, destination)
    )
    if code := network.stall(source, destination):
        reason = sentence("migration.send", why=system_message(code), code=f"0x{code:08X}")
        yield Refusal(code, (at_source, reason))


def incompatibilities(world: World, machine: Machine, destination: Host) -> Iterator[tuple[int, Sentence]]:
    """What `Compare-VM` would find: code and reason."""
    fixed = {"vm": machine.name, "host": destination.name, "id": machine.id}
    if machine.version not in destination.edition.versions:
        yield 0, sentence("migration.version", version=machine.version, **fixed)
    if any(not (held := destination.shielded.get(each)) or not held.pfx for each in machine.owner):
        yield 0x80070057, sentence("migration.protector", **fixed)
    yield from devices.unopened(machine, destination)
    if machine.switch and machine.switch not in destination.switches:
        yield 0, sentence("migration.switch", switch=machine.switch)
    if machine.running:
        if machine.vendor != destination.cpu.vendor or not machine.features <= destination.offers.features:
            yield CPU, sentence("migration.cpu", **fixed)
        if shortage := memory_shortage(world, machine, destination):
            yield OUT_OF_MEMORY, shortage


def memory_shortage(world: World, machine: Machine, host: Host) -> Sentence | None:
    """What a host says if it cannot give a virtual machine its memory."""
    used = sum(each.memory for each in world.machines_on(host.name) if each.running and each is not machine)
    if used + machine.memory <= host.memory - HOST_RESERVE:
        return None
    why, code = system_message(OUT_OF_MEMORY), f"0x{OUT_OF_MEMORY:08X}"
    return sentence("migration.memory", vm=machine.name, id=machine.id, why=why, code=code)


def _full(world: World, machine: Machine, host: Host, storage: bool) -> Sentence | None:
    most = limit(world, host)
    if sum(host.name in (move.source, move.destination) for move in world.active_migrations()) >= most:
        return sentence("migration.limit", vm=machine.name, limit=most)
    most = limit(world, host, storage=True)
    moving = [move for move in world.active_migrations() if move.storage and host.name in (move.source, move.destination)]
    if storage and len(moving) >= most:
        return sentence("migration.storage_limit", vm=machine.name, limit=most, id=machine.id)
    return None


def _connect(destination: Host, code: int) -> Sentence:
    return sentence("migration.connect", host=destination.name, why=system_message(code), code=f"0x{code:08X}")


def _unreached(destination: Host, code: int) -> Sentence:
    if code == network.NO_CLUSTER_NETWORK:
        return sentence("ha.no_network", node=destination.name, why=system_message(code), code="0x000013AB")
    if code == network.NOT_WINRM:
        return sentence("winrm.identify")
    return _connect(destination, code)


def _failed(world: World, move: Migration, machine: Machine, source: Host, destination: Host) -> None:
    refusal = move.refusal
    assert refusal is not None
    fixed = {"vm": machine.name, "host": source.name, "id": machine.id}
    for part in refusal.sentences:
        if part.key == "migration.connect":
            source.log.write(20406, world.now, **part.inserts)
        if part.key == "migration.register":
            destination.log.write(20100, world.now, **part.inserts)
            destination.log.write(31010, world.now, path=machine.path.rpartition("\\")[0])
    cluster = world.cluster_of(source.name)
    role = cluster.role_of(machine.name) if cluster else None
    if role is not None:
        resource = role.resource(machine.name)
        header = sentence("ha.failed", resource=resource)
        source.log.write(21111, world.now, resource=resource)
        for host in (source, destination) if refusal.side == "destination" else (source,):
            parts = [part.text(host.culture) for part in (header, *refusal.sentences)]
            host.log.write(refusal.event, world.now, text="\r\n\r\n".join(parts))
        for part in refusal.sentences:
            if part.key in clustered.EVENTS:
                source.log.write(clustered.EVENTS[part.key], world.now, **part.inserts)
        if refusal.code == BUSY:
            source.log.write(
                1252, world.now, resource=resource, role=role.name, node=destination.name, code=f"0x{BUSY & 0xFFFF:X}"
            )
        source.log.write(1155, world.now, role=role.name)
    if refusal.side == "source" or role is None:
        source.log.write(21024, world.now, **fixed)


def _arrive(world: World, move: Migration, machine: Machine, destination: Host) -> None:
    source = world.host(move.source)
    move.done = world.now
    machine.host = destination.name
    if move.storage:
        machine.path = f"C:\\ProgramData\\Microsoft\\Windows\\Hyper-V\\{machine.name}"
    source.log.write(20415, world.now, vm=machine.name, id=machine.id, seconds=0.5)
    cluster = world.cluster_of(source.name)
    role = cluster.role_of(machine.name) if cluster else None
    if role is not None:
        role.owner = destination.name
        role.state = clustered.state_of(world, role)
        destination.log.write(1201, world.now, role=role.name)
