"""Say which integration services of a guest are too old, and how they are brought up to date.

Since Windows Server 2016 guests get them by Windows Update, and nothing in the field ties them to failed migrations: so this
is a person's matter, and only where the evidence points to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfMachine
from remediations.facts.integration import IntegrationServices, integration_services_on
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainIntegrationServices(OfMachine):
    """Which integration services of a guest are too old."""

    id: ClassVar[str] = "explain-integration-services"
    title: ClassVar[str] = "Integration services that are too old"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.INTEGRATION_SERVICES_OUTDATED,)
    proof: ClassVar[Proof] = Proof.EXCLUSION
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The guest's services, on whichever host has it."""
        hosts = homes(self.source, site)
        given = {"suspected": evidence.points_to(Cause.INTEGRATION_SERVICES_OUTDATED)}
        return Reads(given, machine=virtual_machine_on(self.vm, hosts), services=integration_services_on(self.vm, hosts))

    def plan(self, *, suspected: bool, machine: Machine, services: IntegrationServices) -> Iterator[Item]:
        """One item."""
        names = ", ".join(sorted(services.outdated))
        if not services.outdated:
            yield Satisfied(why=f"the integration services of {machine.name} speak the host's protocol")
        elif not suspected:
            yield Satisfied(why=f"{names} of {machine.name} is of another version, and nothing points to it")
        else:
            yield Manual(
                why=f"{names} of {machine.name} is of another version than {machine.host} expects",
                instructions=(
                    f"In the guest of {machine.name}: install all updates (Windows Update brings integration services since "
                    "Windows Server 2016), or for Linux the distribution's current kernel; then restart it",
                    f"Look again on {machine.host}: Get-VMIntegrationService -VMName {quoted(machine.name)}, and move it "
                    f"once more",
                    "If it fails again, this was not it: integration services are not known to keep machines from moving",
                ),
            )
