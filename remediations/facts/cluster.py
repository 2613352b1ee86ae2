"""Failover clusters as one of their nodes shows them: limit, roles, nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import islice
from typing import ClassVar, TypeVar

from remediations.facts.owners import resources_of
from remediations.facts.query import Query, Unreadable
from remediations.facts.quorum import found
from remediations.facts.read import is_absent, lacks_command, many, one, word
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import ByHost, VmName, same_host
from remediations.model.plan import Target
from remediations.model.reply import Record, Reply
from remediations.model.site import Cluster

FactT = TypeVar("FactT", bound=Fact)

WITNESSES = 3
"""How many nodes are asked the same of their cluster: one would make its failure ours, all would cost a large cluster much."""

_QUEUED = 0x4
"""CLUSGRP_STATUS_WAITING_IN_QUEUE_FOR_MOVE: the limit of migrations holds a move back."""

_ENDED = frozenset({"Completed", "Terminated", "Killed", "Exception"})

NO_CLUSTER = frozenset({"CommandNotFoundException", "ClusterEndpointNotRegistered"})
"""Error ids by which a host says that it is no node of a running cluster."""


class ClusterLimit(Fact):
    """A cluster's own limit of migrations at a time on each node; `subject` is the cluster's id.

    MaximumParallelMigrations, since the 2022-09 update of Windows Server 2022: it wins over the hosts' own values, which it
    resets (Set-VMHost and Get-Cluster, example 7).
    """

    name: str
    migrations: int
    seen_from: str
    """Node that showed it: changes are sent to the same one."""

    @property
    def target(self) -> Target:
        """The cluster as a plan names it."""
        return Target(kind="cluster", name=self.name, id=self.subject)


class Role(Fact):
    """A clustered virtual machine's role; `subject` is the id of its virtual machine resource."""

    volatile: ClassVar[frozenset[str]] = frozenset({"moving"})

    name: str
    """Name of the cluster group: what the role's commands are given."""
    vm: str
    owner: str
    """Node that owns it now."""
    resource: str
    """State of the virtual machine resource: Online, Offline, Failed, OnlinePending, OfflinePending."""
    moving: bool
    """Whether its group is being moved, or waits in the cluster's queue for it."""

    @property
    def machine(self) -> str:
        """Name of its virtual machine's resource, which is one of a role's that may hold more."""
        return resources_of(self.vm)[1]

    @property
    def target(self) -> Target:
        """The role as a plan names it."""
        return Target(kind="cluster role", name=self.name, id=self.subject)


class Node(Fact):
    """A cluster node; `subject` is cluster/node."""

    name: str
    node_id: str
    """The cluster's number for the node."""
    state: str
    """Up, Paused, Down or Joining."""
    drain: str
    """DrainStatus: NotInitiated, InProgress, Completed or Failed."""
    seen_from: str

    @property
    def target(self) -> Target:
        """The node as a plan names it."""
        return Target(kind="cluster node", name=self.name, id=f"{self.subject}#{self.node_id}")


class NodeRoles(Fact):
    """What a node owns; `subject` is cluster/node."""

    machines: frozenset[str]
    """Roles that hold a virtual machine."""
    volumes: frozenset[str]
    """Cluster shared volumes that it coordinates."""


class RolesAtRest(Fact):
    """Whether the virtual machines' roles of a cluster stay where they are; `subject` is the cluster."""

    volatile: ClassVar[frozenset[str]] = frozenset({"moving", "failed"})

    moving: frozenset[str]
    """On their way, or waiting for it."""
    failed: frozenset[str]
    """Failed, or online only in part."""


class StorageJobs(Fact):
    """Repair and rebalance jobs of the cluster's storage that have not ended; `subject` is the cluster."""

    volatile: ClassVar[frozenset[str]] = frozenset({"running"})

    running: frozenset[str]


class UpdateRun(Fact):
    """Cluster-aware updating, which drains and restarts nodes by itself; `subject` is the cluster."""

    volatile: ClassVar[frozenset[str]] = frozenset({"running"})

    running: bool


