"""The Hyper-V module's objects, as wide as Windows'."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from remediations.lab.cmdlet import Int64, Object, UInt32
from remediations.lab.world.directory import guid
from remediations.lab.world.handlers.shape import hyperv, vm_object
from remediations.lab.world.hosts import GIB, Host
from remediations.lab.world.machines import Machine, Snapshot
from remediations.lab.world.text import say
from remediations.lab.world.world import World


def machine_object(world: World, machine: Machine) -> Object:
    """A virtual machine as Get-VM shows it."""
    host = world.host(machine.host)
    now = world.clock.now()
    status, words = "Ok", "status.ok"
    if world.migration_of(machine.name):
        status, words = "MigratingVirtualMachine", "status.migrating"
    elif machine.busy == "BackingUp":
        status, words = "BackingUpVirtualMachine", "status.backup"
    elif machine.busy == "Merging":
        status, words = "MergingDisks", "status.merging"
    text = say(words, host.culture)
    statuses = [hyperv("VMOperationalStatus", "Ok")]
    if status != "Ok":
        statuses = [hyperv("VMOperationalStatus", "InService"), hyperv("VMOperationalStatus", status)]
    assigned = machine.memory if machine.running else 0
    return vm_object(
        "VirtualMachine",
        f"VirtualMachine (Name = '{machine.name}') [Id = '{machine.id}']",
        {
            "VMName": machine.name,
            "VMId": machine.id,
            "Id": machine.id,
            "Name": machine.name,
            "State": hyperv("VMState", machine.state),
            "IntegrationServicesState": "",
            "OperationalStatus": statuses,
            "PrimaryOperationalStatus": statuses[0],
            "SecondaryOperationalStatus": statuses[1] if len(statuses) > 1 else None,
            "StatusDescriptions": [text],
            "PrimaryStatusDescription": text,
            "SecondaryStatusDescription": None,
            "Status": text,
            "Heartbeat": hyperv("VMHeartbeatStatus", "OkApplicationsUnknown") if machine.running else None,
            "ReplicationState": hyperv("VMReplicationState", "Disabled"),
            "ReplicationHealth": hyperv("VMReplicationHealthState", "NotApplicable"),
            "ReplicationMode": hyperv("VMReplicationMode", machine.replication),
            "CPUUsage": 3 if machine.running else 0,
            "MemoryAssigned": Int64(assigned),
            "MemoryDemand": Int64(assigned // 2),
            "MemoryStatus": "",
            "NumaAligned": None,
            "SmartPagingFileInUse": False,
            "Uptime": now - machine.started if machine.running else timedelta(),
            "IntegrationServicesVersion": "0.0",
            "ResourceMeteringEnabled": False,
            "AutomaticCriticalErrorAction": hyperv("CriticalErrorAction", "Pause"),
            "AutomaticCriticalErrorActionTimeout": 30,
            "AutomaticStartAction": hyperv("StartAction", "StartIfRunning"),
            "AutomaticStartDelay": 0,
            "AutomaticStopAction": hyperv("StopAction", "Save"),
            "ConfigurationLocation": machine.path,
            "SmartPagingFilePath": machine.path,
            "SnapshotFileLocation": machine.path,
            "CheckpointFileLocation": machine.path,
            "Path": machine.path,
            "CheckpointType": hyperv("CheckpointType", "Production"),
            "AutomaticCheckpointsEnabled": False,
            "ParentSnapshotId": None,
            "ParentSnapshotName": machine.snapshots[-1].name if machine.snapshots else None,
            "ParentCheckpointId": None,
            "ParentCheckpointName": machine.snapshots[-1].name if machine.snapshots else None,
            "CreationTime": machine.created.astimezone(host.zone),
            "Notes": "",
            "IsClustered": world.cluster_of(machine.host) is not None,
            "IsDeleted": False,
            "SizeOfSystemFiles": Int64(4_194_304),
            "MemoryStartup": Int64(machine.memory),
            "MemoryMinimum": Int64(536_870_912),
            "MemoryMaximum": Int64(1024 * GIB),
            "DynamicMemoryEnabled": False,
            "ProcessorCount": Int64(machine.processors),
            "BatteryPassthroughEnabled": True,
            "GuestControlledCacheTypes": False,
            "LowMemoryMappedIoSpace": UInt32(134_217_728),
            "HighMemoryMappedIoSpace": 536_870_912,
            "LockOnDisconnect": hyperv("OnOffState", "Off"),
            "EnhancedSessionTransportType": hyperv("EnhancedSessionTransportType", "VMBus"),
            "Generation": machine.generation,
            "Version": machine.version,
            "VirtualMachineType": "RealizedVirtualMachine",
            "VirtualMachineSubType": f"Generation{machine.generation}",
            "Groups": [],
            "ComPort1": _nested("VMComPort", "COM 1"),
            "ComPort2": _nested("VMComPort", "COM 2"),
            "FloppyDrive": None,
            "DVDDrives": [_nested("DvdDrive", "DVD Drive on SCSI controller number 0 at location 1")],
            "FibreChannelHostBusAdapters": [],
            "HardDrives": [_nested("HardDiskDrive", "Hard Drive on SCSI controller number 0 at location 0")],
            "NetworkAdapters": [_nested("VMNetworkAdapter", "Network Adapter")],
            "VMIntegrationService": [_nested("VMIntegrationComponent", name) for name in ("Heartbeat", "Shutdown", "VSS")],
            "RemoteFxAdapter": None,
            "Key": None,
            "CimSession": _nested("CimSession", "CimSession: ."),
            "ComputerName": host.name,
        },
    )


def _nested(kind: str, text: str) -> Object:
    return vm_object(kind, text, {"Name": text})


def host_object(world: World, host: Host) -> Object:
    """A host as Get-VMHost shows it."""
    settings = host.migration
    nodes = [_nested("VMHostNumaNode", "Microsoft.HyperV.PowerShell.VMHostNumaNode") for _ in range(host.cpu.sockets)]
    return vm_object(
        "VMHost",
        f"VMHost (Name = '{host.name}')",
        {
            "LogicalProcessorCount": host.cpu.sockets * host.cpu.cores * 2,
            "ResourceMeteringSaveInterval": timedelta(hours=1),
            "HostNumaStatus": nodes,
            "NumaStatus": nodes,
            "IovSupport": False,
            "IovSupportReasons": [],
            "InternalNetworkAdapters": [_nested("VMInternalNetworkAdapter", "Management")],
            "ExternalNetworkAdapters": [_nested("VMExternalNetworkAdapter", "Compute")],
            "SupportedVmVersions": list(host.edition.versions),
            "SecureBootTemplates": [_nested("SecureBootTemplate", "Microsoft.HyperV.PowerShell.SecureBootTemplate")],
            "EnableEnhancedSessionMode": False,
            "FibreChannelWwnn": "C003FF0000FFFF00",
            "FibreChannelWwpnMaximum": "C003FFD2B4AEFFFF",
            "FibreChannelWwpnMinimum": "C003FFD2B4AE0000",
            "MacAddressMaximum": "00155D0A64FF",
            "MacAddressMinimum": "00155D0A6400",
            "NumaSpanningEnabled": True,
            "VirtualHardDiskPath": "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual Hard Disks",
            "VirtualMachinePath": "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V",
            "FullyQualifiedDomainName": host.domain,
            "MemoryCapacity": Int64(host.memory),
            "Name": host.name.upper(),
            "MaximumStorageMigrations": UInt32(settings.storage_maximum),
            "MaximumVirtualMachineMigrations": UInt32(settings.maximum),
            "UseAnyNetworkForMigration": settings.any_network,
            "VirtualMachineMigrationAuthenticationType": hyperv("MigrationAuthenticationType", settings.authentication),
            "VirtualMachineMigrationEnabled": settings.enabled,
            "VirtualMachineMigrationPerformanceOption": hyperv("VMMigrationPerformance", settings.performance),
            "CimSession": _nested("CimSession", "CimSession: ."),
            "ComputerName": host.name.upper(),
            "IsDeleted": False,
        },
    )


def processor_object(world: World, machine: Machine) -> Object:
    """A virtual machine's processor as Get-VMProcessor shows it."""
    return vm_object(
        "VMProcessor",
        "Processor",
        {
            "ResourcePoolName": "Primordial",
            "Count": Int64(machine.processors),
            "CompatibilityForMigrationEnabled": machine.compatible,
            "CompatibilityForMigrationMode": "MinimumFeatureSet",
            "CompatibilityForOlderOperatingSystemsEnabled": False,
            "HwThreadCountPerCore": Int64(0),
            "ExposeVirtualizationExtensions": False,
            "EnablePerfmonPmu": False,
            "EnablePerfmonArchPmu": False,
            "EnablePerfmonLbr": False,
            "EnablePerfmonPebs": False,
            "EnablePerfmonIpt": False,
            "EnableLegacyApicMode": False,
            "ApicMode": "Default",
            "AllowACountMCount": True,
            "CpuBrandString": "",
            "PerfCpuFreqCapMhz": 0,
            "Maximum": Int64(100),
            "Reserve": Int64(0),
            "RelativeWeight": 100,
            "MaximumCountPerNumaNode": Int64(40),
            "MaximumCountPerNumaSocket": Int64(1),
            "EnableHostResourceProtection": False,
            "OperationalStatus": [hyperv("VMOperationalStatus", "Ok")] if machine.running else [],
            "StatusDescription": [say("status.ok", world.host(machine.host).culture)] if machine.running else [],
            "Name": "Processor",
            "Id": f"Microsoft:{str(machine.id).upper()}\\b637f346-6a0e-4dec-af52-bd70cb80a21d\\0",
            "VMId": machine.id,
            "VMName": machine.name,
            "VMSnapshotId": UUID(int=0),
            "VMSnapshotName": "",
            "CimSession": _nested("CimSession", "CimSession: ."),
            "ComputerName": machine.host,
            "IsDeleted": False,
            "VMCheckpointId": UUID(int=0),
            "VMCheckpointName": "",
        },
    )


