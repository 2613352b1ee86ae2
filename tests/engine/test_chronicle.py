"""How long each part of a run took, from its rows in the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from remediations.engine.chronicle import chronicle
from remediations.ledger import Note

START = datetime(2026, 3, 1, 22, tzinfo=UTC)


def trail(*rows: tuple[float, str]) -> list[Note]:
    told = {"run": "run-1", "data": {"approver": "anna"}, "previous": "0" * 64, "hash": "0" * 64}
    return [
        Note.model_validate({"seq": number, "at": START + timedelta(seconds=second), "kind": kind, **told})
        for number, (second, kind) in enumerate(rows, 1)
    ]


@pytest.mark.parametrize("decided", [(), ((3000, "decided"),)], ids=["by the form", "by the ledger"])
def test_waiting_for_people_is_no_time_of_reading(decided: tuple[tuple[float, str], ...]) -> None:
    """After the answer it is read again; the row of that is the first one since the question, or since the answer."""
    before = (0, "run started"), (2, "considered"), (3, "plan sealed")
    spans = chronicle(trail(*before, *decided, (3600, "considered"), (3601, "approval used")))
    assert [(each.name, each.seconds) for each in spans] == [("read and plan", 2), ("wait for approval (anna)", 3598)]


def test_what_is_read_for_a_second_round_is_told_apart() -> None:
    rows = (0, "run started"), (2, "considered"), (3, "plan sealed"), (9, "approval used"), (10, "verified"), (14, "considered")
    assert [(each.kind, each.seconds) for each in chronicle(trail(*rows))] == [
        ("reading", 2),
        ("people", 6),
        ("proving", 1),
        ("reading", 4),
    ]
