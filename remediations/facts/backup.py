"""Who backs a virtual machine up, and since when.

While a backup runs, a virtual machine shows BackingUpVirtualMachine, and (since Windows Server 2016) has a recovery checkpoint
whose age tells when it began. Backup programs run as services, by names that no language changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import aware, many, one
from remediations.facts.vm import activity, the_only
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName
from remediations.model.plan import Target
from remediations.model.reply import Reply

BACKING_UP = "BackingUpVirtualMachine"
SERVICES: Mapping[str, str] = {
    "wbengine": "Windows Server Backup",
    "DPMRA": "Data Protection Manager",
    "obengine": "Azure Recovery Services agent",
    "VeeamHvIntegrationSvc": "Veeam Hyper-V integration",
    "BackupExecAgentAccelerator": "Backup Exec agent",
}
"""Services that hold virtual machines for a backup, as their makers name them."""

_NO_SERVICE = "NoServiceFoundForGivenName"


class BackupHold(Fact):
    """A backup that holds a virtual machine; `subject` is the virtual machine's id."""

    volatile: ClassVar[frozenset[str]] = frozenset({"minutes"})

    held: bool
    minutes: int | None
    """Since the recovery checkpoint was taken; none where there is none."""
    services: frozenset[str]
    """Names of backup programs' services that run on the host."""
    host: str

    @property
    def target(self) -> Target:
        """The host, whose service is restarted."""
        return Target(kind="host", name=self.host, id=self.host.casefold())


def backup_hold(name: VmName, host: str) -> Query[BackupHold]:
    """Reads who holds a virtual machine on one host; `NotApplicable` if that host has none of this name."""
    reads = (
        command("Get-VM", Name=name),
        command("Get-VMSnapshot", VMName=name),
        command("Get-Service", Name=tuple(SERVICES)),
        command("Get-CimInstance", ClassName="Win32_OperatingSystem"),
    )
    return Query(host, reads, partial(_hold, name, host))


def backup_hold_on(name: VmName, hosts: Iterable[str]) -> dict[str, Query[BackupHold]]:
    """Asks every host that may have the virtual machine."""
    return {host: backup_hold(name, host) for host in hosts}


def _hold(name: str, host: str, replies: Sequence[Reply]) -> BackupHold | NotApplicable:
    machine, snapshots, services, system = replies
    record = the_only(name, host, machine)
    if isinstance(record, NotApplicable):
        return record
    for error in services.errors:
        if error.error_id != _NO_SERVICE:
            raise Unreadable(error.message)
    now = aware(one(system)["LocalDateTime"])
    begun = min(
        (aware(each["CreationTime"]) for each in many(snapshots) if str(each["SnapshotType"]) == "Recovery"), default=None
    )
    return BackupHold(
        subject=str(record["Id"]),
        held=BACKING_UP in activity(record),
        minutes=None if begun is None else max(0, int((now - begun).total_seconds() // 60)),
        services=frozenset(str(each["Name"]) for each in services.objects if str(each["Status"]) == "Running"),
        host=host,
    )
