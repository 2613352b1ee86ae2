"""Active Directory as its cmdlets show and change it: uniqueness, letters, rights, replication, search."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from world_probe import Ask

from remediations.lab.world.directory import MIGRATION_SERVICE, SPN
from remediations.lab.world.world import World

DC1, DC2 = "dc1.contoso.com", "dc2.contoso.com"
HV04 = f"{MIGRATION_SERVICE}/HV04"


def spns(ask: Ask, host: str, server: str = DC1, on: str = "DC1") -> list[str]:
    found = ask(on, "Get-ADComputer", Identity=host, Properties=["servicePrincipalName"], Server=server)
    return list(found.only["servicePrincipalName"])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"Add": HV04}, "ActiveDirectoryServer:8647"),
        ({"Add": HV04.upper()}, "ActiveDirectoryServer:8647"),
        ({"Add": f"{MIGRATION_SERVICE}/HV03"}, "ActiveDirectoryServer:8323"),
        ({"Add": f"{MIGRATION_SERVICE}/hv03"}, "ActiveDirectoryServer:8323"),
        ({"Add": ["cifs/new"]}, "ActiveDirectoryCmdlet:System.ArgumentException"),
        ({"Add": "noslash"}, "ActiveDirectoryServer:8239"),
        ({"Remove": "cifs/never"}, "ActiveDirectoryServer:8310"),
        ({"Remove": f"{MIGRATION_SERVICE}/HV03", "Add": HV04}, "ActiveDirectoryServer:8647"),
        ({"Replace": HV04}, "ActiveDirectoryCmdlet:System.ArgumentException"),
    ],
    ids=str,
)
def test_refused_writes_change_nothing(world: World, ask: Ask, change: dict[str, Any], error: str) -> None:
    before = world.state_hash()
    assert ask("DC1", "Set-ADComputer", Identity="HV03", ServicePrincipalNames=change, Server=DC1).ids == [error]
    assert world.state_hash() == before


def test_an_spn_is_added_and_removed_without_regard_to_letters(world: World, ask: Ask) -> None:
    before = world.state_hash()
    assert not ask("DC1", "Set-ADComputer", Identity="HV03", ServicePrincipalNames={"Add": "HTTP/Hv03"}, Server=DC1).errors
    assert "HTTP/Hv03" in spns(ask, "HV03")
    assert not ask("DC1", "Set-ADComputer", Identity="hv03$", ServicePrincipalNames={"remove": "http/HV03"}, Server=DC1).errors
    assert world.state_hash() == before


@pytest.mark.parametrize(
    ("server", "principal", "error"),
    [
        (DC1, "CONTOSO\\somebody", "ActiveDirectoryServer:8344"),
        (f"{DC1}:3268", "CONTOSO\\svc-remediate", "ActiveDirectoryServer:8344"),
        ("dc9.contoso.com", "CONTOSO\\svc-remediate", "ActiveDirectoryServer:0"),
        (DC2, "CONTOSO\\svc-remediate", "ActiveDirectoryCmdlet:System.Security.Authentication.AuthenticationException"),
    ],
    ids=["no right", "global catalog", "no such server", "second hop"],
)
def test_who_may_write_where(world: World, ask: Ask, server: str, principal: str, error: str) -> None:
    before = world.state_hash()
    change = {"Identity": "HV03", "ServicePrincipalNames": {"Add": "HTTP/HV03"}, "Server": server}
    assert ask("DC1", "Set-ADComputer", principal=principal, **change).ids == [error]
    assert world.state_hash() == before


def test_a_second_hop_reaches_the_other_controller(world: World, ask: Ask) -> None:
    world.second_hops["DC1"] = "gmsa"
    assert spns(ask, "HV03", DC2) == spns(ask, "HV03", DC1)


IDENTITIES: dict[str, Callable[[World], str]] = {
    "name": lambda world: "HV03",
    "lower-case name": lambda world: "hv03",
    "with dollar": lambda world: "HV03$",
    "guid": lambda world: str(world.directory.computer("HV03").guid).upper(),
    "distinguished name": lambda world: world.directory.computer("HV03").dn.lower(),
    "sid": lambda world: world.directory.computer("HV03").sid,
}


@pytest.mark.parametrize("form", IDENTITIES)
def test_a_computer_is_found_by(world: World, ask: Ask, form: str) -> None:
    found = ask("DC1", "Get-ADComputer", Identity=IDENTITIES[form](world), Server=DC1).only
    assert (found["Name"], found["SamAccountName"], found["DNSHostName"]) == ("HV03", "HV03$", "hv03.contoso.com")


def test_a_computer_that_is_not_there_is_an_error(ask: Ask) -> None:
    (error,) = ask("DC1", "Get-ADComputer", Identity="HV99", Server=DC1).errors
    assert error.category == "ObjectNotFound"
    assert error.error_id.endswith("ADIdentityNotFoundException")
    assert error.message == "Cannot find an object with identity: 'HV99' under: 'DC=contoso,DC=com'."


def test_properties_come_only_when_asked_for(ask: Ask) -> None:
    assert "servicePrincipalName" not in ask("DC1", "Get-ADComputer", Identity="HV03", Server=DC1).only
    wide = ask("DC1", "Get-ADComputer", Identity="HV03", Properties=["dNSHostName", "userAccountControl"], Server=DC1).only
    assert "dNSHostName" not in wide  # DNSHostName is there already
    assert wide["userAccountControl"] == 0x1001000


def test_a_write_reaches_the_other_controller_after_the_lag(world: World, ask: Ask) -> None:
    world.directory.lag = 30
    wrote = world.clock.now()
    ask("DC1", "Set-ADComputer", Identity="HV03", ServicePrincipalNames={"Add": "HTTP/HV03"}, Server=DC1)
    assert "HTTP/HV03" not in spns(ask, "HV03", DC2, "DC2")
    world.clock.advance(29)
    assert "HTTP/HV03" not in spns(ask, "HV03", DC2, "DC2")
    world.clock.advance(2)
    assert "HTTP/HV03" in spns(ask, "HV03", DC2, "DC2")
    for on, server in (("DC1", DC1), ("DC2", DC2)):
        (shown,) = ask(
            on,
            "Get-ADReplicationAttributeMetadata",
            Object=world.directory.computer("HV03").dn,
            Properties=[SPN],
            Server=server,
        ).all
        assert (shown["Version"], shown["LastOriginatingChangeTime"]) == (2, wrote)
        assert "CN=DC1," in shown["LastOriginatingChangeDirectoryServerIdentity"]


def test_held_replication_waits_until_it_is_let_go(world: World, ask: Ask) -> None:
    world.directory.lag = None
    ask("DC1", "Set-ADComputer", Identity="HV03", ServicePrincipalNames={"Add": "HTTP/HV03"}, Server=DC1)
    world.clock.advance(timedelta(days=1))
    assert "HTTP/HV03" not in spns(ask, "HV03", DC2, "DC2")
    world.directory.lag = 0
    assert "HTTP/HV03" in spns(ask, "HV03", DC2, "DC2")


def test_the_last_writer_wins_on_every_controller(world: World) -> None:
    world.directory.lag = 10
    guid = world.directory.computer("HV03").guid
    world.directory.write("DC1", guid, SPN, ("first/HV03",))
    world.clock.advance(1)
    world.directory.write("DC2", guid, SPN, ("second/HV03",))
    world.clock.advance(60)
    world.settle()
    assert {each.value(guid, SPN) for each in world.directory.controllers.values()} == {("second/HV03",)}


def test_metadata_is_not_shown_for_a_name(ask: Ask) -> None:
    (error,) = ask("DC1", "Get-ADReplicationAttributeMetadata", Object="HV03", Server=DC1).errors
    assert error.category == "ObjectNotFound"


def test_metadata_as_the_constructed_attribute(world: World, ask: Ask) -> None:
    world.clock.advance(100)
    ask("DC1", "Set-ADComputer", Identity="HV03", ServicePrincipalNames={"Add": "HTTP/HV03"}, Server=DC1)
    found = ask("DC1", "Get-ADComputer", Identity="HV03", Properties=["msDS-ReplAttributeMetaData"], Server=DC1).only
    (fragment,) = [each for each in found["msDS-ReplAttributeMetaData"] if f"<pszAttributeName>{SPN}<" in each]
    stated = re.search(r"<ftimeLastOriginatingChange>(.*)</ftimeLastOriginatingChange>", fragment)
    assert stated is not None
    assert datetime.fromisoformat(stated[1]) == world.clock.now()
    assert "<dwVersion>2</dwVersion>" in fragment


@pytest.mark.parametrize(
    ("filter_text", "names"),
    [
        (f"(|(servicePrincipalName={HV04})(servicePrincipalName=none/x))", ["HV04"]),
        (f"(servicePrincipalName={HV04.lower()})", ["HV04"]),
        ("(&(objectClass=computer)(sAMAccountName=HV*)(!(sAMAccountName=HV04$)))", ["HV01", "HV02", "HV03"]),
        ("(servicePrincipalName=none/\\2a)", []),
        ("(msDS-AllowedToDelegateTo=*)", ["HV01", "HV02", "HV03", "HV04"]),
    ],
)
def test_searches(ask: Ask, filter_text: str, names: list[str]) -> None:
    found = ask("DC1", "Get-ADObject", LDAPFilter=filter_text, Properties=["sAMAccountName"], Server=f"{DC1}:3268")
    assert not found.errors
    assert [each["Name"] for each in found.all] == names
    assert all(each["sAMAccountName"] == f"{each['Name']}$" for each in found.all)


@pytest.mark.parametrize("filter_text", ["servicePrincipalName=x", "(a=b", "(&)", "(a=b)(c=d)", "(!(a=b)(c=d))"])
def test_malformed_searches_are_refused(ask: Ask, filter_text: str) -> None:
    assert ask("DC1", "Get-ADObject", LDAPFilter=filter_text, Server=DC1).ids == ["ActiveDirectoryServer:8254"]


def test_controllers(ask: Ask) -> None:
    assert [each["HostName"] for each in ask("DC1", "Get-ADDomainController", Filter="*").all] == [
        "DC1.contoso.com",
        "DC2.contoso.com",
    ]
    assert [each["Name"] for each in ask("DC2", "Get-ADDomainController").all] == ["DC2"]


TO_HV02 = f"{MIGRATION_SERVICE}/HV02"


def test_delegation_is_added_taken_back_and_set_to_any_protocol(world: World, ask: Ask) -> None:
    before = world.state_hash()
    add = {"Identity": "HV03", "Add": {"msDS-AllowedToDelegateTo": TO_HV02}, "Server": DC1}
    assert not ask("DC1", "Set-ADComputer", **add).errors
    assert ask("DC1", "Set-ADComputer", **add).ids == ["ActiveDirectoryServer:8323"]
    shown = ask("DC1", "Get-ADComputer", Identity="HV03", Properties=["msDS-AllowedToDelegateTo"], Server=DC1).only
    assert TO_HV02 in shown["msDS-AllowedToDelegateTo"]
    listed = {**add, "Add": {"msDS-AllowedToDelegateTo": ["cifs/HV02"]}}
    assert ask("DC1", "Set-ADComputer", **listed).ids == ["ActiveDirectoryCmdlet:System.ArgumentException"]
    ask("DC1", "Set-ADComputer", Identity="HV03", Remove={"msds-allowedtodelegateto": TO_HV02}, Server=DC1)
    assert world.state_hash() == before
    for wanted in (False, True):
        ask("DC1", "Set-ADAccountControl", Identity="HV03$", TrustedToAuthForDelegation=wanted, Server=DC1)
        shown = ask("DC1", "Get-ADComputer", Identity="HV03", Properties=["TrustedToAuthForDelegation"], Server=DC1).only
        assert shown["TrustedToAuthForDelegation"] is wanted
    assert world.state_hash() == before


def test_users(ask: Ask) -> None:
    asked = ["AccountNotDelegated", "memberOf"]
    smith = ask("DC1", "Get-ADUser", Identity="adm-smith", Properties=asked, Server=DC1).only
    jones = ask("DC1", "Get-ADUser", Identity="adm-jones", Properties=asked, Server=DC1).only
    assert (smith["AccountNotDelegated"], smith["memberOf"]) == (True, [])
    assert (jones["AccountNotDelegated"], jones["memberOf"]) == (False, ["CN=Protected Users,CN=Users,DC=contoso,DC=com"])
    assert ask("DC1", "Get-ADComputer", Identity="adm-smith", Server=DC1).errors
    assert ask("DC1", "Get-ADUser", Identity="HV03$", Server=DC1).errors


def test_a_parameter_that_is_not_simulated_is_refused(world: World, ask: Ask) -> None:
    before = world.state_hash()
    assert ask("HV01", "Stop-VM", Name="VM42", TurnOff=True).ids == ["LabUnsupported"]
    assert ask("DC1", "Set-ADComputer", Identity="HV03", Enabled=False, Server=DC1).ids == ["LabUnsupported"]
    assert world.state_hash() == before
