"""A host's event log read record by record, so that it can be told what has come since, and whether something is missing.

Records are numbered by the channel (`RecordId`), without gaps. A log that was cleared begins anew, or goes on behind a gap;
one that is full loses its oldest. Both show in the numbers, and in the time that a record had.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from remediations.facts.events import Event, read_events
from remediations.facts.query import Query
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, Unknown
from remediations.model.reply import Reply

WATCHED = ("Microsoft-Windows-Hyper-V-VMMS-Admin", "Microsoft-Windows-Hyper-V-High-Availability-Admin", "System")
"""Where a migration or a drain says that it failed, or succeeded; the reasons that others add are read by its run."""

PAGE = 200
"""Records asked for at a time."""


class Record(Frozen):
    """One record of a channel."""

    number: int
    event: Event


class Records(Fact):
    """Records of one channel of a host (`subject`), newest first; `whole` if there are no older ones in the log."""

    volatile: ClassVar[frozenset[str]] = frozenset({"records", "whole"})

    channel: str
    records: tuple[Record, ...]
    whole: bool


def newest_records(host: str, channel: str, most: int, until: datetime | None = None) -> Query[Records]:
    """Reads the newest records of a channel, `most` at most; with `until` those of that second and before (aware)."""
    # Get-WinEvent takes a moment for its text, which has whole seconds: what came later in that one would be passed over.
    end = None if until is None else until.replace(microsecond=0) + timedelta(seconds=1)
    table = {"LogName": channel} | ({} if end is None else {"EndTime": end})
    reads = (command("Get-WinEvent", FilterHashtable=table, MaxEvents=most),)
    return Query(host, reads, partial(_records, host, channel, most))


def _records(host: str, channel: str, most: int, replies: Sequence[Reply]) -> Records | Unknown:
    (reply,) = replies
    found = [
        Record(number=int(record["RecordId"]), event=event)
        for record, event in zip(reply.objects, read_events(channel, reply), strict=True)
    ]
    newest = tuple(sorted(found, key=lambda each: each.number, reverse=True))
    return Records(subject=host, channel=channel, records=newest, whole=len(newest) < most)
