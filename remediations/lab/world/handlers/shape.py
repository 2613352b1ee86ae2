"""Helpers that give the lab's objects the form of Windows': type names, enumerations, wildcards, errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import translate
from re import IGNORECASE, compile  # noqa: A004 shorter than the module's name at its one use
from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Enum, Object

_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "Microsoft.HyperV.PowerShell.VMState": {
        "Running": 2,
        "Off": 3,
        "Stopping": 4,
        "Saved": 6,
        "Paused": 9,
        "Starting": 10,
        "Saving": 32773,
    },
    "Microsoft.HyperV.PowerShell.VMOperationalStatus": {
        "Ok": 2,
        "InService": 11,
        "MergingDisks": 32772,
        "MigratingVirtualMachine": 32774,
        "BackingUpVirtualMachine": 32776,
    },
    "Microsoft.HyperV.PowerShell.MigrationAuthenticationType": {"CredSSP": 0, "Kerberos": 1},
    "Microsoft.HyperV.PowerShell.VMMigrationPerformance": {"TCPIP": 0, "Compression": 1, "SMB": 2},
    "Microsoft.HyperV.PowerShell.VMSwitchType": {"Private": 0, "Internal": 1, "External": 2},
    "Microsoft.HyperV.PowerShell.VMSwitchBandwidthMode": {"Default": 0, "Weight": 1, "Absolute": 2, "None": 3},
    "Microsoft.HyperV.PowerShell.VMHeartbeatStatus": {"Unknown": 0, "OkApplicationsUnknown": 3, "Disabled": 1},
    "Microsoft.HyperV.PowerShell.StartAction": {"Nothing": 2, "StartIfRunning": 3, "Start": 4},
    "Microsoft.HyperV.PowerShell.StopAction": {"TurnOff": 2, "Save": 3, "ShutDown": 4},
    "Microsoft.HyperV.PowerShell.CheckpointType": {"Disabled": 2, "Production": 3, "ProductionOnly": 4, "Standard": 5},
    "Microsoft.HyperV.PowerShell.VMReplicationState": {"Disabled": 0},
    "Microsoft.HyperV.PowerShell.VMReplicationHealthState": {"NotApplicable": 0},
    "Microsoft.HyperV.PowerShell.VMReplicationMode": {"None": 0, "Primary": 1, "Replica": 2},
    "Microsoft.HyperV.PowerShell.OnOffState": {"On": 0, "Off": 1},
    "Microsoft.HyperV.PowerShell.SnapshotType": {"Standard": 0, "Recovery": 1, "Planned": 2, "Missing": 3, "Replica": 4},
    "Microsoft.HyperV.PowerShell.DvdMediaType": {"None": 0, "ISO": 1, "Physical": 2},
    "Microsoft.HyperV.PowerShell.ControllerType": {"IDE": 0, "SCSI": 1},
    "Microsoft.HyperV.PowerShell.VMIntegrationComponentOperationalStatus": {"Ok": 2, "ProtocolMismatch": 32775},
    "Microsoft.HyperV.PowerShell.CriticalErrorAction": {"None": 0, "Pause": 1},
    "Microsoft.HyperV.PowerShell.EnhancedSessionTransportType": {"VMBus": 0, "HvSocket": 1},
    "Microsoft.FailoverClusters.PowerShell.ClusterNodeState": {"Up": 0, "Down": 1, "Paused": 2, "Joining": 3},
    "Microsoft.FailoverClusters.PowerShell.ClusterNodeDrainStatus": {
        "NotInitiated": 0,
        "InProgress": 1,
        "Completed": 2,
        "Failed": 3,
    },
    "Microsoft.FailoverClusters.PowerShell.NodeStatusInformation": {"Normal": 0, "Isolated": 1, "Quarantined": 2},
    "Microsoft.FailoverClusters.PowerShell.ClusterGroupState": {
        "Online": 0,
        "Offline": 1,
        "Failed": 2,
        "PartialOnline": 3,
        "Pending": 4,
    },
    "Microsoft.FailoverClusters.PowerShell.GroupType": {"Cluster": 1, "AvailableStorage": 2, "VirtualMachine": 111},
    "Microsoft.FailoverClusters.PowerShell.ClusterResourceState": {
        "Online": 2,
        "Offline": 3,
        "Failed": 4,
        "OnlinePending": 129,
        "OfflinePending": 130,
    },
    "Microsoft.FailoverClusters.PowerShell.ClusterSharedVolumeState": {"Offline": 1, "Online": 2, "Failed": 4},
    "Microsoft.FailoverClusters.PowerShell.VolumeStateInfo": {
        "Unavailable": 0,
        "Paused": 1,
        "Direct": 2,
        "FileSystemRedirected": 3,
        "BlockRedirected": 4,
    },
    "Microsoft.FailoverClusters.PowerShell.ClusterEnhancedNodeState": {"Normal": 0, "Initializing": 1},
    "Microsoft.FailoverClusters.PowerShell.ClusterNetworkState": {"Unavailable": 0, "Down": 1, "Partitioned": 2, "Up": 3},
    "Microsoft.FailoverClusters.PowerShell.ClusterNetworkRole": {"None": 0, "Cluster": 1, "ClusterAndClient": 3},
    "Microsoft.FailoverClusters.PowerShell.ClusterNetworkInterfaceState": {
        "Unavailable": 0,
        "Failed": 1,
        "Unreachable": 2,
        "Up": 3,
    },
    "Microsoft.FailoverClusters.PowerShell.ClusterQuorumType": {"Unknown": 0, "Majority": 1, "NodeMajority": 2},
}


def enum(kind: str, name: str) -> Enum:
    """A value of one of Windows' enumerations, by its type's full name."""
    return Enum(kind, name, _NUMBERS[kind][name])


def hyperv(kind: str, name: str) -> Enum:
    """A value of one of the Hyper-V module's enumerations."""
    return enum(f"Microsoft.HyperV.PowerShell.{kind}", name)


