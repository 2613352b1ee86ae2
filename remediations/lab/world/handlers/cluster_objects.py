"""The FailoverClusters module's objects, as wide as Windows'."""

from __future__ import annotations

from typing import NamedTuple

from remediations.lab.cmdlet import Int64, Object, UInt32
from remediations.lab.world.cluster import Cluster, Node, Role, Volume
from remediations.lab.world.directory import guid
from remediations.lab.world.handlers.shape import cluster_object, clusters
from remediations.lab.world.world import World


def named(kind: str, name: str) -> Object:
    """An object within another: of it, only its name arrives."""
    return cluster_object(kind, name, {"Name": name})


def cluster_shown(cluster: Cluster) -> Object:
    """The cluster as Get-Cluster shows it."""
    return cluster_object(
        "Cluster",
        cluster.name,
        {
            "Domain": cluster.domain,
            "Name": cluster.name,
            "Id": str(cluster.id),
            "Description": "",
            "AddEvictDelay": UInt32(60),
            "AdministrativeAccessPoint": "ActiveDirectoryAndDns",
            "AutoAssignNodeSite": UInt32(0),
            "AutoBalancerLevel": UInt32(1),
            "AutoBalancerMode": UInt32(2),
            "BackupInProgress": UInt32(0),
            "BlockCacheSize": UInt32(1024),
            "ClusSvcHangTimeout": UInt32(60),
            "ClusSvcRegroupOpeningTimeout": UInt32(5),
            "ClusSvcRegroupPruningTimeout": UInt32(5),
            "ClusSvcRegroupStageTimeout": UInt32(7),
            "ClusSvcRegroupTickInMilliseconds": UInt32(300),
            "ClusterEnforcedAntiAffinity": UInt32(0),
            "ClusterFunctionalLevel": UInt32(11),
            "ClusterUpgradeVersion": UInt32(8),
            "ClusterGroupWaitDelay": UInt32(120),
            "ClusterLogLevel": UInt32(3),
            "ClusterLogSize": UInt32(1536),
            "CrossSiteDelay": UInt32(1000),
            "CrossSiteThreshold": UInt32(20),
            "CrossSubnetDelay": UInt32(1000),
            "CrossSubnetThreshold": UInt32(20),
            "CsvBalancer": UInt32(1),
            "DatabaseReadWriteMode": UInt32(0),
            "DefaultNetworkRole": UInt32(3),
            "DrainOnShutdown": UInt32(1),
            "DumpPolicy": Int64(69913),
            "DynamicQuorum": UInt32(int(cluster.dynamic_quorum)),
            "EnableSharedVolumes": "Enabled",
            "FixQuorum": UInt32(0),
            "GroupDependencyTimeout": UInt32(600),
            "HangRecoveryAction": UInt32(6),
            "IgnorePersistentStateOnStartup": UInt32(0),
            "LogResourceControls": UInt32(0),
            "LowerQuorumPriorityNodeId": UInt32(0),
            "MaximumParallelMigrations": UInt32(cluster.maximum_parallel_migrations),
            "MessageBufferLength": UInt32(50),
            "MinimumNeverPreemptPriority": UInt32(3000),
            "MinimumPreemptorPriority": UInt32(1),
            "NetftIPSecEnabled": UInt32(1),
            "PlacementOptions": UInt32(0),
            "PlumbAllCrossSubnetRoutes": UInt32(0),
            "PreferredSite": "",
            "PreventQuorum": UInt32(0),
            "QuarantineDuration": UInt32(7200),
            "QuarantineThreshold": UInt32(3),
            "QuorumArbitrationTimeMax": UInt32(20),
            "RecentEventsResetTime": "",
            "RequestReplyTimeout": UInt32(60),
            "ResiliencyDefaultPeriod": UInt32(240),
            "ResiliencyLevel": "AlwaysIsolate",
            "RouteHistoryLength": UInt32(10),
            "S2DBusTypes": UInt32(0),
            "S2DEnabled": UInt32(0),
            "SameSubnetDelay": UInt32(1000),
            "SameSubnetThreshold": UInt32(10),
            "SecurityLevel": UInt32(1),
            "SecurityLevelForStorage": UInt32(0),
            "SharedVolumeCompatibleFilters": [],
            "SharedVolumeIncompatibleFilters": [],
            "SharedVolumeSecurityDescriptor": b"\x01\x00\x04\x80",
            "SharedVolumesRoot": "C:\\ClusterStorage",
            "SharedVolumeVssWriterOperationTimeout": UInt32(1800),
            "ShutdownTimeoutInMinutes": UInt32(20),
            "UseClientAccessNetworksForSharedVolumes": UInt32(2),
            "WitnessDatabaseWriteTimeout": UInt32(300),
            "WitnessDynamicWeight": UInt32(cluster.counting[1]),
            "WitnessRestartInterval": UInt32(15),
        },
    )


