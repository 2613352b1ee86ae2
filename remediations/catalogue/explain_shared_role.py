"""Say that a clustered role holds more than one virtual machine: only one can be moved live (event 21124).

Which of them goes into a role of its own, and whether they were put together on purpose, a person knows; a resource that is
removed from its role is not monitored until it is in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfClusterWay
from remediations.facts.cluster import from_any, witnesses
from remediations.facts.health import RoleMachines, role_machines
from remediations.facts.owners import resources_of
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.names import same_name
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainSharedRole(OfClusterWay):
    """Whether a clustered role holds one virtual machine alone."""

    id: ClassVar[str] = "explain-shared-role"
    title: ClassVar[str] = "More than one virtual machine in a role"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.CLUSTER_GROUP_MULTI_VM,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machines of the role, as up to three nodes show them."""
        del evidence
        home = site.cluster_of(site.host(self.source).name)
        if home is None:
            raise LookupError(f"{self.source} is no node of a cluster in site.yaml")
        return Reads(role=from_any(role_machines, self.vm, of=witnesses(home, self.source)))

    def plan(self, *, role: RoleMachines) -> Iterator[Item]:
        """One item."""
        others = sorted(each for each in role.machines if not same_name(each, f"Virtual Machine {self.vm}"))
        if not others:
            yield Satisfied(why=f"role {role.subject} holds {self.vm} alone")
            return
        names = [each.removeprefix("Virtual Machine ") for each in others]
        yield Manual(
            why=f"role {role.subject} holds {', '.join(names)} beside {self.vm}: live migration takes one a role",
            instructions=(
                f"Ask why they are together; if they have to be, move the role with downtime: Move-ClusterGroup "
                f"-Name {quoted(role.subject)} -Node {self.destination}",
                *(
                    f"Otherwise give {name} a role of its own: shut it down, Remove-ClusterResource -Name "
                    f"{quoted(resources_of(name)[1])} and Remove-ClusterResource -Name {quoted(resources_of(name)[0])} (its "
                    f"files stay), then Add-ClusterVirtualMachineRole -VMName {quoted(name)} and Start-ClusterGroup -Name "
                    f"{quoted(name)}"
                    for name in names
                ),
                f"Then move {self.vm} again",
            ),
        )
