"""Weak causes: what words alone point to stands beside `unknown`, can be told from a strong cause, and is never more than that."""

# ruff: noqa: E501 - messages stand as people write them, on one line

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measure import asked, rows

from remediations.diagnosis import Knowledge, ReportedEvent, diagnose
from remediations.diagnosis.weighing import LEAST
from remediations.diagnosis.words_only import SHOWN, WORDS_ONLY
from remediations.engine.grouping import group_of
from remediations.model.diagnosis import Diagnosis, TextVerdict
from remediations.model.incident import Incident, What

HERE = Path(__file__).parent
MESSAGES = [
    row for name in ("corpus", "field", "later", "held_out", "templates", "translated") for row in rows(HERE / f"{name}.jsonl")
]
TEXTS = sorted({text for each in Knowledge.packaged().signatures.values() for text in each.phrases})


def can_be_told(answer: Diagnosis) -> None:
    assert not answer.weak or answer.verdict is TextVerdict.UNKNOWN
    assert not any(each.weak for each in answer.hypotheses)
    assert len(answer.weak) <= SHOWN
    assert all(each.weak and 0 < each.score < LEAST for each in answer.weak)
    assert all(line.startswith(WORDS_ONLY) for each in answer.weak for line in each.evidence)
    assert [each.score for each in answer.weak] == sorted((each.score for each in answer.weak), reverse=True)
    assert len({each.cause for each in answer.named}) == len(answer.named)


def test_weak_and_strong_can_be_told_apart_on_every_message() -> None:
    answers = [asked(row) for row in MESSAGES]
    for answer in answers:
        can_be_told(answer)
    assert sum(bool(answer.weak) for answer in answers) > 10  # or this says nothing


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TEXTS) | st.text(max_size=20), max_size=12).map(" ".join))
def test_and_on_any_words(text: str) -> None:
    answer = diagnose(ReportedEvent(text=text))
    can_be_told(answer)
    json.dumps(answer.to_json())
    assert diagnose(ReportedEvent(text=text)) == answer


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("The SPN of the host is missing", "spn_missing"),
        ("HV01: processor features are missing on HV02", "cpu_incompatible"),
        ("the virtual switch does not exist on HV02", "switch_missing"),
        ("Auf dem Zielhost fehlen Prozessorfunktionen", "cpu_incompatible"),
        ("Les fonctionnalités du processeur manquent sur HV02", "cpu_incompatible"),
        ("HV02 上不存在虚拟交换机", "switch_missing"),
    ],
)
def test_a_reason_without_a_word_of_a_move_is_named_where_somebody_reported_one(text: str, cause: str) -> None:
    answer = diagnose(Incident(vm="VM42", source="HV01", destination="HV02", message=text, reported_by="Alertmanager"))
    assert (answer.verdict, answer.hypotheses) == (TextVerdict.UNKNOWN, ())
    assert answer.weak[0].cause.value == cause
    can_be_told(answer)


@pytest.mark.parametrize("text", ["The network is slow.", "It did not work.", "", "HV02"])
def test_a_word_that_every_text_has_names_nothing(text: str) -> None:
    assert diagnose(Incident(vm="VM42", source="HV01", message=text, reported_by="Alertmanager")).named == ()


def test_words_alone_make_no_group_of_failures() -> None:
    """Else a storm of unclear reports would share one run, and its outcome, for a word that they have in common."""
    pair = Incident(vm="VM42", source="HV01", destination="HV02", message="The SPN of the host is missing", reported_by="a")
    assert group_of(pair).cause is None
    assert group_of(pair) == group_of(pair.model_copy(update={"vm": "VM43", "message": "the virtual switch does not exist"}))


def test_a_drain_that_was_reported_is_a_cause_whatever_else_is_in_its_words() -> None:
    said = Incident(what=What.DRAIN, source="HV01", cluster="CL01", message="The SPN of the host is missing", reported_by="a")
    answer = diagnose(said)
    assert ([each.cause.value for each in answer.hypotheses], answer.weak) == (["node_drain_failed"], ())