def node_object(world: World, cluster: Cluster, node: Node) -> Object:
    """A node as Get-ClusterNode shows it."""
    host = world.host(node.name)
    return cluster_object(
        "ClusterNode",
        node.name,
        {
            "Cluster": cluster.name,
            "State": clusters("ClusterNodeState", node.state),
            "Name": node.name,
            "NodeName": node.name,
            "NodeHighestVersion": 720_907,
            "NodeLowestVersion": 720_907,
            "MajorVersion": 10,
            "MinorVersion": 0,
            "BuildNumber": host.edition.build,
            "CSDVersion": "",
            "NodeInstanceID": str(guid(f"node {node.name}")),
            "Description": "",
            "DrainStatus": clusters("ClusterNodeDrainStatus", node.drain),
            "DrainTarget": UInt32(0xFFFFFFFF),
            "DynamicWeight": UInt32(cluster.counting[0][node.name]),
            "NodeWeight": UInt32(node.weight),
            "FaultDomain": ["Site:", "Rack:", "Chassis:"],
            "Id": str(node.number),
            "NeedsPreventQuorum": UInt32(0),
            "StatusInformation": clusters("NodeStatusInformation", "Normal"),
            "Type": "Node",
            "SerialNumber": f"CZJ{node.number}0402XP",
            "Manufacturer": "HPE",
            "Model": "ProLiant DL380 Gen10",
            "DetectedCloudPlatform": "None",
            "IsPrimary": UInt32(int(node.number == 1)),
        },
    )


def group_object(world: World, cluster: Cluster, role: Role) -> Object:
    """A role as Get-ClusterGroup shows it."""
    moving = bool(role.machine) and world.migration_of(role.machine) is not None
    return cluster_object(
        "ClusterGroup",
        role.name,
        {
            "Cluster": named("Cluster", cluster.name),
            "IsCoreGroup": role.core,
            "OwnerNode": named("ClusterNode", role.owner),
            "State": clusters("ClusterGroupState", "Pending" if moving else role.state),
            "Name": role.name,
            "Id": str(role.id),
            "GroupType": clusters("GroupType", role.kind),
            "Description": "",
            "AntiAffinityClassNames": [],
            "AutoFailbackType": UInt32(role.auto_failback),
            "CCFEpoch": UInt32(0),
            "ColdStartSetting": UInt32(0),
            "DefaultOwner": UInt32(0xFFFFFFFF),
            "FailbackWindowStart": UInt32(0xFFFFFFFF),
            "FailbackWindowEnd": UInt32(0xFFFFFFFF),
            "FailoverPeriod": UInt32(6),
            "FailoverThreshold": UInt32(0xFFFFFFFF),
            "FaultDomain": UInt32(0),
            "LockedFromMoving": UInt32(0),
            "PersistentState": UInt32(int(role.state == "Online")),
            "PlacementOptions": UInt32(0),
            "PreferredSite": "",
            "Priority": UInt32(role.priority),
            "ResiliencyPeriod": UInt32(240),
            "StatusInformation": UInt32(0x20 if moving else 0),
            "UpdateDomain": UInt32(0),
        },
    )


