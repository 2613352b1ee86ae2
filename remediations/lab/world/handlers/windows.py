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
- Win32_DeviceGuard (root/Microsoft/Windows/DeviceGuard): SecurityServicesConfigured, SecurityServicesRunning (1: Credential
  Guard)
- RSOP_UserPrivilegeRight (root/rsop/computer): UserRight, AccountList, GPOID, precedence
- Test-ComputerSecureChannel: true or false
- StorageJob: Name, JobState, PercentComplete, UniqueId
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from remediations.lab.cmdlet import Call, CommandError, Object, UInt64
from remediations.lab.world.directory import guid
from remediations.lab.world.events import PROVIDERS, Event
from remediations.lab.world.handlers.cim import CLASSES
from remediations.lab.world.handlers.shape import matching
from remediations.lab.world.handlers.wql import where
from remediations.lab.world.hosts import Host
from remediations.lab.world.text import say
from remediations.lab.world.world import World

_READER = "System.Diagnostics.Eventing.Reader"


def get_win_event(world: World, call: Call) -> None:
    """Get-WinEvent -FilterHashtable [-MaxEvents]: newest first; nothing found is an error. Several tables are joined by or."""
    host = world.host(call.host)
    chosen: set[int] = set()
    for table in _list(call.parameters.get("FilterHashtable")):
        keep = _criteria(call, host, {str(key).casefold(): value for key, value in table.items()})
        chosen |= {id(event) for event in host.log.events if keep(event)}
    found = [event for event in host.log.events if id(event) in chosen]
    found.sort(key=lambda each: (each.time, each.record), reverse=True)
    most = call.parameters.get("MaxEvents")
    for event in found if most is None else found[: int(most)]:
        call.output(_event_object(host, event))
    if not found:
        call.error(_event_error(call, say("events.none", host.culture), "NoMatchingEventsFound"))


_KNOWN_KEYS = frozenset({"logname", "providername", "id", "level", "starttime", "endtime", "keywords", "userid", "path"})


def _criteria(call: Call, host: Host, table: Mapping[str, Any]) -> Callable[[Event], bool]:
    """What one table asks for. An unknown key is a named field of the event's data, as in Windows.

    A list in it is an ArrayList once it has come here, which Windows takes for one value.
    """
    if any(isinstance(value, (list, tuple)) for value in table.values()):
        kind = f"{_READER}.EventLogException"
        name = "Microsoft.PowerShell.Commands.GetWinEventCommand"
        raise CommandError("The specified query is invalid", kind, "NotSpecified", exception=kind, command_type=name)
    logs = _logs(call, host, _list(table.get("logname")))
    providers = {str(name).casefold() for name in _list(table.get("providername"))}
    for name in _list(table.get("providername")):
        if str(name).casefold() not in map(str.casefold, PROVIDERS):
            call.error(_event_error(call, say("events.no_provider", host.culture, provider=name), "NoMatchingProvidersFound"))
    ids = {int(each) for each in _list(table.get("id"))}
    levels = {int(each) for each in _list(table.get("level"))}
    words = [str(value) for key, value in table.items() if key not in _KNOWN_KEYS]
    start, end = (_whole(table.get(key)) for key in ("starttime", "endtime"))

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


def _whole(moment: Any) -> Any:
    """A moment as Get-WinEvent reads it: from its text, which has whole seconds."""
    return moment.replace(microsecond=0) if isinstance(moment, datetime) else moment


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


def test_secure_channel(world: World, call: Call) -> None:
    """Test-ComputerSecureChannel: whether the domain takes the machine account's password."""
    call.output(world.host(call.host).secure_channel)


def get_cim_instance(world: World, call: Call) -> None:
    """Get-CimInstance -ClassName [-Namespace] [-Filter]."""
    host = world.host(call.host)
    space = str(call.parameters.get("Namespace") or "root/cimv2").replace("\\", "/").casefold()
    classes = CLASSES.get(space)
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
