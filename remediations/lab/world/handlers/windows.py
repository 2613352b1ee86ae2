"""Windows' own commands: event logs, CIM, storage jobs.

- EventLogRecord: Id, Level (2 error, 3 warning, 4 information), LevelDisplayName, LogName, ProviderName, TimeCreated (with
  offset), Message (the host's language), RecordId, MachineName (full), Properties (objects: arrive as their type's name)
- Win32_OperatingSystem: Caption, BuildNumber (text), Version, LastBootUpTime, LocalDateTime, CurrentTimeZone (minutes),
  TotalVisibleMemorySize, FreePhysicalMemory (KiB), OSLanguage, CSName
- Win32_Processor: Name, Manufacturer, Description (Intel64 Family 6 Model 85 Stepping 7), ProcessorId, NumberOfCores,
  NumberOfLogicalProcessors, MaxClockSpeed; one for each socket
- Win32_ComputerSystem: Name, DNSHostName, Domain, PartOfDomain, Manufacturer, Model, TotalPhysicalMemory,
  NumberOfLogicalProcessors
- Msvm_ComputerSystem (root/virtualization/v2): Name (the VM's id, upper case), ElementName, EnabledState, HealthState
- Msvm_MigrationJob (root/virtualization/v2): VirtualSystemName (the VM's id), DestinationHost, JobState (4 running),
  PercentComplete, StartTime
- MSCluster_Node (root/mscluster): Name, State, NodeDrainStatus (0 to 3)
- StorageJob: Name, JobState, PercentComplete, UniqueId
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Object, UInt32, UInt64
from remediations.lab.world.directory import guid
from remediations.lab.world.events import PROVIDERS, Event
from remediations.lab.world.handlers.shape import matching
from remediations.lab.world.handlers.wql import where
from remediations.lab.world.hosts import Host
from remediations.lab.world.text import say
from remediations.lab.world.world import World

_READER = "System.Diagnostics.Eventing.Reader"
_ENABLED = {"Running": 2, "Off": 3, "Saved": 6, "Paused": 9, "Stopping": 4, "Starting": 10}
_DRAIN = {"NotInitiated": 0, "InProgress": 1, "Completed": 2, "Failed": 3}
_NODE = {"Up": 0, "Down": 1, "Paused": 2, "Joining": 3}


def get_win_event(world: World, call: Call) -> None:
    """Get-WinEvent -FilterHashtable [-MaxEvents]: newest first; nothing found is an error. Several tables are joined by or."""
    host = world.host(call.host)
    chosen: set[int] = set()
    for table in _list(call.parameters.get("FilterHashtable")):
        keep = _criteria(call, host, {str(key).casefold(): value for key, value in table.items()})
        chosen |= {event.record for event in host.log.events if keep(event)}
    found = [event for event in host.log.events if event.record in chosen]
    found.sort(key=lambda each: (each.time, each.record), reverse=True)
    most = call.parameters.get("MaxEvents")
    for event in found if most is None else found[: int(most)]:
        call.output(_event_object(host, event))
    if not found:
        call.error(_event_error(call, say("events.none", host.culture), "NoMatchingEventsFound"))


_KNOWN_KEYS = frozenset({"logname", "providername", "id", "level", "starttime", "endtime", "keywords", "userid", "path"})


def _criteria(call: Call, host: Host, table: Mapping[str, Any]) -> Callable[[Event], bool]:
    """What one table asks for. An unknown key is a named field of the event's data, as in Windows."""
    logs = _logs(call, host, _list(table.get("logname")))
    providers = {str(name).casefold() for name in _list(table.get("providername"))}
    for name in _list(table.get("providername")):
        if str(name).casefold() not in map(str.casefold, PROVIDERS):
            call.error(_event_error(call, say("events.no_provider", host.culture, provider=name), "NoMatchingProvidersFound"))
    ids = {int(each) for each in _list(table.get("id"))}
    levels = {int(each) for each in _list(table.get("level"))}
    words = [str(each) for key, value in table.items() if key not in _KNOWN_KEYS for each in _list(value)]
    start, end = table.get("starttime"), table.get("endtime")

    def keep(event: Event) -> bool:
        kind = event.kind
        return (
            kind.channel in logs
            and (not providers or kind.provider.casefold() in providers)
            and (not ids or kind.id in ids)
            and (not levels or kind.level in levels)
            and (not isinstance(start, datetime) or event.time >= start)
            and (not isinstance(end, datetime) or event.time <= end)
            and all(word in map(str, event.data.values()) for word in words)
        )

    return keep


