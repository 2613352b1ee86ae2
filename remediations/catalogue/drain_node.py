"""Drain a cluster node: pause it and let its roles move to its peers, watched, never forced.

`-ForceDrain` would stop what does not move, and `-Wait` would hold the connection for the whole drain: neither is ever
sent. A drain always ends drained or resumed. Shared volumes are handed over first, so that a restart of the node does
not make its peers wait for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any, ClassVar

from pydantic import Field

from remediations.catalogue.remediation import Operation, Reads, anywhere
from remediations.catalogue.spare import Capacity
from remediations.facts.cluster import (
    Node,
    NodeRoles,
    StorageJobs,
    UpdateRun,
    from_any,
    neighbours,
    node,
    node_roles,
    storage_jobs,
    update_run,
)
from remediations.facts.host import Residents, residents
from remediations.facts.query import Query
from remediations.facts.quorum import Peers, peers
from remediations.facts.room import HostMemory, host_memory
from remediations.model.command import command
from remediations.model.contract import is_pattern
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.maintenance import FAILBACK_WORDS, Failback, Spare
from remediations.model.names import HostName
from remediations.model.plan import Blocked, Close, Item, Obstacle, Satisfied, Step, Target, Wait
from remediations.model.site import Cluster, Site
from remediations.model.tier import Reversal, Tier

BRACKET = "node paused"
DRAIN_TIME = 4 * 3600.0
"""Seconds that a whole drain may take."""
PATIENCE = 900.0
"""Seconds without any role leaving after which a drain has stalled."""
BUSY_TIME = 4 * 3600.0
"""Seconds that a backup or a merge may hold a virtual machine before the drain is given up."""

Memory = HostMemory | Unknown | NotApplicable


class DrainNode(Operation):
    """Pause a cluster node and move its roles away. Satisfied once it is paused and owns no virtual machine's role."""

    id: ClassVar[str] = "drain-node"
    title: ClassVar[str] = "Drain a cluster node"
    tier: ClassVar[Tier] = Tier.WORKLOAD
    reversal: ClassVar[Reversal] = Reversal.EXACT_EXCEPT_PLACEMENT
    sends: ClassVar[frozenset[str]] = frozenset({"Move-ClusterSharedVolume", "Resume-ClusterNode", "Suspend-ClusterNode"})

    node: HostName = Field(description="The cluster node to drain")
    failback: Failback = Field(
        default="NoFailback", description=f"What an undo does with the roles that had moved. {FAILBACK_WORDS}"
    )

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The node, its peers, what it owns and what runs on it, and who else is at work on the cluster."""
        del evidence
        cluster, name = home(self.node, site)
        return Reads({"spare": site.spare(cluster.name)}, **drain_queries(cluster, name))

    def moves(self, inputs: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
        """Every virtual machine's role that the node owns."""
        owned = anywhere(inputs["owned"])
        return self.node, owned.machines if isinstance(owned, NodeRoles) else frozenset()

    def plan(
        self,
        *,
        spare: Spare,
        it: Node,
        around: Peers,
        owned: NodeRoles,
        guests: Residents,
        memory: Mapping[str, Memory],
        jobs: StorageJobs | NotApplicable,
        updating: UpdateRun | NotApplicable,
    ) -> Iterator[Item]:
        """Why it must not be drained now; or the volumes, the drain, and the wait until nothing is left on it."""
        if is_drained(it, owned):
            yield Satisfied(why=f"{it.name} is paused and owns no virtual machine's role (drain: {it.drain})")
        elif it.state == "Paused" and it.drain == "InProgress":
            yield until_drained(it, owned, closes="")
        elif it.state != "Up":
            held = f"{it.name} is {it.state} (drain: {it.drain}) and owns {names(owned.machines)}"
            why = f"{held}: see to that first (retry-drain, resume-node)"
            yield Blocked(obstacle=Obstacle.PRECONDITION, why=why)
        else:
            yield from Scene(spare, it, around, owned, guests, memory, jobs, updating).drain(self.failback)


def home(name: str, site: Site) -> tuple[Cluster, str]:
    """A node's cluster and the node's name in the inventory. Raises `LookupError` if it is no node of any."""
    cluster = site.cluster_of(site.host(name).name)
    if cluster is None:
        raise LookupError(f"{name} is no node of a cluster in site.yaml")
    return cluster, site.host(name).name


def drain_queries(cluster: Cluster, name: str) -> dict[str, Query[Any] | Mapping[str, Query[Any]]]:
    """What a drain has to know, by the names that its plan takes."""
    asked = neighbours(cluster, name)
    return {
        "it": from_any(node, cluster.name, name, of=asked),
        "around": from_any(peers, cluster.name, name, of=asked),
        "owned": from_any(node_roles, cluster.name, name, of=asked),
        "guests": residents(name),
        "memory": {each: host_memory(each) for each in cluster.nodes},
        "jobs": from_any(storage_jobs, cluster.name, of=asked),
        "updating": from_any(update_run, cluster.name, of=asked),
    }


def is_drained(it: Node, owned: NodeRoles) -> bool:
    """Whether the node is paused, not draining any more, and empty of virtual machines' roles."""
    return it.state == "Paused" and it.drain != "InProgress" and not owned.machines


