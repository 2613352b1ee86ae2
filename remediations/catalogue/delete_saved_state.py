"""Delete a saved state that cannot be read, and start the virtual machine from its disks. What was in memory is lost.

Only for a virtual machine that is saved, that somebody tried to start since, and whose start failed with 0xC0370027. The same
code in the middle of the migration of a running virtual machine is another fault, and nothing is deleted then. Files are
never deleted: .vmcx, .vmrs and .vmgs are the virtual machine itself (.bin and .vsv are from before Windows Server 2016).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.powered_off import START_TIME, at_home, running, start_command, strange
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.saved import reads, story
from remediations.catalogue.subjects import OfMachine
from remediations.facts.cluster import Role
from remediations.facts.saved import UNREADABLE
from remediations.facts.vm import Machine
from remediations.model.causes import Cause
from remediations.model.command import command, quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.plan import Item, Manual, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class DeleteSavedState(OfMachine):
    """Delete the saved state of a virtual machine that cannot be started from it, and start it. Irreversible; never a file."""

    id: ClassVar[str] = "delete-saved-state"
    title: ClassVar[str] = "Delete a saved state that cannot be read"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.SAVED_STATE_CORRUPT,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.IRREVERSIBLE
    reversal: ClassVar[Reversal] = Reversal.IRREVERSIBLE
    sends: ClassVar[frozenset[str]] = frozenset({"Remove-VMSavedState", "Start-ClusterResource", "Start-VM"})

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine, its role, and what the hosts' logs say of saving and starting it."""
        del evidence
        return reads(self.vm, self.source, site, {})

    def plan(
        self,
        *,
        machine: Machine,
        group: Role | Unknown | NotApplicable,
        histories: Mapping[str, Seen],
        drains: Mapping[str, Seen],
    ) -> Iterator[Item]:
        """Why nothing is deleted; or the deletion, and the start."""
        del drains
        told = story(histories, machine)
        if machine.state != "Saved":
            more = f": if a migration ended with {UNREADABLE}, that is another fault, and deleting a state is no answer to it"
            yield Satisfied(why=f"{machine.name} is {machine.state}, not saved{more}")
        elif told is None:
            yield unread(f"events of {machine.host}", histories[machine.host])
        elif told.unreadable is None:
            yield Satisfied(why=f"no start of {machine.name} failed because its saved state could not be read")
        elif told.saved is None:
            yield Manual(
                why=f"a start of {machine.name} failed with {UNREADABLE}, but no log says when it was saved: that start may "
                f"have been of an earlier state",
                instructions=(
                    f"Try to start it once more: {_start_text(machine, group)}",
                    f"If that fails with {UNREADABLE} too: Remove-VMSavedState -VMName {quoted(machine.name)} on "
                    f"{machine.host}. "
                    "What was in memory is lost; delete no file",
                ),
            )
        elif not told.refused:
            yield Satisfied(why=f"{machine.name} was saved after the start that failed: its state now is another one")
        elif machine.clustered and not isinstance(group, Role):
            yield unread(f"role of {machine.name}, which is clustered,", group)
        elif isinstance(group, Role) and (other := strange(machine, group)):
            yield other
        else:
            yield from _steps(machine, group if isinstance(group, Role) else None)


def _start_text(machine: Machine, group: Role | Unknown | NotApplicable) -> str:
    return start_command(machine, group if isinstance(group, Role) else None).text


def _steps(machine: Machine, group: Role | None) -> Iterator[Step]:
    off = machine.model_copy(update={"state": "Off"})
    yield Step(
        target=machine.target,
        host=machine.host,
        command=command("Remove-VMSavedState", VMName=machine.name),
        why=f"{machine.name} was saved, and a start since then failed with {UNREADABLE}: its state cannot be read. What was in "
        f"its memory is lost for good; its disks are as after a power cut",
        changes=changes(machine, off),
        guards=(*at_home(machine, group), guard(machine, "activity", Test.EQUALS, [])),
    )
    yield Step(
        target=group.target if group else machine.target,
        host=machine.host,
        command=start_command(machine, group),
        why=f"somebody wanted {machine.name} to run: it starts from its disks",
        changes=running(off, group),
        guards=at_home(machine, group),
        settles=START_TIME,
        deadline=START_TIME,
    )