def _logs(call: Call, host: Host, asked: list[Any]) -> set[str]:
    if not asked:
        return set(host.log.channels)
    logs = set()
    for pattern in map(str, asked):
        names = matching(pattern, host.log.channels)
        if not names:
            call.error(_event_error(call, say("events.no_log", host.culture, log=pattern), "NoMatchingLogsFound"))
        logs |= set(names)
    return logs


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _event_error(call: Call, text: str, error_id: str) -> CommandError:
    kind = "Microsoft.PowerShell.Commands.GetWinEventCommand"
    return CommandError(text, error_id, "ObjectNotFound", exception="System.Exception", command_type=kind)


def _event_object(host: Host, event: Event) -> Object:
    kind = event.kind
    named = [
        Object((f"{_READER}.EventProperty", "System.Object"), {"Value": str(value)}, f"{_READER}.EventProperty")
        for value in event.data.values()
    ]
    return Object(
        (f"{_READER}.EventLogRecord", f"{_READER}.EventRecord", "System.Object"),
        {
            "Message": event.text(host.culture),
            "Id": kind.id,
            "Version": 0,
            "Qualifiers": None,
            "Level": kind.level,
            "Task": 0,
            "Opcode": 0,
            "Keywords": -9223372036854775808,
            "RecordId": event.record,
            "ProviderName": kind.provider,
            "ProviderId": PROVIDERS[kind.provider],
            "LogName": kind.channel,
            "ProcessId": event.process,
            "ThreadId": event.thread,
            "MachineName": host.fqdn,
            "UserId": Object(
                ("System.Security.Principal.SecurityIdentifier", "System.Object"), {"Value": "S-1-5-18"}, "S-1-5-18"
            ),
            "TimeCreated": event.time.astimezone(host.zone),
            "ActivityId": None,
            "RelatedActivityId": None,
            "ContainerLog": kind.channel,
            "MatchedQueryIds": [],
            "Bookmark": Object((f"{_READER}.EventBookmark", "System.Object"), {}, f"{_READER}.EventBookmark"),
            "LevelDisplayName": say(f"level.{kind.level}", host.culture),
            "OpcodeDisplayName": "Info",
            "TaskDisplayName": None,
            "KeywordsDisplayNames": [],
            "Properties": named,
        },
        f"{_READER}.EventLogRecord",
    )


def get_cim_instance(world: World, call: Call) -> None:
    """Get-CimInstance -ClassName [-Namespace] [-Filter]."""
    host = world.host(call.host)
    space = str(call.parameters.get("Namespace") or "root/cimv2").replace("\\", "/").casefold()
    classes = _CLASSES.get(space)
    if classes is None or (space == "root/mscluster" and world.cluster_of(host.name) is None):
        raise _cim_error(call, say("cim.namespace", host.culture), "HRESULT 0x8004100e", -2147217394)
    wanted = str(call.parameters["ClassName"])
    name = next((each for each in classes if each.casefold() == wanted.casefold()), None)
    if name is None:
        raise _cim_error(call, say("cim.class", host.culture), "HRESULT 0x80041010", -2147217392, target=f"{space}:{wanted}")
    text = call.parameters.get("Filter")
    try:
        keep = where(str(text)) if text else (lambda _: True)
    except ValueError:
        raise _cim_error(call, "Invalid query ", "HRESULT 0x80041017", -2147217385, category="InvalidArgument") from None
    for properties in classes[name](world, host):
        if keep(properties):
            kinds = (
                f"Microsoft.Management.Infrastructure.CimInstance#{space}/{name}",
                "Microsoft.Management.Infrastructure.CimInstance",
                "System.Object",
            )
            call.output(Object(kinds, {**properties, "PSComputerName": None}, f"{name}: {properties.get('Name', '')}"))


def _cim_error(
    call: Call, text: str, error_id: str, hresult: int, *, target: str = "", category: str = "MetadataError"
) -> CommandError:
    return CommandError(
        text,
        error_id,
        category,
        exception="Microsoft.Management.Infrastructure.CimException",
        command_type="Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand",
        hresult=hresult,
        target=target,
    )


