"""Saved states: when a virtual machine was saved, whether a start from it failed, and whether its host restarted meanwhile.

Hyper-V writes event 18510 when it has saved a virtual machine. A start that cannot read the saved state carries 0xC0370027 in
every language; the same code in the middle of the migration of a running virtual machine is something else. Both carry the
machine's id in every language, and by it alone they are its own: a name may stand in another one's ("Web" in "Web 2"), or have
been another one's, and what is said here may cost a memory. An event without an id says nothing of anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

from pydantic import AwareDatetime

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import aware, one
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.names import ids_in
from remediations.model.reply import Record, Reply

UNREADABLE = "0xC0370027"
_SAVED = 18510
_WORKER, _VMMS = "Microsoft-Windows-Hyper-V-Worker-Admin", "Microsoft-Windows-Hyper-V-VMMS-Admin"
_ERRORS = 2
_MIGRATION = re.compile("migr|миграц|移行|マイグレーション|迁移|遷移|移轉|마이그레이션|geçiş", re.IGNORECASE)
"""How Windows speaks of a migration, in the languages that it speaks."""
_NOTHING = ("NoMatchingEventsFound", "NoMatchingLogsFound")


class SaveHistory(Fact):
    """What one host's log (`subject`) says of saving and restoring its virtual machines, by their ids in lower case."""

    saved: Mapping[str, AwareDatetime]
    """When each was last saved there; none where the log does not reach back so far."""
    unreadable: Mapping[str, AwareDatetime]
    """When a start of each last failed there because the saved state could not be read."""
    booted: AwareDatetime
    """When the host started."""


def save_history(host: str) -> Query[SaveHistory]:
    """Reads a host's events about saving and restoring virtual machines, and its start."""
    errors = [{"LogName": channel, "Level": _ERRORS} for channel in (_WORKER, _VMMS)]
    reads = (
        command("Get-CimInstance", ClassName="Win32_OperatingSystem"),
        command("Get-WinEvent", FilterHashtable={"LogName": _WORKER, "ID": _SAVED}, MaxEvents=60),
        *(command("Get-WinEvent", FilterHashtable=each, MaxEvents=60) for each in errors),
    )
    return Query(host, reads, partial(_history, host))


def save_history_on(hosts: Iterable[str]) -> dict[str, Query[SaveHistory]]:
    """Asks every host that may have saved or started a virtual machine."""
    return {host: save_history(host) for host in hosts}


def _history(host: str, replies: Sequence[Reply]) -> SaveHistory:
    system, saved, *failed = replies
    starts = [each for reply in failed for each in _events(reply) if _of_unreadable(each) and not _of_a_move(each)]
    return SaveHistory(
        subject=host,
        saved=_newest(_events(saved)),
        unreadable=_newest(starts),
        booted=aware(one(system)["LastBootUpTime"]),
    )


def _of_unreadable(event: Record) -> bool:
    return UNREADABLE.casefold() in str(event.get("Message")).casefold()


def _of_a_move(event: Record) -> bool:
    """Whether an event tells of a migration, in which the code means something else."""
    return bool(_MIGRATION.search(str(event.get("Message"))))


def _events(reply: Reply) -> tuple[Record, ...]:
    for error in reply.errors:
        if not error.error_id.startswith(_NOTHING):
            raise Unreadable(error.message)
    return reply.objects


def _newest(events: Iterable[Record]) -> dict[str, datetime]:
    """When the newest event of each virtual machine was written; one that names several, or none, counts for none."""
    found: dict[str, datetime] = {}
    for each in events:
        ids = ids_in(str(each.get("Message")))
        if len(ids) == 1:
            (mine,), at = ids, aware(each["TimeCreated"])
            found[mine] = max(at, found.get(mine, at))
    return found
