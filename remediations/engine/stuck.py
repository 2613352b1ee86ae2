"""What kept a drain from its end: what the cluster said of it, and why each machine that is left could go nowhere."""

from __future__ import annotations

from datetime import datetime, timedelta

from remediations.catalogue.drain_node import DrainNode, home
from remediations.catalogue.retry_drain import RetryDrain
from remediations.engine.gather import gather
from remediations.engine.parts import UNDO, parts_of
from remediations.engine.ports import Clock, Reading
from remediations.engine.render import escape
from remediations.engine.whereabouts import whereabouts
from remediations.facts.cluster import DrainFailures, NodeRoles, drain_failures, node_roles
from remediations.model.base import Frozen
from remediations.model.plan import Plan
from remediations.model.site import Site

SKEW = timedelta(minutes=2)
"""How far a node's clock may be off ours."""


class Stuck(Frozen):
    """What is known of a drain that did not come to its end."""

    node: str
    said: tuple[str, ...]
    """What the cluster wrote of it (events 1137 and 1677), in the node's language."""
    left: tuple[tuple[str, str], ...]
    """Machines that are still on the node and could go nowhere, or not everywhere, and why."""

    @property
    def words(self) -> str:
        """In one line."""
        return "; ".join([*(f"{vm}: {why}" for vm, why in self.left), *(each.rstrip(".") for each in self.said)])

    @property
    def markdown(self) -> str:
        """For the report."""
        lines = [f"- **{escape(vm)}** stays on {escape(self.node)}: {escape(why)}" for vm, why in self.left]
        lines += [f"- the cluster said: {escape(each)}" for each in self.said]
        return "\n".join(lines)


def stuck(hosts: Reading, site: Site, plan: Plan, since: datetime, clock: Clock) -> Stuck | None:
    """Look, by reads only, at a drain that was begun at `since` and failed; None for a plan that drains no node."""
    parts = [] if plan.remediation == UNDO else parts_of(plan)
    node = next((each.node for each in parts if isinstance(each, (DrainNode, RetryDrain))), None)
    if node is None:
        return None
    cluster, name = home(node, site)
    events, owned = drain_failures(cluster.name, name, since - SKEW), node_roles(cluster.name, name, name)
    found = gather(hosts, site, [events, owned])
    told, roles = found.of(events), found.of(owned)
    left: tuple[tuple[str, str], ...] = ()
    if isinstance(roles, NodeRoles) and roles.machines:
        there = whereabouts(hosts, site, name, roles.machines, clock)
        left = (*there.stays, *there.unknown, *there.narrow)
    return Stuck(node=name, said=told.messages if isinstance(told, DrainFailures) else (), left=left)
