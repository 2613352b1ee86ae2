"""Saved states: when a virtual machine was saved, whether a start from it failed, and whether its host restarted meanwhile.

Hyper-V writes event 18510 when it has saved a virtual machine. A start that cannot read the saved state carries 0xC0370027 in
every language; the same code in the middle of the migration of a running virtual machine is something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from pydantic import AwareDatetime

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import aware, one
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.names import VmName
from remediations.model.reply import Record, Reply

UNREADABLE = "0xC0370027"
_SAVED = 18510
_WORKER, _VMMS = "Microsoft-Windows-Hyper-V-Worker-Admin", "Microsoft-Windows-Hyper-V-VMMS-Admin"
_ERRORS = 2
_MIGRATION = re.compile(r"migration", re.IGNORECASE)
_NOTHING = ("NoMatchingEventsFound", "NoMatchingLogsFound")


class SaveHistory(Fact):
    """What one host's log says of saving and restoring a virtual machine; `subject` is virtual machine@host."""

    saved: AwareDatetime | None
    """When it was last saved there; none if the log does not reach back so far."""
    unreadable: AwareDatetime | None
    """When a start last failed there because the saved state could not be read."""
    booted: AwareDatetime
    """When the host started."""


def save_history(name: VmName, host: str) -> Query[SaveHistory]:
    """Reads a host's events about saving and restoring a virtual machine, and its start."""
    errors = [{"LogName": channel, "Level": _ERRORS} for channel in (_WORKER, _VMMS)]
    reads = (
        command("Get-CimInstance", ClassName="Win32_OperatingSystem"),
        command("Get-WinEvent", FilterHashtable={"LogName": _WORKER, "ID": _SAVED}, MaxEvents=60),
        *(command("Get-WinEvent", FilterHashtable=each, MaxEvents=60) for each in errors),
    )
    return Query(host, reads, partial(_history, name, host))


def save_history_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[SaveHistory]]:
    """Asks every host that may have saved or started the virtual machine."""
    return {host: save_history(name, host) for host in hosts}


def _history(name: str, host: str, replies: Sequence[Reply]) -> SaveHistory:
    system, saved, *failed = replies
    return SaveHistory(
        subject=f"{name}@{host}",
        saved=_newest(name, _events(saved)),
        unreadable=_newest(
            name,
            [
                each
                for reply in failed
                for each in _events(reply)
                if UNREADABLE.casefold() in str(each.get("Message")).casefold() and not _of_a_move(each)
            ],
        ),
        booted=aware(one(system)["LastBootUpTime"]),
    )


def _of_a_move(event: Record) -> bool:
    """Whether an event tells of a migration, in which the code means something else; German and English say so alike."""
    return bool(_MIGRATION.search(str(event.get("Message"))))


def _events(reply: Reply) -> tuple[Record, ...]:
    for error in reply.errors:
        if not error.error_id.startswith(_NOTHING):
            raise Unreadable(error.message)
    return reply.objects


def _newest(name: str, events: Iterable[Record]) -> datetime | None:
    named = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", re.IGNORECASE)
    return max((aware(each["TimeCreated"]) for each in events if named.search(str(each.get("Message")))), default=None)
