"""Windows' firewall as its cmdlets show it: profiles that apply, rules that count, whose rules they are."""

from __future__ import annotations

from typing import Any

import pytest

from remediations.facts.firewall import BlockRules, Firewall, Rdma, Rule, block_rules, firewall, rdma
from remediations.facts.query import Unreadable
from remediations.model.reply import HostError, Reply

MIGRATIONS = "VIRT-MIGL-In-TCP-NoScope"
RULE = {
    "Name": MIGRATIONS,
    "InstanceID": MIGRATIONS,
    "DisplayName": "Hyper-V (MIG-TCP eingehend)",
    "DisplayGroup": "Hyper-V",
    "RuleGroup": "@%systemroot%\\system32\\vmms.exe,-210",
    "Enabled": "True",
    "Profile": "Any",
    "Direction": "Inbound",
    "Action": "Allow",
    "PolicyStoreSource": "PersistentStore",
    "PolicyStoreSourceType": "Local",
}
POLICY = {"PolicyStoreSource": "contoso.com\\Hyper-V hosts", "PolicyStoreSourceType": "GroupPolicy"}
DOMAIN = {
    "Name": "Domain",
    "Enabled": "True",
    "DefaultInboundAction": "Block",
    "DefaultOutboundAction": "Allow",
    "AllowInboundRules": "True",
    "AllowLocalFirewallRules": "NotConfigured",
}
PUBLIC = {**DOMAIN, "Name": "Public", "DefaultInboundAction": "Allow"}
IN_DOMAIN = {"Name": "contoso.com", "InterfaceAlias": "Management", "NetworkCategory": "DomainAuthenticated"}


def answered(*objects: Any) -> Reply:
    return Reply(objects=objects)


def failed(error_id: str, *objects: Any) -> Reply:
    return Reply(objects=objects, errors=(HostError(message="Es wurden keine Objekte gefunden.", error_id=error_id),))


NO_ADAPTER = failed("CmdletizationQuery_NotFound_RegistryKeyword")
NO_RULE = failed("CmdletizationQuery_NotFound_InstanceID")


def read(
    active: Reply | None = None,
    local: Reply | None = None,
    profiles: tuple[Any, ...] = (DOMAIN, PUBLIC),
    connected: Reply | None = None,
) -> Firewall:
    replies = [connected or answered(IN_DOMAIN), answered(*profiles), active or answered(RULE), local or answered(RULE)]
    found = firewall("HV04", (MIGRATIONS,)).parse(replies)
    assert isinstance(found, Firewall)
    return found


def test_what_counts_and_what_is_local_are_asked_for() -> None:
    assert [each.text for each in firewall("HV04", (MIGRATIONS,)).commands][1:] == [
        "Get-NetFirewallProfile -PolicyStore ActiveStore",
        f"Get-NetFirewallRule -Name {MIGRATIONS} -PolicyStore ActiveStore",
        f"Get-NetFirewallRule -Name {MIGRATIONS}",
    ]


@pytest.mark.parametrize(
    ("rule", "allowing"),
    [({}, {MIGRATIONS}), ({"Enabled": "False"}, set()), ({"Action": "Block"}, set())],
)
def test_a_rule_lets_in_if_it_is_enabled_and_allows(rule: dict[str, str], allowing: set[str]) -> None:
    assert read(active=answered({**RULE, **rule})).allowing == allowing


def test_a_rule_that_does_not_exist_is_an_answer_and_any_other_error_is_none() -> None:
    found = read(active=NO_RULE, local=failed("CmdletizationQuery_NotFound_InstanceID", {**RULE, "Enabled": "False"}))
    assert (found.allowing, found.local) == (set(), {MIGRATIONS})
    with pytest.raises(Unreadable):
        read(active=failed("HRESULT 0x80070005"))


def test_rules_of_a_policy_name_it_and_local_ones_name_nobody() -> None:
    assert read().owners == {}
    assert read(active=answered({**RULE, **POLICY}), local=NO_RULE).owners == {MIGRATIONS: "contoso.com\\Hyper-V hosts"}


