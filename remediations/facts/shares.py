"""File shares: where a virtual machine lies on one, and which refused a host, as its SMB client tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar

from remediations.facts.query import Query
from remediations.facts.read import many
from remediations.facts.vm import the_only
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName
from remediations.model.reply import Reply

_CHANNEL = "Microsoft-Windows-SmbClient/Security"
_REFUSED = [31001, 31010]
"""A logon that failed, and a share that denied access."""


class ShareRefusals(Fact):
    """What a host's SMB client says of logons and shares that were refused; `subject` is the host."""

    volatile: ClassVar[frozenset[str]] = frozenset({"told"})

    told: tuple[str, ...]
    """The newest events' texts, newest first, in the host's language."""

    def of(self, path: str) -> str:
        """The newest text that names the share of a path; empty if none does."""
        share = share_of(path).casefold()
        return next((each for each in self.told if share and share in each.casefold()), "")


class MachineFiles(Fact):
    """Where a virtual machine's configuration lies; `subject` is its id."""

    path: str

    @property
    def share(self) -> str:
        """The share that it lies on; empty for a local or a cluster's volume."""
        return share_of(self.path)


def share_of(path: str) -> str:
    r"""The share of a UNC path (`\\server\share`); empty for any other path."""
    parts = path.split("\\")
    return "\\".join(parts[:4]) if path.startswith("\\\\") and len(parts) >= 4 and all(parts[2:4]) else ""


def machine_files(name: VmName, host: str) -> Query[MachineFiles]:
    """Reads where a virtual machine's configuration lies; `NotApplicable` if the host has none of this name."""
    return Query(host, (command("Get-VM", Name=name),), partial(_files, name, host))


def machine_files_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[MachineFiles]]:
    """Asks every host that may have it."""
    return {host: machine_files(name, host) for host in hosts}


def share_refusals(host: str) -> Query[ShareRefusals]:
    """Reads a host's newest refusals."""
    read = command("Get-WinEvent", FilterHashtable=tuple({"LogName": _CHANNEL, "Id": each} for each in _REFUSED), MaxEvents=20)
    return Query(host, (read,), partial(_refusals, host))


def _files(name: str, host: str, replies: Sequence[Reply]) -> MachineFiles | NotApplicable:
    record = the_only(name, host, replies[0])
    if isinstance(record, NotApplicable):
        return record
    return MachineFiles(subject=str(record["Id"]), path=str(record["Path"]))


def _refusals(host: str, replies: Sequence[Reply]) -> ShareRefusals:
    reply = replies[0]
    if reply.errors and all(error.error_id.startswith("NoMatching") for error in reply.errors):
        return ShareRefusals(subject=host, told=())
    return ShareRefusals(subject=host, told=tuple(" ".join(str(each.get("Message") or "").split()) for each in many(reply)))
