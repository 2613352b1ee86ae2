"""The directory's repairs against a real Active Directory (Samba): what a plan writes is what a KDC needs, and less is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from directory_hosts import ANY_PROTOCOL, DirectoryHosts
from samba_controller import PERSON, SENSITIVE, Controller, controller, why_not

from remediations.catalogue.configure_delegation import ConfigureDelegation
from remediations.catalogue.register_spns import RegisterSpns
from remediations.catalogue.remediation import Remediation
from remediations.engine import Answer, Ask, Engine, Report
from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.model.outcome import Ending
from remediations.model.plan import Blocked, Verdict
from remediations.model.policy import Policy
from remediations.remoting import Remoting, RemotingSettings
from remediations.settings import resolve

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("samba"), pytest.mark.timeout(300)]

SERVICE = "Microsoft Virtual System Migration Service"


@dataclass
class Site:
    """A lab whose directory is real."""

    directory: Controller
    hosts: DirectoryHosts
    engine: Engine
    runs: int = 0

    def carry_out(self, remediation: Remediation, *, dry_run: bool = False) -> Report:
        """Plan, approve, apply, verify."""
        self.runs += 1
        return self.engine.carry_out(f"run-{self.runs}", remediation, dry_run=dry_run, gate=_yes, requested_by="anna")

    def undo(self, done: Report) -> Report:
        """Take back a run."""
        self.runs += 1
        return self.engine.undo(f"run-{self.runs}", done.run, dry_run=False, gate=_yes, requested_by="anna")

    def held(self, host: str, attribute: str) -> list[str]:
        """An attribute of a host's account, as the directory has it."""
        (found,) = self.directory.search(f"(sAMAccountName={host}$)", attribute)
        return sorted(found.get(attribute, []))


def _yes(ask: Ask) -> Answer:
    return Answer(decision="approve", approver="berta", digest=ask.digest[:8])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    if reason := why_not():
        if os.environ.get("REQUIRE_SAMBA") == "1":
            pytest.fail(f"REQUIRE_SAMBA=1, but {reason}")
        pytest.skip(reason)
    with controller(tmp_path_factory.mktemp("samba")) as running:
        yield running


@pytest.fixture
def site(directory: Controller, tmp_path: Path) -> Iterator[Site]:
    with (
        Lab() as lab,
        Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger,
        Remoting(lab.site(), resolve, settings=RemotingSettings(in_flight=1)) as remoting,
    ):
        hosts = DirectoryHosts(directory, remoting)
        policy = Policy.model_validate({"windows": {}, "cooldown_minutes": 0, "trust": {"verified_in_a_row": 0}})
        yield Site(directory, hosts, Engine(site=lab.site(), policy=policy, ledger=ledger, remoting=hosts))


def test_a_registered_name_is_what_the_kdc_needs_and_is_taken_back_alone(site: Site) -> None:
    names = [f"{SERVICE}/HV04", f"{SERVICE}/hv04.contoso.com"]
    there = site.held("HV04", "servicePrincipalName")
    assert "Server not found" in site.directory.ticket("HV03", names[1])
    looked = site.carry_out(RegisterSpns(host="HV04"), dry_run=True)
    assert looked.outcome.ending is Ending.PROPOSED
    assert site.held("HV04", "servicePrincipalName") == there, "a dry run changes nothing"

    report = site.carry_out(RegisterSpns(host="HV04"))
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert site.held("HV04", "servicePrincipalName") == sorted([*there, *names])
    assert [site.directory.ticket("HV03", name) for name in names] == ["", ""]
    assert site.carry_out(RegisterSpns(host="HV04")).outcome.ending is Ending.NOTHING_TO_DO
    assert site.hosts.refused == []

    assert site.undo(report).outcome.ending is Ending.MENDED
    assert site.held("HV04", "servicePrincipalName") == there
    assert "Server not found" in site.directory.ticket("HV03", names[1])


def test_a_name_in_other_letters_is_the_same_name(site: Site) -> None:
    for name in (f"{SERVICE.lower()}/hv02", f"{SERVICE}/HV02.CONTOSO.COM"):
        dn = site.directory.dn("HV02")
        assert (
            site.directory.modify(f"dn: {dn}\nchangetype: modify\nadd: servicePrincipalName\nservicePrincipalName: {name}\n")
            == ""
        )
    assert site.carry_out(RegisterSpns(host="HV02")).outcome.ending is Ending.NOTHING_TO_DO
    assert site.hosts.changed == []


def test_a_name_of_another_account_is_a_conflict_for_the_plan_as_for_the_directory(site: Site) -> None:
    name, dn = f"{SERVICE}/hv01.contoso.com", site.directory.dn
    add = "changetype: modify\nadd: servicePrincipalName\nservicePrincipalName: "
    assert site.directory.modify(f"dn: {dn('HV03')}\n{add}{name}\n") == ""
    report = site.carry_out(RegisterSpns(host="HV01"))
    assert report.outcome.ending is not Ending.MENDED
    assert report.plan is not None
    assert report.plan.verdict is Verdict.PRESENT
    assert [each for each in report.plan.items if isinstance(each, Blocked) and "HV03" in each.why], report.markdown
    assert site.hosts.changed == []
    assert "error 19" in site.directory.modify(f"dn: {dn('HV01')}\n{add}{name}\n")


def test_delegation_takes_both_services_and_any_protocol_before_the_kdc_lets_a_host_act_for_somebody(site: Site) -> None:
    for host in ("HV03", "HV04"):
        assert site.carry_out(RegisterSpns(host=host)).outcome.ending in (Ending.MENDED, Ending.NOTHING_TO_DO)
    wanted = ["cifs/hv04.contoso.com", f"{SERVICE}/hv04.contoso.com"]
    before = site.held("HV03", "userAccountControl")

    def refused(person: str = PERSON) -> list[bool]:
        return ["delegation" in site.directory.ticket("HV03", each, acting_for=person) for each in wanted]

    assert refused() == [True, True]
    dn = site.directory.dn("HV03")
    kerberos_only = "add: msDS-AllowedToDelegateTo\nmsDS-AllowedToDelegateTo: cifs/hv04.contoso.com\n"
    assert site.directory.modify(f"dn: {dn}\nchangetype: modify\n{kerberos_only}") == ""
    assert refused() == [True, True], "Kerberos only, which is no longer enough"

    report = site.carry_out(ConfigureDelegation(source="HV03", destination="HV04"))
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert refused() == [False, False]
    assert int(site.held("HV03", "userAccountControl")[0]) == int(before[0]) | ANY_PROTOCOL, "and never unconstrained"
    assert refused(SENSITIVE) == [True, True], "whoever must not be acted for is not, though all is right"

    assert site.undo(report).outcome.ending is Ending.MENDED
    assert site.held("HV03", "msDS-AllowedToDelegateTo") == ["cifs/hv04.contoso.com"], "what was there before is not ours"
    assert site.held("HV03", "userAccountControl") == before
    assert refused() == [True, True]
