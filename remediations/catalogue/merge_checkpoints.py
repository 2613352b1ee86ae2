"""Merge the checkpoints of a virtual machine whose differencing disks keep it from moving.

Checkpoints are a normal state. They count where the evidence points to them, or where a differencing disk lies on the host's
own disk, which no other host finds, and what it stands on does not. Removing a checkpoint merges its disk into the one below;
what it kept is lost, and the virtual machine goes on as it is now. A broken chain is never touched, and no file is ever
deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfMachine
from remediations.facts.backup import BACKING_UP
from remediations.facts.checkpoints import Checkpoints, checkpoints_on
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.contract import is_pattern
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Test, changes, guard
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step, Wait
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

SPARE = 10
"""GiB that have to stay free beside what is merged."""
MERGE_TIME = 6 * 3600.0


class MergeCheckpoints(OfMachine):
    """Remove a virtual machine's checkpoints, which merges their disks. Irreversible; never a file."""

    id: ClassVar[str] = "merge-checkpoints"
    title: ClassVar[str] = "Merge checkpoints"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.CHECKPOINT_PROBLEM,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.IRREVERSIBLE
    reversal: ClassVar[Reversal] = Reversal.IRREVERSIBLE
    sends: ClassVar[frozenset[str]] = frozenset({"Remove-VMSnapshot"})

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine, its checkpoints and its chains, wherever it is by now."""
        hosts = homes(self.source, site)
        given = {"suspected": evidence.points_to(Cause.CHECKPOINT_PROBLEM)}
        return Reads(given, machine=virtual_machine_on(self.vm, hosts), found=checkpoints_on(self.vm, hosts))

    def plan(self, *, suspected: bool, machine: Machine, found: Checkpoints) -> Iterator[Item]:
        """Why nothing is merged; or each checkpoint, and the wait until its disk is merged."""
        if found.broken:
            gone = ", ".join(sorted(found.broken))
            why = f"a chain of {machine.name} is broken ({gone} cannot be read): nothing is merged, and no file may be deleted"
            yield Blocked(obstacle=Obstacle.CONFLICT, why=f"{why}. Restore that file, or the virtual machine from a backup")
        elif not found.differencing and not found.names:
            yield Satisfied(why=f"{machine.name} has no checkpoint and no differencing disk")
        elif not found.away and not suspected:
            yield Satisfied(why=f"{machine.name} has checkpoints, which is normal, and nothing points to them")
        elif found.replicated:
            why = f"Hyper-V Replica keeps recovery points of {machine.name}, and their disks among its own: they are not merged"
            yield Blocked(
                obstacle=Obstacle.CONFLICT, why=f"{why}. A failover that was not completed leaves them: see Get-VMReplication"
            )
        elif BACKING_UP in machine.activity:
            yield Satisfied(why=f"a backup of {machine.name} runs: its checkpoint is the backup's own, and goes with it")
        elif machine.activity:
            why = f"{machine.name} is held by {', '.join(sorted(machine.activity))}: a merge may be under way"
            yield Wait(until=(guard(machine, "activity", Test.EQUALS, []),), poll=30, at_most=MERGE_TIME, why=why)
        elif not found.names or any(is_pattern(name) for name in found.names):
            yield _by_hand(machine, found)
        elif found.room < SPARE:
            why = (
                f"{found.to_merge} GiB are to be merged, which would leave {found.room} GiB free, not {SPARE}: make room first"
            )
            yield Blocked(obstacle=Obstacle.PRECONDITION, why=why)
        else:
            yield from _merge(machine, found)


def _by_hand(machine: Machine, found: Checkpoints) -> Manual:
    files = ", ".join(sorted(found.differencing))
    if found.names:
        why = f"names of checkpoints of {machine.name} have wildcards in them and could match others"
        return Manual(why=why, instructions=(f"Rename them in Hyper-V Manager on {machine.host}, then ask again",))
    return Manual(
        why=f"{machine.name} stands on {files} without a checkpoint that names it: a merge or a backup did not end",
        instructions=(
            f"Start {machine.name} on {machine.host} if it is off, else shut it down: Hyper-V merges what is left when either "
            "happens; wait until its status is empty",
            "If a file stands in the way of that (an .avhdx of the same name that no chain has), move it to another folder; "
            "it is not deleted",
            "If it is still there: Merge-VHD -Path 'THE CHILD' -DestinationPath 'ITS PARENT', while it is off, after a backup",
            "Delete no .avhdx file: it holds what was written since the checkpoint",
        ),
    )


def _merge(machine: Machine, found: Checkpoints) -> Iterator[Item]:
    """One checkpoint after the other; after the last one no differencing disk is left."""
    free = guard(machine, "activity", Test.EQUALS, [])
    while found.taken:
        name = min(found.names)
        left = found.without(name)
        lost = f"what it kept is lost for good, and {machine.name} goes on as it is now"
        yield Step(
            target=machine.target,
            host=machine.host,
            command=command("Remove-VMSnapshot", VMName=machine.name, Name=name),
            why=f"checkpoint {name!r} of {machine.name} is merged ({found.to_merge} GiB in all): {lost}",
            changes=changes(found, left),
            guards=(
                guard(machine, "host", Test.EQUALS, machine.host),
                guard(found, "taken", Test.EQUALS, found.to_json()["taken"], "a command takes all of a name, new ones too"),
                free,
                guard(found, "room", Test.AT_LEAST, SPARE, "room to merge"),
            ),
            settles=600,
            deadline=600,
        )
        gone = () if left.names else (guard(found, "differencing", Test.EQUALS, []),)
        yield Wait(
            until=(free, *gone), poll=30, at_most=MERGE_TIME, why=f"the disk of {name!r} has to be merged, which may take hours"
        )
        found = left