class DrainFailures(Fact):
    """What the cluster service says of failed drains of a node (events 1137 and 1677); `subject` is cluster/node."""

    volatile: ClassVar[frozenset[str]] = frozenset({"messages"})

    messages: tuple[str, ...]
    """In the node's language, newest first, each once: role and code of what would not move."""


def witnesses(cluster: Cluster, *first: str | None) -> tuple[str, ...]:
    """Up to three nodes to ask about a cluster, those named first before others."""
    nodes = _by_name(cluster.nodes)
    named = [node for each in first if each and (node := nodes.get(each))]
    return tuple(islice(dict.fromkeys([*named, *cluster.nodes]), WITNESSES))


def neighbours(cluster: Cluster, name: str) -> tuple[str, ...]:
    """Whom to ask about a node that may be away, now or soon: its peers before itself, so that the answer's place stays.

    The one after it comes first, and after the last the first: a command goes where the answer came from, and counts as a
    change of that host too. Were one peer asked for all, a roll would use up that one's caps before it is through.
    """
    place = next((number for number, each in enumerate(cluster.nodes, 1) if same_host(each, name)), 0)
    return witnesses(cluster, *cluster.nodes[place:], *cluster.nodes[:place])


@lru_cache(maxsize=256)
def _by_name(nodes: tuple[str, ...]) -> ByHost[str]:
    return ByHost((node, node) for node in nodes)


def from_any(ask: Callable[..., Query[FactT]], *about: str, of: tuple[str, ...]) -> dict[str, Query[FactT]]:
    """One question about a cluster, `ask(*about, node)`, put to several of its nodes."""
    return {node: ask(*about, node) for node in of}


def cluster_limit(via: str) -> Query[ClusterLimit]:
    """Reads the limit of the cluster that a host is a node of; `NotApplicable` without a cluster, or on one too old for it."""
    return Query(via, (command("Get-Cluster"),), partial(_limit, via))


def role(vm: VmName, via: str) -> Query[Role]:
    """Reads a clustered virtual machine's role.

    The cluster names the resource `Virtual Machine <name>` in every language (as OpenStack's os-win relies on); its group
    may be called otherwise, and then only `moving` is not known.
    """
    reads = (command("Get-ClusterResource", Name=resources_of(vm)[1]), command("Get-ClusterGroup", Name=vm))
    return Query(via, reads, partial(_role, vm))


def node(cluster: str, name: str, via: str) -> Query[Node]:
    """Reads one node's state and drain status."""
    return Query(via, (command("Get-ClusterNode"),), partial(_node, cluster, name, via))


def node_roles(cluster: str, name: str, via: str) -> Query[NodeRoles]:
    """Reads what a node owns: virtual machine roles and shared volumes."""
    return Query(via, (command("Get-ClusterGroup"), command("Get-ClusterSharedVolume")), partial(_node_roles, cluster, name))


def roles_at_rest(cluster: str, via: str) -> Query[RolesAtRest]:
    """Reads which virtual machines' roles move, and which have failed."""
    return Query(via, (command("Get-ClusterGroup"),), partial(_roles_at_rest, cluster))


def storage_jobs(cluster: str, via: str) -> Query[StorageJobs]:
    """Reads storage jobs that have not ended; `NotApplicable` where there are no storage cmdlets."""
    return Query(via, (command("Get-StorageJob"),), partial(_storage_jobs, cluster))


def update_run(cluster: str, via: str) -> Query[UpdateRun]:
    """Reads whether cluster-aware updating is at work; `NotApplicable` where its tools are not installed."""
    return Query(via, (command("Get-CauRun"),), partial(_update_run, cluster))


def drain_failures(cluster: str, name: str, since: datetime | None) -> Query[DrainFailures]:
    """Reads why drains of a node failed, from its own System log, since a moment if one is known."""
    events: dict[str, object] = {"LogName": "System", "ProviderName": "Microsoft-Windows-FailoverClustering"}
    if since:
        events["StartTime"] = since
    read = command("Get-WinEvent", FilterHashtable=tuple({**events, "ID": each} for each in (1137, 1677)), MaxEvents=20)
    return Query(name, (read,), partial(_drain_failures, cluster, name))


