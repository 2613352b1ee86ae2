"""Virtual machines as the host that runs them shows them: identity, power state, what holds them, processor settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import flag, is_absent, lacks_command, many, texts, word
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName
from remediations.model.plan import Target
from remediations.model.reply import Record, Reply

_HEALTH = frozenset(
    {
        "Degraded",
        "PredictiveFailure",
        "SupportingEntityInError",
        "ApplicationCriticalState",
        "CommunicationTimedOut",
        "CommunicationFailed",
        "NoIommu",
        "NoIovSupportInNic",
        "SwitchNotInIovMode",
        "IovBlockedByPolicy",
        "IovNoAvailResources",
        "IovGuestDriversNeeded",
    }
)
"""Operational statuses (VMOperationalStatus) that say how a guest or its devices are: they may last, and hold nothing."""

AT_REST = _HEALTH | {"Ok", "InService"}
"""Operational statuses that hold nothing; every other one (MigratingVirtualMachine, BackingUpVirtualMachine, …) does."""

MIGRATING = "MigratingVirtualMachine"
_COPIES = frozenset({"Replica", "ExtendedReplica"})
"""Replication modes (VMReplicationMode) of what Hyper-V Replica keeps of a virtual machine of another host, by the same id."""
_NO_SWITCH = 33012
STORAGE_MIGRATING = frozenset({"StorageMigrationPhaseOne", "StorageMigrationPhaseTwo"})


class Machine(Fact):
    """A virtual machine; `subject` is its id (GUID), which a rename or a move does not change."""

    volatile: ClassVar[frozenset[str]] = frozenset({"activity"})
    alone: ClassVar[bool] = True

    name: str
    host: str
    """Host that shows it: where it runs, or is registered."""
    state: str
    """Running, Off, Saved, Paused, Starting, Stopping, …"""
    activity: frozenset[str]
    """What holds it now (VMOperationalStatus beyond Ok): MigratingVirtualMachine, BackingUpVirtualMachine, …"""
    version: str
    clustered: bool

    @property
    def target(self) -> Target:
        """The virtual machine as a plan names it."""
        return Target(kind="virtual machine", name=self.name, id=self.subject)


class VirtualProcessor(Fact):
    """The processor settings of a virtual machine; `subject` is the virtual machine's id."""

    name: str
    compatibility: bool
    """CompatibilityForMigrationEnabled: processor features that other hosts may lack are hidden from the guest."""
    checkpoints: frozenset[str]
    """Names of its checkpoints: those with memory keep the features that were visible when they were taken."""


class CompatibilityReport(Fact):
    """What Compare-VM finds against moving a virtual machine; `subject` is virtual machine@destination.

    Its message ids are published nowhere (33012 apart) and its texts are localised, so only an empty report decides anything.
    """

    messages: tuple[str, ...]
    ids: frozenset[int] = frozenset()

    @property
    def lacks_switch(self) -> bool:
        """Whether the destination has no switch of a name that the virtual machine uses (Compare-VM's reference: 33012)."""
        return _NO_SWITCH in self.ids


def virtual_machine(name: VmName, host: str) -> Query[Machine]:
    """Reads one virtual machine on one host; `NotApplicable` if that host has none of this name."""
    return Query(host, (command("Get-VM", Name=name),), partial(_machine, name, host))


def virtual_machine_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[Machine]]:
    """Asks every host that may have it: where a virtual machine is now is not known beforehand."""
    return {host: virtual_machine(name, host) for host in hosts}


def virtual_processor(name: VmName, host: str) -> Query[VirtualProcessor]:
    """Reads a virtual machine's processor settings and the names of its checkpoints."""
    reads = (command("Get-VMProcessor", VMName=name), command("Get-VMSnapshot", VMName=name))
    return Query(host, reads, partial(_processor, name, host))


def virtual_processor_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[VirtualProcessor]]:
    """As `virtual_machine_on`, for the processor."""
    return {host: virtual_processor(name, host) for host in hosts}


def compatibility_report(name: VmName, destination: str, host: str) -> Query[CompatibilityReport]:
    """Lets `host` compare a virtual machine of its own with a destination: it talks to that one as us (a second hop)."""
    read = command("Compare-RemediationVM", Name=name, DestinationHost=destination)
    return Query(host, (read,), partial(_report, name, destination, host))


def activity(record: Record) -> frozenset[str]:
    """What holds a virtual machine, from the statuses of its `Get-VM` object (names, not the localised `Status` text)."""
    found = {*texts(record.get("OperationalStatus")), *texts(record.get("SecondaryOperationalStatus"))}
    return frozenset(found - AT_REST - {""})


def _machine(name: str, host: str, replies: Sequence[Reply]) -> Machine | NotApplicable:
    record = the_only(name, host, replies[0])
    if isinstance(record, NotApplicable):
        return record
    if str(record.get("ReplicationMode")) in _COPIES:
        return NotApplicable(reason=f"{host} has only the replica of {name} that Hyper-V Replica keeps there")
    return Machine(
        subject=word(record, "Id"),
        name=str(record["Name"]),
        host=host,
        state=word(record, "State"),
        activity=activity(record),
        version=word(record, "Version"),
        clustered=flag(record, "IsClustered"),
    )


def _processor(name: str, host: str, replies: Sequence[Reply]) -> VirtualProcessor | NotApplicable:
    record = the_only(name, host, replies[0])
    if isinstance(record, NotApplicable):
        return record
    return VirtualProcessor(
        subject=word(record, "VMId"),
        name=str(record["VMName"]),
        compatibility=flag(record, "CompatibilityForMigrationEnabled"),
        checkpoints=frozenset(str(each["Name"]) for each in many(replies[1])),
    )


def _report(name: str, destination: str, host: str, replies: Sequence[Reply]) -> CompatibilityReport | NotApplicable:
    if is_absent(replies[0]) or lacks_command(replies[0]):
        return NotApplicable(reason=f"{host} has no virtual machine {name}, or no module that compares it")
    found = many(replies[0])
    return CompatibilityReport(
        subject=f"{name}@{destination}",
        messages=tuple(str(each["Message"]) for each in found),
        ids=frozenset(int(each["MessageId"]) for each in found),
    )


def the_only(name: str, host: str, reply: Reply) -> Record | NotApplicable:
    """The one virtual machine of this name in a host's reply; `NotApplicable` for none, `Unreadable` for several."""
    if lacks_command(reply):
        raise Unreadable(f"{host} does not offer Hyper-V's cmdlets: {reply.errors[0].message}")
    if is_absent(reply) or (reply.ok and not reply.objects):
        return NotApplicable(reason=f"{host} has no virtual machine {name}")
    records = many(reply)
    if len(records) > 1:
        raise Unreadable(f"{host} has {len(records)} virtual machines called {name}: rename all but one, commands go by name")
    return records[0]
