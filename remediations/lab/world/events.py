"""Event logs: what each event of Windows is, and each host's records of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from remediations.lab.world.text import Sentence

VMMS = "Microsoft-Windows-Hyper-V-VMMS-Admin"
HIGH_AVAILABILITY = "Microsoft-Windows-Hyper-V-High-Availability-Admin"
WORKER = "Microsoft-Windows-Hyper-V-Worker-Admin"
SYSTEM = "System"
SMB_SECURITY = "Microsoft-Windows-SmbClient/Security"
CLUSTERING = "Microsoft-Windows-FailoverClustering/Operational"

ALWAYS = frozenset(
    {VMMS, WORKER, SYSTEM, SMB_SECURITY, "Application", "Security", "Microsoft-Windows-Hyper-V-VMMS-Operational"}
)
"""Channels of every Hyper-V host."""
ON_NODES = frozenset({HIGH_AVAILABILITY, CLUSTERING})
"""Channels that exist only on a cluster's nodes."""

PROVIDERS: Mapping[str, UUID] = {
    "Microsoft-Windows-Hyper-V-VMMS": UUID("6066f867-7ca1-4418-85fd-36e3f9c0600c"),
    "Microsoft-Windows-Hyper-V-High-Availability": UUID("64e92abc-910c-4770-bd9c-c3c54699b8f9"),
    "Microsoft-Windows-Hyper-V-Worker": UUID("51ddfa29-d5c8-4803-be4b-2ecb715570fe"),
    "Microsoft-Windows-FailoverClustering": UUID("baf908ea-3421-4ca9-9b84-6689b8c6f85f"),
    "Microsoft-Windows-GroupPolicy": UUID("aea1b4fa-97d1-45f2-a64c-4d69fffd92c9"),
    "Microsoft-Windows-SMBClient": UUID("988c59c5-0a1c-45b6-a555-0c62276e327d"),
}

CRITICAL, ERROR, WARNING, INFORMATION = 1, 2, 3, 4


@dataclass(frozen=True)
class Kind:
    """One event of a provider, as its manifest has it."""

    id: int
    channel: str
    provider: str
    level: int
    message: str
    """Key of its text."""


_WORKER = "Microsoft-Windows-Hyper-V-Worker"
_VMMS, _HA, _FC = (
    "Microsoft-Windows-Hyper-V-VMMS",
    "Microsoft-Windows-Hyper-V-High-Availability",
    "Microsoft-Windows-FailoverClustering",
)

KINDS: Mapping[int, Kind] = {
    kind.id: kind
    for kind in (
        Kind(1096, SYSTEM, "Microsoft-Windows-GroupPolicy", ERROR, "gp.1096"),
        Kind(1502, SYSTEM, "Microsoft-Windows-GroupPolicy", INFORMATION, "gp.1502"),
        Kind(31010, SMB_SECURITY, "Microsoft-Windows-SMBClient", ERROR, "smb.31010"),
        Kind(20100, VMMS, _VMMS, ERROR, "migration.register"),
        Kind(15130, VMMS, _VMMS, ERROR, "vm.unrestored"),
        Kind(18510, WORKER, _WORKER, INFORMATION, "vm.saved"),
        Kind(20406, VMMS, _VMMS, ERROR, "migration.connect"),
        Kind(20413, VMMS, _VMMS, INFORMATION, "migration.started"),
        Kind(20415, VMMS, _VMMS, INFORMATION, "migration.completed"),
        Kind(21024, VMMS, _VMMS, ERROR, "migration.source"),
        Kind(21109, HIGH_AVAILABILITY, _HA, ERROR, "ha.not_stopped"),
        Kind(21111, HIGH_AVAILABILITY, _HA, ERROR, "ha.failed"),
        Kind(21119, HIGH_AVAILABILITY, _HA, INFORMATION, "ha.started"),
        Kind(21121, HIGH_AVAILABILITY, _HA, ERROR, "ha.leftover"),
        Kind(21124, HIGH_AVAILABILITY, _HA, ERROR, "ha.several"),
        Kind(21145, HIGH_AVAILABILITY, _HA, ERROR, "ha.switch_disconnected"),
        Kind(21153, HIGH_AVAILABILITY, _HA, ERROR, "ha.directory"),
        Kind(21158, HIGH_AVAILABILITY, _HA, ERROR, "ha.switch_bound"),
        Kind(21159, HIGH_AVAILABILITY, _HA, ERROR, "ha.switch_missing"),
        Kind(21501, HIGH_AVAILABILITY, _HA, WARNING, "ha.free"),
        Kind(21502, HIGH_AVAILABILITY, _HA, ERROR, "ha.free"),
        Kind(1069, SYSTEM, _FC, ERROR, "fc.1069"),
        Kind(1135, SYSTEM, _FC, CRITICAL, "fc.1135"),
        Kind(5120, SYSTEM, _FC, ERROR, "fc.5120"),
        Kind(1137, SYSTEM, _FC, ERROR, "fc.1137"),
        Kind(1155, SYSTEM, _FC, WARNING, "fc.1155"),
        Kind(1252, SYSTEM, _FC, WARNING, "fc.1252"),
        Kind(1677, SYSTEM, _FC, ERROR, "fc.1677"),
        Kind(1201, CLUSTERING, _FC, INFORMATION, "fc.1201"),
        Kind(1204, CLUSTERING, _FC, INFORMATION, "fc.1204"),
        Kind(1641, CLUSTERING, _FC, INFORMATION, "fc.1641"),
    )
}


@dataclass(frozen=True)
class Event:
    """One record of a host's log. `data` is what its UserData carries; the text is made by whoever reads it."""

    record: int
    kind: Kind
    time: datetime
    sentence: Sentence
    data: Mapping[str, Any]
    process: int = 3184
    thread: int = 4012

    def text(self, culture: str) -> str:
        """The message in a culture's language."""
        return self.sentence.text(culture)


@dataclass
class EventLog:
    """All channels of one host."""

    channels: set[str] = field(default_factory=lambda: set(ALWAYS))
    events: list[Event] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)
    """The last record id of each channel: every channel counts its own."""

    def write(self, event_id: int, time: datetime, **inserts: Any) -> Event:
        """Write an event. `inserts` fill its text and are its UserData."""
        kind = KINDS[event_id]
        data = {name: value.text("en-US") if isinstance(value, Sentence) else value for name, value in inserts.items()}
        self.records[kind.channel] = self.records.get(kind.channel, 0) + 1
        event = Event(self.records[kind.channel], kind, time, Sentence(kind.message, inserts), data)
        self.events.append(event)
        return event

    def clear(self, channel: str, *, begin_anew: bool = True) -> None:
        """Clear a channel; its record ids begin anew, or go on. Which of the two Windows does is not relied on."""
        self.events = [each for each in self.events if each.kind.channel != channel]
        if begin_anew:
            self.records.pop(channel, None)

    def wrap(self, channel: str, keep: int) -> None:
        """The channel is full: only its newest `keep` records are left."""
        mine = [each for each in self.events if each.kind.channel == channel]
        gone = {id(each) for each in mine[: len(mine) - keep]}
        self.events = [each for each in self.events if id(each) not in gone]

    def newest(self, *event_ids: int) -> Event | None:
        """The last record of any of these ids."""
        return next((event for event in reversed(self.events) if event.kind.id in event_ids), None)
