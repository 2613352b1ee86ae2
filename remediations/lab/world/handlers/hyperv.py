"""The Hyper-V module's commands on a host.

- VirtualMachine: Name, VMName, Id, VMId (Guid), State (enum), Status (text), OperationalStatus (enum list), Version (text),
  ProcessorCount, MemoryAssigned, MemoryStartup (bytes), Uptime, IsClustered, ComputerName (the host), Generation, Path,
  ConfigurationLocation, CheckpointType
- VMHost: Name, ComputerName, FullyQualifiedDomainName (the domain alone), VirtualMachineMigrationEnabled,
  VirtualMachineMigrationAuthenticationType (enum), VirtualMachineMigrationPerformanceOption (enum),
  MaximumVirtualMachineMigrations, MaximumStorageMigrations (UInt32), UseAnyNetworkForMigration, SupportedVmVersions,
  LogicalProcessorCount, MemoryCapacity
- VMProcessor: VMName, VMId, Count, CompatibilityForMigrationEnabled, CompatibilityForOlderOperatingSystemsEnabled, Maximum,
  Reserve, RelativeWeight
- VMSnapshot: Name, Id, VMName, VMId, CreationTime, SnapshotType (enum), ParentSnapshotName
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from remediations.lab.cmdlet import Call, CommandError, Object
from remediations.lab.world import migration, power
from remediations.lab.world.directory import guid
from remediations.lab.world.handlers.shape import asked, hyperv, matching, vm_error, vm_object, wild
from remediations.lab.world.hosts import GIB, Host
from remediations.lab.world.machines import Machine, Snapshot
from remediations.lab.world.migration import Migration
from remediations.lab.world.text import say
from remediations.lab.world.world import World


def get_vm(world: World, call: Call) -> None:
    """Get-VM [-Name] [-Id]."""
    for machine in _machines(world, call, "Name"):
        call.output(machine_object(world, machine))


def get_vm_host(world: World, call: Call) -> None:
    """Get-VMHost."""
    call.output(host_object(world, world.host(call.host)))


def get_vm_processor(world: World, call: Call) -> None:
    """Get-VMProcessor -VMName."""
    for machine in _machines(world, call, "VMName"):
        call.output(_processor_object(world, machine))


def get_vm_snapshot(world: World, call: Call) -> None:
    """Get-VMSnapshot -VMName."""
    for machine in _machines(world, call, "VMName"):
        for snapshot in machine.snapshots:
            call.output(_snapshot_object(world, machine, snapshot))


def set_vm_processor(world: World, call: Call) -> None:
    """Set-VMProcessor -VMName -CompatibilityForMigrationEnabled: only while the virtual machine is off."""
    for machine in _machines(world, call, "VMName"):
        wanted = call.parameters.get("CompatibilityForMigrationEnabled")
        if wanted is None or bool(wanted) == machine.compatible:
            continue
        if machine.state != "Off":
            culture = world.host(call.host).culture
            text = say("vm.modify", culture, why=say("vm.state", culture))
            call.error(vm_error(call, text, "InvalidState", "InvalidOperation", target=machine.name))
            continue
        machine.compatible = bool(wanted)


def set_vm_host(world: World, call: Call) -> None:
    """Set-VMHost: accepted everywhere, but on a cluster's node the cluster puts its own limit back."""
    host = world.host(call.host)
    settings = host.migration
    if (number := call.parameters.get("MaximumVirtualMachineMigrations")) is not None:
        settings.maximum = int(number)
        if cluster := world.cluster_of(host.name):
            world.agenda.after(world.pace.reset, lambda: setattr(settings, "maximum", cluster.maximum_parallel_migrations))
    if (number := call.parameters.get("MaximumStorageMigrations")) is not None:
        settings.storage_maximum = int(number)


