"""The failover cluster: nodes, roles, resources, shared volumes, quorum."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from remediations.lab.world.directory import guid


@dataclass
class Node:
    """One node."""

    name: str
    number: int
    state: str = "Up"
    """Up, Down, Paused, Joining."""
    drain: str = "NotInitiated"
    """NotInitiated, InProgress, Completed, Failed."""
    drain_target: str = ""
    weight: int = 1
    """NodeWeight: whether an administrator lets it vote."""
    drained: list[Role] = field(default_factory=list)
    """Roles that a drain moved away, in order: what a resume with failback brings home."""


@dataclass
class Role:
    """A clustered role; those of virtual machines hold exactly one."""

    name: str
    owner: str
    machine: str = ""
    """Name of its virtual machine; empty for a core group."""
    others: tuple[str, ...] = ()
    """Further virtual machines whose resources somebody put into it."""
    state: str = "Online"
    """Online, Offline, Failed, PartialOnline, Pending."""
    priority: int = 2000
    kind: str = "VirtualMachine"
    preferred: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    """Nodes that may own its virtual machine resource; empty for all."""
    possible_configuration: tuple[str, ...] = ()
    """Nodes that may own its configuration resource; empty for all."""
    auto_failback: int = 0
    """0 prevents failback, 1 allows it."""
    called: str = ""
    """What its virtual machine was called when it was made highly available, if that was renamed since: resources keep it."""
    scvmm: bool = False
    """Whether System Center Virtual Machine Manager made it, which names resources in its own way."""

    @property
    def id(self) -> UUID:
        """Its id: another name does not change it."""
        return guid(f"role {self.machine or self.name}")

    def resource(self, machine: str) -> str:
        """Name of the resource of a virtual machine in it."""
        return f"SCVMM {self._given(machine)}" if self.scvmm else f"Virtual Machine {self._given(machine)}"

    def configuration(self, machine: str) -> str:
        """Name of the resource of its configuration."""
        given = self._given(machine)
        return f"SCVMM {given} Configuration" if self.scvmm else f"Virtual Machine Configuration {given}"

    def _given(self, machine: str) -> str:
        return self.called if self.called and machine == self.machine else machine

    @property
    def core(self) -> bool:
        """Whether it is one of the cluster's own groups."""
        return not self.machine


@dataclass
class Volume:
    """A cluster shared volume."""

    name: str
    owner: str
    path: str
    state: str = "Online"
    unreachable: set[str] = field(default_factory=set)
    """Nodes that have no path to it, neither direct nor over the network."""
    size: int = 2 * 1024**4
    free: int = 1024**4


@dataclass
class ClusterNetwork:
    """A network that the cluster found between its nodes."""

    name: str
    subnet: str
    role: int
    """0 none, 1 cluster only, 3 cluster and client."""
    excluded: bool = False
    """Whether the type Virtual Machine excludes it from migrations (MigrationExcludeNetworks)."""

    @property
    def id(self) -> UUID:
        """Its id."""
        return guid(f"network {self.name}")


@dataclass
class UpdateRun:
    """A run of cluster-aware updating."""

    id: UUID
    state: str = "InProgress"


@dataclass
class Cluster:
    """The cluster as its database has it: equal on every node."""

    name: str
    domain: str
    nodes: dict[str, Node]
    roles: dict[str, Role] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    networks: dict[str, ClusterNetwork] = field(default_factory=dict)
    maximum_parallel_migrations: int = 4
    witness: str = "Cluster Disk 1"
    """Name of its resource; empty for a cluster without one."""
    witness_online: bool = True
    dynamic_quorum: bool = True
    update_run: UpdateRun | None = None

    @property
    def id(self) -> UUID:
        """Its id."""
        return guid(f"cluster {self.name}")

    def node(self, name: str) -> Node | None:
        """The node of this name, without case."""
        return next((node for node in self.nodes.values() if node.name.casefold() == name.casefold()), None)

    def role(self, name: str) -> Role | None:
        """The role of this name or id, without case."""
        wanted = name.casefold().strip("{}")
        return next((role for role in self.roles.values() if wanted in (role.name.casefold(), str(role.id))), None)

    def rename(self, role: Role, name: str) -> None:
        """Give a role's group another name; its resources keep theirs."""
        self.roles = {(name if each is role else key): each for key, each in self.roles.items()}
        role.name = name

    def has(self, role: Role) -> bool:
        """Whether it is still there."""
        return self.roles.get(role.name) is role

    def role_of(self, machine: str) -> Role | None:
        """The role that holds a virtual machine."""
        wanted = machine.casefold()
        return next((r for r in self.roles.values() if wanted in (each.casefold() for each in (r.machine, *r.others))), None)

    def may_own(self, role: Role, node: str) -> bool:
        """Whether a node is a possible owner: of every resource of the role."""
        return all(not each or node in each for each in (role.possible, role.possible_configuration))

    @property
    def counting(self) -> tuple[dict[str, int], int]:
        """What counts now: each node's DynamicWeight, and WitnessDynamicWeight."""
        here = {
            each.name: each.weight if each.state != "Down" or not self.dynamic_quorum else 0 for each in self.nodes.values()
        }
        witness = bool(self.witness) and self.witness_online
        if not self.dynamic_quorum:
            return here, int(witness)
        if sum(here.values()) % 2:
            return here, 0
        if not witness and any(here.values()):
            # One of an even number gives its vote up, so that one half can win: here the last.
            here[[name for name, vote in here.items() if vote][-1]] = 0
        return here, int(witness)

    @property
    def quorum(self) -> bool:
        """Whether more than half of the assigned votes are there: nobody of the lab's leaves cleanly."""
        witness = bool(self.witness)
        votes = sum(node.weight for node in self.nodes.values()) + witness
        present = sum(node.weight for node in self.nodes.values() if node.state != "Down") + (witness and self.witness_online)
        return present * 2 > votes
