"""What stands in a virtual machine's DVD drives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial

from remediations.facts.query import Query
from remediations.facts.read import many
from remediations.facts.vm import the_only
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName
from remediations.model.reply import Reply


def is_local(path: str) -> bool:
    """Whether a path means a disk of the host itself: another host has another file there, or none."""
    return bool(re.match(r"[a-z]:(?!\\ClusterStorage\\)", path, re.IGNORECASE))


class Drive(Frozen):
    """A drive with a medium in it."""

    controller: int
    location: int
    path: str
    """An image file, or a drive of the host (`D:`)."""

    @property
    def local(self) -> bool:
        """Whether the path means a disk of the host itself."""
        return is_local(self.path)


class Media(Fact):
    """The media in a virtual machine's DVD drives; `subject` is the virtual machine's id."""

    loaded: frozenset[str]
    """One text a medium, as `0:1 D:\\iso\\setup.iso`: controller, location, path."""

    @property
    def drives(self) -> tuple[Drive, ...]:
        """The drives that hold something, in order."""
        found = []
        for each in sorted(self.loaded):
            place, _, path = each.partition(" ")
            controller, _, location = place.partition(":")
            found.append(Drive(controller=int(controller), location=int(location), path=path))
        return tuple(found)

    def without(self, drive: Drive) -> Media:
        """The same with this drive empty."""
        return self.model_copy(update={"loaded": self.loaded - {_text(drive.controller, drive.location, drive.path)}})


def media(name: VmName, host: str) -> Query[Media]:
    """Reads a virtual machine's DVD drives on one host; `NotApplicable` if that host has none of this name."""
    reads = (command("Get-VM", Name=name), command("Get-VMDvdDrive", VMName=name))
    return Query(host, reads, partial(_media, name, host))


def media_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[Media]]:
    """Asks every host that may have the virtual machine."""
    return {host: media(name, host) for host in hosts}


def _media(name: str, host: str, replies: Sequence[Reply]) -> Media | NotApplicable:
    machine, drives = replies
    record = the_only(name, host, machine)
    if isinstance(record, NotApplicable):
        return record
    loaded = {
        _text(int(each["ControllerNumber"]), int(each["ControllerLocation"]), str(each["Path"]))
        for each in many(drives)
        if each.get("Path")
    }
    return Media(subject=str(record["Id"]), loaded=frozenset(loaded))


def _text(controller: int, location: int, path: str) -> str:
    return f"{controller}:{location} {path}"