async def stop_vm(world: World, call: Call) -> None:
    """Stop-VM -Name: asks the guest and waits until it is off. A guest that does not react ends in an error."""
    with world.lock:
        world.settle()
        machines = _machines(world, call, "Name")
        culture = world.host(call.host).culture
        for machine in machines:
            if machine.state == "Off":
                call.warning(say("vm.already", culture))
            elif machine.state != "Running":
                call.error(_state_error(call, machine, culture))
            else:
                power.shut_down(world, machine)
    begun = world.clock.now()
    while any(machine.state in ("Running", "Stopping") for machine in machines):
        if (world.clock.now() - begun).total_seconds() > world.pace.shutdown_timeout:
            for machine in (each for each in machines if each.state != "Off"):
                text = say("vm.shutdown", culture, vm=machine.name, id=machine.id)
                call.error(vm_error(call, text, "OperationFailed", "NotSpecified", target=machine.name, hresult=-2147023436))
            return
        await world.clock.sleep(world.pace.poll)
        world.settle()


async def start_vm(world: World, call: Call) -> None:
    """Start-VM -Name: waits until it runs, or could not be started."""
    with world.lock:
        world.settle()
        machines = _machines(world, call, "Name")
        culture = world.host(call.host).culture
        for machine in machines:
            if machine.state == "Running":
                call.warning(say("vm.already", culture))
            elif machine.state not in ("Off", "Saved"):
                call.error(_state_error(call, machine, culture))
            else:
                power.switch_on(world, machine)
    while any(machine.state == "Starting" for machine in machines):
        await world.clock.sleep(world.pace.poll)
        world.settle()
    for machine in machines:
        if machine.state == "Off":
            shortage = migration.memory_shortage(world, machine, world.host(machine.host))
            why = f"\r\n\r\n{shortage.text(culture)}" if shortage else ""
            text = say("vm.failed", culture, vm=machine.name, id=machine.id) + why
            call.error(vm_error(call, text, "OutOfMemory", "ResourceUnavailable", target=machine.name, hresult=-2147024882))


async def move_vm(world: World, call: Call) -> None:
    """Move-VM -Name -DestinationHost: refuses clustered machines, needs a second hop, reports progress until it is there."""
    with world.lock:
        world.settle()
        host = world.host(call.host)
        machines = _machines(world, call, "Name")
        if not machines:
            return
        machine, culture = machines[0], host.culture
        cluster = world.cluster_of(host.name)
        if cluster is not None and cluster.role_of(machine.name) is not None:
            raise vm_error(call, say("vm.clustered", culture, vm=machine.name), "InvalidOperation", "InvalidOperation")
        destination = peer(world, call, str(call.parameters["DestinationHost"]))
        move = migration.start(
            world,
            machine,
            destination,
            storage=bool(call.parameters.get("IncludeStorage")),
            delegates=world.second_hops.get(host.name) == "credssp",
        )
    activity = say("progress.move", culture)
    while not move.over:
        call.progress(activity, f"{move.percent(world.clock.now())}%", move.percent(world.clock.now()))
        await world.clock.sleep(world.pace.poll)
        world.settle()
    if move.refusal:
        raise refused(call, move, culture)
    call.progress(activity, "100%", 100)


def refused(call: Call, move: Migration, culture: str) -> CommandError:
    """What Move-VM says of a move that a rule refused."""
    assert move.refusal is not None
    text = "\r\n".join(part.text(culture) for part in move.refusal.sentences)
    return vm_error(call, text, "OperationFailed", "NotSpecified", target=move.machine, hresult=move.refusal.hresult)


def peer(world: World, call: Call, name: str) -> Host:
    """The other host that a command is to talk to as its caller. Raises what Windows says if it cannot."""
    culture = world.host(call.host).culture
    destination = world.find_host(name)
    if destination is None:
        raise vm_error(call, say("host.not_found", culture, host=name), "InvalidParameter", "InvalidArgument", target=name)
    if not world.may_hop(call.host):
        raise vm_error(
            call, say("denied", culture, host=name), "AccessDenied", "PermissionDenied", target=name, hresult=-2147024891
        )
    return destination


