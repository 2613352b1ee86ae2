"""The catalogue as people and scripts see it: what it says of each remediation is what the remediation does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from catalogue_cases import cases
from pydantic import ValidationError

from remediations.catalogue import CATALOGUE
from remediations.catalogue.description import Description, describe, table
from remediations.catalogue.remediation import Repair
from remediations.model.contract import Effect, contract
from remediations.model.incident import Incident
from remediations.model.tier import Tier
from remediations.settings import load_site, packaged

README = Path(__file__).parents[2] / "README.md"


TWO_HOSTS = [("source", "destination"), ("host", "peer")]


@pytest.fixture(scope="module")
def described() -> dict[str, Description]:
    site = load_site(packaged("site.yaml"))
    return {entry.id: describe(entry, site) for entry in CATALOGUE.values()}


def test_what_a_remediation_declares_is_what_its_cases_plan() -> None:
    planned: dict[str, set[str]] = {}
    for case in cases():
        for step in case.plan.steps:
            planned.setdefault(case.plan.remediation, set()).update(each.name for each in step.commands)
    declared = {entry.id: entry.sends for entry in CATALOGUE.values() if entry.sends}
    assert {
        name: sends - planned.get(name, set()) for name, sends in declared.items() if sends - planned.get(name, set())
    } == {}


def test_no_reads_are_declared() -> None:
    reading = {name for entry in CATALOGUE.values() for name in entry.sends if contract(name).effect is Effect.READ}
    assert reading == set()


def test_guidance_sends_nothing(described: dict[str, Description]) -> None:
    guidance = [each for each in described.values() if each.tier == Tier.PERSON]
    assert guidance
    assert [each.id for each in guidance if each.changes] == []


def test_every_row_says_what_is_read_and_how_far_it_reaches(described: dict[str, Description]) -> None:
    for each in described.values():
        assert each.commands, each.id
        assert any(sent.effect is Effect.READ for sent in each.commands), each.id
    for entry in CATALOGUE.values():
        proof = described[entry.id].proof
        assert (proof is not None) == issubclass(entry, Repair)


def test_the_readme_shows_the_catalogue(described: dict[str, Description]) -> None:
    shown = re.search(r"<!-- catalogue -->\n(.*?)\n<!-- /catalogue -->", README.read_text("utf-8"), re.DOTALL)
    assert shown is not None
    assert shown[1] == table(described.values()), "run `remediate catalogue --markdown` and paste it into the README"


@pytest.mark.parametrize(
    ("entry", "one", "other"),
    [
        pytest.param(entry, *ends, id=entry.id)
        for entry in CATALOGUE.values()
        if issubclass(entry, Repair)
        for ends in TWO_HOSTS
        if set(ends) <= entry.model_fields.keys()
    ],
)
def test_the_other_host_of_a_migration_is_another_host(entry: type[Repair], one: str, other: str) -> None:
    asked = {"vm": "VM1", one: "HV01", other: "hv01.contoso.com"}
    given = {name: value for name, value in asked.items() if name in entry.model_fields}
    with pytest.raises(ValidationError, match=f"{other}: hv01.contoso.com is the {one} itself; name the other host"):
        entry.model_validate(given)
    itself = Incident(vm="VM1", source="HV01", destination="HV01")
    assert list(entry.for_incident(itself, load_site(packaged("site.yaml")))) == []
