"""Migration networks, adapters and cluster networks as Windows' cmdlets show them."""

from __future__ import annotations

from typing import Any

import pytest

from remediations.facts.network import (
    ClusterNetwork,
    ClusterNetworks,
    Interfaces,
    MigrationNetworks,
    MigrationSettings,
    Reach,
    cluster_networks,
    interfaces,
    joins,
    migration_networks,
    migration_settings,
    reach,
)
from remediations.facts.query import Unreadable
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply

HOST = {
    "ComputerName": "HV04",
    "VirtualMachineMigrationEnabled": True,
    "UseAnyNetworkForMigration": False,
    "VirtualMachineMigrationAuthenticationType": "Kerberos",
    "VirtualMachineMigrationPerformanceOption": "SMB",
    "MaximumVirtualMachineMigrations": 2,
}


def answered(*objects: Any) -> Reply:
    return Reply(objects=objects)


def failed(error_id: str) -> Reply:
    return Reply(errors=(HostError(message="Es ist ein Fehler aufgetreten.", error_id=error_id),))


def test_how_a_host_takes_part_in_migrations() -> None:
    found = migration_settings("HV04").parse([answered(HOST)])
    assert found == MigrationSettings(subject="HV04", enabled=True, any_network=False, performance="SMB")
    with pytest.raises(Unreadable):
        migration_settings("HV04").parse([failed("AccessDenied")])


@pytest.mark.parametrize(
    ("told", "subnets"),
    [
        ([], set()),
        (["10.0.20.0/24"], {"10.0.20.0/24"}),
        (["10.0.20.4/24", "10.0.30.9/32"], {"10.0.20.0/24", "10.0.30.9/32"}),
        (["fd00:20::/64"], {"fd00:20::/64"}),
    ],
)
def test_migration_networks_are_networks_even_if_an_address_was_given(told: list[str], subnets: set[str]) -> None:
    found = migration_networks("HV04").parse([answered(*({"Subnet": each, "Priority": 0} for each in told))])
    assert isinstance(found, MigrationNetworks)
    assert found.subnets == subnets


def adapter(name: str, status: str = "Up", **more: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "InterfaceDescription": "Mellanox ConnectX-5",
        "Status": status,
        "MtuSize": 1500,
        "ifIndex": 7,
        **more,
    }


def address(alias: str, ip: str, prefix: int, origin: str = "Manual") -> dict[str, Any]:
    return {
        "InterfaceAlias": alias,
        "IPAddress": ip,
        "PrefixLength": prefix,
        "PrefixOrigin": origin,
        "AddressState": "Preferred",
    }


def adapters(adapters: list[dict[str, Any]], addresses: list[dict[str, Any]]) -> Interfaces:
    found = interfaces("HV04").parse([answered(*adapters), answered(*addresses)])
    assert isinstance(found, Interfaces)
    return found


def test_adapters_have_their_addresses_without_loopback_and_link_local_ones() -> None:
    found = adapters(
        [
            adapter("vEthernet (Management)"),
            adapter("Migration", MtuSize=9014),
            adapter("Ethernet 3", "Not Present", MtuSize=None),
        ],
        [
            address("vEthernet (Management)", "10.0.10.4", 24, "Dhcp"),
            address("vEthernet (Management)", "fe80::1c2d:3e4f:5a6b:7c8d%7", 64, "WellKnown"),
            address("Migration", "10.0.20.4", 24),
            address("Migration", "fd00:20::4", 64, "RouterAdvertisement"),
            address("Migration", "169.254.17.3", 16, "WellKnown"),
            address("Loopback Pseudo-Interface 1", "127.0.0.1", 8, "WellKnown"),
            address("Loopback Pseudo-Interface 1", "::1", 128, "WellKnown"),
        ],
    )
    assert [(each.name, each.up, each.mtu, sorted(each.addresses)) for each in found.ordered()] == [
        ("Ethernet 3", False, 0, []),
        ("Migration", True, 9014, ["10.0.20.4/24", "fd00:20::4/64"]),
        ("vEthernet (Management)", True, 1500, ["10.0.10.4/24"]),
    ]
    assert found.ips == {"10.0.10.4", "10.0.20.4", "fd00:20::4"}
    assert found.subnets == {"10.0.10.0/24", "10.0.20.0/24", "fd00:20::/64"}
    assert (found.has("10.0.20.0/24"), found.has("10.0.0.0/16"), found.has("10.0.99.0/24")) == (True, True, False)


@pytest.mark.parametrize("status", ["Disconnected", "Disabled", "Not Present", "Lower Layer Down", "Dormant"])
def test_only_an_adapter_that_is_up_is_up(status: str) -> None:
    (found,) = adapters([adapter("Migration", status)], [address("Migration", "10.0.20.4", 24)]).adapters
    assert (found.up, found.within("10.0.20.0/24")) == (False, True)