@pytest.mark.parametrize(
    ("profile", "on", "rest", "local_count"),
    [
        ({}, True, False, True),
        ({"Enabled": "False"}, False, True, True),
        ({"DefaultInboundAction": "Allow"}, True, True, True),
        ({"DefaultInboundAction": "NotConfigured"}, True, False, True),
        ({"AllowLocalFirewallRules": "False"}, True, False, False),
        ({"AllowLocalFirewallRules": "True"}, True, False, True),
    ],
)
def test_the_profile_that_applies_decides(profile: dict[str, str], on: bool, rest: bool, local_count: bool) -> None:
    found = read(profiles=({**DOMAIN, **profile}, PUBLIC))
    assert (found.on, found.lets_in_the_rest, found.local_rules_count) == (on, rest, local_count)


def test_profiles_follow_the_networks_that_are_connected() -> None:
    outside = {**IN_DOMAIN, "NetworkCategory": "Public", "InterfaceAlias": "Migration"}
    assert read(connected=answered(outside)).lets_in_the_rest
    assert not read(connected=answered(IN_DOMAIN, outside)).lets_in_the_rest
    assert not read(connected=failed("CmdletizationQuery_NotFound")).lets_in_the_rest
    assert (
        read(connected=answered(outside), profiles=({**DOMAIN, "Enabled": "True"}, {**PUBLIC, "Enabled": "False"})).on is False
    )
    with pytest.raises(Unreadable, match="no firewall profile"):
        read(profiles=(PUBLIC,))


def ports(name: str, **about: Any) -> dict[str, Any]:
    return {"InstanceID": name, "Protocol": "TCP", "LocalPort": "Any", "RemotePort": "Any", "IcmpType": "Any", **about}


def blocking(rule: dict[str, Any], *filters: dict[str, Any]) -> list[Rule]:
    found = block_rules("HV04").parse([answered({**RULE, "Action": "Block", **rule}), answered(*filters)])
    assert isinstance(found, BlockRules)
    return sorted(found.rules, key=lambda each: each.name)


def test_a_block_rule_is_known_by_direction_ports_and_owner() -> None:
    made = {"Name": "{3F2C7A11}", "DisplayName": "Hardening"}
    about = ports("{3F2C7A11}", LocalPort=["135", "6600"], RemotePort="445")
    (inbound,) = blocking(made, ports("another", LocalPort="80"), about)
    expected = Rule(name="{3F2C7A11}", display="Hardening", owner="", inbound=True, ports=("135", "6600"))
    assert inbound == expected
    (outbound,) = blocking({**made, **POLICY, "Direction": "Outbound"}, about)
    assert (outbound.inbound, outbound.ports, outbound.owner) == (False, ("445",), "contoso.com\\Hyper-V hosts")


def test_a_block_rule_for_another_protocol_is_left_out_and_none_is_an_answer() -> None:
    assert blocking({"Name": "{UDP}"}, ports("{3F2C7A11}")) == []
    found = block_rules("HV04").parse([failed("CmdletizationQuery_NotFound"), answered()])
    assert isinstance(found, BlockRules)
    assert found.rules == frozenset()


@pytest.mark.parametrize(
    ("told", "covers"),
    [
        ("Any", True),
        ("6600", True),
        (["80", "6600"], True),
        ("6000-7000", True),
        ("6600-6600", True),
        ("6601-7000", False),
        ("66", False),
        ("RPC", False),
        ("RPCEPMap", False),
        ([], False),
    ],
)
def test_ports_are_numbers_ranges_any_or_words(told: Any, covers: bool) -> None:
    (rule,) = blocking({}, ports(MIGRATIONS, LocalPort=told))
    assert rule.covers(6600) is covers


def test_what_rdma_is_made_of_is_a_number_in_the_registry() -> None:
    adapters = [
        {"Name": "Migration", "RegistryKeyword": "*NetworkDirectTechnology", "RegistryValue": ["1"]},
        {"Name": "Storage", "RegistryKeyword": "*NetworkDirectTechnology", "RegistryValue": ["4"]},
    ]
    assert rdma("HV04").parse([answered(*adapters)]) == Rdma(subject="HV04", iwarp=frozenset({"Migration"}))
    assert rdma("HV04").parse([NO_ADAPTER]) == Rdma(subject="HV04", iwarp=frozenset())


def test_a_rule_forbids_its_own_protocol_only() -> None:
    udp = Rule(name="x", display="x", owner="", inbound=True, ports=("3343",), protocol="UDP")
    assert (udp.covers(3343, "UDP"), udp.covers(3343)) == (True, False)