def _limit(via: str, replies: Sequence[Reply]) -> ClusterLimit | NotApplicable:
    if any(error.error_id in NO_CLUSTER for error in replies[0].errors):
        return NotApplicable(reason=f"{via} is no node of a running cluster")
    record = one(replies[0])
    limit = record.get("MaximumParallelMigrations")
    if limit is None:
        return NotApplicable(
            reason=f"cluster {record['Name']} has no limit of its own (before the 2022-09 update): each host's counts"
        )
    name = str(record["Name"])
    return ClusterLimit(subject=str(record.get("Id") or name), name=name, migrations=int(limit), seen_from=via)


def _role(vm: str, replies: Sequence[Reply]) -> Role | NotApplicable:
    reply = replies[0]
    if lacks_command(reply):
        raise Unreadable(reply.errors[0].message)
    if is_absent(reply) or (reply.ok and not reply.objects):
        return NotApplicable(reason=f"the cluster has no resource Virtual Machine {vm}")
    record = one(reply)
    return Role(
        subject=str(record["Id"]),
        name=word(record, "OwnerGroup"),
        vm=vm,
        owner=word(record, "OwnerNode"),
        resource=word(record, "State"),
        moving=any(_is_moving(each) for each in replies[1].objects),
    )


def _is_moving(group: Record) -> bool:
    status = group.get("StatusInformation")
    return word(group, "State") == "Pending" or (isinstance(status, int) and bool(status & _QUEUED))


def _node(cluster: str, name: str, via: str, replies: Sequence[Reply]) -> Node:
    record = found(many(replies[0]), name)
    return Node(
        subject=f"{cluster}/{name}",
        name=str(record["Name"]),
        node_id=str(record["Id"]),
        state=word(record, "State"),
        drain=word(record, "DrainStatus"),
        seen_from=via,
    )


def _node_roles(cluster: str, name: str, replies: Sequence[Reply]) -> NodeRoles:
    groups, volumes = many(replies[0]), many(replies[1])
    return NodeRoles(
        subject=f"{cluster}/{name}",
        machines=frozenset(
            str(each["Name"])
            for each in groups
            if word(each, "GroupType") == "VirtualMachine" and same_host(word(each, "OwnerNode"), name)
        ),
        volumes=frozenset(str(each["Name"]) for each in volumes if same_host(word(each, "OwnerNode"), name)),
    )


def _roles_at_rest(cluster: str, replies: Sequence[Reply]) -> RolesAtRest:
    groups = [each for each in many(replies[0]) if word(each, "GroupType") == "VirtualMachine"]
    return RolesAtRest(
        subject=cluster,
        moving=frozenset(str(each["Name"]) for each in groups if _is_moving(each)),
        failed=frozenset(str(each["Name"]) for each in groups if word(each, "State") in ("Failed", "PartialOnline")),
    )


def _storage_jobs(cluster: str, replies: Sequence[Reply]) -> StorageJobs | NotApplicable:
    if lacks_command(replies[0]):
        return NotApplicable(reason=f"{cluster} has no storage jobs to ask for")
    running = frozenset(str(each["Name"]) for each in many(replies[0]) if word(each, "JobState") not in _ENDED)
    return StorageJobs(subject=cluster, running=running)


def _update_run(cluster: str, replies: Sequence[Reply]) -> UpdateRun | NotApplicable:
    if lacks_command(replies[0]):
        return NotApplicable(reason=f"{cluster} has no cluster-aware updating to ask for")
    # Without a run it answers with nothing, or with a text that says so.
    if replies[0].errors:
        raise Unreadable(replies[0].errors[0].message)
    runs = [each for each in replies[0].objects if each != "RunNotInProgress"]
    return UpdateRun(subject=cluster, running=bool(runs))


def _drain_failures(cluster: str, name: str, replies: Sequence[Reply]) -> DrainFailures:
    reply = replies[0]
    if any(error.error_id != "NoMatchingEventsFound" for error in reply.errors):
        raise Unreadable(reply.errors[0].message)
    said = tuple(dict.fromkeys(" ".join(str(each.get("Message") or "").split()) for each in reply.objects))
    return DrainFailures(subject=f"{cluster}/{name}", messages=said)
