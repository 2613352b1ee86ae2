"""Say what to do about a virtual machine that hangs in Stopping: a known defect, which only an update cures.

After a migration a virtual port may be left behind, and the worker process waits for it for ever. To end the process is to cut
the virtual machine's power, and may leave the port: that is a person's decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfMachine
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

CASE = "2502260050001354003"
"""Microsoft's case of the defect, as the troubleshooting guide gives it."""


class ExplainStuckStopping(OfMachine):
    """What a person does about a virtual machine that does not get out of Stopping."""

    id: ClassVar[str] = "explain-stuck-stopping"
    title: ClassVar[str] = "Virtual machine that hangs in Stopping"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.STUCK_STOPPING,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine, wherever it is by now."""
        given = {"suspected": evidence.points_to(Cause.STUCK_STOPPING)}
        return Reads(given, machine=virtual_machine_on(self.vm, homes(self.source, site)))

    def plan(self, *, suspected: bool, machine: Machine) -> Iterator[Item]:
        """One item."""
        name, host = machine.name, machine.host
        if not machine.state.startswith("Stopping"):
            yield Satisfied(why=f"{name} is {machine.state}, not Stopping")
        elif not suspected:
            yield Satisfied(why=f"{name} is Stopping, which takes its time, and nothing says that it hangs")
        else:
            yield Manual(
                why=f"{name} is {machine.state} on {host} and does not get out of it",
                instructions=(
                    f"Look once more in ten minutes: Get-VM -Name {quoted(name)}. A guest that installs updates stops slowly",
                    f"Move what else runs on {host} to other hosts, without {name}",
                    "Install the latest cumulative update of Windows Server on all hosts, which has the known defects mended",
                    "Where that is not possible: ask Microsoft support for the hotfix, and give them case number "
                    f"{CASE} (a virtual port is left behind after a migration; a live kernel dump shows it)",
                    f"To free {name} before that: restart {host}, or end its worker process (vmwp.exe, {machine.subject} on "
                    "its command line). Either cuts its power, so its owner decides; nothing of it is deleted",
                ),
            )