class Resource(NamedTuple):
    """One cluster resource."""

    name: str
    kind: str
    role: str
    state: str


def resources(world: World, cluster: Cluster) -> list[Resource]:
    """Every resource of the cluster: its own, and two for each virtual machine."""
    found = [
        Resource("Cluster IP Address", "IP Address", "Cluster Group", "Online"),
        Resource("Cluster Name", "Network Name", "Cluster Group", "Online"),
    ]
    if cluster.witness:
        state = "Online" if cluster.witness_online else "Failed"
        found.append(Resource(cluster.witness, "Physical Disk", "Cluster Group", state))
    for role in cluster.roles.values():
        if role.machine:
            whole = {"Online": "Online", "Failed": "Failed"}.get(role.state, "Offline")
            for name in (role.machine, *role.others):
                runs = role.state == "PartialOnline" and world.machine(name).state == "Running"
                state = "Online" if runs else whole
                found.append(Resource(role.resource(name), "Virtual Machine", role.name, state))
                found.append(Resource(role.configuration(name), "Virtual Machine Configuration", role.name, "Online"))
    return found


def resource_object(cluster: Cluster, resource: Resource) -> Object:
    """A resource as Get-ClusterResource shows it."""
    owner = cluster.roles[resource.role]
    return cluster_object(
        "ClusterResource",
        resource.name,
        {
            "Cluster": named("Cluster", cluster.name),
            "IsCoreResource": owner.core,
            "IsNetworkClassResource": resource.kind in ("IP Address", "Network Name"),
            "IsStorageClassResource": resource.kind == "Physical Disk",
            "OwnerNode": named("ClusterNode", owner.owner),
            "ResourceType": named("ClusterResourceType", resource.kind),
            "State": clusters("ClusterResourceState", resource.state),
            "OwnerGroup": named("ClusterGroup", owner.name),
            "Name": resource.name,
            "MaintenanceMode": False,
            "MonitorProcessId": UInt32(5120),
            "Id": str(guid(f"resource {resource.name}")),
            "Characteristics": "FLAG_NONE",
            "Description": "",
            "DeadlockTimeout": UInt32(300_000),
            "EmbeddedFailureAction": UInt32(2),
            "IsAlivePollInterval": UInt32(0xFFFFFFFF),
            "LastOperationStatusCode": Int64(0),
            "LooksAlivePollInterval": UInt32(0xFFFFFFFF),
            "PendingTimeout": UInt32(600_000),
            "ResourceSpecificData1": Int64(0),
            "ResourceSpecificData2": Int64(0),
            "ResourceSpecificStatus": "",
            "RestartAction": UInt32(2),
            "RestartDelay": UInt32(500),
            "RestartPeriod": UInt32(900_000),
            "RestartThreshold": UInt32(1),
            "RetryPeriodOnFailure": UInt32(3_600_000),
            "SeparateMonitor": UInt32(0),
            "StatusInformation": UInt32(0),
        },
    )


def volume_object(volume: Volume) -> Object:
    """A volume as Get-ClusterSharedVolume shows it."""
    return cluster_object(
        "ClusterSharedVolume",
        volume.name,
        {
            "Name": volume.name,
            "OwnerNode": named("ClusterNode", volume.owner),
            "SharedVolumeInfo": [
                cluster_object(
                    "ClusterSharedVolumeInfo",
                    "Microsoft.FailoverClusters.PowerShell.ClusterSharedVolumeInfo",
                    {"FriendlyVolumeName": volume.path},
                )
            ],
            "State": clusters("ClusterSharedVolumeState", volume.state),
            "Id": str(guid(f"volume {volume.name}")),
        },
    )
