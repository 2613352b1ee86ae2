"""Memory: what a host has free and what holds the rest, and what a virtual machine needs. MiB throughout."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from remediations.facts.query import Query, asked_often
from remediations.facts.read import flag, many, one
from remediations.facts.vm import the_only
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName
from remediations.model.reply import Reply

_MIB = 1024**2


class Holder(Frozen):
    """A virtual machine that holds memory."""

    name: str
    assigned: int


class HostMemory(Fact):
    """A host's memory; `subject` is the host."""

    volatile: ClassVar[frozenset[str]] = frozenset({"free", "holders"})

    total: int
    free: int
    """Free physical memory as Windows counts it. Hyper-V keeps a reserve for the host out of it, which no cmdlet shows."""
    holders: tuple[Holder, ...]
    """Virtual machines with memory assigned, the largest first."""


class VmMemory(Fact):
    """What a virtual machine needs to run elsewhere; `subject` is its id."""

    volatile: ClassVar[frozenset[str]] = frozenset({"needed"})

    name: str
    host: str
    needed: int
    """Assigned now; what it starts with where it is off."""
    dynamic: bool


@asked_often
def host_memory(host: str) -> Query[HostMemory]:
    """Reads a host's memory and which virtual machines hold it."""
    reads = (command("Get-CimInstance", ClassName="Win32_OperatingSystem"), command("Get-VM"))
    return Query(host, reads, partial(_host, host))


def vm_memory(vm: VmName, host: str) -> Query[VmMemory]:
    """Reads what a virtual machine needs; `NotApplicable` on a host that does not have it."""
    return Query(host, (command("Get-VM", Name=vm),), partial(_needed, vm, host))


def _host(host: str, replies: Sequence[Reply]) -> HostMemory:
    system, machines = one(replies[0]), many(replies[1])
    holders = [Holder(name=str(each["Name"]), assigned=int(each["MemoryAssigned"]) // _MIB) for each in machines]
    return HostMemory(
        subject=host,
        total=int(system["TotalVisibleMemorySize"]) // 1024,
        free=int(system["FreePhysicalMemory"]) // 1024,
        holders=tuple(sorted((each for each in holders if each.assigned), key=lambda each: (-each.assigned, each.name))),
    )


def _needed(vm: str, host: str, replies: Sequence[Reply]) -> VmMemory | NotApplicable:
    record = the_only(vm, host, replies[0])
    if isinstance(record, NotApplicable):
        return record
    assigned = int(record["MemoryAssigned"]) or int(record["MemoryStartup"])
    return VmMemory(
        subject=str(record["Id"]),
        name=str(record["Name"]),
        host=host,
        needed=assigned // _MIB,
        dynamic=flag(record, "DynamicMemoryEnabled"),
    )
