"""The audit trail: every write is in it, and nobody changes it unseen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_examples import (
    ENDED,
    FakeClock,
    incident,
    intend,
    on_sqlite,
    plan,
    refused,
    result,
    sealed,
    start_step,
    stop_step,
    under_way,
)
from sqlalchemy import Connection, create_engine, text

from remediations.ledger import Ledger
from remediations.ledger.audit import BEGINNING
from remediations.model.causes import Cause
from remediations.model.outcome import Reason


def test_an_empty_trail_has_a_head_and_holds(ledger: Ledger) -> None:
    assert ledger.head() == BEGINNING
    assert ledger.trail("run-1") == ledger.trail(None) == []
    ledger.verify()
    ledger.verify(BEGINNING)


def test_a_note_is_kept_in_its_runs_trail(ledger: Ledger, clock: FakeClock) -> None:
    data = {"host": "HV07", "was": [1, 2.5, None, True], "said": {"ü": "“quoted” \\ud800"}}
    first = ledger.note("run-1", "take back", data)
    clock.tick(1)
    second = ledger.note("run-2", "take back", {})
    third = ledger.note(None, "take back", {})
    assert ledger.head() == third
    (kept,) = ledger.trail("run-1")
    assert (kept.seq, kept.kind, kept.data, kept.hash, kept.previous) == (1, "take back", data, first, BEGINNING)
    assert (ledger.trail("run-2")[0].previous, ledger.trail(None)[0].previous) == (first, second)
    ledger.verify()


def test_what_is_no_json_is_refused_and_leaves_nothing(ledger: Ledger) -> None:
    for data in ({"a": {1, 2}}, {"a": float("nan")}, {"a": object()}):
        with pytest.raises((TypeError, ValueError)):
            ledger.note("run-1", "odd", data)
    assert ledger.head() == BEGINNING


def test_every_write_is_in_the_trail(ledger: Ledger, clock: FakeClock) -> None:
    opened = ledger.open_incident(incident(), None)
    which, lease = under_way(ledger, plan(stop_step(), start_step()))
    sent = intend(ledger, which, lease, 1)
    result(ledger, which, 1)
    (bracket,) = ledger.open_brackets()
    other = sealed(ledger, plan(), number=2)
    writes: dict[str, Callable[[], object]] = {
        "incident joined": lambda: ledger.open_incident(incident(), None),
        "incident taken": lambda: ledger.attach_run(opened.id, "run-1"),
        "reported over": lambda: ledger.over(incident().key, "resolved", "it is resolved"),
        "incident closed": lambda: ledger.close_incident(opened.id, ENDED),
        "plan void": lambda: ledger.void(other, Reason.PAUSED, "stopped"),
        "step not undone": lambda: ledger.mark_undone("run-1", which.digest, 1, sent, ok=False, detail="down"),
        "step undone": lambda: ledger.mark_undone("run-1", which.digest, 1, sent, ok=True, detail="Start-VM"),
        "bracket closed": lambda: ledger.close_bracket(bracket, "started"),
        "lease released": lambda: ledger.release(lease),
        "cause seen": lambda: ledger.sight(Cause.SPN_MISSING, "HV07", opened.id),
        "run finished": lambda: ledger.finish_run("run-1", ENDED),
    }
    for kind, write in writes.items():
        before = ledger.head()
        write()
        last = max((*ledger.trail("run-1"), *ledger.trail(None)), key=lambda note: note.seq)
        assert (last.kind, last.previous) == (kind, before)
    kinds = [note.kind for note in sorted((*ledger.trail("run-1"), *ledger.trail(None)), key=lambda note: note.seq)]
    assert kinds[:10] == [
        "incident opened",
        "run started",
        "plan sealed",
        "decided",
        "approval used",
        "lease taken",
        "step intended",
        "bracket opened",
        "step result",
        "plan sealed",
    ]
    ledger.verify()


@pytest.fixture
def behind(blank: str, ledger: Ledger) -> Callable[[str], None]:
    """Runs a statement behind the ledger's back, as somebody could who may write to the database."""
    for number in range(1, 6):
        ledger.note("run-1", "take back", {"number": number})
    engine = create_engine(blank)

    def unguarded(conn: Connection) -> None:
        if engine.dialect.name == "sqlite":
            conn.execute(text("DROP TRIGGER ledger_note_no_update"))
            conn.execute(text("DROP TRIGGER ledger_note_no_delete"))
        else:
            conn.execute(text("SET LOCAL session_replication_role = replica"))

    def run(statement: str, guarded: bool = False) -> None:
        with engine.begin() as conn:
            if not guarded:
                unguarded(conn)
            conn.execute(text(statement))
        engine.dispose()

    return run


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger_note SET kind = 'x' WHERE seq = 3", "DELETE FROM ledger_note WHERE seq = 3"]
)
def test_the_trail_only_grows(behind: Callable[..., None], statement: str, ledger: Ledger) -> None:
    with pytest.raises(Exception, match="the audit trail only grows"):
        behind(statement, guarded=True)
    ledger.verify()


