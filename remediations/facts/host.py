"""Hyper-V hosts: migration limits, how much is moving now, processors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import many, one
from remediations.facts.vm import MIGRATING, STORAGE_MIGRATING, activity
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.plan import Target
from remediations.model.reply import Reply


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
    """What is moving away from a host now; `subject` is the host.

    Counted by the operational status of its virtual machines (Get-VM). One that is just arriving is counted where it still
    runs: its planned twin here is no virtual machine yet.
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
    """Counts what is moving away from a host."""
    return Query(host, (command("Get-VM"),), partial(_load, host))


def residents(host: str) -> Query[Residents]:
    """Looks at every virtual machine of a host."""
    return Query(host, (command("Get-VM"),), partial(_residents, host))


def host_processor(host: str) -> Query[HostProcessor]:
    """Reads a host's processors."""
    return Query(host, (command("Get-CimInstance", ClassName="Win32_Processor"),), partial(_host_processor, host))


def _limits(host: str, replies: Sequence[Reply]) -> HostLimits:
    record = one(replies[0])
    return HostLimits(
        subject=host,
        migrations=int(record["MaximumVirtualMachineMigrations"]),
        storage_migrations=int(record["MaximumStorageMigrations"]),
    )


def _load(host: str, replies: Sequence[Reply]) -> HostLoad:
    busy = [activity(record) for record in many(replies[0])]
    return HostLoad(
        subject=host,
        migrating=sum(MIGRATING in each for each in busy),
        storage_migrating=sum(bool(STORAGE_MIGRATING & each) for each in busy),
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
