"""VSS writers by structure: vssadmin's words are in the host's language, ids and numbers are not."""

from __future__ import annotations

import pytest

from remediations.facts.query import Unreadable
from remediations.facts.writers import Writer, writer
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply

GERMAN = """vssadmin 1.1 - Verwaltungsbefehlszeilenprogramm des Volumeschattenkopie-Dienstes
(C) Copyright 2001-2013 Microsoft Corp.

Verfassername: "Task Scheduler Writer"
   Verfasserkennung: {d61d61c8-d73a-4eee-8cdd-f6f9786b7124}
   Verfasserinstanzkennung: {1bddd48e-5052-49db-9b07-b96f96727e6b}
   Status: [9] Fehler
   Letzter Fehler: Zeitlimit

Verfassername: "Microsoft Hyper-V VSS Writer"
   Verfasserkennung: {66841CD4-6DED-4F4B-8F17-FD23F8DDC3DE}
   Verfasserinstanzkennung: {c35d6ab0-9588-412f-ae7b-cdc37534501f}
   Status: [STATE] Wort
   Letzter Fehler: Kein Fehler

Verfassername: "WMI Writer"
   Verfasserkennung: {a6ad56c2-b509-4e6c-bb19-49d8f43532f0}
   Status: [1] Stabil
"""


def told(text: str) -> Writer | NotApplicable:
    found = writer("HV02").parse([Reply(objects=({"Lines": text.splitlines()},))])
    assert isinstance(found, (Writer, NotApplicable))
    return found


@pytest.mark.parametrize(
    ("state", "phase"), [(1, "stable"), (2, "working"), (5, "working"), (6, "failed"), (9, "failed"), (12, "failed")]
)
def test_the_number_of_hyper_vs_own_writer_counts(state: int, phase: str) -> None:
    assert told(GERMAN.replace("STATE", str(state))) == Writer(subject="HV02", phase=phase, state=state)


def test_a_last_block_needs_no_line_after_it() -> None:
    text = GERMAN.replace("STATE", "1")
    assert isinstance(told(text[: text.index('Verfassername: "WMI')].rstrip()), Writer)


def test_what_is_not_there_is_not_stable() -> None:
    assert isinstance(told("vssadmin 1.1\n\n"), NotApplicable)
    missing = HostError(message="not recognized", error_id="CommandNotFoundException")
    assert isinstance(writer("HV02").parse([Reply(errors=(missing,))]), NotApplicable)
    with pytest.raises(Unreadable):
        told(GERMAN.replace("[STATE]", "?"))
    with pytest.raises(Unreadable):
        told(GERMAN.replace("STATE", "0"))
    with pytest.raises(Unreadable):
        writer("HV02").parse([Reply(errors=(HostError(message="vssadmin list writers ended with 1"),))])
