"""What a host's event logs say about migrations, around the time of an incident."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import ClassVar

from pydantic import AwareDatetime

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import aware
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, Unknown
from remediations.model.reply import Reply

CHANNELS = (
    "Microsoft-Windows-Hyper-V-VMMS-Admin",
    "Microsoft-Windows-Hyper-V-High-Availability-Admin",
    "Microsoft-Windows-Hyper-V-Worker-Admin",
    "System",
)
"""Where migrations leave their reasons (a clustered move fails on its destination). Hyper-V's have a dash before Admin."""

SUCCEEDED = frozenset({20415, 20417})
"""A live migration that succeeded (20417: with a long blackout), in the VMMS channel of both ends."""

FAILED = frozenset(
    {20406, 21024, 21111, 21121, 21124, 21125, 21126, 21145, 21158, 21159, 21501, 21502, 21503, 1137, 1155, 1677}
)
"""Events that a migration, or a drain, that fails leaves; most are wrappers, and some tell of other failures too (21502 of a
virtual machine that does not start): the text decides."""

_MOST = 40
"""Events read of each channel: failures stand at the newest end, and a reply stays within one envelope."""

_NOTHING = ("NoMatchingEventsFound", "NoMatchingLogsFound")
"""Get-WinEvent reports an empty result, and a log that this host does not have, as errors with these ids."""


class Event(Frozen):
    """One event as the host renders it, in the host's language."""

    id: int
    channel: str
    provider: str
    time: AwareDatetime
    message: str


class HostEvents(Fact):
    """The events of one host (`subject`) since a moment, newest first."""

    volatile: ClassVar[frozenset[str]] = frozenset({"events"})

    events: tuple[Event, ...]


def migration_events(host: str, since: datetime) -> Query[HostEvents]:
    """Reads the migration channels of a host since a moment (aware)."""
    reads = tuple(
        command("Get-WinEvent", FilterHashtable={"LogName": channel, "StartTime": since}, MaxEvents=_MOST)
        for channel in CHANNELS
    )
    return Query(host, reads, partial(_host_events, host))


def read_events(channel: str, reply: Reply) -> list[Event]:
    """The events of a reply of Get-WinEvent, in its order; none for an empty or missing log. Raises `Unreadable`."""
    for error in reply.errors:
        if not error.error_id.startswith(_NOTHING):
            raise Unreadable(f"{channel}: {error.message}")
    return [
        Event(
            id=int(record["Id"]),
            channel=str(record.get("LogName") or channel),
            provider=str(record.get("ProviderName") or ""),
            time=aware(record["TimeCreated"]),
            message=str(record.get("Message") or ""),
        )
        for record in reply.objects
    ]


def _host_events(host: str, replies: Sequence[Reply]) -> HostEvents | Unknown:
    found = [each for channel, reply in zip(CHANNELS, replies, strict=True) for each in read_events(channel, reply)]
    return HostEvents(subject=host, events=tuple(sorted(found, key=lambda event: event.time, reverse=True)))
