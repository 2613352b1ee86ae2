"""Say what keeps a cluster from moving a role: a node that is down, paused or quarantined, a witness that is gone.

A node that left comes back by itself once its cause is gone, or needs a person at its console: the cluster service of a node
that others have removed is not started from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfClusterWay
from remediations.facts.cluster import from_any, witnesses
from remediations.facts.health import ClusterHealth, ClusterService, NodeSeen, cluster_health, cluster_service
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.names import same_host
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainClusterHealth(OfClusterWay):
    """Whether both nodes of a way, and the witness, are as a cluster needs them."""

    id: ClassVar[str] = "explain-cluster-health"
    title: ClassVar[str] = "Cluster nodes and quorum"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.QUORUM_OR_CLUSTER_HEALTH,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The cluster as up to three nodes show it, and the destination's cluster service."""
        home = site.cluster_of(site.host(self.destination).name)
        if home is None:
            raise LookupError(f"{self.destination} is no node of a cluster in site.yaml")
        return Reads(
            {"suspected": evidence.points_to(Cause.QUORUM_OR_CLUSTER_HEALTH), "cluster": home.name},
            health=from_any(cluster_health, home.name, of=witnesses(home, self.source, self.destination)),
            service=cluster_service(site.host(self.destination).name),
        )

    def plan(
        self, *, suspected: bool, cluster: str, health: ClusterHealth, service: ClusterService | Unknown | NotApplicable
    ) -> Iterator[Item]:
        """An item for each end of the way, and one for the witness."""
        nodes = ", ".join(f"{each.name} {each.state}" for each in sorted(health.nodes, key=lambda each: each.name))
        for name in (self.destination, self.source):
            node = health.node(name)
            if node is not None and node.fit:
                yield Satisfied(why=f"{name} is up in {cluster}")
                continue
            state = f"{node.state}, {node.status}" if node else "no node of it"
            running = service.state if same_host(name, self.destination) and isinstance(service, ClusterService) else "not read"
            yield Manual(
                why=f"{name} is {state} in {cluster} ({nodes}); its cluster service: {running}",
                instructions=_mend(name, cluster, node),
            )
        if health.witness and health.witness_state != "Online" and suspected:
            yield Manual(
                why=f"{cluster}'s witness {health.witness} is {health.witness_state or 'not listed'} ({nodes})",
                instructions=(
                    f"On {self.source}: Get-ClusterQuorum, then Get-ClusterResource -Name {quoted(health.witness)}",
                    f"Make its disk, share or storage account reachable, then "
                    f"Start-ClusterResource -Name {quoted(health.witness)}",
                    "If it is gone for good, choose another: Set-ClusterQuorum -DiskWitness, -FileShareWitness, -CloudWitness",
                ),
            )
        else:
            shown = f"{health.witness}, {health.witness_state}" if health.witness else "none"
            yield Satisfied(why=f"{cluster}'s witness: {shown}")


def _mend(name: str, cluster: str, node: NodeSeen | None) -> tuple[str, ...]:
    """What a person does about a node."""
    if node is None:
        return (f"Correct the nodes of {cluster} in site.yaml, or join {name}: Add-ClusterNode -Name {quoted(name)}",)
    if node.state == "Paused":
        return (
            f"Somebody paused {name}, or a drain did: ask who, and let the maintenance end",
            f"Then take it back: remediate apply resume-node --node {name}, or "
            f"Resume-ClusterNode -Name {quoted(name)} -Failback NoFailback",
        )
    start = f"Start-ClusterNode -Name {quoted(name)}" + (" -ClearQuarantine" if "quarantined" in node.status.casefold() else "")
    return (
        f"On {name}: Get-Service ClusSvc, and events 1135, 1177, 1672 and 7031 in its System log: why it left",
        f"Test the cluster's network to it, UDP and TCP 3343 both ways: Test-NetConnection -ComputerName {quoted(name)} "
        "-Port 3343",
        f"Once the reason is gone, on {name}: {start}; do not force quorum (-FixQuorum) while other nodes may be up",
        f"When Get-ClusterNode shows it Up, move the virtual machine again, or to another node of {cluster}",
    )
