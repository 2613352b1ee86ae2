"""A cluster's health as its nodes show it: nodes, witness, shared volumes, and whether a role is fit to be moved."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.query import Query, asked_often
from remediations.facts.read import many, one
from remediations.facts.vm import the_only
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import VmName, same_host, same_name
from remediations.model.reply import Reply

_REACHED = frozenset({"Direct", "FileSystemRedirected", "BlockRedirected"})
"""States of a shared volume in which a node reads and writes it; redirected ones are slower."""

_UNFIT = ("isolated", "quarantined")
"""What a node that is up may be besides: then it takes no roles, or is about to leave."""

_BEFORE_A_VM = ("Virtual Machine ", "SCVMM ")
"""What the cluster and System Center Virtual Machine Manager put before a virtual machine's name to name its resource."""


class NodeSeen(Frozen):
    """A node as the cluster has it."""

    name: str
    state: str
    """Up, Paused, Down or Joining."""
    status: str
    """StatusInformation: Normal, or what else is so of it, several with commas between (CLUSTER_NODE_STATUS, clusapi.h)."""

    @property
    def fit(self) -> bool:
        """Whether it takes roles: up, and neither cut off nor kept out. How its last drain ended may still be told of it."""
        return self.state == "Up" and not any(word in self.status.casefold() for word in _UNFIT)


class ClusterHealth(Fact):
    """Nodes and witness; `subject` is the cluster."""

    nodes: frozenset[NodeSeen]
    witness: str
    """Name of the witness resource; empty without one."""
    witness_state: str

    def node(self, name: str) -> NodeSeen | None:
        """The node of this name."""
        return next((each for each in self.nodes if same_host(each.name, name)), None)


class ClusterService(Fact):
    """The cluster service of a host; `subject` is the host."""

    state: str
    """Running, Stopped, …"""


class RoleMachines(Fact):
    """The virtual machines in a clustered role; `subject` is the role's name."""

    machines: frozenset[str]
    """Names of their resources."""


class InRole(Frozen):
    """A virtual machine in a clustered role."""

    role: str
    """Name of the group."""
    vm: str
    """As its resource is called, without what the cluster or SCVMM puts before it; a later renaming does not show there."""


class InRoles(Fact):
    """Which virtual machines are in which role: a group need not be called like what it holds; `subject` is the cluster."""

    machines: frozenset[InRole]

    def of(self, role: str) -> tuple[str, ...]:
        """The virtual machines of a role, in order; none if it holds none."""
        return tuple(sorted((each.vm for each in self.machines if same_name(each.role, role)), key=str.casefold))


class VolumePaths(Fact):
    """Which shared volumes each node reaches; `subject` is the cluster."""

    unreached: frozenset[str]
    """Volume's friendly name@node, for those that are paused or unavailable there."""
    volumes: frozenset[str]
    """Friendly names: the folders below C:\\ClusterStorage."""

    def reaches(self, node: str, volume: str) -> bool:
        """Whether a node reads and writes a volume."""
        return not any(same_name(each, f"{volume}@{node}") for each in self.unreached)


class VmFolder(Fact):
    """Where a virtual machine's configuration lies; `subject` is its id."""

    name: str
    path: str


def cluster_health(cluster: str, via: str) -> Query[ClusterHealth]:
    """Reads nodes and witness of a cluster."""
    reads = (command("Get-ClusterNode"), command("Get-ClusterQuorum"), command("Get-ClusterResource"))
    return Query(via, reads, partial(_health, cluster))


@asked_often
def cluster_service(host: str) -> Query[ClusterService]:
    """Reads whether a node's cluster service runs."""
    read = command("Get-CimInstance", ClassName="Win32_Service", Filter="Name='ClusSvc'")
    return Query(host, (read,), partial(_service, host))


def role_machines(vm: VmName, via: str) -> Query[RoleMachines]:
    """Reads which virtual machines are in one's role; `NotApplicable` if it is in none."""
    return Query(via, (command("Get-ClusterResource"),), partial(_role, vm))


def in_roles(cluster: str, via: str) -> Query[InRoles]:
    """Reads which virtual machines are in which role of a cluster."""
    return Query(via, (command("Get-ClusterResource"),), partial(_in_roles, cluster))


def volume_paths(cluster: str, via: str) -> Query[VolumePaths]:
    """Reads which node reaches which shared volume."""
    return Query(via, (command("Get-ClusterSharedVolumeState"),), partial(_paths, cluster))


def vm_folder(vm: VmName, host: str) -> Query[VmFolder]:
    """Reads where a virtual machine lies; `NotApplicable` on a host that does not have it."""
    return Query(host, (command("Get-VM", Name=vm),), partial(_folder, vm, host))


def _health(cluster: str, replies: Sequence[Reply]) -> ClusterHealth:
    nodes, quorum, resources = many(replies[0]), one(replies[1]), many(replies[2])
    witness = str(quorum.get("QuorumResource") or "")
    states = [str(each["State"]) for each in resources if same_name(str(each["Name"]), witness)]
    return ClusterHealth(
        subject=cluster,
        nodes=frozenset(
            NodeSeen(name=str(each["Name"]), state=str(each["State"]), status=str(each["StatusInformation"])) for each in nodes
        ),
        witness=witness,
        witness_state=states[0] if states else "",
    )


def _service(host: str, replies: Sequence[Reply]) -> ClusterService | NotApplicable:
    found = many(replies[0])
    if not found:
        return NotApplicable(reason=f"{host} has no cluster service")
    return ClusterService(subject=host, state=str(found[0]["State"]))


def _role(vm: str, replies: Sequence[Reply]) -> RoleMachines | NotApplicable:
    machines = [each for each in many(replies[0]) if str(each["ResourceType"]) == "Virtual Machine"]
    own = [str(each["OwnerGroup"]) for each in machines if same_name(str(each["Name"]), f"Virtual Machine {vm}")]
    if not own:
        return NotApplicable(reason=f"the cluster has no resource Virtual Machine {vm}")
    together = frozenset(str(each["Name"]) for each in machines if same_name(str(each["OwnerGroup"]), own[0]))
    return RoleMachines(subject=own[0], machines=together)


def _in_roles(cluster: str, replies: Sequence[Reply]) -> InRoles:
    machines = [each for each in many(replies[0]) if str(each["ResourceType"]) == "Virtual Machine"]
    return InRoles(
        subject=cluster,
        machines=frozenset(InRole(role=str(each["OwnerGroup"]), vm=_held(str(each["Name"]))) for each in machines),
    )


def _held(resource: str) -> str:
    prefix = next((each for each in _BEFORE_A_VM if resource.startswith(each)), "")
    return resource.removeprefix(prefix)


def _paths(cluster: str, replies: Sequence[Reply]) -> VolumePaths | NotApplicable:
    found = many(replies[0])
    if not found:
        return NotApplicable(reason=f"{cluster} has no shared volumes")
    return VolumePaths(
        subject=cluster,
        volumes=frozenset(str(each["VolumeFriendlyName"]) for each in found),
        unreached=frozenset(
            f"{each['VolumeFriendlyName']}@{each['Node']}" for each in found if str(each["StateInfo"]) not in _REACHED
        ),
    )


def _folder(vm: str, host: str, replies: Sequence[Reply]) -> VmFolder | NotApplicable:
    record = the_only(vm, host, replies[0])
    if isinstance(record, NotApplicable):
        return record
    return VmFolder(subject=str(record["Id"]), name=str(record["Name"]), path=str(record["Path"]))
