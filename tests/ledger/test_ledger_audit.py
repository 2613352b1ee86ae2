"""The audit trail: every write is in it, and nobody changes it unseen."""

from __future__ import annotations

import hashlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
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

from remediations.ledger import Head, Ledger, columns
from remediations.ledger.audit import BEGINNING
from remediations.model.causes import Cause
from remediations.model.outcome import Reason, Refused


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


def test_a_clock_without_an_offset_writes_nothing(blank: str) -> None:
    with Ledger(blank, clock=lambda: FakeClock()().replace(tzinfo=None)) as ledger:
        with pytest.raises(ValueError, match="aware times"):
            ledger.note(None, "x", {})
        assert ledger.trail(None) == []


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


# ---- whatever is done to whichever row --------------------------------------------------------------------------------

ROWS = 12
COLUMNS = ("seq", "at", "run", "kind", "data", "previous", "hash")


def _written(path: Path) -> None:
    """A ledger file with a trail of runs and of none, without the triggers that keep it."""
    clock = FakeClock()
    with Ledger(f"sqlite:///{path}", clock=clock) as ledger:
        for number in range(ROWS):
            clock.tick(number)
            ledger.note(None if number % 3 else f"run-{number}", "take back", {"number": number, "said": "ü"})
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER ledger_note_no_update")
        raw.execute("DROP TRIGGER ledger_note_no_delete")
        raw.commit()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trail") / "ledger.db"
    _written(path)
    return path


Row = tuple[Any, ...]


def _forged(written: Path, forge: Callable[[list[Row]], list[Row]]) -> str | None:
    """What `verify` and the head that was published last say of the trail after `forge`; None if it holds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        shutil.copy(written, path)
        with closing(sqlite3.connect(path)) as raw:
            rows = raw.execute("SELECT seq, at, run, kind, data, previous, hash FROM ledger_note ORDER BY seq").fetchall()
            raw.execute("DELETE FROM ledger_note")
            raw.executemany("INSERT INTO ledger_note VALUES (?, ?, ?, ?, ?, ?, ?)", forge(list(rows)))
            raw.commit()
        with Ledger(f"sqlite:///{path}") as ledger:
            try:
                ledger.verify()
            except Refused as refused:
                return refused.detail
            return None if ledger.holds(Head(seq=ROWS, hash=rows[-1][-1])) else "the published head is gone"


def _names(told: str | None) -> int:
    found = re.search(r"note (\d+) ", told or "")
    assert found, f"no row is named: {told}"
    return int(found[1])


def test_a_trail_that_was_only_copied_holds(written: Path) -> None:
    assert _forged(written, lambda rows: rows) is None


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=70)


@given(row=st.integers(0, ROWS - 1), column=st.sampled_from(COLUMNS), text=TEXT, number=st.integers(-5, 99))
def test_any_value_of_any_row_that_is_changed_is_found_with_its_row(
    written: Path, row: int, column: str, text: str, number: int
) -> None:
    at = COLUMNS.index(column)

    def forge(rows: list[Row]) -> list[Row]:
        value: Any = number if column == "seq" else text
        assume(value != rows[row][at] and not (column == "seq" and value in [each[0] for each in rows]))
        assume(not (column == "hash" and value in [each[at] for each in rows]))
        return [*rows[:row], (*rows[row][:at], value, *rows[row][at + 1 :]), *rows[row + 1 :]]

    # A number that was changed leaves a gap; should it now stand before the others, it is the first that is wrong.
    found = _names(_forged(written, forge))
    assert found == row + 1 or (column == "seq" and number < row + 1 and found == 1)


@given(order=st.permutations(range(ROWS)), kept=st.integers(0, ROWS))
def test_rows_in_another_order_or_cut_off_are_found(written: Path, order: list[int], kept: int) -> None:
    assume(order[:kept] != list(range(ROWS)))

    def forge(rows: list[Row]) -> list[Row]:
        return [(number + 1, *rows[old][1:]) for number, old in enumerate(order[:kept])]

    told = _forged(written, forge)
    in_place = next((number for number, old in enumerate(order[:kept]) if number != old), None)
    if in_place is None:
        assert told == "the published head is gone", "a whole beginning of the trail is told by its head only"
    else:
        assert _names(told) == in_place + 1


@given(first=st.integers(0, ROWS - 1), kind=TEXT)
def test_a_trail_that_was_written_anew_from_some_row_is_told_by_the_published_head(
    written: Path, first: int, kind: str
) -> None:
    """Whoever may write to the database can chain it again; what was published outside of it shows it."""
    assume(kind != "take back")

    def forge(rows: list[Row]) -> list[Row]:
        made, previous = rows[:first], rows[first][5]
        for seq, at, run, _, data, *_rest in rows[first:]:
            hashed = hashlib.sha256(columns.dumps([previous, seq, at, run, kind, data]).encode()).hexdigest()
            made.append((seq, at, run, kind, data, previous, hashed))
            previous = hashed
        return made

    assert _forged(written, forge) == "the published head is gone"
