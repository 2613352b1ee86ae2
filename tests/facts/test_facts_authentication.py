"""Delegation, movers, authentication types and Credential Guard, as domain controllers and hosts answer."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from remediations.facts.authentication import CredentialGuard, HostAuthentication, credential_guard, host_authentication
from remediations.facts.delegation import DelegationShown, Mover, delegation_services, delegation_shown, mover
from remediations.facts.directory import ComputerAccount, computer_account
from remediations.facts.query import Unreadable
from remediations.model.command import command
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply
from remediations.model.site import Site

END = {"address": "a", "username": "u", "password": {"env": "P"}}
SITE = Site.model_validate(
    {
        "domain": "contoso.com",
        "hosts": [{"name": name, "endpoint": END} for name in ("HV03", "HV04")],
        "controllers": [{"name": name, "endpoint": END} for name in ("DC1", "DC2")],
    }
)
SERVICES = delegation_services("HV04", SITE)
DOMAIN = "S-1-5-21-1004336348-1177238915-682003330"


def answered(**properties: Any) -> list[Reply]:
    return [Reply(objects=(properties,))]


def failed(error_id: str) -> list[Reply]:
    return [Reply(errors=(HostError(message="Es ist ein Fehler aufgetreten.", error_id=error_id),))]


def test_the_services_of_a_peer_go_by_its_short_and_its_full_name() -> None:
    assert SERVICES == (
        "cifs/HV04",
        "cifs/hv04.contoso.com",
        "Microsoft Virtual System Migration Service/HV04",
        "Microsoft Virtual System Migration Service/hv04.contoso.com",
    )


@pytest.mark.parametrize(
    ("listed", "bits", "lacking", "any_protocol"),
    [
        (None, 0x1000, SERVICES, False),
        (SERVICES[0], 0x1001000, SERVICES[1:], True),
        ([each.upper() for each in SERVICES], 0x1001000, (), True),
        ([*SERVICES[:3], "http/intranet"], 0x1000, SERVICES[3:], False),
    ],
)
def test_what_a_controller_shows_of_a_delegation(listed: Any, bits: int, lacking: tuple[str, ...], any_protocol: bool) -> None:
    read = delegation_shown("HV03", "HV04", "DC2", SITE)
    assert (read.host, read.commands[0].parameters["Server"]) == ("DC2", "dc2.contoso.com")
    found = read.parse(answered(**{"userAccountControl": bits, "msDS-AllowedToDelegateTo": listed}))
    assert isinstance(found, DelegationShown)
    assert (found.lacking, found.any_protocol) == (frozenset(lacking), any_protocol)


@pytest.mark.parametrize(
    ("account", "bits", "groups", "sensitive", "protected"),
    [
        ("CONTOSO\\svc-remediate", 0x200, [f"{DOMAIN}-513"], False, False),
        ("svc-remediate@contoso.com", 0x100200, [f"{DOMAIN}-513"], True, False),
        ("svc-remediate", 0x200, [f"{DOMAIN}-513", f"{DOMAIN}-525"], False, True),
        ("svc-remediate", 0x200, f"{DOMAIN}-1525", False, False),
    ],
)
def test_who_may_be_acted_for(account: str, bits: int, groups: Any, sensitive: bool, protected: bool) -> None:
    read = mover(account, SITE)
    assert read.commands[0].parameters["Identity"] == "svc-remediate"
    found = read.parse(answered(userAccountControl=bits, tokenGroups=groups))
    assert isinstance(found, Mover)
    assert (found.sensitive, found.protected) == (sensitive, protected)


def test_an_account_that_is_no_user_has_nothing_to_say() -> None:
    missing = "ActiveDirectoryCmdlet:Microsoft.ActiveDirectory.Management.ADIdentityNotFoundException"
    assert isinstance(mover("gmsa-remediate$", SITE).parse(failed(missing)), NotApplicable)


def test_a_controller_that_does_not_offer_the_command_has_not_said_that_there_is_no_such_user() -> None:
    """As at a JEA endpoint whose role lists computers alone."""
    unlisted = HostError(message="not recognized", error_id="CommandNotFoundException", category="ObjectNotFound")
    with pytest.raises(Unreadable, match="not recognized"):
        mover("svc-remediate", SITE).parse([Reply(errors=(unlisted,))])


def test_groups_that_are_not_shown_are_not_taken_for_none() -> None:
    with pytest.raises(Unreadable, match="tokenGroups"):
        mover("svc-remediate", SITE).parse(answered(userAccountControl=0x200, tokenGroups=None))


@pytest.mark.parametrize("kind", ["CredSSP", "Kerberos"])
def test_a_hosts_authentication_type(kind: str) -> None:
    found = host_authentication("HV03").parse(answered(VirtualMachineMigrationAuthenticationType=kind))
    assert isinstance(found, HostAuthentication)
    assert found.kind == kind


def test_an_authentication_type_that_nobody_knows_is_not_guessed() -> None:
    with pytest.raises(ValidationError):
        host_authentication("HV03").parse(answered(VirtualMachineMigrationAuthenticationType="2"))


@pytest.mark.parametrize(("services", "running"), [([1, 2], True), ([2], False), (None, False), ([0], False)])
def test_credential_guard_is_one_of_the_services_that_run(services: list[int] | None, running: bool) -> None:
    found = credential_guard("HV04").parse(answered(SecurityServicesRunning=services))
    assert isinstance(found, CredentialGuard)
    assert found.running is running


@pytest.mark.parametrize("error_id", ["HRESULT 0x8004100e", "HRESULT 0x80041010"])
def test_a_host_without_device_guard_has_no_credential_guard(error_id: str) -> None:
    assert isinstance(credential_guard("HV03").parse(failed(error_id)), NotApplicable)


def test_credential_guard_that_may_not_be_read_is_unknown() -> None:
    with pytest.raises(Unreadable):
        credential_guard("HV03").parse(failed("HRESULT 0x80041003"))


@pytest.mark.parametrize(
    ("name", "parameters", "why"),
    [
        ("Set-ADComputer", {"Add": {"userAccountControl": 1}}, "takes msDS-AllowedToDelegateTo, not 'userAccountControl'"),
        ("Set-ADComputer", {"Remove": {"servicePrincipalName": "a/b"}}, "takes msDS-AllowedToDelegateTo"),
        ("Set-ADComputer", {"ServicePrincipalNames": {"Replace": "a/b"}}, "takes Add, Remove, not 'Replace'"),
        ("Set-ADComputer", {"Add": {"msDS-AllowedToDelegateTo": ["a/b", "c/d"]}}, "no list in it"),
        ("Set-ADComputer", {"Replace": {"msDS-AllowedToDelegateTo": "a/b"}}, "replaces the whole list"),
        ("Set-ADAccountControl", {"TrustedForDelegation": True}, "is unconstrained delegation"),
    ],
)
def test_delegation_is_added_to_and_nothing_else(name: str, parameters: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        command(name, Identity="HV03", Server="dc1.contoso.com", **parameters)


def account(**changed: Any) -> ComputerAccount:
    shown = {
        "ObjectGUID": "5b0c1c1e-2f3d-4b5a-8a51-0d8a4b1f2c03",
        "SamAccountName": "HV03$",
        "DistinguishedName": "CN=HV03,OU=Hyper-V,DC=contoso,DC=com",
        "userAccountControl": 0x1000,
        **changed,
    }
    found = computer_account("HV03", SITE).parse(answered(**shown))
    assert isinstance(found, ComputerAccount)
    return found


def test_an_account_may_be_let_in_by_the_other_side() -> None:
    source = account()
    assert account(PrincipalsAllowedToDelegateToAccount=[source.dn.upper()]).lets(source)
    assert not account(PrincipalsAllowedToDelegateToAccount=["CN=HV05,OU=Hyper-V,DC=contoso,DC=com"]).lets(source)
    assert not account(PrincipalsAllowedToDelegateToAccount=None).lets(source)
    assert not account(PrincipalsAllowedToDelegateToAccount=[""]).lets(source.model_copy(update={"dn": ""}))


@pytest.mark.parametrize(("bits", "unconstrained"), [(0x1000, False), (0x81000, True), (0x1001000, False)])
def test_unconstrained_delegation_is_a_bit_of_its_own(bits: int, unconstrained: bool) -> None:
    assert account(userAccountControl=bits).unconstrained is unconstrained