@dataclass(frozen=True)
class Scene:
    """Everything that a drain depends on, as it was read."""

    spare: Spare
    it: Node
    around: Peers
    owned: NodeRoles
    guests: Residents
    memory: Mapping[str, Memory]
    jobs: StorageJobs | NotApplicable
    updating: UpdateRun | NotApplicable

    def drain(self, failback: Failback, *, first: Step | None = None) -> Iterator[Item]:
        """The drain of a node that is up, or that `first` brings up; or what forbids it."""
        forbidden = [Blocked(obstacle=Obstacle.PRECONDITION, why=reason) for reason in self._forbidden()]
        forbidden += self._capacity.missing()
        if forbidden:
            yield from forbidden
            return
        name = self.it.name
        if self.guests.unclustered:
            why = f"no cluster roles, so that a drain leaves them running on {name}: {names(self.guests.unclustered)}"
            yield Satisfied(why=why)
        why = f"what holds a virtual machine on {name} (a backup, a merge, a move) has to end: it would not move meanwhile"
        yield Wait(until=(guard(self.guests, "busy", Test.EQUALS, []),), poll=30, at_most=BUSY_TIME, why=why)
        yield from self._hand_over()
        if first is not None:
            yield first
        yield self._suspend(failback)
        yield until_drained(self.it, self.owned, closes=BRACKET)

    @property
    def _capacity(self) -> Capacity:
        return Capacity(self.it.name, self.around, self.memory, self.guests.unclustered, self.spare)

    def _forbidden(self) -> Iterator[str]:
        around, guests = self.around, self.guests
        if around.away:
            yield f"paused, down or joining: {names(around.away)}; two nodes away at a time leave no room for a fault"
        if not around.ready:
            yield "no other node is up to take the roles"
        if around.votes_left < around.votes_needed:
            yield f"without it {around.votes_left} of the {around.votes_needed} votes that quorum needs would be left"
        if isinstance(self.jobs, StorageJobs) and self.jobs.running:
            yield f"storage jobs run ({names(self.jobs.running)}): a drain now could take data away that is being repaired"
        if isinstance(self.updating, UpdateRun) and self.updating.running:
            yield "a cluster-aware update runs: it drains and resumes nodes by itself"
        if patterns := frozenset(each for each in self.owned.volumes if is_pattern(each)):
            yield f"it coordinates {names(patterns)}, which a command would take for a pattern: rename it, or move it by hand"
        if guests.stuck:
            yield f"in a state that neither live nor quick migration can take: {names(guests.stuck)}"

    def _hand_over(self) -> Iterator[Step]:
        """Each shared volume to one of the peers, in turn."""
        it, owned = self.it, self.owned
        for volume, to in zip(sorted(owned.volumes), cycle(sorted(self.around.ready)), strict=False):
            fewer = owned.model_copy(update={"volumes": owned.volumes - {volume}})
            yield Step(
                target=Target(kind="cluster volume", name=volume, id=f"{it.subject.partition('/')[0]}/{volume}"),
                host=it.seen_from,
                command=command("Move-ClusterSharedVolume", Name=volume, Node=to),
                why=f"{it.name} coordinates {volume}: {to} takes it before the node may go",
                changes=changes(owned, fewer),
                undo=command("Move-ClusterSharedVolume", Name=volume, Node=it.name),
                settles=60,
            )
            owned = fewer

    def _suspend(self, failback: Failback) -> Step:
        it, around = self.it, self.around
        up, paused = it.model_copy(update={"state": "Up"}), it.model_copy(update={"state": "Paused"})
        resume = command("Resume-ClusterNode", Name=it.name, Failback=failback)
        quiet = [guard(self.jobs, "running", Test.EQUALS, [])] if isinstance(self.jobs, StorageJobs) else []
        quiet += [guard(self.updating, "running", Test.EQUALS, False)] if isinstance(self.updating, UpdateRun) else []
        return Step(
            target=it.target,
            host=it.seen_from,
            command=command("Suspend-ClusterNode", Name=it.name, Drain=True),
            why=f"{it.name} is paused; its roles move to {names(around.ready)}: {names(self.owned.machines)}",
            changes=changes(up, paused),
            undo=resume,
            guards=(
                guard(around, "away", Test.EQUALS, []),
                guard(around, "votes_left", Test.AT_LEAST, around.votes_needed),
                *self._capacity.guards(),
                *quiet,
            ),
            opens=BRACKET,
            close=Close(host=it.seen_from, command=resume, changes=changes(paused, up)),
            settles=60,
        )


def until_drained(it: Node, owned: NodeRoles, *, closes: str) -> Wait:
    """Watches a drain that was started: done, failed or stalled."""
    return Wait(
        until=(
            guard(it, "drain", Test.EQUALS, "Completed"),
            guard(it, "state", Test.EQUALS, "Paused"),
            guard(owned, "machines", Test.EQUALS, []),
        ),
        stalls=(guard(it, "drain", Test.EQUALS, "Failed"),),
        poll=5,
        at_most=DRAIN_TIME,
        patience=PATIENCE,
        why=f"{it.name} has to hand over its roles: {names(owned.machines)}",
        closes=closes,
    )


def names(given: frozenset[str]) -> str:
    """Names for people, in order."""
    return ", ".join(sorted(given, key=str.casefold)) or "nothing"
