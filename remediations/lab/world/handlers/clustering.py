"""The FailoverClusters module's commands on a node.

- Cluster: Name, Id (text), Domain, MaximumParallelMigrations (UInt32), DynamicQuorum, DefaultMoveType, DrainOnShutdown,
  QuarantineThreshold, SharedVolumesRoot
- ClusterNode: Name, NodeName, Id (text, "1"), State, DrainStatus, StatusInformation (enums), DrainTarget, DynamicWeight,
  NodeWeight, NodeInstanceID (text), BuildNumber, Cluster
- ClusterGroup: Name, Id (text), OwnerNode (a ClusterNode: arrives as its name), State, GroupType (enums),
  StatusInformation, Priority, AutoFailbackType, IsCoreGroup
- ClusterResource: Name, Id, State, ResourceType, OwnerGroup, OwnerNode (objects: arrive as names), IsCoreResource
- ClusterOwnerNodeList: ClusterObject, OwnerNodes (names)
- ClusterSharedVolume: Name, Id, OwnerNode, State, SharedVolumeInfo
- ClusterQuorumSettings: Cluster, QuorumResource, QuorumType
- CauRun (a text or an object): RunId, RunStartTime, RunState, ClusterName
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from remediations.lab.cmdlet import Call, CommandError, Object
from remediations.lab.world import drain, migration, power
from remediations.lab.world.cluster import Cluster, Node, Role
from remediations.lab.world.directory import guid
from remediations.lab.world.handlers.cluster_objects import (
    cluster_shown,
    group_object,
    named,
    node_object,
    resource_object,
    resources,
    volume_object,
)
from remediations.lab.world.handlers.shape import asked, cluster_error, cluster_object, clusters, matching, wild
from remediations.lab.world.migration import NOT_AVAILABLE, PAUSED, Migration
from remediations.lab.world.text import system_message
from remediations.lab.world.world import World

RESOURCE_FAILED = 0x800713AE


def local_cluster(world: World, call: Call) -> Cluster:
    """The cluster that the command's host belongs to. Raises what Windows says on a host that belongs to none, or is down."""
    cluster = world.cluster_of(call.host)
    if cluster is not None and cluster.nodes[call.host].state != "Down" and cluster.quorum:
        return cluster
    text = (
        "The cluster service is not running.  Make sure that the service is running on all nodes in the cluster.\r\n"
        "    There are no more endpoints available from the endpoint mapper"
    )
    raise cluster_error(call, text, "ClusterEndpointNotRegistered", "ConnectionError", hresult=-2147023143)


def get_cluster(world: World, call: Call) -> None:
    """Get-Cluster."""
    call.output(cluster_shown(local_cluster(world, call)))


def get_node(world: World, call: Call) -> None:
    """Get-ClusterNode [-Name]."""
    cluster = local_cluster(world, call)
    for name in _asked_for(call, "Name", cluster.nodes, "node"):
        call.output(node_object(world, cluster, cluster.nodes[name]))


def get_group(world: World, call: Call) -> None:
    """Get-ClusterGroup [-Name]."""
    cluster = local_cluster(world, call)
    for name in _asked_for(call, "Name", cluster.roles, "resource group"):
        call.output(group_object(world, cluster, cluster.roles[name]))


def get_resource(world: World, call: Call) -> None:
    """Get-ClusterResource [-Name]."""
    cluster = local_cluster(world, call)
    known = {resource.name: resource for resource in resources(world, cluster)}
    for name in _asked_for(call, "Name", known, "resource"):
        call.output(resource_object(cluster, known[name]))


def get_owner_node(world: World, call: Call) -> None:
    """Get-ClusterOwnerNode -Group (preferred owners) or -Resource (possible owners)."""
    cluster = local_cluster(world, call)
    if (group := call.parameters.get("Group")) is not None:
        role = _role(call, cluster, str(group))
        names, shown = list(role.preferred), role.name
    else:
        known = {each.name.casefold(): each for each in resources(world, cluster)}
        found = known.get(str(call.parameters.get("Resource")).casefold())
        if found is None:
            raise _absent(call, "resource", str(call.parameters.get("Resource")))
        role, shown = cluster.roles[found.role], found.name
        names = list((role.possible_configuration if _configures(found.kind) else role.possible) or cluster.nodes)
    call.output(cluster_object("ClusterOwnerNodeList", shown, {"ClusterObject": shown, "OwnerNodes": names}))


def set_owner_node(world: World, call: Call) -> None:
    """Set-ClusterOwnerNode -Resource -Owners: the whole list of possible owners becomes this."""
    cluster = local_cluster(world, call)
    name = str(call.parameters.get("Resource"))
    found = next((each for each in resources(world, cluster) if each.name.casefold() == name.casefold()), None)
    if found is None:
        raise _absent(call, "resource", name)
    owners = tuple(_node(call, cluster, each).name for each in asked(call, "Owners") or [])
    role = cluster.roles[found.role]
    if role.core:
        raise cluster_error(call, f"The lab does not change the owners of '{found.name}'.", "NotSimulated", "NotImplemented")
    if _configures(found.kind):
        role.possible_configuration = owners
    else:
        role.possible = owners