def _machines(world: World, call: Call, parameter: str) -> list[Machine]:
    host = world.host(call.host)
    here = {machine.name: machine for machine in world.machines_on(host.name)}
    if (wanted := call.parameters.get("Id")) is not None:
        found = [machine for machine in here.values() if machine.id == UUID(str(wanted))]
        if not found:
            text = say("vm.id_not_found", host.culture, vm=wanted)
            call.error(vm_error(call, text, "InvalidParameter", "InvalidArgument", target=str(wanted)))
        return found
    patterns = asked(call, parameter)
    if patterns is None:
        return list(here.values())
    found = []
    for pattern in patterns:
        names = matching(pattern, here)
        if not names and not wild(pattern):
            text = say("vm.not_found", host.culture, vm=pattern)
            call.error(vm_error(call, text, "InvalidParameter", "InvalidArgument", target=pattern))
        found += [here[name] for name in names]
    return found


def _state_error(call: Call, machine: Machine, culture: str) -> CommandError:
    return vm_error(call, say("vm.state", culture), "InvalidState", "InvalidOperation", target=machine.name)


def machine_object(world: World, machine: Machine) -> Object:
    """A virtual machine as Get-VM shows it."""
    host = world.host(machine.host)
    now = world.clock.now()
    status, words = "Ok", "status.ok"
    if world.migration_of(machine.name):
        status, words = "MigratingVirtualMachine", "status.migrating"
    elif machine.busy == "BackingUp":
        status, words = "BackingUpVirtualMachine", "status.backup"
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
            "ReplicationMode": hyperv("VMReplicationMode", "None"),
            "CPUUsage": 3 if machine.running else 0,
            "MemoryAssigned": assigned,
            "MemoryDemand": assigned // 2,
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
            "SizeOfSystemFiles": 4_194_304,
            "MemoryStartup": machine.memory,
            "MemoryMinimum": 536_870_912,
            "MemoryMaximum": 1024 * GIB,
            "DynamicMemoryEnabled": False,
            "ProcessorCount": machine.processors,
            "BatteryPassthroughEnabled": True,
            "GuestControlledCacheTypes": False,
            "LowMemoryMappedIoSpace": 134_217_728,
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
            "MemoryCapacity": host.memory,
            "Name": host.name.upper(),
            "MaximumStorageMigrations": settings.storage_maximum,
            "MaximumVirtualMachineMigrations": settings.maximum,
            "UseAnyNetworkForMigration": settings.any_network,
            "VirtualMachineMigrationAuthenticationType": hyperv("MigrationAuthenticationType", settings.authentication),
            "VirtualMachineMigrationEnabled": settings.enabled,
            "VirtualMachineMigrationPerformanceOption": hyperv("VMMigrationPerformance", settings.performance),
            "CimSession": _nested("CimSession", "CimSession: ."),
            "ComputerName": host.name.upper(),
            "IsDeleted": False,
        },
    )


def _processor_object(world: World, machine: Machine) -> Object:
    return vm_object(
        "VMProcessor",
        "Processor",
        {
            "ResourcePoolName": "Primordial",
            "Count": machine.processors,
            "CompatibilityForMigrationEnabled": machine.compatible,
            "CompatibilityForMigrationMode": "MinimumFeatureSet",
            "CompatibilityForOlderOperatingSystemsEnabled": False,
            "HwThreadCountPerCore": 0,
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
            "Maximum": 100,
            "Reserve": 0,
            "RelativeWeight": 100,
            "MaximumCountPerNumaNode": 40,
            "MaximumCountPerNumaSocket": 1,
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


def _snapshot_object(world: World, machine: Machine, snapshot: Snapshot) -> Object:
    whole = dict(machine_object(world, machine).properties)
    own = guid(f"snapshot {machine.name} {snapshot.name}")
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