FORGED = {
    "at": "2026-03-01T12:00:00.000001+00:00",
    "run": "run-2",
    "kind": "step result",
    "data": '{"number": 9}',
    "previous": "f" * 64,
    "hash": "f" * 64,
}


@on_sqlite
@pytest.mark.parametrize(
    ("change", "broken"),
    [
        *(
            (f"UPDATE ledger_note SET {column} = '{value}' WHERE seq = {seq}", seq)  # noqa: S608 - forging is the point
            for column, value in FORGED.items()
            for seq in (1, 3, 5)
        ),
        ("UPDATE ledger_note SET run = NULL WHERE seq = 3", 3),
        ("UPDATE ledger_note SET data = replace(data, '3', '4') WHERE seq = 3", 3),
        ("UPDATE ledger_note SET seq = 9 WHERE seq = 3", 3),
        ("UPDATE ledger_note SET seq = seq + 10 WHERE seq = 5", 5),
        ("DELETE FROM ledger_note WHERE seq = 1", 1),
        ("DELETE FROM ledger_note WHERE seq = 3", 3),
        ("INSERT INTO ledger_note SELECT 6, at, run, kind, data, hash, 'f' FROM ledger_note WHERE seq = 5", 6),
    ],
)
def test_a_row_that_was_tampered_with_is_found(behind: Callable[[str], None], ledger: Ledger, change: str, broken: int) -> None:
    ledger.verify()
    behind(change)
    with refused(Reason.LEDGER_UNAVAILABLE, f"note {broken} "):
        ledger.verify()


def test_a_broken_trail_is_found_on_either_database(behind: Callable[[str], None], ledger: Ledger) -> None:
    behind("UPDATE ledger_note SET data = replace(data, '3', '4') WHERE seq = 3")
    with refused(Reason.LEDGER_UNAVAILABLE, "note 3 is not what was written"):
        ledger.verify()


def test_a_trail_whose_end_was_cut_off_is_told_by_a_reports_head(
    behind: Callable[[str], None], ledger: Ledger, blank: str
) -> None:
    heads = [note.hash for note in ledger.trail("run-1")]
    behind("DELETE FROM ledger_note WHERE seq > 3")
    ledger.verify()
    ledger.verify(heads[2])
    with refused(Reason.LEDGER_UNAVAILABLE, "note 4 and what followed is missing", heads[4]):
        ledger.verify(heads[4])
    # The process that wrote them goes on no more; one that starts anew cannot know.
    with refused(Reason.LEDGER_UNAVAILABLE, "no longer holds note 5"):
        ledger.note("run-1", "take back", {})
    with Ledger(blank) as other:
        other.note("run-1", "take back", {})


@on_sqlite
def test_a_ledger_put_back_from_an_older_copy_is_noticed(ledger: Ledger, blank: str, tmp_path: Path) -> None:
    path = Path(blank.removeprefix("sqlite:///"))
    ledger.note(None, "first", {})
    engine = create_engine(blank)
    with engine.connect() as conn:
        conn.exec_driver_sql(f"VACUUM INTO '{tmp_path / 'copy.db'}'")
    engine.dispose()
    ledger.note(None, "second", {})
    (tmp_path / "copy.db").replace(path)
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    with refused(Reason.LEDGER_UNAVAILABLE, "no longer holds note 2", "older copy"):
        ledger.note(None, "third", {})
