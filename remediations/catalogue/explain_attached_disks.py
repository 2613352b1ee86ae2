"""Say which disks of a virtual machine cannot go along: shared virtual disks, and disks of the host that are passed through.

A shared VHDX or VHD set belongs to several virtual machines of a guest cluster; a disk that is passed through belongs to one
host, or to the role in a cluster. Within a cluster both may move where they are part of it, so there the evidence decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfWay
from remediations.facts.disks import Disks, disks_on
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainAttachedDisks(OfWay):
    """Which attached disks keep a virtual machine where it is, and how a person moves it all the same."""

    id: ClassVar[str] = "explain-attached-disks"
    title: ClassVar[str] = "Disks that cannot be migrated"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.SHARED_DISK_UNSUPPORTED, Cause.PASS_THROUGH_DISK)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine and its disks, wherever it is by now."""
        hosts, cluster = homes(self.source, site), site.cluster_of(self.source)
        given = {
            "to": site.host(self.destination).name,
            "together": cluster is not None and cluster is site.cluster_of(self.destination),
            "suspected": [cause for cause in self.causes if evidence.points_to(cause)],
        }
        return Reads(given, machine=virtual_machine_on(self.vm, hosts), disks=disks_on(self.vm, hosts))

    def plan(self, *, to: str, together: bool, suspected: list[Cause], machine: Machine, disks: Disks) -> Iterator[Item]:
        """One item for each kind of disk."""
        if disks.shared and (not together or Cause.SHARED_DISK_UNSUPPORTED in suspected):
            yield _shared(machine, disks, to)
        elif disks.shared:
            yield Satisfied(why=f"{machine.name} shares disks within its cluster, and nothing points to them")
        else:
            yield Satisfied(why=f"{machine.name} has no shared virtual disk")
        if disks.physical and (not together or Cause.PASS_THROUGH_DISK in suspected):
            yield _physical(machine, disks, to, together=together)
        elif disks.physical:
            yield Satisfied(why=f"{machine.name} has a disk of its cluster passed through, and nothing points to it")
        else:
            yield Satisfied(why=f"{machine.name} has no disk of its host passed through")


def _shared(machine: Machine, disks: Disks, to: str) -> Manual:
    paths = ", ".join(sorted(disks.shared))
    return Manual(
        why=f"{machine.name} shares {paths} with other virtual machines: shared virtual disks only work in clustered roles on "
        f"storage that every node reaches, and cannot be migrated along",
        instructions=(
            f"Plan an outage of this guest: fail its own cluster over to another of its nodes, and shut {machine.name} down",
            f"On {machine.host}, note and detach each shared disk: Get-VMHardDiskDrive -VMName {quoted(machine.name)}, then "
            f"Remove-VMHardDiskDrive for {paths}. The file stays",
            f"Move {machine.name} to {to}",
            f"Attach each disk again where {to} reaches its file: Add-VMHardDiskDrive -VMName {quoted(machine.name)} "
            "-Path 'ITS PATH' -SupportPersistentReservations; start it, and look at its cluster",
        ),
    )


def _physical(machine: Machine, disks: Disks, to: str, *, together: bool) -> Manual:
    paths = ", ".join(sorted(disks.physical))
    cluster = (
        f"In Failover Cluster Manager, see that {paths} is a disk of the cluster and part of the role {machine.name}, and that "
        f"{to} sees its LUN: then it moves with the role",
    )
    return Manual(
        why=f"{machine.name} uses {paths}, a disk of {machine.host} itself, which no migration takes along",
        instructions=(
            *(cluster if together else ()),
            f"Else plan an outage: shut {machine.name} down and detach the disk (Remove-VMHardDiskDrive)",
            f"Present the same LUN to {to}, set it offline there, move {machine.name}, attach the disk again; or convert it "
            "to a VHDX first (New-VHD -SourceDisk), which can be migrated",
        ),
    )