def _configures(kind: str) -> bool:
    return kind == "Virtual Machine Configuration"


def get_shared_volume(world: World, call: Call) -> None:
    """Get-ClusterSharedVolume [-Name]."""
    cluster = local_cluster(world, call)
    for name in _asked_for(call, "Name", cluster.volumes, "resource"):
        call.output(volume_object(cluster.volumes[name]))


def get_volume_state(world: World, call: Call) -> None:
    """Get-ClusterSharedVolumeState: one object for each volume and node."""
    cluster = local_cluster(world, call)
    for volume in cluster.volumes.values():
        for node in cluster.nodes.values():
            if node.state == "Down":
                continue
            state = "Unavailable" if node.name in volume.unreachable else "Direct"
            properties = {
                "BlockRedirectedIOReason": "NotBlockRedirected",
                "FileSystemRedirectedIOReason": "NotFileSystemRedirected",
                "Name": volume.name,
                "Node": node.name,
                "StateInfo": clusters("VolumeStateInfo", state),
                "VolumeFriendlyName": volume.path.rpartition("\\")[2],
                "VolumeName": f"\\\\?\\Volume{{{guid(f'volume {volume.name}')}}}\\",
            }
            call.output(cluster_object("ClusterSharedVolumeStateInfo", volume.name, properties))


def get_quorum(world: World, call: Call) -> None:
    """Get-ClusterQuorum."""
    cluster = local_cluster(world, call)
    properties = {
        "Cluster": named("Cluster", cluster.name),
        "QuorumResource": named("ClusterResource", cluster.witness) if cluster.witness else None,
        "QuorumType": clusters("ClusterQuorumType", "Majority" if cluster.witness else "NodeMajority"),
    }
    call.output(cluster_object("ClusterQuorumSettings", cluster.name, properties))


def get_cau_run(world: World, call: Call) -> None:
    """Get-CauRun: the update run of this cluster, or that there is none."""
    cluster = local_cluster(world, call)
    run = cluster.update_run
    if run is None:
        call.output("RunNotInProgress")
        return
    properties = {"RunId": run.id, "RunState": run.state, "ClusterName": cluster.name, "RunStartTime": world.now}
    call.output(
        Object(("Microsoft.ClusterAwareUpdating.CauRun", "System.Object"), properties, "Microsoft.ClusterAwareUpdating.CauRun")
    )


async def start_resource(world: World, call: Call) -> None:
    """Start-ClusterResource -Name: brings one resource online on its owner and waits for it; no other of its group."""
    with world.lock:
        world.settle()
        cluster = local_cluster(world, call)
        name = str(call.parameters.get("Name"))
        found = next((each for each in resources(world, cluster) if each.name.casefold() == name.casefold()), None)
        if found is None:
            raise _absent(call, "resource", name)
        role = cluster.roles[found.role]
        inside = [] if role.core else [role.machine, *role.others]
        machine = next((world.machine(each) for each in inside if role.resource(each) == found.name), None)
        if machine is not None and machine.state in ("Off", "Saved"):
            power.switch_on(world, machine)
    while machine is not None and machine.state == "Starting":
        await world.clock.sleep(world.pace.poll)
        world.settle()
    if machine is not None and role.state == "Failed":
        text = f"An error occurred while bringing the resource '{found.name}' online."
        why = system_message(RESOURCE_FAILED).text("en-US")
        raise cluster_error(call, f"{text}\r\n    {why}", hresult=RESOURCE_FAILED - (1 << 32))
    call.output(resource_object(cluster, next(each for each in resources(world, cluster) if each.name == found.name)))


def suspend_node(world: World, call: Call) -> None:
    """Suspend-ClusterNode [-Name] [-Drain] [-TargetNode]: returns at once."""
    cluster = local_cluster(world, call)
    target = call.parameters.get("TargetNode")
    goal = _node(call, cluster, str(target)) if target is not None else None
    for node in [_node(call, cluster, name) for name in asked(call, "Name") or [call.host]]:
        if node.state == "Down" or node.drain == "InProgress":
            raise _refused(
                call, f"An error occurred pausing node '{node.name}'.", NOT_AVAILABLE if node.state == "Down" else PAUSED
            )
        drain.suspend(world, cluster, node, drain=bool(call.parameters.get("Drain")), target=goal)
        call.output(node_object(world, cluster, node))


