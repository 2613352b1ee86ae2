"""What a virtual machine's hard disks are: files, files that several virtual machines share, disks of the host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from remediations.facts.query import Query
from remediations.facts.read import many
from remediations.facts.vm import the_only
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName
from remediations.model.reply import Reply


class Disks(Fact):
    """A virtual machine's hard disks, by path; `subject` is its id."""

    files: frozenset[str]
    """Virtual hard disks of its own."""
    shared: frozenset[str]
    """Shared ones: a VHD set, or a VHDX with persistent reservations."""
    physical: frozenset[str]
    """Disks of the host that are passed through, as Hyper-V describes them: `Disk 3 500.00 GB Bus 0 Lun 2 Target 0`."""


def disks(name: VmName, host: str) -> Query[Disks]:
    """Reads a virtual machine's hard disk drives on one host; `NotApplicable` if that host has none of this name."""
    reads = (command("Get-VM", Name=name), command("Get-VMHardDiskDrive", VMName=name))
    return Query(host, reads, partial(_disks, name, host))


def disks_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[Disks]]:
    """Asks every host that may have the virtual machine."""
    return {host: disks(name, host) for host in hosts}


def _disks(name: str, host: str, replies: Sequence[Reply]) -> Disks | NotApplicable:
    machine, drives = replies
    record = the_only(name, host, machine)
    if isinstance(record, NotApplicable):
        return record
    physical, shared, files = set(), set(), set()
    for each in many(drives):
        path = str(each.get("Path") or "")
        if each.get("DiskNumber") is not None:
            physical.add(path or f"disk {each['DiskNumber']}")
        elif each.get("SupportPersistentReservations") or path.casefold().endswith(".vhds"):
            shared.add(path)
        elif path:
            files.add(path)
    return Disks(subject=str(record["Id"]), files=frozenset(files), shared=frozenset(shared), physical=frozenset(physical))
