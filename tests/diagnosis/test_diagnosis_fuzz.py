"""Whatever is thrown at the diagnosis: no error, no endless work, always an answer that can be written down."""

# ruff: noqa: E501 - messages stand as Windows writes them, on one line

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediations.diagnosis import Knowledge, ReportedEvent, diagnose, parse_reports
from remediations.diagnosis.decode import decode
from remediations.diagnosis.text import LIMIT, Phrase, Words, considered
from remediations.model.diagnosis import Diagnosis, TextVerdict

PIECES = st.sampled_from(
    [
        "Live migration of 'Virtual Machine VM01' failed.", "failed at migration source", "'", '"', "„", "“", "«", "»", "「", "」", "''",
        "0x8009030E", "-2146893042", "%%2148074254", "0x", "\0", "\x1b[31m", "\u202e", "\ud800", "移行元で失敗しました", "迁移源", "{", "[", "<Event>",
        "</Event>", "Log Name: x\nEvent ID: 1\n", "cluster node '", "with host ", "\n", "\r\n", " ", "\t", "…", "é", "e\u0301", "a" * 50, "error code 5016",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=400), st.lists(PIECES, max_size=40).map("".join), st.lists(PIECES, max_size=20).map(" ".join)
)


def writable(answer: Diagnosis) -> None:
    json.dumps(answer.to_json())
    assert bool(answer.hypotheses) == (answer.verdict is TextVerdict.CAUSES)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_any_text(text: str) -> None:
    writable(diagnose(text))


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=400),
        TEXTS.map(lambda text: text.encode("utf-16", "surrogatepass")),
        TEXTS.map(lambda text: text.encode("cp1252", "replace")),
    )
)
def test_any_bytes(raw: bytes) -> None:
    assert isinstance(decode(raw), str)
    for event in parse_reports(raw):
        writable(diagnose(event))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["Message", "text", "event_id", "EventID", "Id", "winlog", "log", "channel", "TimeCreated", "@timestamp", "data", "UserData", "related", "host", "streams", "values", "stream", "Event", "System", "x"]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_any_json(value: Any) -> None:
    for event in parse_reports(json.dumps(value)):
        writable(diagnose(event))


@settings(max_examples=100, deadline=None)
@given(
    text=TEXTS,
    event_id=st.none() | st.integers(0, 2**40),
    channel=st.none() | st.text(max_size=300),
    provider=st.none() | st.text(max_size=300),
)
def test_any_fields(text: str, event_id: int | None, channel: str | None, provider: str | None) -> None:
    writable(diagnose(ReportedEvent(text=text, event_id=event_id, channel=channel, provider=provider, computer=channel)))


MEGABYTES = {
    "quotes": "'" * 1_000_000,
    "quoted names": "'a' " * 250_000,
    "nested quotes": "'“„«「" * 200_000,
    "headers": "Live migration of 'Virtual Machine VM01' failed. " * 20_000,
    "half phrases": "live migration of " * 60_000,
    "half phrases, eastern": "ライブマイグレーション" * 90_000,
    "codes": "0x8009030E " * 90_000,
    "almost codes": "0x" * 500_000,
    "one word": "a" * 1_000_000,
    "spaces": " " * 1_000_000,
    "lines": "\n" * 1_000_000,
    "labels": "Log Name: x\nEvent ID: 1\nDescription: y\n" * 25_000,
    "colons": "a:" * 500_000,
    "dates": "/Date(" * 170_000,
    "combining": "e\u0301" * 500_000,
    "nulls": "\0" * 1_000_000,
    "error code": "error code " * 90_000,
    "almost a log line": "the vm could not migrate " + "a-" * 450_000,
    "almost a name": "the vm could not migrate " + "a_" * 450_000 + "A",
    "almost a path": "the vm could not migrate " + "/var" * 240_000,
    "attempts": "failed to " * 90_000,
    "sentences": "The vm could not migrate. Memory. " * 28_000,
    "almost a command": "+ CategoryInfo : [Start- " * 40_000,
    "nodes": " node cluster node '" * 50_000,
    "braces": "[" * 1_000_000,
    "angles": "<Event>" * 150_000,
}


@pytest.mark.parametrize("text", MEGABYTES.values(), ids=MEGABYTES)
@pytest.mark.timeout(30)
def test_a_megabyte_of_anything(text: str) -> None:
    writable(diagnose(text))
    writable(diagnose(ReportedEvent(text=text, data={"a": text})))
    for event in parse_reports(text.encode("utf-16"))[:50]:
        writable(diagnose(event))


def test_of_a_long_message_both_ends_are_read() -> None:
    innermost = "Could not find Ethernet switch 'Production'."
    long = "Live migration of 'Virtual Machine VM01' failed. " + "x " * LIMIT * 2 + innermost
    assert len(considered(long)) == 2 * LIMIT + 1
    assert diagnose(long).hypotheses[0].cause == "switch_missing"


def test_no_expression_repeats_without_bound_inside_a_repetition() -> None:
    """Nested quantifiers are what makes a regular expression slow; none of ours has one."""
    from remediations.diagnosis import activity, names, origins, parse, reading, shippers, weighing
    from remediations.diagnosis import decode as decoding
    from remediations.diagnosis import text as texts

    ours = [
        each
        for module in (activity, decoding, names, origins, parse, reading, shippers, texts, weighing)
        for each in vars(module).values()
        if isinstance(each, re.Pattern)
    ] + [pattern for _, pattern in activity._FOREIGN]
    assert len(ours) >= 8
    for pattern in ours:
        assert not re.search(r"[*+}]\)[*+{]", pattern.pattern), pattern.pattern


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab …移行失敗", max_size=40))
def test_a_phrase_matches_itself(text: str) -> None:
    try:
        phrase = Phrase.of(text)
    except ValueError:
        return
    assert phrase.within(Words(text.replace("…", " ")))


def test_the_index_finds_what_searching_one_by_one_finds() -> None:
    known = Knowledge.packaged()
    for number, phrase in enumerate(known.phrases):
        words = Words("x " + phrase.text.replace("…", " y ") + " z 。")
        assert number in known.index.within(words), phrase.text
