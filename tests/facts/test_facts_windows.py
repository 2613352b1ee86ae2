"""What Windows answers becomes the fact, or says why there is none: error ids decide, never words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from remediations.facts import cluster, directory, host, vm
from remediations.facts.query import Query, Unreadable
from remediations.model.fact import Fact, NotApplicable, Unknown
from remediations.model.reply import HostError, Reply
from remediations.model.site import Cluster, Site

END = {"address": "a", "username": "u", "password": {"env": "P"}}
SITE = Site.model_validate(
    {
        "domain": "contoso.com",
        "hosts": [{"name": name, "endpoint": END} for name in ("HV01", "HV02", "HV03", "HV05")],
        "clusters": [{"name": "CLUSTER1", "nodes": ["HV01", "HV02", "HV03", "HV05"]}],
        "controllers": [{"name": "DC1", "endpoint": END}],
    }
)
VM42 = {"Id": "c1d3f0aa-4b7e-4a3c-9f3e-0a1b2c3d4e5f", "Name": "VM42", "State": "Running", "Version": "9.0", "IsClustered": True}


def answered(*objects: Any) -> Reply:
    return Reply(objects=objects)


def failed(error_id: str, message: str = "Es ist ein Fehler aufgetreten.", category: str = "NotSpecified") -> Reply:
    return Reply(errors=(HostError(message=message, error_id=error_id, category=category),))


def what(query: Query[Any], *replies: Reply) -> Fact | NotApplicable | Unknown:
    found: Fact | NotApplicable | Unknown = query.parse(replies)
    return found


def fields(found: Fact | NotApplicable | Unknown) -> Mapping[str, Any]:
    assert isinstance(found, Fact), found
    return found.to_json()


def node(name: str, state: str = "Up", drain: str = "NotInitiated", weight: int = 1) -> dict[str, Any]:
    return {"Name": name, "Id": name[-1], "State": state, "DrainStatus": drain, "NodeWeight": weight}


@pytest.mark.parametrize(
    ("statuses", "activity"),
    [
        ({"OperationalStatus": ["Ok"], "SecondaryOperationalStatus": None}, []),
        ({"OperationalStatus": ["InService", "MigratingVirtualMachine"]}, ["MigratingVirtualMachine"]),
        ({"OperationalStatus": "Ok", "SecondaryOperationalStatus": "BackingUpVirtualMachine"}, ["BackingUpVirtualMachine"]),
        ({"OperationalStatus": None, "SecondaryOperationalStatus": ""}, []),
        # How a guest or its devices are lasts, and is no operation that has to end first.
        ({"OperationalStatus": ["Degraded", "ApplicationCriticalState"]}, []),
        ({"OperationalStatus": ["Ok"], "SecondaryOperationalStatus": "CommunicationTimedOut"}, []),
        ({"OperationalStatus": ["Degraded", "ExportingVirtualMachine"]}, ["ExportingVirtualMachine"]),
        ({"OperationalStatus": ["InService", "32799"]}, ["32799"]),
    ],
)
def test_what_holds_a_virtual_machine_is_its_status_by_name(statuses: dict[str, Any], activity: list[str]) -> None:
    found = fields(what(vm.virtual_machine("VM42", "HV01"), answered({**VM42, **statuses})))
    assert found["activity"] == activity
    assert (found["subject"], found["host"], found["clustered"]) == (VM42["Id"], "HV01", True)


@pytest.mark.parametrize("error_id", ["InvalidParameter", "ObjectNotFound"])
def test_a_host_without_the_virtual_machine_says_so_in_two_ways(error_id: str) -> None:
    assert isinstance(what(vm.virtual_machine("VM42", "HV01"), failed(error_id)), NotApplicable)
    assert isinstance(what(vm.virtual_processor("VM42", "HV01"), failed(error_id), failed(error_id)), NotApplicable)


@pytest.mark.parametrize("reply", [failed("AccessDenied", "Zugriff verweigert"), failed("CommandNotFoundException")])
def test_any_other_error_is_not_taken_for_absence(reply: Reply) -> None:
    with pytest.raises(Unreadable):
        what(vm.virtual_machine("VM42", "HV01"), reply)


def test_two_of_one_name_on_a_host_are_refused_because_commands_go_by_name() -> None:
    with pytest.raises(Unreadable, match="2 virtual machines called VM42"):
        what(vm.virtual_machine("VM42", "HV01"), answered(VM42, {**VM42, "Id": "0"}))


def test_the_processor_knows_its_checkpoints() -> None:
    processor = {"VMId": VM42["Id"], "VMName": "VM42", "CompatibilityForMigrationEnabled": False}
    query = vm.virtual_processor("VM42", "HV01")
    assert fields(what(query, answered(processor), answered({"Name": "clean"})))["checkpoints"] == ["clean"]
    with pytest.raises(Unreadable):
        what(query, answered(processor), failed("AccessDenied"))


@pytest.mark.parametrize(
    ("machines", "jobs", "expected"),
    [
        ([], [], (0, 0)),
        ([["Ok"], ["InService", "MigratingVirtualMachine"]], [32768], (1, 0)),
        ([], [32768, 32768], (2, 0)),
        ([["InService", "StorageMigrationPhaseTwo"]], [32769], (0, 1)),
        ([], [32771], (1, 1)),
        ([["InService", "BackingUpVirtualMachine"]], [], (0, 0)),
    ],
)
def test_what_moves_is_counted_by_status_and_by_job(
    machines: list[list[str]], jobs: list[int], expected: tuple[int, int]
) -> None:
    shown = [{**VM42, "OperationalStatus": each} for each in machines]
    found = fields(what(host.host_load("HV01"), answered(*shown), answered(*({"MigrationType": each} for each in jobs))))
    assert (found["migrating"], found["storage_migrating"]) == expected


def test_residents_are_sorted_by_what_a_drain_makes_of_them() -> None:
    shown = (
        {**VM42, "Name": "busy", "OperationalStatus": ["InService", "MergingDisks"]},
        {**VM42, "Name": "local", "IsClustered": False},
        {**VM42, "Name": "local off", "IsClustered": False, "State": "Off"},
        {**VM42, "Name": "hangs", "State": "Stopping"},
        {**VM42, "Name": "saved", "State": "Saved"},
    )
    found = fields(what(host.residents("HV01"), answered(*shown)))
    assert (found["busy"], found["unclustered"], found["stuck"]) == (["busy"], ["local"], ["hangs"])


def test_a_cluster_without_a_limit_of_its_own_is_no_error() -> None:
    query = cluster.cluster_limit("HV01")
    assert isinstance(what(query, answered({"Name": "CLUSTER1", "Id": "x"})), NotApplicable)
    assert fields(what(query, answered({"Name": "CLUSTER1", "Id": "x", "MaximumParallelMigrations": 1})))["migrations"] == 1


@pytest.mark.parametrize("error_id", ["ClusterEndpointNotRegistered", "CommandNotFoundException"])
def test_a_host_without_a_cluster_has_no_limit_of_one(error_id: str) -> None:
    assert isinstance(what(cluster.cluster_limit("HV03"), failed(error_id, category="ConnectionError")), NotApplicable)
    with pytest.raises(Unreadable):
        what(cluster.cluster_limit("HV03"), failed("Get-Cluster"))


def test_a_node_is_found_without_case_and_a_missing_one_is_named() -> None:
    query = cluster.node("CLUSTER1", "hv01", "HV02")
    assert fields(what(query, answered(node("HV02"), node("HV01", "Paused", "Failed"))))["drain"] == "Failed"
    with pytest.raises(Unreadable, match="it has HV02"):
        what(query, answered(node("HV02")))


def test_what_a_node_owns_leaves_out_core_groups_and_other_nodes() -> None:
    groups = (
        {"Name": "Cluster Group", "GroupType": "Cluster", "OwnerNode": "HV01"},
        {"Name": "VM42", "GroupType": "VirtualMachine", "OwnerNode": "HV01"},
        {"Name": "VM43", "GroupType": "VirtualMachine", "OwnerNode": "HV02"},
    )
    volumes = ({"Name": "Volume1", "OwnerNode": "hv01"}, {"Name": "Volume2", "OwnerNode": "HV02"})
    found = fields(what(cluster.node_roles("CLUSTER1", "HV01", "HV02"), answered(*groups), answered(*volumes)))
    assert (found["machines"], found["volumes"]) == (["VM42"], ["Volume1"])


def test_a_role_is_known_by_its_resource_whatever_its_group_is_called() -> None:
    resource = {"Id": "r", "OwnerGroup": "Old name", "OwnerNode": "HV02", "State": "Online"}
    query = cluster.role("VM42", "HV01")
    absent = failed("Get-ClusterGroup")
    found = fields(what(query, answered(resource), absent))
    assert (found["name"], found["owner"], found["resource"], found["moving"]) == ("Old name", "HV02", "Online", False)
    assert isinstance(what(query, answered(), absent), NotApplicable)
    with pytest.raises(Unreadable):
        what(query, failed("Get-ClusterResource"), absent)


@pytest.mark.parametrize(
    ("group", "moving"),
    [
        ({"State": "Pending", "StatusInformation": 0}, True),
        ({"State": "Online", "StatusInformation": 0x4}, True),
        ({"State": "Online", "StatusInformation": 0x400}, False),
        ({"State": "Online", "StatusInformation": "Normal"}, False),
    ],
)
def test_a_role_that_moves_or_waits_for_it_is_moving(group: dict[str, Any], moving: bool) -> None:
    resource = {"Id": "r", "OwnerGroup": "VM42", "OwnerNode": "HV02", "State": "Online"}
    assert fields(what(cluster.role("VM42", "HV01"), answered(resource), answered(group)))["moving"] is moving


def test_only_an_empty_comparison_is_more_than_words() -> None:
    query = vm.compatibility_report("VM42", "HV02", "HV01")
    assert query.commands[0].reaches_beyond("HV01")
    assert fields(what(query, answered()))["messages"] == []
    told = what(query, answered({"MessageId": 24008, "Message": "Prozessor"}))
    assert isinstance(told, vm.CompatibilityReport)
    assert (told.messages, told.lacks_switch) == (("Prozessor",), False)
    missed = what(query, answered({"MessageId": 33012, "Message": "Es wurde kein Ethernet-Switch gefunden."}))
    assert isinstance(missed, vm.CompatibilityReport)
    assert missed.lacks_switch
    assert isinstance(what(query, failed("InvalidParameter")), NotApplicable)
    with pytest.raises(Unreadable):
        what(query, failed("AccessDenied"))


@pytest.mark.parametrize(
    ("reply", "running"), [(answered(), False), (answered("RunNotInProgress"), False), (answered({"RunId": "r"}), True)]
)
def test_an_update_run_is_one_that_goes_on(reply: Reply, running: bool) -> None:
    assert fields(what(cluster.update_run("CLUSTER1", "HV01"), reply))["running"] is running


def test_storage_jobs_that_have_ended_do_not_count() -> None:
    jobs = ({"Name": "Repair", "JobState": "Running"}, {"Name": "Done", "JobState": "Completed"})
    query = cluster.storage_jobs("CLUSTER1", "HV01")
    assert fields(what(query, answered(*jobs)))["running"] == ["Repair"]
    assert isinstance(what(query, failed("CommandNotFoundException")), NotApplicable)


def test_no_event_of_a_failed_drain_is_no_error() -> None:
    query = cluster.drain_failures("CLUSTER1", "HV01", None)
    assert fields(what(query, failed("NoMatchingEventsFound")))["messages"] == []
    twice = answered({"Message": "Move of\r\n'VM44' failed"}, {"Message": "Move of 'VM44' failed"})
    assert fields(what(query, twice))["messages"] == ["Move of 'VM44' failed"]
    with pytest.raises(Unreadable):
        what(query, failed("AccessDenied"))


@pytest.mark.parametrize(
    ("first", "asked"),
    [((), ("HV01", "HV02", "HV03")), (("hv05",), ("HV05", "HV01", "HV02")), ((None, "elsewhere"), ("HV01", "HV02", "HV03"))],
)
def test_at_most_three_nodes_are_asked_the_named_ones_first(first: tuple[str, ...], asked: tuple[str, ...]) -> None:
    home = SITE.cluster("CLUSTER1")
    assert cluster.witnesses(home, *first) == asked
    assert cluster.witnesses(Cluster(name="C", nodes=("N1",))) == ("N1",)


def test_no_node_speaks_for_all_others_while_they_are_drained() -> None:
    """A command goes through whoever answered first, and counts towards the caps of that host."""
    two = Cluster(name="C", nodes=("N1", "N2"))
    assert [cluster.neighbours(two, name) for name in ("N1", "n2")] == [("N2", "N1"), ("N1", "N2")]
    three = Cluster(name="C", nodes=("N1", "N2", "N3"))
    asked = {name: cluster.neighbours(three, name) for name in three.nodes}
    assert asked == {"N1": ("N2", "N3", "N1"), "N2": ("N3", "N1", "N2"), "N3": ("N1", "N2", "N3")}
    many = Cluster(name="C", nodes=tuple(f"N{number}" for number in range(64)))
    first = {cluster.neighbours(many, name)[0] for name in many.nodes}
    assert first == set(many.nodes)
    assert all(name not in cluster.neighbours(many, name) for name in many.nodes)


def metadata(name: str, time: str) -> str:
    return (
        f"<DS_REPL_ATTR_META_DATA>\n\t<pszAttributeName>{name}</pszAttributeName>\n\t<dwVersion>3</dwVersion>\n"
        f"\t<ftimeLastOriginatingChange>{time}</ftimeLastOriginatingChange>\n\t<usnLocalChange>7</usnLocalChange>\n"
        "</DS_REPL_ATTR_META_DATA>\n\0"
    )


def test_the_newest_change_that_tickets_depend_on_counts() -> None:
    query = directory.attribute_times("HV01", "DC1", SITE)
    shown = [
        metadata("servicePrincipalName", "2026-03-02T09:00:00Z"),
        metadata("msDS-AllowedToDelegateTo", "2026-03-02T09:30:00Z"),
        metadata("userAccountControl", "2026-01-02T09:00:00Z"),
        metadata("lastLogonTimestamp", "2026-03-05T09:00:00Z"),
    ]
    found = fields(what(query, answered({"msDS-ReplAttributeMetaData": shown})))
    assert (found["latest"], found["attribute"]) == ("2026-03-02T09:30:00Z", "msDS-AllowedToDelegateTo")
    assert query.host == "DC1"
    for nothing in (None, [], [metadata("lastLogonTimestamp", "2026-03-05T09:00:00Z")]):
        with pytest.raises(Unreadable, match="no change times of HV01"):
            what(query, answered({"msDS-ReplAttributeMetaData": nothing}))


def test_an_account_is_read_with_its_delegation() -> None:
    record = {
        "ObjectGUID": "5b0c1c1e-2f3d-4b5a-8a51-0d8a4b1f2c01",
        "SamAccountName": "HV02$",
        "dNSHostName": "hv02.contoso.com",
        "servicePrincipalName": ["HOST/HV02"],
        "msDS-AllowedToDelegateTo": "cifs/HV01",
        "userAccountControl": 0x1001000,
    }
    found = fields(what(directory.computer_account("HV02", SITE), answered(record)))
    assert (found["name"], found["any_protocol"], found["delegates_to"], found["seen_from"]) == (
        "HV02",
        True,
        ["cifs/HV01"],
        "DC1",
    )


def test_holders_are_compared_without_case_and_an_error_makes_them_unknown() -> None:
    query = directory.spn_holders("HV02", ["Service/HV02"], SITE)
    found = what(
        query, answered({"Name": "HV09", "sAMAccountName": "HV09$", "servicePrincipalName": ["SERVICE/hv02", "HOST/HV09"]})
    )
    assert fields(found)["holders"] == {"service/hv02": ["HV09$"]}
    assert isinstance(what(query, failed("ActiveDirectoryServer:0")), Unknown)


PROCESSOR = {"VMId": VM42["Id"], "VMName": "VM42", "CompatibilityForMigrationEnabled": False}
RESOURCE = {"Id": "r1", "OwnerGroup": "VM42", "OwnerNode": "HV01", "State": "Online"}
GROUP = {"Name": "VM42", "GroupType": "VirtualMachine", "OwnerNode": "HV01", "State": "Online"}
SAYS_NOTHING: tuple[tuple[Query[Any], tuple[str, ...], dict[str, Any]], ...] = (
    (vm.virtual_machine("VM42", "HV01"), ("Id", "State", "Version", "IsClustered"), VM42),
    (vm.virtual_processor("VM42", "HV01"), ("VMId", "CompatibilityForMigrationEnabled"), PROCESSOR),
    (cluster.role("VM42", "HV01"), ("OwnerGroup", "OwnerNode", "State"), RESOURCE),
    (cluster.node("CLUSTER1", "HV01", "HV02"), ("State", "DrainStatus"), node("HV01")),
    (cluster.node_roles("CLUSTER1", "HV01", "HV02"), ("GroupType", "OwnerNode"), GROUP),
)


@pytest.mark.parametrize(
    ("query", "name", "record"),
    [pytest.param(query, name, record, id=name) for query, names, record in SAYS_NOTHING for name in names],
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_host_that_says_nothing_does_not_say_no(query: Query[Any], name: str, record: dict[str, Any], value: Any) -> None:
    """Else a clustered machine is started alone, one is shut down for a setting that it has, a node is taken for empty."""
    rest = [answered() for _ in query.commands[1:]]
    assert isinstance(what(query, answered(record), *rest), Fact)
    with pytest.raises(Unreadable, match=name):
        what(query, answered({**record, name: value}), *rest)
