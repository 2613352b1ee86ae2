"""The guide, line by line: each is seen to by something that is there, or says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Repair
from remediations.diagnosis import diagnose
from remediations.model.causes import Cause
from remediations.model.contract import contracts

SECTIONS = yaml.safe_load((Path(__file__).parent / "guide.yaml").read_text("utf-8"))
KNOWN = {"asks", "causes", "remediations", "commands", "says", "not", "reason"}
SURE = 0.6
"""A score from which on a text alone would decide."""


def lines(having: str = "asks") -> list[Any]:
    """Every line with a key, as a test's parameter."""
    return [
        pytest.param(line, id=f"{section['section']}: {line['asks'][:40]}")
        for section in SECTIONS
        for line in section["lines"]
        if having in line
    ]


@pytest.mark.parametrize("line", lines())
def test_every_line_is_seen_to_or_says_why_not(line: dict[str, Any]) -> None:
    assert set(line) <= KNOWN
    assert any(line.get(each) for each in ("remediations", "commands", "says", "causes", "reason")), line["asks"]
    assert all(isinstance(line[each], list) and line[each] for each in ("causes", "remediations", "commands") if each in line)


@pytest.mark.parametrize("line", lines("causes"))
def test_named_causes_are_causes(line: dict[str, Any]) -> None:
    assert set(line["causes"]) <= {cause.value for cause in Cause}


@pytest.mark.parametrize("line", lines("remediations"))
def test_named_remediations_are_there_and_for_one_of_the_causes(line: dict[str, Any]) -> None:
    for name in line["remediations"]:
        assert name in CATALOGUE
        entry = CATALOGUE[name]
        if issubclass(entry, Repair):
            assert set(entry.causes) & set(line["causes"]), f"{name} is for {', '.join(entry.causes)}"


@pytest.mark.parametrize("line", lines("commands"))
def test_named_commands_may_be_sent(line: dict[str, Any]) -> None:
    assert set(line["commands"]) <= set(contracts())


@pytest.mark.parametrize("line", lines("says"))
def test_what_the_guide_quotes_is_diagnosed(line: dict[str, Any]) -> None:
    found = diagnose(line["says"]).hypotheses
    assert found, line["says"]
    assert found[0].cause in line["causes"]


@pytest.mark.parametrize("line", lines("not"))
def test_what_means_nothing_by_itself_decides_nothing(line: dict[str, Any]) -> None:
    assert all(each.score < SURE for each in diagnose(line["not"]).hypotheses)


def test_every_cause_is_asked_for_by_the_guide_or_the_field() -> None:
    named = {cause for section in SECTIONS for line in section["lines"] for cause in line.get("causes", ())}
    assert {cause.value for cause in Cause} - named == set()


def test_no_line_stands_twice_in_a_section() -> None:
    for section in SECTIONS:
        asked = [line["asks"] for line in section["lines"]]
        assert [each for each in asked if asked.count(each) > 1] == []
