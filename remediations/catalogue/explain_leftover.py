"""Say that the destination already has something with this virtual machine's id, and how to prove which one is alive.

A migration that broke off leaves a planned virtual machine (event 21121, 0x80071392), or a registration. Nothing of that is
removed from here: removing the live one loses the virtual machine, so owner and state are proven on every host first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfWay
from remediations.facts.leftovers import Planned, planned_machines
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.names import same_host
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainLeftover(OfWay):
    """Whether something with the same id is at the destination already. Never removes anything."""

    id: ClassVar[str] = "explain-leftover"
    title: ClassVar[str] = "A leftover at the destination"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.DUPLICATE_VM,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine wherever it is, and what the destination has planned."""
        del evidence
        destination = site.host(self.destination).name
        return Reads(
            found=virtual_machine_on(self.vm, dict.fromkeys((*homes(self.source, site), destination))),
            planned=planned_machines(destination),
        )

    def plan(self, *, found: Mapping[str, Seen], planned: Planned | Unknown | NotApplicable) -> Iterator[Item]:
        """One item: alone, or what else is there."""
        machines = {host: seen for host, seen in found.items() if isinstance(seen, Machine)}
        dark = {host: seen for host, seen in found.items() if isinstance(seen, Unknown)}
        shown = "; ".join(f"{host} has {each.name} {each.state} ({each.subject})" for host, each in machines.items())
        at = next((each for host, each in machines.items() if same_host(host, self.destination)), None)
        # By the id: Hyper-V lets another machine have the same name, and that one is nobody's leftover.
        ids = {each.subject.casefold() for each in machines.values() if each is not at}
        left = isinstance(planned, Planned) and bool(ids & planned.ids)
        moving = any("MigratingVirtualMachine" in each.activity for each in machines.values())
        if at is not None and at.subject.casefold() in ids:
            yield self._told(f"more than one host has a virtual machine {self.vm}: {shown}", dark)
        elif left and not moving:
            yield self._told(f"{self.destination} holds a planned virtual machine with the id of {self.vm}; {shown}", dark)
        elif dark or not isinstance(planned, Planned):
            yield from (unread(f"{self.vm} on {host}", seen) for host, seen in dark.items())
            if not isinstance(planned, Planned):
                yield unread(f"planned virtual machines of {self.destination}", planned)
        else:
            another = f"; that of {self.destination} is another machine" if at is not None and ids else ""
            yield Satisfied(why=f"nothing of {self.vm} is left on {self.destination}: {shown or 'no host has it'}{another}")

    def _told(self, why: str, dark: Mapping[str, Unknown]) -> Manual:
        silent = f"; not answering: {', '.join(dark)}" if dark else ""
        return Manual(
            why=f"{why}{silent}",
            instructions=(
                f"Prove which one is alive, on every host, also silent ones: Get-VM -Name {quoted(self.vm)}, and in a "
                f"cluster Get-ClusterGroup -Name {quoted(self.vm)} for its owner. Nothing is removed while one host is silent",
                f"Make sure that no migration of {self.vm} is under way: Get-VM shows no status Migrating on either host",
                f"Only a planned one, on {self.destination}, its id as above: $space = 'root/virtualization/v2'; $planned = "
                "Get-CimInstance -Namespace $space -ClassName Msvm_PlannedComputerSystem -Filter \"Name='THE ID'\"; $service = "
                "Get-CimInstance -Namespace $space -ClassName Msvm_VirtualSystemManagementService; Invoke-CimMethod "
                "-InputObject $service -MethodName DestroySystem -Arguments @{AffectedSystem=$planned}",
                f"A registration of {self.vm} that is Off there, while it runs elsewhere: no disk of it is in use, and its "
                "folder is not the live one's: then take a backup and remove it in Hyper-V Manager on that host",
                "Then move the virtual machine again",
            ),
        )