def clusters(kind: str, name: str) -> Enum:
    """A value of one of the FailoverClusters module's enumerations."""
    return enum(f"Microsoft.FailoverClusters.PowerShell.{kind}", name)


def vm_object(kind: str, text: str, properties: Mapping[str, Any]) -> Object:
    """An object of the Hyper-V module."""
    return Object(
        (f"Microsoft.HyperV.PowerShell.{kind}", "Microsoft.HyperV.PowerShell.VirtualizationObject", "System.Object"),
        properties,
        text,
    )


def cluster_object(kind: str, text: str, properties: Mapping[str, Any]) -> Object:
    """An object of the FailoverClusters module."""
    return Object((f"Microsoft.FailoverClusters.PowerShell.{kind}", "System.Object"), properties, text)


def asked(call: Call, name: str) -> list[str] | None:
    """A parameter that takes one or several names; None if it was not given."""
    value = call.parameters.get(name)
    if value is None:
        return None
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a PowerShell wildcard stands for, without case."""
    rule = compile(translate(pattern), IGNORECASE)
    return [name for name in names if rule.match(name)]


def wild(pattern: str) -> bool:
    """Whether a name has wildcards: then matching nothing is no error."""
    return any(char in pattern for char in "*?[")


def vm_error(
    call: Call, message: str, error_id: str, category: str, *, target: str = "", hresult: int = -2146233088
) -> CommandError:
    """An error as the Hyper-V module raises it."""
    verb, _, noun = call.name.partition("-")
    return CommandError(
        message,
        error_id,
        category,
        exception="Microsoft.HyperV.PowerShell.VirtualizationException",
        command_type=f"Microsoft.HyperV.PowerShell.Commands.{verb}{noun}",
        hresult=hresult,
        target=target,
    )


_CLUSTER_COMMANDS = {
    "Get-CauRun": "GetCauRun",
    "Set-RemediationClusterLimit": "GetCluster",
    "Get-RemediationClusterMigration": "GetResourceType",
    "Get-Cluster": "GetCluster",
    "Get-ClusterNode": "GetNode",
    "Get-ClusterGroup": "GetGroup",
    "Get-ClusterResource": "GetResource",
    "Get-ClusterOwnerNode": "GetOwnerNode",
    "Set-ClusterOwnerNode": "SetOwnerNode",
    "Get-ClusterSharedVolume": "GetClusterSharedVolume",
    "Get-ClusterQuorum": "GetQuorum",
    "Get-ClusterSharedVolumeState": "GetClusterSharedVolumeState",
    "Get-ClusterNetwork": "GetNetwork",
    "Get-ClusterNetworkInterface": "GetNetworkInterface",
    "Start-ClusterResource": "StartClusterResource",
    "Suspend-ClusterNode": "SuspendNode",
    "Resume-ClusterNode": "ResumeNode",
    "Move-ClusterSharedVolume": "MoveClusterSharedVolume",
    "Move-ClusterVirtualMachineRole": "MoveClusterVirtualMachineRole",
}


def cluster_error(
    call: Call, message: str, error_id: str = "", category: str = "NotSpecified", *, hresult: int = -2146233088
) -> CommandError:
    """An error as the FailoverClusters module raises it: its id is often just the command's name."""
    return CommandError(
        message,
        error_id or call.name,
        category,
        exception="Microsoft.FailoverClusters.PowerShell.ClusterCmdletException",
        command_type=f"Microsoft.FailoverClusters.PowerShell.{_CLUSTER_COMMANDS[call.name]}Command",
        hresult=hresult,
    )
