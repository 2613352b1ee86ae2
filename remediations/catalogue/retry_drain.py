"""Drain a node again whose drain ended failed.

The node is left paused with the roles that would not move (events 1137 and 1677 name them and their codes). What kept
them is mended by the repairs of its own cause; this waits until nothing holds the node's virtual machines, takes the node
back without failback, which ends the failed drain, and drains it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.drain_node import Memory, Scene, drain_queries, home, is_drained, names
from remediations.catalogue.remediation import Reads, Repair
from remediations.facts.cluster import DrainFailures, Node, NodeRoles, StorageJobs, UpdateRun, drain_failures
from remediations.facts.host import Residents
from remediations.facts.quorum import Peers
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown, changes
from remediations.model.incident import Incident
from remediations.model.maintenance import FAILBACK_WORDS, Failback, Spare
from remediations.model.names import HostName
from remediations.model.plan import Item, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class RetryDrain(Repair):
    """Resume a node whose drain failed and drain it again. Present while the node stands paused with that drain failed."""

    id: ClassVar[str] = "retry-drain"
    title: ClassVar[str] = "Drain a node again"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.NODE_DRAIN_FAILED,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.WORKLOAD
    reversal: ClassVar[Reversal] = Reversal.EXACT_EXCEPT_PLACEMENT
    sends: ClassVar[frozenset[str]] = frozenset({"Move-ClusterSharedVolume", "Resume-ClusterNode", "Suspend-ClusterNode"})

    node: HostName = Field(description="The cluster node whose drain failed")
    failback: Failback = Field(
        default="NoFailback", description=f"What an undo does with the roles that had moved. {FAILBACK_WORDS}"
    )

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The node that was drained, if it is a cluster's."""
        return [cls(node=incident.source)] if incident.source and site.cluster_of(incident.source) else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """What a drain has to know, and what the node's log says of the one that failed."""
        cluster, name = home(self.node, site)
        incident = evidence.incident
        since = incident.occurred_at - timedelta(hours=1) if incident and incident.occurred_at else None
        return Reads(
            {"spare": site.spare(cluster.name)},
            failures=drain_failures(cluster.name, name, since),
            **drain_queries(cluster, name),
        )

    def plan(
        self,
        *,
        spare: Spare,
        failures: DrainFailures | Unknown | NotApplicable,
        it: Node,
        around: Peers,
        owned: NodeRoles,
        guests: Residents,
        memory: Mapping[str, Memory],
        jobs: StorageJobs | NotApplicable,
        updating: UpdateRun | NotApplicable,
    ) -> Iterator[Item]:
        """Nothing, where no failed drain stands; else the same as a drain, after the node was taken back."""
        if it.state != "Paused" or it.drain != "Failed" or is_drained(it, owned):
            state = f"it is {it.state}, its drain is {it.drain}, it owns {names(owned.machines)}"
            yield Satisfied(why=f"no failed drain of {it.name} stands: {state}")
            return
        said = "; ".join(failures.messages) if isinstance(failures, DrainFailures) else ""
        resume = Step(
            target=it.target,
            host=it.seen_from,
            command=command("Resume-ClusterNode", Name=it.name, Failback="NoFailback"),
            why=f"the drain of {it.name} ended failed{f' ({said})' if said else ''}: a new one starts from a node that is up",
            changes=changes(it, it.model_copy(update={"state": "Up", "drain": "NotInitiated"})),
            settles=60,
        )
        fresh = it.model_copy(update={"drain": "NotInitiated"})
        yield from Scene(spare, fresh, around, owned, guests, memory, jobs, updating).drain(self.failback, first=resume)
