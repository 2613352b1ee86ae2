"""Start a virtual machine again that a drain or a restart of its host left saved.

A saved virtual machine cannot be migrated live. Being saved is a normal state: only where the evidence points to it, and only
if a host saved it by itself, is it started; what somebody saved on purpose is theirs to start. Its state is never deleted here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.powered_off import START_TIME, at_home, running, start_command, strange
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.saved import drained, reads, story
from remediations.catalogue.subjects import OfMachine
from remediations.facts.cluster import Role
from remediations.facts.vm import Machine
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, guard
from remediations.model.plan import Item, Manual, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class StartSavedRoles(OfMachine):
    """Start a virtual machine that its host saved. Keeps the saved state, also where it does not start."""

    id: ClassVar[str] = "start-saved-roles"
    title: ClassVar[str] = "Start a virtual machine that was left saved"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.VM_IN_USE_OR_BUSY,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.WORKLOAD
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Save-VM", "Start-ClusterResource", "Start-VM"})

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine, its role, and what the hosts' logs say of saving it."""
        return reads(self.vm, self.source, site, {"suspected": evidence.points_to(Cause.VM_IN_USE_OR_BUSY)})

    def plan(
        self,
        *,
        suspected: bool,
        machine: Machine,
        group: Role | Unknown | NotApplicable,
        histories: Mapping[str, Seen],
        drains: Mapping[str, Seen],
    ) -> Iterator[Item]:
        """One item."""
        told = story(histories, machine)
        if machine.state != "Saved":
            yield Satisfied(why=f"{machine.name} is {machine.state}, not saved")
        elif not suspected:
            yield Satisfied(why=f"{machine.name} is saved, which is a normal state, and nothing points to it")
        elif told is None:
            yield unread(f"events of {machine.host}", histories[machine.host])
        elif told.refused:
            yield Satisfied(why=f"{machine.name} was started since it was saved, and its state could not be read: not this")
        elif machine.clustered and not isinstance(group, Role):
            yield unread(f"role of {machine.name}, which is clustered,", group)
        elif isinstance(group, Role) and (other := strange(machine, group)):
            yield other
        else:
            reason = f"{told.restarted} saved it and started again soon after" if told.restarted else ""
            # A drain of another node than the one that saved it is no reason: somebody may have saved it on purpose.
            reason = reason or (
                f"{told.by} saved it at {told.saved:%Y-%m-%d %H:%M} UTC, and was drained" if drained(drains, told.by) else ""
            )
            yield _start(machine, group if isinstance(group, Role) else None, reason)


def _start(machine: Machine, group: Role | None, reason: str) -> Item:
    start = start_command(machine, group)
    if not reason:
        return Manual(
            why=f"{machine.name} is saved, and no host saved it by itself, as far as the logs tell: it may be so on purpose",
            instructions=(
                f"Ask whoever owns {machine.name} whether it may run. Do not delete its saved state: its memory is in it",
                f"Then on {machine.host}: {start.text}",
            ),
        )
    return Step(
        target=group.target if group else machine.target,
        host=machine.host,
        command=start,
        why=f"{machine.name} is saved and cannot be migrated live: {reason}. It goes on from where it was",
        changes=running(machine, group),
        undo=command("Save-VM", Name=machine.name),
        guards=(*at_home(machine, group), guard(machine, "activity", Test.EQUALS, [])),
        settles=START_TIME,
        deadline=START_TIME,
    )
