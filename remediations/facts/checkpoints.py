"""Checkpoints of a virtual machine, and the chains of differencing disks that they leave.

No cmdlet shows a chain: it is followed by `ParentPath`, which a function of the module does on the host that has the virtual
machine (on shared storage `Get-VHD` only works there).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Self

from remediations.facts.media import is_local
from remediations.facts.module import how_to_install
from remediations.facts.query import Query, Unreadable
from remediations.facts.read import lacks_command, many
from remediations.facts.vm import the_only
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName, same_name
from remediations.model.reply import Reply

_GIB = 1024**3
_OF_REPLICA = frozenset({"Replica", "AppConsistentReplica", "SyncedReplica"})
"""Kinds (Get-VMSnapshot -SnapshotType) that Hyper-V Replica makes and removes itself: points that a failover can go back to."""


class Checkpoint(Frozen):
    """One checkpoint. Names are no identity: Hyper-V lets several have the same, and a new one take that of an old one."""

    id: str
    name: str


class Checkpoints(Fact):
    """A virtual machine's checkpoints and its chains of disks; `subject` is its id."""

    volatile: ClassVar[frozenset[str]] = frozenset({"to_merge", "room"})

    taken: frozenset[Checkpoint]
    """Its checkpoints, without those that a backup or Hyper-V Replica makes and removes itself."""
    differencing: frozenset[str]
    """Disk files that stand on another one."""
    at_home: frozenset[str] = frozenset()
    """Those of them whose first disk is on the host's own disk too: nothing of that chain is where another host finds it."""
    broken: frozenset[str]
    """Disk files of a chain that are not there, or cannot be read."""
    to_merge: int
    """GiB in differencing disks, rounded up."""
    room: int
    """GiB that would stay free where there is least room once all is merged; below zero if it does not fit."""
    replicated: bool = False
    """Whether there are some of Hyper-V Replica's."""

    @property
    def names(self) -> frozenset[str]:
        """What its checkpoints are called, which is what commands are given."""
        return frozenset(each.name for each in self.taken)

    def without(self, name: str) -> Self:
        """This without the checkpoints of a name, all of which a command takes."""
        return self.model_copy(update={"taken": frozenset(each for each in self.taken if not same_name(each.name, name))})

    @property
    def away(self) -> frozenset[str]:
        """Differencing disks on a disk of the host itself, where no other host finds them, of a disk that others do find."""
        return frozenset(each for each in self.differencing - self.at_home if is_local(each))


def checkpoints(name: VmName, host: str) -> Query[Checkpoints]:
    """Reads checkpoints and chains on one host; `NotApplicable` if that host has no such virtual machine."""
    reads = (
        command("Get-VM", Name=name),
        command("Get-VMSnapshot", VMName=name),
        command("Get-RemediationDiskChain", Name=name),
    )
    return Query(host, reads, partial(_checkpoints, name, host))


def checkpoints_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[Checkpoints]]:
    """Asks every host that may have the virtual machine."""
    return {host: checkpoints(name, host) for host in hosts}


def _checkpoints(name: str, host: str, replies: Sequence[Reply]) -> Checkpoints | NotApplicable:
    machine, snapshots, chain = replies
    record = the_only(name, host, machine)
    if isinstance(record, NotApplicable):
        return record
    if lacks_command(chain):
        raise Unreadable(f"{host} has no module that follows a chain of disks. {how_to_install(host)}")
    files = many(chain)
    above = [each for each in files if each["ParentPath"]]
    below = {str(each["Path"]): str(each["ParentPath"]) for each in above}
    to_merge = -(-sum(int(each["FileSize"]) for each in above) // _GIB)
    free = [int(each["Free"]) // _GIB for each in files if not each["ParentPath"] and each["Readable"]]
    return Checkpoints(
        subject=str(record["Id"]),
        taken=frozenset(
            Checkpoint(id=str(each["Id"]), name=str(each["Name"]))
            for each in many(snapshots)
            if str(each["SnapshotType"]) not in _OF_REPLICA | {"Recovery"}
        ),
        replicated=any(str(each["SnapshotType"]) in _OF_REPLICA for each in many(snapshots)),
        differencing=frozenset(below),
        at_home=frozenset(each for each in below if is_local(_first(each, below))),
        broken=frozenset(str(each["Path"]) for each in files if not each["Readable"]),
        to_merge=to_merge,
        room=min(free, default=0) - to_merge,
    )


def _first(path: str, below: Mapping[str, str]) -> str:
    """The disk at the other end of a chain."""
    for _ in below:
        path = below.get(path, path)
    return path
