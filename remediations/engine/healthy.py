"""Whether a cluster is well enough that its next node may go: every node up, nothing moving, nothing being repaired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remediations.catalogue.remediation import Seen, anywhere
from remediations.engine.gather import gather
from remediations.engine.ports import Reading
from remediations.facts.cluster import (
    RolesAtRest,
    StorageJobs,
    UpdateRun,
    from_any,
    roles_at_rest,
    storage_jobs,
    update_run,
    witnesses,
)
from remediations.facts.health import ClusterHealth, NodeSeen, cluster_health
from remediations.facts.query import Query
from remediations.model.fact import NotApplicable
from remediations.model.site import Cluster, Site


def ailing(cluster: str, seen: Mapping[str, Seen]) -> list[str]:
    """Why the cluster is not healthy, from `health`, `roles`, `jobs` and `updating`; nothing once it is.

    What could not be read is never taken for healthy. Jobs and updates may not apply: not every cluster has them.
    """
    found: list[str] = []
    health, roles, jobs, updating = (seen[name] for name in ("health", "roles", "jobs", "updating"))
    if isinstance(health, ClusterHealth):
        found += [
            f"{each.name} is {each.state}, {each.status}"
            for each in sorted(health.nodes, key=lambda each: each.name)
            if not each.fit
        ]
        if health.witness and health.witness_state != "Online":
            found.append(f"the witness {health.witness} is {health.witness_state or 'not listed'}")
    else:
        found.append(_unread("nodes", cluster, health))
    if isinstance(roles, RolesAtRest):
        found += [f"{each} is still moving" for each in sorted(roles.moving)]
        found += [f"the role {each} has failed" for each in sorted(roles.failed)]
    else:
        found.append(_unread("roles", cluster, roles))
    if isinstance(jobs, StorageJobs):
        found += [f"the storage job {each} runs" for each in sorted(jobs.running)]
    elif not isinstance(jobs, NotApplicable):
        found.append(_unread("storage jobs", cluster, jobs))
    if isinstance(updating, UpdateRun):
        found += ["a cluster-aware update runs"] if updating.running else []
    elif not isinstance(updating, NotApplicable):
        found.append(_unread("update run", cluster, updating))
    return found


def look(hosts: Reading, site: Site, cluster: Cluster) -> dict[str, Seen]:
    """What `ailing` goes by, read now from up to three of the cluster's nodes."""
    asked = witnesses(cluster)
    queries: dict[str, dict[str, Query[Any]]] = {
        "health": {**from_any(cluster_health, cluster.name, of=asked)},
        "roles": {**from_any(roles_at_rest, cluster.name, of=asked)},
        "jobs": {**from_any(storage_jobs, cluster.name, of=asked)},
        "updating": {**from_any(update_run, cluster.name, of=asked)},
    }
    gathered = gather(hosts, site, [query for each in queries.values() for query in each.values()])
    return {name: anywhere({host: gathered.of(query) for host, query in each.items()}) for name, each in queries.items()}


def state_of(seen: Mapping[str, Seen], node: str) -> NodeSeen | None:
    """A node as the cluster has it; None where that could not be read, or it has no such node."""
    health = seen["health"]
    return health.node(node) if isinstance(health, ClusterHealth) else None


def _unread(what: str, cluster: str, seen: Seen) -> str:
    reason = getattr(seen, "reason", "")
    return f"the {what} of {cluster} could not be read: {reason}"
