"""The same message in the ways people and programs hand it on, and in other languages of Windows, keeps its answer.

`templates.jsonl` has the events, codes and sentences that Microsoft's manifests and articles document for moves, their
wrappers and their neighbours, with names put in. `translated.jsonl` has such sentences in other languages: our own
translations in the manner of Windows', without code or event id, so that only the words can tell. Both hold the grammar;
how right the diagnosis is, is measured on real messages elsewhere (`test_diagnosis_accuracy.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from measure import NEGATIVE, asked, labels, rows

from remediations.diagnosis import ReportedEvent, diagnose
from remediations.diagnosis.parse import parse_text

HERE = Path(__file__).parent
TEMPLATES = rows(HERE / "templates.jsonl")
TRANSLATED = rows(HERE / "translated.jsonl")
UNKNOWN = "unknown_escalate"
SURE = 0.5  # above what a thing that is only named weighs
Row = dict[str, Any]

WRAPPERS = (
    "Live migration of 'Virtual Machine VM01' failed.\n\nVirtual machine migration operation for 'VM01' failed at migration "
    "source 'HV01'. (Virtual machine ID 5FC5C385-BD98-451F-B3F3-1E50E06EE663)\n\n"
)
NAMES = {
    "HV02.contoso.com": "hyp-node-12.corp.example.com", "HV02": "hyp-node-12", "HV01": "PRD-HV-A", "VM01": "SQL PROD 07",
    "NODE2": "SRV-B", "Volume1": "CSV-Gold", "Production": "Uplink (10G)",
}  # fmt: skip


def _event(row: Row, text: str, **other: Any) -> ReportedEvent:
    values = {"event_id": row.get("event_id"), "channel": row.get("log"), "provider": row.get("provider"), **other}
    return ReportedEvent(text=text, **values)


def _renamed(text: str) -> str:
    for old, new in NAMES.items():
        text = text.replace(old, new)
    return text


def _codes(text: str, write: Callable[[int], str]) -> str:
    return re.sub(r"0x[0-9A-Fa-f]{8}\b", lambda found: write(int(found[0], 16)), text)


def _signed(code: int) -> str:
    return str(code - (1 << 32)) if code > 0x7FFFFFFF else f"0x{code:08X}"


def _unsigned(code: int) -> str:
    return str(code) if code > 0x7FFFFFFF else f"0x{code:08X}"


def _viewer(row: Row) -> ReportedEvent | None:
    if not (row.get("log") and row.get("event_id")):
        return None
    return parse_text(
        f"Log Name:      {row['log']}\nSource:        {row['provider']}\nDate:          11/20/2026 10:11:12 AM\n"
        f"Event ID:      {row['event_id']}\nTask Category: None\nLevel:         Error\nUser:          SYSTEM\n"
        f"Computer:      HV01.contoso.com\nDescription:\n{row['text']}"
    )


def _xml(row: Row) -> ReportedEvent | None:
    if not (row.get("log") and row.get("event_id")):
        return None
    return parse_text(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name='{row['provider']}'/><EventID>{row['event_id']}</EventID><Channel>{row['log']}</Channel>"
        f"<Computer>HV01.contoso.com</Computer></System><RenderingInfo><Message>{escape(row['text'])}</Message>"
        "</RenderingInfo></Event>"
    )


def _shipped(row: Row) -> ReportedEvent:
    event = {"channel": row.get("log"), "event_id": row.get("event_id"), "provider_name": row.get("provider")}
    return parse_text(json.dumps({"@timestamp": "2026-11-20T10:11:12Z", "winlog": event, "message": row["text"]}))


def _powershell(row: Row) -> ReportedEvent | None:
    if row["label"] in (NEGATIVE, UNKNOWN) or "Move-VM" in row["text"]:
        return None
    return ReportedEvent(
        text=f"Move-VM : {row['text']}\nAt line:1 char:1\n+ Move-VM -Name VM01 -DestinationHost HV02\n+ ~~~~~~~~\n"
        "    + CategoryInfo          : NotSpecified: (:) [Move-VM], VirtualizationException\n"
        "    + FullyQualifiedErrorId : OperationFailed,Microsoft.HyperV.PowerShell.Commands.MoveVM"
    )


def _nested(row: Row) -> ReportedEvent | None:
    if row["label"] in (NEGATIVE, UNKNOWN):
        return None
    log = "Microsoft-Windows-Hyper-V-High-Availability"
    return ReportedEvent(text=WRAPPERS + row["text"], event_id=21502, channel=f"{log}-Admin", provider=log)


def _pasted_after_wrappers(row: Row) -> ReportedEvent | None:
    return None if row["label"] in (NEGATIVE, UNKNOWN) else ReportedEvent(text=WRAPPERS + row["text"])


def _told_with_number(row: Row) -> ReportedEvent | None:
    return ReportedEvent(text=f"Event ID {row['event_id']}: {row['text']}") if row.get("event_id") else None


VARIANTS: dict[str, Callable[[Row], ReportedEvent | None]] = {
    "text alone": lambda row: ReportedEvent(text=row["text"]),
    "one line": lambda row: _event(row, " ".join(row["text"].split())),
    "text alone, one line": lambda row: ReportedEvent(text=" ".join(row["text"].split())),
    "typographic quotes": lambda row: _event(row, re.sub(r"'([^'\n]*)'", "‘\\1’", row["text"]).replace("n't", "n’t")),
    "double quotes": lambda row: _event(row, row["text"] if "n't" in row["text"] else row["text"].replace("'", '"')),
    "doubled quotes": lambda row: _event(row, re.sub(r"'([^'\n]*)'", r"''\1''", row["text"])),
    "other names": lambda row: _event(row, _renamed(row["text"])),
    "text alone, other names": lambda row: ReportedEvent(text=_renamed(row["text"])),
    "codes as signed decimals": lambda row: _event(row, _codes(row["text"], _signed)),
    "codes as unsigned decimals": lambda row: _event(row, _codes(row["text"], _unsigned)),
    "codes in lower case": lambda row: _event(row, _codes(row["text"], "0x{:08x}".format)),
    "text alone, codes as decimals": lambda row: ReportedEvent(text=_codes(row["text"], _signed)),
    "without event id": lambda row: _event(row, row["text"], event_id=None),
    "without provider": lambda row: _event(row, row["text"], provider=None),
    "without log": lambda row: _event(row, row["text"], channel=None),
    "log with a slash": lambda row: _event(row, row["text"], channel=row.get("log", "").replace("-Admin", "/Admin") or None),
    "event id alone": lambda row: ReportedEvent(text=row["text"], event_id=row.get("event_id")),
    "event id told": _told_with_number,
    "event viewer": _viewer,
    "event xml": _xml,
    "winlogbeat": _shipped,
    "powershell error": _powershell,
    "inside the wrappers": _nested,
    "pasted after the wrappers": _pasted_after_wrappers,
}


def _fair(row: Row) -> set[str]:
    return {row["label"], *row.get("also", ())}


@pytest.mark.parametrize("given", [TEMPLATES, TRANSLATED], ids=["templates", "translated"])
def test_the_answer_is_right(given: list[Row]) -> None:
    wrong = [(row["id"], row["label"], labels(asked(row))) for row in given if labels(asked(row))[0] not in _fair(row)]
    assert not wrong


@pytest.mark.parametrize("given", [TEMPLATES, TRANSLATED], ids=["templates", "translated"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_has_the_same_answer(variant: str, given: list[Row]) -> None:
    wrong = []
    for row in given:
        event = VARIANTS[variant](row)
        if event is not None and (said := labels(diagnose(event)))[0] not in _fair(row):
            wrong.append((row["id"], row["label"], said, event.text[:80]))
    assert not wrong


@pytest.mark.parametrize("part", [0.33, 0.5, 0.66, 0.8])
def test_what_is_cut_off_leads_to_no_other_cause(part: float) -> None:
    """A text cut short may say less, but nothing else for sure: what is not among the first three is a hint at most."""
    wrong = []
    for row in TEMPLATES:
        text = row["text"][: max(100, int(len(row["text"]) * part))]
        for event in (_event(row, text), ReportedEvent(text=text)):
            answer = diagnose(event)
            said = labels(answer)
            sure = bool(answer.hypotheses) and answer.hypotheses[0].score >= SURE
            if sure and not _fair(row) & set(said[:3]):
                wrong.append((row["id"], row["label"], said, text))
    assert not wrong


def test_an_event_without_its_text_leads_to_no_other_cause() -> None:
    wrong = []
    for row in TEMPLATES:
        if row.get("event_id"):
            said = labels(diagnose(_event(row, "")))
            if said[0] not in _fair(row) | {UNKNOWN, NEGATIVE}:
                wrong.append((row["id"], row["label"], said))
    assert not wrong


def test_every_language_has_the_same_sentences() -> None:
    """None of the seven languages is left out of what the translations hold."""
    for language in ("de", "fr", "es", "pt", "it", "ja", "zh"):
        assert len({row["label"] for row in TRANSLATED if row["language"] == language}) >= 18, language
