"""Event logs, CIM, tickets and our module as hosts show them; and that reading changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from world_probe import CURRENT, Ask, Heard, run

from remediations.lab.world.clock import ManualClock
from remediations.lab.world.events import HIGH_AVAILABILITY, SYSTEM, VMMS
from remediations.lab.world.faults import FAULTS
from remediations.lab.world.handlers import ATC, CLUSTERING, DIRECTORY, HYPERV, KEYS, MODULE, WINDOWS
from remediations.lab.world.hosts import OLD_MODULE, StorageJob
from remediations.lab.world.world import World
from remediations.model.contract import contracts


def events(ask: Ask, host: str, most: int | None = None, **table: Any) -> Heard:
    return ask(host, "Get-WinEvent", FilterHashtable=[table], **({} if most is None else {"MaxEvents": most}))


def test_nothing_found_is_an_error_in_the_hosts_language(ask: Ask) -> None:
    for host, text in (("HV03", "No events were found"), ("HV04", "Es wurden keine Ereignisse gefunden")):
        (error,) = events(ask, host, LogName=SYSTEM).errors
        assert (error.error_id, error.category) == ("NoMatchingEventsFound", "ObjectNotFound")
        assert error.message.startswith(text)


def test_a_log_that_the_host_does_not_have(ask: Ask) -> None:
    assert events(ask, "HV03", LogName=HIGH_AVAILABILITY).ids == ["NoMatchingLogsFound", "NoMatchingEventsFound"]
    assert events(ask, "HV01", LogName="Microsoft-Windows-Hyper-V-VMMS/Admin").ids[0] == "NoMatchingLogsFound"


FILTERS: list[tuple[dict[str, Any], set[int]]] = [
    ({"LogName": SYSTEM}, {1252, 1155, 1137, 1677}),
    ({"logname": SYSTEM, "level": 2}, {1137, 1677}),
    ({"LogName": SYSTEM, "ID": 1137}, {1137}),
    ({"LogName": "*VMMS-Admin"}, {20415, 21024}),
    ({"ProviderName": "Microsoft-Windows-FailoverClustering", "Level": 3}, {1155, 1252}),
    ({"LogName": SYSTEM, "role": "VM44"}, {1252, 1155, 1137}),
    ({"LogName": SYSTEM, "Id": 1677, "Data": "HV01"}, {1677}),
]


@pytest.mark.parametrize(("table", "ids"), FILTERS, ids=lambda value: str(value)[:60])
def test_filters(world: World, ask: Ask, table: dict[str, Any], ids: set[int]) -> None:
    FAULTS["node_drain_failed"].inject(world)
    assert {each["Id"] for each in events(ask, "HV01", **table).all} == ids


def test_several_tables_are_joined_and_a_list_in_one_is_no_array(world: World, ask: Ask) -> None:
    FAULTS["node_drain_failed"].inject(world)
    tables = [{"LogName": SYSTEM, "ID": 1137}, {"LogName": VMMS, "ID": 21024}]
    assert {each["Id"] for each in ask("HV01", "Get-WinEvent", FilterHashtable=tables).all} == {1137, 21024}
    for listed in ({"ID": [1137, 1677]}, {"LogName": [SYSTEM, VMMS]}):
        assert events(ask, "HV01", **{"LogName": SYSTEM, **listed}).ids == [
            "System.Diagnostics.Eventing.Reader.EventLogException"
        ]


def test_time_and_number(world: World, ask: Ask) -> None:
    FAULTS["node_drain_failed"].inject(world)
    now = world.clock.now()
    assert events(ask, "HV01", LogName=SYSTEM, StartTime=now - timedelta(seconds=30)).ids == ["NoMatchingEventsFound"]
    assert events(ask, "HV01", LogName=SYSTEM, EndTime=now - timedelta(minutes=2)).ids == ["NoMatchingEventsFound"]
    whole = [each["RecordId"] for each in events(ask, "HV01", LogName=SYSTEM, StartTime=now - timedelta(minutes=2)).all]
    assert whole == sorted(whole, reverse=True)
    assert [each["RecordId"] for each in events(ask, "HV01", 2, LogName=SYSTEM).all] == whole[:2]


def test_a_moment_is_read_from_its_text_which_has_whole_seconds(world: World, ask: Ask) -> None:
    second = world.clock.now().replace(microsecond=0)
    world.host("HV03").log.write(20413, second + timedelta(milliseconds=200), vm="VM99", host="HV04", id="0")
    assert events(ask, "HV03", LogName=VMMS, EndTime=second + timedelta(milliseconds=900)).ids == ["NoMatchingEventsFound"]
    assert len(events(ask, "HV03", LogName=VMMS, EndTime=second + timedelta(seconds=1)).all) == 1


def test_a_record_is_wide_and_in_local_time(world: World, ask: Ask) -> None:
    world.move("VM52", "HV03")
    record = events(ask, "HV04", LogName=VMMS).only
    assert len(record) >= 25
    assert (record["MachineName"], record["LevelDisplayName"]) == ("hv04.contoso.com", "Informationen")
    assert record["TimeCreated"].utcoffset() == timedelta(hours=1)
    assert set(record["Properties"]) == {"System.Diagnostics.Eventing.Reader.EventProperty"}


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"ClassName": "win32_computersystem"}, ["HV01"]),
        (
            {"ClassName": "Msvm_ComputerSystem", "Namespace": "root\\virtualization\\v2", "Filter": "ElementName='vm42'"},
            ["VM42"],
        ),
        (
            {
                "ClassName": "Msvm_ComputerSystem",
                "Namespace": "root/virtualization/v2",
                "Filter": "Caption = 'Virtual Machine'",
            },
            ["VM42", "VM44"],
        ),
        (
            {
                "ClassName": "Msvm_ComputerSystem",
                "Namespace": "root/virtualization/v2",
                "Filter": "ElementName LIKE 'VM%' AND EnabledState = 3",
            },
            [],
        ),
        ({"ClassName": "MSCluster_Node", "Namespace": "root/mscluster"}, ["HV01", "HV02"]),
    ],
)
def test_cim(ask: Ask, parameters: dict[str, str], names: list[str]) -> None:
    found = ask("HV01", "Get-CimInstance", **parameters)
    assert not found.errors
    assert [each.get("ElementName") or each["Name"] for each in found.all] == names


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"ClassName": "Win32_Nothing"}, "HRESULT 0x80041010"),
        ({"ClassName": "Win32_Processor", "Namespace": "root/nowhere"}, "HRESULT 0x8004100e"),
        ({"ClassName": "MSCluster_Node", "Namespace": "root/mscluster"}, "HRESULT 0x8004100e"),
        ({"ClassName": "Win32_Processor", "Filter": "Name is 5"}, "HRESULT 0x80041017"),
    ],
)
def test_cim_refuses(ask: Ask, parameters: dict[str, str], error: str) -> None:
    assert ask("HV03", "Get-CimInstance", **parameters).ids == [error]


def test_processors_and_systems(ask: Ask) -> None:
    processors = ask("HV02", "Get-CimInstance", ClassName="Win32_Processor").all
    assert [each["DeviceID"] for each in processors] == ["CPU0", "CPU1"]
    assert {(each["Manufacturer"], each["Description"]) for each in processors} == {
        ("GenuineIntel", "Intel64 Family 6 Model 85 Stepping 7")
    }
    system = ask("HV04", "Get-CimInstance", ClassName="Win32_OperatingSystem").only
    assert (system["BuildNumber"], system["OSLanguage"], system["CurrentTimeZone"]) == ("26100", 1031, 60)


def test_storage_jobs(world: World, ask: Ask) -> None:
    assert ask("HV01", "Get-StorageJob").objects == []
    world.host("HV01").storage_jobs.append(StorageJob("Repair", "Running", 40))
    assert ask("HV01", "Get-StorageJob").only["JobState"] == "Running"


ENGLISH = """
Current LogonId is 0:0x5c4b1a
Targeted LogonId is 0:0x3e7