def resume_node(world: World, call: Call) -> None:
    """Resume-ClusterNode [-Name] [-Failback]."""
    cluster = local_cluster(world, call)
    for node in [_node(call, cluster, name) for name in asked(call, "Name") or [call.host]]:
        if node.state == "Down":
            raise _refused(call, f"An error occurred resuming node '{node.name}'.", NOT_AVAILABLE)
        if node.state == "Paused":
            drain.resume(world, cluster, node, str(call.parameters.get("Failback") or "NoFailback"))
        call.output(node_object(world, cluster, node))


def move_shared_volume(world: World, call: Call) -> None:
    """Move-ClusterSharedVolume -Name [-Node]."""
    cluster = local_cluster(world, call)
    name = _asked_for(call, "Name", cluster.volumes, "resource")
    if not name:
        return
    volume = cluster.volumes[name[0]]
    wanted = call.parameters.get("Node")
    others = [node for node in cluster.nodes.values() if node.name != volume.owner]
    node = _node(call, cluster, str(wanted)) if wanted is not None else others[0]
    if node.state in ("Down", "Joining") or (node.state == "Paused" and wanted is None):
        raise _refused(call, f"An error occurred while moving the cluster shared volume '{volume.name}'.", NOT_AVAILABLE)
    volume.owner = node.name
    call.output(volume_object(volume))


async def move_role(world: World, call: Call) -> None:
    """Move-ClusterVirtualMachineRole -Name or -VMId [-Node] [-Wait] [-Cancel]: says of a failure only where to look."""
    with world.lock:
        world.settle()
        cluster = local_cluster(world, call)
        role = _role_asked(world, call, cluster)
        if role.core:
            raise cluster_error(call, f"The cluster group '{role.name}' is not a virtual machine role.")
        kind = str(call.parameters.get("MigrationType") or "Live")
        if kind.casefold() != "live":
            raise cluster_error(call, f"The lab moves virtual machines live, not by {kind}.", "NotSimulated", "NotImplemented")
        if call.parameters.get("Cancel"):
            call.output(group_object(world, cluster, role))
            return
        wanted = call.parameters.get("Node")
        others = [node for node in cluster.nodes.values() if node.name != role.owner]
        node = _node(call, cluster, str(wanted)) if wanted is not None else drain.best(world, cluster, role) or others[0]
        if node.name == role.owner:
            call.output(group_object(world, cluster, role))
            return
        where = f"An error occurred while moving the clustered role '{role.name}'."
        if code := drain.obstacle(cluster, role, node):
            migration.refuse(world, world.machine(role.machine), world.host(node.name), code)
            raise _refused(call, where, code)
        move = drain.move_role(world, cluster, role, node)
    wait = call.parameters.get("Wait")
    await _until(world, move, None if wait is None else float(wait))
    if move is not None and move.refusal is not None and wait != 0:
        text = f"{where}\r\n    The operation failed. Check the event log for additional information."
        raise cluster_error(call, text, hresult=move.refusal.hresult)
    with world.lock:
        call.output(group_object(world, cluster, role))


async def _until(world: World, move: Migration | None, at_most: float | None) -> None:
    begun = world.clock.now()
    while move is not None and not move.over:
        if at_most is not None and (world.clock.now() - begun).total_seconds() >= at_most:
            return
        await world.clock.sleep(world.pace.poll)
        world.settle()


def _asked_for(call: Call, parameter: str, known: Mapping[str, object], kind: str) -> list[str]:
    patterns = asked(call, parameter)
    if patterns is None:
        return list(known)
    found = []
    for pattern in patterns:
        names = matching(pattern, known)
        if not names and not wild(pattern):
            call.error(_absent(call, kind, pattern))
        found += names
    return found


def _absent(call: Call, kind: str, name: str) -> CommandError:
    text = f"An error occurred opening {kind} '{name}'.\r\n    The {kind} '{name}' could not be found."
    return cluster_error(call, text, "ClusterObjectNotFound", "ObjectNotFound")


def _role_asked(world: World, call: Call, cluster: Cluster) -> Role:
    """The role that a name means, or the one that holds the virtual machine of an id."""
    if (wanted := call.parameters.get("VMId")) is None:
        return _role(call, cluster, str(call.parameters["Name"]))
    own = next((each for each in world.machines.values() if each.id == UUID(str(wanted))), None)
    role = cluster.role_of(own.name) if own is not None else None
    if role is None:
        raise _absent(call, "virtual machine", str(wanted))
    return role


def _role(call: Call, cluster: Cluster, name: str) -> Role:
    role = cluster.role(name)
    if role is None:
        raise _absent(call, "resource group", name)
    return role


def _node(call: Call, cluster: Cluster, name: str) -> Node:
    node = cluster.node(name)
    if node is None:
        raise _absent(call, "node", name)
    return node


def _refused(call: Call, where: str, code: int) -> CommandError:
    why = system_message(code).text("en-US")
    return cluster_error(call, f"{where}\r\n    {why}", hresult=code - (1 << 32))