def test_half_a_list_of_addresses_is_not_taken_for_all() -> None:
    with pytest.raises(Unreadable):
        interfaces("HV04").parse([answered(adapter("Migration")), failed("HRESULT 0x80041003")])


@pytest.mark.parametrize(
    ("record", "connected", "tried"),
    [
        ({"TcpTestSucceeded": True, "RemoteAddress": "10.0.10.4", "NameResolutionSucceeded": True}, True, "10.0.10.4"),
        ({"TcpTestSucceeded": False, "RemoteAddress": "10.0.10.4", "PingSucceeded": True}, False, "10.0.10.4"),
        ({"TcpTestSucceeded": False, "RemoteAddress": None, "NameResolutionSucceeded": False}, False, ""),
    ],
)
def test_a_connection_succeeds_or_not_and_names_what_was_tried(record: dict[str, Any], connected: bool, tried: str) -> None:
    found = reach("HV03", "hv04.contoso.com", 6600).parse([answered({"ComputerName": "hv04.contoso.com", **record})])
    assert found == Reach(subject="HV03>hv04.contoso.com:6600", connected=connected, address=tried)


FIRST = {
    "Name": "Cluster Network 1",
    "Address": "10.0.10.0",
    "AddressMask": "255.255.255.0",
    "Role": "ClusterAndClient",
    "State": "Up",
    "Id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
}
SECOND = {
    **FIRST,
    "Name": "Migration",
    "Address": "10.0.20.0",
    "Role": "Cluster",
    "Id": "11111111-2222-3333-4444-555555555555",
}
ENDS = tuple(
    {"Name": f"{node} - {network}", "Network": network, "Node": node, "State": state}
    for network, node, state in (
        ("Cluster Network 1", "HV01", "Up"),
        ("Cluster Network 1", "HV02", "Up"),
        ("migration", "HV01", "Up"),
        ("migration", "HV02", "Unreachable"),
    )
)


def networks(excluded: Reply, *records: dict[str, Any]) -> dict[str, ClusterNetwork]:
    found = cluster_networks("CLUSTER1", "HV01").parse([answered(*(records or (FIRST, SECOND))), answered(*ENDS), excluded])
    assert isinstance(found, ClusterNetworks)
    return {each.name: each for each in found.networks}


def test_a_cluster_network_joins_the_nodes_whose_interface_is_up() -> None:
    found = networks(answered({"Exclude": "", "Order": ""}))
    assert found["Cluster Network 1"] == ClusterNetwork(
        name="Cluster Network 1", subnet="10.0.10.0/255.255.255.0", used=True, up_at=frozenset({"HV01", "HV02"}), excluded=False
    )
    assert joins(found["Cluster Network 1"], "hv01.contoso.com", "HV02")
    assert found["Migration"].up_at == {"HV01"}
    assert not joins(found["Migration"], "HV01", "HV02")


@pytest.mark.parametrize(
    ("exclude", "excluded"),
    [
        ("", []),
        (None, []),
        (SECOND["Id"], ["Migration"]),
        (f"{{{str(SECOND['Id']).upper()}}}", ["Migration"]),
        (f"{FIRST['Id']};{SECOND['Id']}", ["Cluster Network 1", "Migration"]),
        ("99999999-2222-3333-4444-555555555555", []),
    ],
)
def test_networks_are_kept_off_migrations_by_id(exclude: str | None, excluded: list[str]) -> None:
    found = networks(answered({"Exclude": exclude, "Order": ""}))
    assert sorted(name for name, each in found.items() if each.excluded) == excluded


def test_without_the_module_it_is_not_known_what_is_excluded() -> None:
    assert {each.excluded for each in networks(failed("CommandNotFoundException")).values()} == {None}
    with pytest.raises(Unreadable):
        networks(failed("ClusterCmdletException"))


@pytest.mark.parametrize(("role", "used"), [("None", False), ("0", False), (0, False), ("Cluster", True), (3, True)])
def test_a_network_without_a_role_is_not_used(role: Any, used: bool) -> None:
    assert networks(answered({"Exclude": ""}), {**FIRST, "Role": role})["Cluster Network 1"].used is used


def test_a_network_of_ipv6_alone_has_no_ipv4_subnet() -> None:
    (found,) = networks(answered({"Exclude": ""}), {**FIRST, "Address": "", "AddressMask": "", "Id": None}).values()
    assert (found.subnet, found.excluded) == ("", False)


@pytest.mark.parametrize("error_id", ["ClusterEndpointNotRegistered", "CommandNotFoundException"])
def test_a_host_without_a_cluster_has_no_cluster_networks(error_id: str) -> None:
    replies = [failed(error_id), failed(error_id), failed("CommandNotFoundException")]
    assert isinstance(cluster_networks("CLUSTER1", "HV01").parse(replies), NotApplicable)
