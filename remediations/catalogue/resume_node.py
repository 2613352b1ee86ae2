"""Take a paused cluster node back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from remediations.catalogue.drain_node import home
from remediations.catalogue.remediation import Operation, Reads
from remediations.facts.cluster import Node, from_any, neighbours, node
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import changes
from remediations.model.maintenance import FAILBACK_WORDS, Failback
from remediations.model.names import HostName
from remediations.model.plan import Blocked, Item, Obstacle, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Reversal, Tier


class ResumeNode(Operation):
    """Resume a paused cluster node. Satisfied once it is up. Unasked, only a node that this program itself paused."""

    id: ClassVar[str] = "resume-node"
    title: ClassVar[str] = "Resume a cluster node"
    tier: ClassVar[Tier] = Tier.WORKLOAD
    reversal: ClassVar[Reversal] = Reversal.EXACT_EXCEPT_PLACEMENT
    sends: ClassVar[frozenset[str]] = frozenset({"Resume-ClusterNode", "Suspend-ClusterNode"})

    node: HostName = Field(description="The cluster node to resume")
    failback: Failback = Field(
        default="NoFailback", description=f"What becomes of roles that a drain had moved away. {FAILBACK_WORDS}"
    )

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The node, as its cluster shows it: while it starts it may not answer yet, and whoever is asked sends the command."""
        del evidence
        cluster, name = home(self.node, site)
        return Reads({}, it=from_any(node, cluster.name, name, of=neighbours(cluster, name)))

    def plan(self, *, it: Node) -> Iterator[Item]:
        """One item: it is up, or it is resumed, or why not."""
        if it.state == "Up":
            yield Satisfied(why=f"{it.name} is up")
        elif it.state != "Paused" or it.drain == "InProgress":
            doing = "is being drained: that would be cut short" if it.drain == "InProgress" else f"is {it.state}, not paused"
            yield Blocked(obstacle=Obstacle.PRECONDITION, why=f"{it.name} {doing}")
        else:
            yield Step(
                target=it.target,
                host=it.seen_from,
                command=command("Resume-ClusterNode", Name=it.name, Failback=self.failback),
                why=f"{it.name} is paused (drain: {it.drain}) and takes no roles; what had moved away: {self.failback}",
                # What its drain had come to may be forgotten by a restart: it is no part of what is approved.
                changes=changes(it, it.model_copy(update={"state": "Up"})),
                undo=command("Suspend-ClusterNode", Name=it.name),
                settles=60,
            )
