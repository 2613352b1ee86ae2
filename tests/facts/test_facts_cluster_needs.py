"""What switches, managers, volumes, roles and leftovers look like on a host, and what of it becomes a fact."""

from __future__ import annotations

from typing import Any

import pytest

from remediations.facts.health import VolumePaths, in_roles, role_machines, vm_folder, volume_paths
from remediations.facts.leftovers import planned_machines
from remediations.facts.managers import Managers, managers
from remediations.facts.owners import possible_owners
from remediations.facts.query import Unreadable
from remediations.facts.shielding import certificates
from remediations.facts.switches import HostSwitches, host_switches
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.reply import HostError, Reply

NO_COMMAND = Reply(errors=(HostError(message="not recognized", error_id="CommandNotFoundException"),))
DENIED = Reply(errors=(HostError(message="Access denied", error_id="AccessDenied", category="PermissionDenied"),))


@pytest.mark.parametrize("shown", [None, "", []], ids=repr)
def test_an_empty_list_of_possible_owners_is_no_list_to_build_on(shown: object) -> None:
    """The whole list is set: one that was not shown would be replaced by a single node, and could not be put back."""
    resource = Reply(objects=({"Id": "1", "Name": "Virtual Machine VM42"},))
    with pytest.raises(Unreadable, match="may own Virtual Machine VM42"):
        possible_owners("Virtual Machine VM42", "HV01").parse([resource, Reply(objects=({"OwnerNodes": shown},))])


def switch(name: str, *uplinks: str, kind: str = "External", embedded: bool = False) -> dict[str, Any]:
    first = "Teamed-Interface" if embedded else (uplinks[0] if uplinks else None)
    return {
        "Name": name,
        "SwitchType": kind,
        "EmbeddedTeamingEnabled": embedded,
        "NetAdapterInterfaceDescription": first,
        "NetAdapterInterfaceDescriptions": list(uplinks),
    }


def adapters(**status: str) -> Reply:
    return Reply(objects=tuple({"InterfaceDescription": name, "Status": each} for name, each in status.items()))


def read(switches: list[dict[str, Any]], found: Reply) -> HostSwitches:
    fact = host_switches("HV01").parse([Reply(objects=tuple(switches)), found])
    assert isinstance(fact, HostSwitches)
    return fact


@pytest.mark.parametrize(
    ("record", "teaming"),
    [
        (switch("A", "X710", embedded=True), "SET"),
        (switch("A", "Microsoft Network Adapter Multiplexor Driver #2"), "LBFO"),
        (switch("A", "X710"), "none"),
        (switch("A", kind="Private"), "none"),
    ],
)
def test_teaming_is_told_by_the_switch(record: dict[str, Any], teaming: str) -> None:
    (found,) = read([record], adapters(X710="Up")).switches
    assert found.teaming == teaming


def test_a_switch_is_disconnected_when_none_of_its_adapters_has_a_link() -> None:
    fact = read([switch("A", "one", "two", embedded=True), switch("B", "three")], adapters(one="Up", two="Disconnected"))
    both = {each.name: fact.disconnected(each) for each in fact.switches}
    assert both == {"A": False, "B": True}


def test_names_that_two_switches_have_are_told_in_any_case() -> None:
    fact = read([switch("Compute", "one"), switch("compute", "two"), switch("Other", "three")], adapters(one="Up"))
    assert fact.doubled == {"Compute", "compute"}


@pytest.mark.parametrize(
    ("agent", "intents", "owner"),
    [
        ((), NO_COMMAND, ""),
        (({"State": "Stopped"},), NO_COMMAND, ""),
        (({"State": "Running"},), Reply(), "System Center Virtual Machine Manager"),
        ((), Reply(objects=({"IntentName": "converged"},)), "Network ATC (intent converged)"),
    ],
)
def test_who_else_manages_a_host(agent: tuple[dict[str, str], ...], intents: Reply, owner: str) -> None:
    fact = managers("HV01").parse([Reply(objects=agent), intents])
    assert isinstance(fact, Managers)
    assert fact.owner == owner


def test_a_manager_that_could_not_be_asked_is_not_none() -> None:
    with pytest.raises(Unreadable, match="Access denied"):
        managers("HV01").parse([Reply(), DENIED])


