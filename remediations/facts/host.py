"""Hyper-V hosts: migration limits, how much is moving now, processors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from remediations.facts.query import Query, Unreadable, asked_often
from remediations.facts.read import many, one
from remediations.facts.vm import MIGRATING, STORAGE_MIGRATING, activity
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.names import VmName
from remediations.model.plan import Target
from remediations.model.reply import Reply

_RUNNING = 4
"""Msvm_MigrationJob.JobState of a job at work."""
_MOVES_MACHINE = frozenset({32768, 32771})
_MOVES_STORAGE = frozenset({32769, 32771})
"""Msvm_MigrationJob.MigrationType: virtual system, storage, or both (Msvm_VirtualSystemMigrationSettingData)."""


class HostLimits(Fact):
    """How many migrations a host allows at a time; `subject` is the host."""

    migrations: int
    """MaximumVirtualMachineMigrations. In a cluster that has a limit of its own, that one wins and resets this one."""
    storage_migrations: int
    """MaximumStorageMigrations."""

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.subject, id=self.subject.casefold())


class HostLoad(Fact):
    """What a host is moving now, to it or away from it; `subject` is the host.

    Counted by its running migration jobs (Msvm_MigrationJob) and by its virtual machines' operational status (Get-VM),
    whichever are more: a job may belong to a peer, and a virtual machine that just arrives is not shown yet.
    """

    volatile: ClassVar[frozenset[str]] = frozenset({"migrating", "storage_migrating"})

    migrating: int
    storage_migrating: int


class Residents(Fact):
    """The virtual machines of a host, by what a drain will make of them; `subject` is the host."""

    volatile: ClassVar[frozenset[str]] = frozenset({"busy"})

    busy: frozenset[str]
    """Held by something (a backup, a merge, a move): a live migration of it fails now."""
    unclustered: frozenset[str]
    """Running, but no cluster role: a drain leaves them where they are."""
    stuck: frozenset[str]
    """Starting, Stopping, Saving, …, or critical: states that neither live nor quick migration can take."""


class Guests(Fact):
    """Every virtual machine that a host shows; `subject` is the host."""

    volatile: ClassVar[frozenset[str]] = frozenset({"names", "ids"})

    names: tuple[str, ...]
    """In the host's order; a name that several have stands there as often."""
    ids: Mapping[str, str] = {}
    """Id → name."""


class HostProcessor(Fact):
    """A host's processors; `subject` is the host."""

    manufacturer: str
    """GenuineIntel, AuthenticAMD, …"""
    model: str
    """Win32_Processor.Name, which names the generation."""
    revision: str
    """Family, model and stepping, from Win32_Processor.Description."""


def host_limits(host: str) -> Query[HostLimits]:
    """Reads a host's own limits."""
    return Query(host, (command("Get-VMHost"),), partial(_limits, host))


def host_load(host: str) -> Query[HostLoad]:
    """Counts what a host is moving."""
    jobs = command(
        "Get-CimInstance", Namespace="root/virtualization/v2", ClassName="Msvm_MigrationJob", Filter=f"JobState={_RUNNING}"
    )
    return Query(host, (command("Get-VM"), jobs), partial(_load, host))


def residents(host: str) -> Query[Residents]:
    """Looks at every virtual machine of a host."""
    return Query(host, (command("Get-VM"),), partial(_residents, host))


def guests(host: str) -> Query[Guests]:
    """Names every virtual machine of a host."""
    return Query(host, (command("Get-VM"),), partial(_guests, host))


def namesakes(vm: VmName, host: str) -> Query[Guests]:
    """Names the virtual machines of a host in whose names this one's stands, itself among them: a few, not all of them."""
    return Query(host, (command("Get-VM", Name=f"*{vm}*"),), partial(_guests, host))


@asked_often
def host_processor(host: str) -> Query[HostProcessor]:
    """Reads a host's processors."""
    return Query(host, (command("Get-CimInstance", ClassName="Win32_Processor"),), partial(_host_processor, host))


def _guests(host: str, replies: Sequence[Reply]) -> Guests:
    found = many(replies[0])
    names, ids = [str(each["Name"]) for each in found], [str(each["Id"]) for each in found]
    return Guests(subject=host, names=tuple(names), ids=dict(zip(ids, names, strict=True)))


def _limits(host: str, replies: Sequence[Reply]) -> HostLimits:
    record = one(replies[0])
    return HostLimits(
        subject=host,
        migrations=int(record["MaximumVirtualMachineMigrations"]),
        storage_migrations=int(record["MaximumStorageMigrations"]),
    )


def _load(host: str, replies: Sequence[Reply]) -> HostLoad:
    busy = [activity(record) for record in many(replies[0])]
    jobs = [int(record["MigrationType"]) for record in many(replies[1])]
    return HostLoad(
        subject=host,
        migrating=max(sum(MIGRATING in each for each in busy), sum(each in _MOVES_MACHINE for each in jobs)),
        storage_migrating=max(
            sum(bool(STORAGE_MIGRATING & each) for each in busy), sum(each in _MOVES_STORAGE for each in jobs)
        ),
    )


_MOVABLE = frozenset({"Running", "Off", "Saved", "Paused"})


def _residents(host: str, replies: Sequence[Reply]) -> Residents:
    records = many(replies[0])
    return Residents(
        subject=host,
        busy=frozenset(str(each["Name"]) for each in records if activity(each)),
        unclustered=frozenset(str(each["Name"]) for each in records if not each["IsClustered"] and each["State"] == "Running"),
        stuck=frozenset(str(each["Name"]) for each in records if each["IsClustered"] and each["State"] not in _MOVABLE),
    )


def _host_processor(host: str, replies: Sequence[Reply]) -> HostProcessor:
    records = many(replies[0])
    if not records:
        raise Unreadable(f"{host} shows no processor")
    return HostProcessor(
        subject=host,
        manufacturer=str(records[0]["Manufacturer"]).strip(),
        model=" ".join(str(records[0]["Name"]).split()),
        revision=str(records[0].get("Description") or "").strip(),
    )