def snapshot_object(world: World, machine: Machine, snapshot: Snapshot) -> Object:
    """A checkpoint as Get-VMSnapshot shows it."""
    whole = dict(machine_object(world, machine).properties)
    own = guid(f"snapshot {machine.name} {snapshot.name} {snapshot.created.isoformat()}")
    return vm_object(
        "VMSnapshot",
        snapshot.name,
        {
            **{
                name: whole[name]
                for name in (
                    "Path",
                    "ProcessorCount",
                    "MemoryStartup",
                    "Generation",
                    "Version",
                    "ComputerName",
                    "CimSession",
                    "Notes",
                    "IsDeleted",
                    "SizeOfSystemFiles",
                )
            },
            "Name": snapshot.name,
            "Id": own,
            "VMCheckpointId": own,
            "VMCheckpointName": snapshot.name,
            "VMName": machine.name,
            "VMId": machine.id,
            "State": hyperv("VMState", "Off"),
            "SnapshotType": hyperv("SnapshotType", snapshot.kind),
            "IsAutomaticCheckpoint": False,
            "CreationTime": snapshot.created.astimezone(world.host(machine.host).zone),
            "ParentSnapshotId": None,
            "ParentSnapshotName": None,
            "ParentCheckpointId": None,
            "ParentCheckpointName": None,
        },
    )
