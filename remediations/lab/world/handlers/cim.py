"""CIM classes: each one's instances on a host, with their properties."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from remediations.lab.cmdlet import UInt32, UInt64
from remediations.lab.world.directory import guid
from remediations.lab.world.handlers.patches import bios
from remediations.lab.world.hosts import Host
from remediations.lab.world.world import World

_ENABLED = {"Running": 2, "Off": 3, "Saved": 6, "Paused": 9, "Stopping": 4, "Starting": 10}
_DRAIN = {"NotInitiated": 0, "InProgress": 1, "Completed": 2, "Failed": 3}
_NODE = {"Up": 0, "Down": 1, "Paused": 2, "Joining": 3}

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
        "LocalDateTime": (world.clock.now() + host.skew).astimezone(host.zone),
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


def _services(world: World, host: Host) -> Iterator[Properties]:
    cluster = world.cluster_of(host.name)
    known = {"vmms": "Running", "WinRM": "Running", "LanmanServer": "Running", **host.services}
    if cluster is not None:
        known["ClusSvc"] = "Stopped" if cluster.nodes[host.name].state == "Down" else "Running"
    for name, state in known.items():
        yield {
            "Name": name,
            "DisplayName": name,
            "Caption": name,
            "Status": "OK",
            "State": state,
            "Started": state == "Running",
            "StartMode": "Auto",
            "ExitCode": UInt32(0),
            "ProcessId": UInt32(2048 if state == "Running" else 0),
            "ServiceType": "Own Process",
            "StartName": "LocalSystem",
            "CreationClassName": "Win32_Service",
            "SystemCreationClassName": "Win32_ComputerSystem",
            "SystemName": host.name,
        }


def _device_guard(world: World, host: Host) -> Iterator[Properties]:
    running = [1, 2] if host.credential_guard else [2]
    yield {
        "AvailableSecurityProperties": [1, 2, 3, 5, 6, 7],
        "CodeIntegrityPolicyEnforcementStatus": UInt32(0),
        "InstanceIdentifier": "4ff40742-2649-41b8-bdd1-e80fad1cce80",
        "RequiredSecurityProperties": [1],
        "SecurityServicesConfigured": running,
        "SecurityServicesRunning": running,
        "UsermodeCodeIntegrityPolicyEnforcementStatus": UInt32(0),
        "Version": "1.0",
        "VirtualizationBasedSecurityStatus": UInt32(2),
        "VirtualMachineIsolation": False,
        "VirtualMachineIsolationProperties": [0],
    }


def _privilege_rights(world: World, host: Host) -> Iterator[Properties]:
    """What group policy gave rights to (RSOP): one instance a right and object; none for what no object says."""
    if host.logon_as_service is None:
        return
    yield {
        "AccountList": list(host.logon_as_service),
        "creationTime": None,
        "ErrorCode": UInt32(0),
        "GPOID": f"CN={{31B2F340-016D-11D2-945F-00C04FB984F9}},CN=Policies,CN=System,{world.directory.base}",
        "id": f"{{{str(guid(f'rsop {host.name}')).upper()}}}",
        "name": None,
        "precedence": UInt32(1),
        "SOMID": world.directory.base,
        "Status": UInt32(1),
        "UserRight": "SeServiceLogonRight",
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
        "PartOfDomain": host.joined,
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


def _planned(world: World, host: Host) -> Iterator[Properties]:
    for machine in world.machines.values():
        if machine.id in host.planned:
            shown = _virtual(str(machine.id).upper(), machine.name, 3)
            yield {**shown, "CreationClassName": "Msvm_PlannedComputerSystem", "Caption": "Planned Virtual Machine"}


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


CLASSES: Mapping[str, Mapping[str, Callable[[World, Host], Iterator[Properties]]]] = {
    "root/cimv2": {
        "Win32_OperatingSystem": _operating_system,
        "Win32_Processor": _processors,
        "Win32_ComputerSystem": _computer_system,
        "Win32_Service": _services,
        "Win32_BIOS": bios,
    },
    "root/virtualization/v2": {
        "Msvm_ComputerSystem": _virtual_systems,
        "Msvm_MigrationJob": _migration_jobs,
        "Msvm_PlannedComputerSystem": _planned,
    },
    "root/microsoft/windows/deviceguard": {"Win32_DeviceGuard": _device_guard},
    "root/rsop/computer": {"RSOP_UserPrivilegeRight": _privilege_rights},
    "root/mscluster": {"MSCluster_Node": _cluster_nodes},
}
"""Namespace → class → its instances on a host."""