Properties = Mapping[str, Any]


def _operating_system(world: World, host: Host) -> Iterator[Properties]:
    used = sum(machine.memory for machine in world.machines_on(host.name) if machine.running)
    german = host.culture.startswith("de")
    yield {
        "Status": "OK",
        "Name": f"{host.edition.caption}|C:\\Windows|\\Device\\Harddisk0\\Partition4",
        "FreePhysicalMemory": UInt64((host.memory - used) // 1024),
        "FreeSpaceInPagingFiles": UInt64(4_980_736),
        "FreeVirtualMemory": UInt64((host.memory - used) // 1024 + 4_980_736),
        "Caption": host.edition.caption,
        "Description": "",
        "InstallDate": host.booted - timedelta(days=300),
        "CreationClassName": "Win32_OperatingSystem",
        "CSCreationClassName": "Win32_ComputerSystem",
        "CSName": host.name,
        "CurrentTimeZone": int(host.offset.total_seconds() // 60),
        "Distributed": False,
        "LastBootUpTime": host.booted.astimezone(host.zone),
        "LocalDateTime": world.clock.now().astimezone(host.zone),
        "MaxNumberOfProcesses": UInt32(4_294_967_295),
        "MaxProcessMemorySize": UInt64(137_438_953_344),
        "NumberOfLicensedUsers": UInt32(0),
        "NumberOfProcesses": UInt32(142),
        "NumberOfUsers": UInt32(3),
        "OSType": 18,
        "OtherTypeDescription": None,
        "SizeStoredInPagingFiles": UInt64(4_980_736),
        "TotalSwapSpaceSize": None,
        "TotalVirtualMemorySize": UInt64(host.memory // 1024 + 4_980_736),
        "TotalVisibleMemorySize": UInt64(host.memory // 1024),
        "Version": f"10.0.{host.edition.build}",
        "BootDevice": "\\Device\\HarddiskVolume1",
        "BuildNumber": str(host.edition.build),
        "BuildType": "Multiprocessor Free",
        "CodeSet": "1252",
        "CountryCode": "49" if german else "1",
        "CSDVersion": None,
        "DataExecutionPrevention_Available": True,
        "EncryptionLevel": UInt32(256),
        "ForegroundApplicationBoost": 2,
        "Locale": "0407" if german else "0409",
        "Manufacturer": "Microsoft Corporation",
        "MUILanguages": [host.culture],
        "OperatingSystemSKU": UInt32(8),
        "Organization": "",
        "OSArchitecture": "64-Bit" if german else "64-bit",
        "OSLanguage": UInt32(1031 if german else 1033),
        "OSProductSuite": UInt32(400),
        "PAEEnabled": None,
        "PortableOperatingSystem": False,
        "Primary": True,
        "ProductType": UInt32(3),
        "RegisteredUser": "",
        "SerialNumber": "00454-60000-00001-AA842",
        "ServicePackMajorVersion": 0,
        "ServicePackMinorVersion": 0,
        "SuiteMask": UInt32(400),
        "SystemDevice": "\\Device\\HarddiskVolume3",
        "SystemDirectory": "C:\\Windows\\system32",
        "SystemDrive": "C:",
        "WindowsDirectory": "C:\\Windows",
    }


def _processors(world: World, host: Host) -> Iterator[Properties]:
    cpu = host.cpu
    for socket in range(cpu.sockets):
        yield {
            "Availability": 3,
            "CpuStatus": 1,
            "CurrentVoltage": 16,
            "DeviceID": f"CPU{socket}",
            "ErrorCleared": None,
            "ErrorDescription": None,
            "LastErrorCode": None,
            "LoadPercentage": 7,
            "Status": "OK",
            "StatusInfo": 3,
            "AddressWidth": 64,
            "DataWidth": 64,
            "ExtClock": UInt32(100),
            "L2CacheSize": UInt32(cpu.cores * 1024),
            "L2CacheSpeed": None,
            "MaxClockSpeed": UInt32(cpu.mhz),
            "PowerManagementSupported": False,
            "ProcessorType": 3,
            "Revision": cpu.model << 8 | cpu.stepping,
            "SocketDesignation": f"Proc {socket + 1}",
            "Version": "",
            "VoltageCaps": None,
            "Caption": cpu.caption,
            "Description": cpu.caption,
            "InstallDate": None,
            "Name": cpu.name,
            "ConfigManagerErrorCode": None,
            "ConfigManagerUserConfig": None,
            "CreationClassName": "Win32_Processor",
            "PNPDeviceID": None,
            "PowerManagementCapabilities": None,
            "SystemCreationClassName": "Win32_ComputerSystem",
            "SystemName": host.name,
            "CurrentClockSpeed": UInt32(cpu.mhz),
            "Family": 179 if cpu.vendor == "GenuineIntel" else 107,
            "OtherFamilyDescription": None,
            "Role": "CPU",
            "Stepping": str(cpu.stepping),
            "UniqueId": None,
            "UpgradeMethod": 50,
            "Architecture": 9,
            "AssetTag": "UNKNOWN",
            "Characteristics": UInt32(252),
            "L3CacheSize": UInt32(28_160),
            "L3CacheSpeed": UInt32(0),
            "Level": 6,
            "Manufacturer": cpu.vendor,
            "NumberOfCores": UInt32(cpu.cores),
            "NumberOfEnabledCore": UInt32(cpu.cores),
            "NumberOfLogicalProcessors": UInt32(cpu.cores * 2),
            "PartNumber": "",
            "ProcessorId": f"BFEBFBFF{0x00050650 + cpu.stepping if cpu.model == 85 else 0x000306F0 + cpu.stepping:08X}",
            "SecondLevelAddressTranslationExtensions": True,
            "SerialNumber": "",
            "ThreadCount": UInt32(cpu.cores * 2),
            "VirtualizationFirmwareEnabled": True,
            "VMMonitorModeExtensions": True,
        }


def _computer_system(world: World, host: Host) -> Iterator[Properties]:
    yield {
        "Caption": host.name,
        "Description": "AT/AT COMPATIBLE",
        "InstallDate": None,
        "Name": host.name,
        "Status": "OK",
        "CreationClassName": "Win32_ComputerSystem",
        "NameFormat": None,
        "PrimaryOwnerContact": None,
        "PrimaryOwnerName": "",
        "Roles": ["LM_Workstation", "LM_Server", "NT", "Server_NT"],
        "InitialLoadInfo": None,
        "LastLoadInfo": None,
        "PowerManagementCapabilities": None,
        "PowerManagementSupported": None,
        "AdminPasswordStatus": 3,
        "AutomaticManagedPagefile": True,
        "AutomaticResetBootOption": True,
        "AutomaticResetCapability": True,
        "BootROMSupported": True,
        "BootupState": "Normal boot",
        "ChassisBootupState": 3,
        "CurrentTimeZone": int(host.offset.total_seconds() // 60),
        "DaylightInEffect": False,
        "DNSHostName": host.name,
        "Domain": host.domain,
        "DomainRole": 3,
        "EnableDaylightSavingsTime": True,
        "HypervisorPresent": True,
        "InfraredSupported": False,
        "KeyboardPasswordStatus": 3,
        "Manufacturer": "HPE",
        "Model": "ProLiant DL380 Gen10" if host.cpu.model == 85 else "ProLiant DL380 Gen9",
        "NetworkServerModeEnabled": True,
        "NumberOfLogicalProcessors": UInt32(host.cpu.cores * host.cpu.sockets * 2),
        "NumberOfProcessors": UInt32(host.cpu.sockets),
        "PartOfDomain": True,
        "PCSystemType": 4,
        "SystemFamily": "ProLiant",
        "SystemType": "x64-based PC",
        "TotalPhysicalMemory": UInt64(host.memory),
        "UserName": None,
        "WakeUpType": 6,
        "Workgroup": None,
    }


def _virtual_systems(world: World, host: Host) -> Iterator[Properties]:
    yield {
        **_virtual(host.name, host.name, 2),
        "Caption": "Hosting Computer System",
        "Description": "Microsoft Hosting Computer System",
    }
    for machine in world.machines_on(host.name):
        yield {**_virtual(str(machine.id).upper(), machine.name, _ENABLED.get(machine.state, 0)), "NumberOfNumaNodes": 1}


def _virtual(name: str, shown: str, state: int) -> Properties:
    return {
        "Caption": "Virtual Machine",
        "Description": "Microsoft Virtual Machine",
        "ElementName": shown,
        "InstallDate": None,
        "Name": name,
        "CreationClassName": "Msvm_ComputerSystem",
        "EnabledDefault": 2,
        "EnabledState": state,
        "HealthState": 5,
        "NumberOfNumaNodes": 2,
        "OperationalStatus": [2],
        "ProcessID": UInt32(0),
        "RequestedState": 12,
        "Status": "OK",
        "StatusDescriptions": None,
        "TimeOfLastStateChange": None,
    }


def _migration_jobs(world: World, host: Host) -> Iterator[Properties]:
    now = world.clock.now()
    for move in world.active_migrations():
        if host.name not in (move.source, move.destination):
            continue
        yield {
            "Caption": "Moving Virtual Machine",
            "Description": "Moving Virtual Machine",
            "ElementName": "Moving Virtual Machine",
            "InstanceID": str(guid(f"job {move.machine} {move.started}")).upper(),
            "HealthState": 5,
            "Name": "Msvm_MigrationJob",
            "OperationalStatus": [2],
            "Status": "Job is running",
            "ElapsedTime": now - move.started,
            "JobRunTimes": UInt32(1),
            "JobState": 4,
            "JobStatus": "Job is running",
            "JobType": 2,
            "PercentComplete": move.percent(now),
            "ErrorCode": 0,
            "ErrorDescription": None,
            "StartTime": move.started.astimezone(host.zone),
            "TimeSubmitted": move.started.astimezone(host.zone),
            "Cancellable": True,
            "DestinationHost": move.destination,
            "MigrationType": 32768,
            "NewSystemSettingData": "",
            "NewResourceSettingData": [],
            "VirtualSystemName": str(world.machine(move.machine).id).upper(),
        }


def _cluster_nodes(world: World, host: Host) -> Iterator[Properties]:
    cluster = world.cluster_of(host.name)
    for node in cluster.nodes.values() if cluster else ():
        yield {
            "Caption": node.name,
            "Name": node.name,
            "Id": str(node.number),
            "State": UInt32(_NODE[node.state]),
            "NodeDrainStatus": UInt32(_DRAIN[node.drain]),
            "NodeDrainTarget": node.drain_target or None,
            "NodeWeight": UInt32(1),
            "DynamicWeight": UInt32(int(node.state != "Down")),
            "Status": "OK",
        }


_CLASSES: Mapping[str, Mapping[str, Callable[[World, Host], Iterator[Properties]]]] = {
    "root/cimv2": {
        "Win32_OperatingSystem": _operating_system,
        "Win32_Processor": _processors,
        "Win32_ComputerSystem": _computer_system,
    },
    "root/virtualization/v2": {"Msvm_ComputerSystem": _virtual_systems, "Msvm_MigrationJob": _migration_jobs},
    "root/mscluster": {"MSCluster_Node": _cluster_nodes},
}


def get_storage_job(world: World, call: Call) -> None:
    """Get-StorageJob."""
    for job in world.host(call.host).storage_jobs:
        properties = {
            "ObjectId": f"{{1}}\\\\{call.host}\\root/Microsoft/Windows/Storage/Providers_v2\\SPACES_StorageJob",
            "PassThroughClass": None,
            "PassThroughIds": None,
            "PassThroughNamespace": None,
            "PassThroughServer": None,
            "UniqueId": f"{{{guid(f'storage {job.name}')}}}",
            "BytesProcessed": UInt64(0),
            "BytesTotal": UInt64(0),
            "DeletedOnCompletion": False,
            "Description": None,
            "ElapsedTime": timedelta(minutes=3),
            "ErrorCode": 0,
            "ErrorDescription": None,
            "IsBackgroundTask": True,
            "JobState": job.state,
            "JobStatus": None,
            "LocalOrUtcTime": None,
            "Name": job.name,
            "OperationalStatus": "OK",
            "PercentComplete": job.percent,
            "StartTime": world.clock.now().astimezone(world.host(call.host).zone),
            "StatusDescriptions": None,
            "TimeBeforeRemoval": timedelta(),
            "TimeOfLastStateChange": None,
            "PSComputerName": None,
        }
        kinds = (
            "Microsoft.Management.Infrastructure.CimInstance#root/microsoft/windows/storage/MSFT_StorageJob",
            "Microsoft.Management.Infrastructure.CimInstance",
            "System.Object",
        )
        call.output(Object(kinds, properties, f"MSFT_StorageJob: {job.name}"))