def test_a_redirected_volume_is_reached_and_a_paused_one_is_not() -> None:
    states = {"HV01": "Direct", "HV02": "FileSystemRedirected", "HV03": "Paused"}
    records = tuple({"VolumeFriendlyName": "Volume1", "Node": node, "StateInfo": state} for node, state in states.items())
    fact = volume_paths("CLUSTER1", "HV01").parse([Reply(objects=records)])
    assert isinstance(fact, VolumePaths)
    assert {node: fact.reaches(node, "volume1") for node in states} == {"HV01": True, "HV02": True, "HV03": False}


def test_a_virtual_machine_without_a_role_is_no_fault() -> None:
    other = {"Name": "Virtual Machine VM43", "ResourceType": "Virtual Machine", "OwnerGroup": "VM43"}
    assert isinstance(role_machines("VM42", "HV01").parse([Reply(objects=(other,))]), NotApplicable)


def test_what_a_role_holds_is_told_by_its_resources() -> None:
    """The cluster's names, those of System Center Virtual Machine Manager, and a resource that somebody renamed."""
    told = [
        ("Virtual Machine VM42", "Virtual Machine", "VM42"),
        ("Virtual Machine Configuration VM42", "Virtual Machine Configuration", "VM42"),
        ("SCVMM VM43", "Virtual Machine", "SCVMM VM43 Resources"),
        ("SCVMM VM43 Configuration", "Virtual Machine Configuration", "SCVMM VM43 Resources"),
        ("Virtual Machine SCVMM 1", "Virtual Machine", "web"),
        ("shop", "Virtual Machine", "Web"),
        ("Cluster Name", "Network Name", "Cluster Group"),
    ]
    records = tuple({"Name": name, "ResourceType": kind, "OwnerGroup": group} for name, kind, group in told)
    fact = in_roles("CLUSTER1", "HV01").parse([Reply(objects=records)])
    assert not isinstance(fact, (Unknown, NotApplicable))
    assert {role: fact.of(role) for role in ("vm42", "SCVMM VM43 Resources", "WEB", "Cluster Group")} == {
        "vm42": ("VM42",),
        "SCVMM VM43 Resources": ("VM43",),
        "WEB": ("SCVMM 1", "shop"),
        "Cluster Group": (),
    }
    with pytest.raises(Unreadable):
        in_roles("CLUSTER1", "HV01").parse([DENIED])


def test_planned_machines_are_compared_without_case() -> None:
    fact = planned_machines("HV02").parse([Reply(objects=({"Name": "C1D3F0AA-4B7E-4A3C-9F3E-0A1B2C3D4E5F"},))])
    assert not isinstance(fact, (Unknown, NotApplicable))
    assert fact.ids == {"c1d3f0aa-4b7e-4a3c-9f3e-0a1b2c3d4e5f"}


def test_certificates_without_their_key_open_nothing_and_without_the_module_nothing_is_known() -> None:
    records = (
        {"Thumbprint": "aa11", "HasPrivateKey": True, "Exportable": True},
        {"Thumbprint": "bb22", "HasPrivateKey": False, "Exportable": False},
        {"Thumbprint": "cc33", "HasPrivateKey": True, "Exportable": False},
    )
    fact = certificates("HV01").parse([Reply(objects=records)])
    assert not isinstance(fact, (Unknown, NotApplicable))
    assert (fact.thumbprints, fact.exportable, fact.keyless) == ({"AA11", "CC33"}, {"AA11"}, {"BB22"})
    assert isinstance(certificates("HV01").parse([NO_COMMAND]), Unknown)


def test_a_host_that_does_not_say_where_a_machine_lies_is_not_one_without_it() -> None:
    """What does not apply counts as settled, so that an error must not pass for it."""
    unknown = Reply(errors=(HostError(message="unable to find", error_id="InvalidParameter", category="InvalidArgument"),))
    assert isinstance(vm_folder("VM42", "HV01").parse([unknown]), NotApplicable)
    for reply in (DENIED, NO_COMMAND):
        with pytest.raises(Unreadable):
            vm_folder("VM42", "HV01").parse([reply])
