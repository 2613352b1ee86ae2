"""Wait until nothing holds a virtual machine any more: a merge, an export, another move. Then it can be moved.

Such operations end by themselves. A backup has its own remediation, which knows when it has lasted too long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfMachine
from remediations.facts.backup import BACKING_UP
from remediations.facts.vm import MIGRATING, STORAGE_MIGRATING, Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Test, guard
from remediations.model.plan import Item, Manual, Satisfied, Wait
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

AT_MOST = 3600.0
LONG = frozenset({*STORAGE_MIGRATING, "MergingDisks", "CreatingSnapshot", "DeletingSnapshot", "ExportingVirtualMachine"})
"""Statuses of work that copies disks."""
LONGEST = 6 * 3600.0


class WaitUntilFree(OfMachine):
    """Wait for the operation that holds a virtual machine. Changes nothing."""

    id: ClassVar[str] = "wait-until-free"
    title: ClassVar[str] = "Wait until nothing holds a virtual machine"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.VM_IN_USE_OR_BUSY,)
    proof: ClassVar[Proof] = Proof.EPISODE
    tier: ClassVar[Tier] = Tier.READ
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine, wherever it is by now, and whether it was found held again and again."""
        often = any(seen.cause in self.causes for seen in evidence.sightings)
        return Reads({"often": often}, machine=virtual_machine_on(self.vm, homes(self.source, site)))

    def plan(self, *, often: bool, machine: Machine) -> Iterator[Item]:
        """One item."""
        held = ", ".join(sorted(machine.activity))
        if not machine.activity:
            yield Satisfied(why=f"nothing holds {machine.name}")
        elif machine.activity == {BACKING_UP}:
            yield Satisfied(why=f"a backup holds {machine.name}, which is waited for, or ended, by a remediation of its own")
        elif often and MIGRATING not in machine.activity:
            yield Manual(
                why=f"{machine.name} is held again and again, now by {held}: waiting once more is no answer",
                instructions=(
                    f"See on {machine.host} what does it: Get-VM -Name {quoted(machine.name)}, and its backup or replication",
                    "Let it end, or end it where it was started; then move the virtual machine at another time than that",
                ),
            )
        else:
            yield Wait(
                until=(guard(machine, "activity", Test.EQUALS, [], "nothing else holds the virtual machine"),),
                poll=15,
                at_most=LONGEST if machine.activity & LONG else AT_MOST,
                why=f"{machine.name} is held by {held} on {machine.host}: that has to end first",
            )