Cached Tickets: (2)

#0>\tClient: hv03$ @ CONTOSO.COM
\tServer: krbtgt/CONTOSO.COM @ CONTOSO.COM
\tKerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
\tTicket Flags 0x40e10000 -> forwardable renewable initial pre_authent name_canonicalize 
\tStart Time: 3/2/2026 3:00:00 (local)
\tEnd Time:   3/2/2026 13:00:00 (local)
\tRenew Time: 3/9/2026 3:00:00 (local)
\tSession Key Type: AES-256-CTS-HMAC-SHA1-96
\tCache Flags: 0x1 -> PRIMARY 
\tKdc Called: DC1.contoso.com 

#1>\tClient: hv03$ @ CONTOSO.COM
\tServer: cifs/hv04.contoso.com @ CONTOSO.COM
\tKerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96
\tTicket Flags 0x40a50000 -> forwardable renewable pre_authent ok_as_delegate name_canonicalize 
\tStart Time: 3/2/2026 3:07:00 (local)
\tEnd Time:   3/2/2026 13:07:00 (local)
\tRenew Time: 3/9/2026 3:07:00 (local)
\tSession Key Type: AES-256-CTS-HMAC-SHA1-96
\tCache Flags: 0 
\tKdc Called: DC1.contoso.com 
"""  # noqa: W291 klist ends some lines with a blank


def test_klist_in_english(world: World, ask: Ask) -> None:
    cache = world.host("HV03").tickets
    cache.tickets = [ticket for ticket in cache.tickets if ticket.initial or ticket.server.startswith("cifs")]
    shown = ask("HV03", "Get-RemediationTicket").only
    assert "\n".join(shown["Lines"]) == ENGLISH
    assert (shown["Culture"], shown["UtcOffsetMinutes"], shown["Now"]) == ("en-US", -300, world.clock.now())


def test_klist_in_german(ask: Ask) -> None:
    shown = ask("HV04", "Get-RemediationTicket").only
    assert "Zwischengespeicherte Tickets: (5)" in shown["Lines"]
    assert "\tStartzeit: 02.03.2026 9:07:00 (lokal)" in shown["Lines"]
    assert (shown["Culture"], shown["UtcOffsetMinutes"]) == ("de-DE", 60)


def test_a_purge_and_new_tickets_on_demand(world: World, ask: Ask) -> None:
    assert ask("HV03", "Clear-RemediationTicket").only["Lines"][-1] == "\tTicket(s) purged!"
    assert "Cached Tickets: (0)" in ask("HV03", "Get-RemediationTicket").only["Lines"]
    world.clock.advance(90)
    asked = world.clock.now()
    ask("HV03", "Move-VM", Name="VM51", DestinationHost="HV04")
    tickets = world.host("HV03").tickets.tickets
    assert {ticket.server.partition("/")[0] for ticket in tickets} == {"krbtgt", "Microsoft Virtual System Migration Service"}
    assert {ticket.start for ticket in tickets} == {asked}


def test_hosts_with_without_and_with_an_old_module() -> None:
    world = World.contoso(clock=ManualClock(), module=CURRENT, modules={"HV02": None, "HV03": OLD_MODULE})
    assert run(world, "HV01", "Get-RemediationModule").only == {"Version": "1.0.0", "Hash": CURRENT.hash}
    assert run(world, "HV03", "Get-RemediationModule").only["Version"] == "0.9.0"
    with pytest.raises(KeyError):
        run(world, "HV02", "Get-RemediationModule")


READS: list[tuple[str, dict[str, Any]]] = [
    ("Get-VM", {}),
    ("Get-VMHost", {}),
    ("Get-VMProcessor", {"VMName": ["VM42"]}),
    ("Get-VMSnapshot", {"VMName": ["VM42"]}),
    ("Get-Cluster", {}),
    ("Get-ClusterNode", {}),
    ("Get-ClusterGroup", {}),
    ("Get-ClusterResource", {}),
    ("Get-ClusterSharedVolume", {}),
    ("Get-ClusterQuorum", {}),
    ("Get-CauRun", {}),
    ("Get-WinEvent", {"FilterHashtable": [{"LogName": SYSTEM}]}),
    ("Get-CimInstance", {"ClassName": "Win32_OperatingSystem"}),
    ("Get-StorageJob", {}),
    ("Get-RemediationModule", {}),
    ("Get-RemediationTicket", {}),
]


@pytest.mark.parametrize("cause", FAULTS)
def test_reading_changes_nothing(world: World, ask: Ask, cause: str) -> None:
    FAULTS[cause].inject(world)
    before = world.state_hash()
    for command, parameters in READS:
        ask("HV01", command, **parameters)
    assert world.state_hash() == before


WIDTH = {
    "Get-VM": 70,
    "Get-VMHost": 30,
    "Get-VMProcessor": 30,
    "Get-Cluster": 60,
    "Get-ClusterNode": 20,
    "Get-ClusterGroup": 25,
    "Get-ClusterResource": 28,
    "Get-CimInstance": 50,
}


@pytest.mark.parametrize(("command", "parameters"), [read for read in READS if read[0] in WIDTH], ids=str)
def test_objects_are_as_wide_as_windows(ask: Ask, command: str, parameters: dict[str, Any]) -> None:
    assert all(len(each) >= WIDTH[command] for each in ask("HV01", command, **parameters).all)


def test_every_command_that_may_be_sent_is_simulated_with_every_parameter() -> None:
    known = {**HYPERV, **CLUSTERING, **DIRECTORY, **WINDOWS, **ATC, **MODULE, **KEYS}
    lacking = {name: sorted(set(each.allowed) - known[name].parameters) for name, each in contracts().items() if name in known}
    assert {name: parameters for name, parameters in lacking.items() if parameters} == {}
    assert set(contracts()) - set(known) == {"Write-Output"}  # the protocol's own
