"""Ledgers of other versions, and rows that this one cannot read or that were changed behind its back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ledger_examples import (
    ENDED,
    FakeClock,
    intend,
    limit_step,
    plan,
    refused,
    started,
    under_way,
)
from sqlalchemy import Connection, create_engine, text
from sqlalchemy import inspect as inspect_database

from remediations.ledger import Ledger, State, versions
from remediations.model.outcome import Reason

HERE = Path(__file__).parent
UNAVAILABLE = Reason.LEDGER_UNAVAILABLE


def test_a_newer_ledger_is_refused_with_what_to_do(url: str) -> None:
    Ledger(url).close()
    engine = create_engine(url)
    with engine.begin() as conn:
        conn.execute(text("UPDATE ledger_meta SET version = 99"))
    engine.dispose()
    with refused(UNAVAILABLE, "schema version 99", "versions up to 1", "install the newer program"):
        Ledger(url)


def _add_a_column(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE ledger_run ADD COLUMN colour TEXT"))


def _fill_it(conn: Connection) -> None:
    conn.execute(text("UPDATE ledger_run SET colour = 'green'"))


def _fail(conn: Connection) -> None:
    conn.execute(text("UPDATE no_such_table SET colour = 'green'"))


def test_who_has_it_open_writes_no_more_once_a_newer_program_has_taken_it_over(url: str) -> None:
    """What the newer one keeps there, as another kind of hold, this one would not heed."""
    with Ledger(url) as ledger:
        ledger.start_run("run-1", kind="test", incident_id=None, requested_by="anna")
        with ledger._database.writing() as conn:
            conn.execute(text("UPDATE ledger_meta SET version = 2"))
        with refused(UNAVAILABLE, "schema version 2 by now", "start it again"):
            ledger.lease(["host:hv01"], holder="run-1", seconds=60)
        assert ledger.held() == []


def _look(url: str) -> tuple[int, set[str]]:
    engine = create_engine(url)
    with engine.connect() as conn:
        version = conn.execute(text("SELECT version FROM ledger_meta")).scalar_one()
        columns = {column["name"] for column in inspect_database(conn).get_columns("ledger_run")}
    engine.dispose()
    return version, columns


def test_an_older_ledger_is_brought_up_in_one_transaction_and_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(url) as ledger:
        started(ledger)
    monkeypatch.setattr(versions, "MIGRATIONS", (_add_a_column, _fill_it, _fail))
    with refused(UNAVAILABLE, "no_such_table"):
        Ledger(url)
    version, columns = _look(url)
    assert (version, "colour" in columns) == (1, False)
    monkeypatch.setattr(versions, "MIGRATIONS", (_add_a_column, _fill_it))
    for _ in range(2):
        with Ledger(url) as ledger:
            assert ledger.run("run-1") is not None
        version, columns = _look(url)
        assert (version, "colour" in columns) == (3, True)


@pytest.fixture
def version_1(tmp_path: Path) -> str:
    """A ledger as the first release leaves it: until then its tables may change, and this file with them."""
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript((HERE / "version-1.sql").read_text("utf-8"))
    return f"sqlite:///{path}"


def test_the_first_versions_ledger_can_still_be_read(version_1: str, clock: FakeClock) -> None:
    with Ledger(version_1, clock=clock) as ledger:
        ledger.verify()
        (opened,) = ledger.open_incidents()
        (run,) = ledger.unfinished_runs()
        assert (opened.incident.vm, run.incident_id) == ("VM42", opened.id)
        which = ledger.sealed(run.run, round=1, part="repair")
        assert which is not None
        assert [step.command.name for step in which.plan.steps] == ["Stop-VM", "Set-VMHost", "Start-VM"]
        # What was approved then is applied now only if both versions mean the same plan by its digest; reading it always works.
        decided = ledger.decision(which)
        assert decided is not None
        assert (decided.approver, which.state) == ("bert", State.USED)
        assert [entry.result for entry in ledger.journal(run.run, which.digest)] == [True, None]
        assert [bracket.name for bracket in ledger.open_brackets()] == ["VM42 is off"]
        ledger.finish_run(run.run, ENDED)


def _shape(url: str) -> dict[str, object]:
    engine = create_engine(url)
    with engine.connect() as conn:
        looked = inspect_database(conn)
        found = {
            name: (
                sorted((column["name"], str(column["type"]), column["nullable"]) for column in looked.get_columns(name)),
                looked.get_pk_constraint(name)["constrained_columns"],
                sorted((str(index["name"]), str(index["column_names"]), index["unique"]) for index in looked.get_indexes(name)),
                sorted((key["constrained_columns"], key["referred_table"]) for key in looked.get_foreign_keys(name)),
            )
            for name in sorted(looked.get_table_names())
        }
    engine.dispose()
    return found


def test_an_old_ledger_brought_up_has_the_shape_of_a_new_one(version_1: str, tmp_path: Path) -> None:
    Ledger(version_1).close()
    Ledger(f"sqlite:///{tmp_path / 'new.db'}").close()
    assert _shape(version_1) == _shape(f"sqlite:///{tmp_path / 'new.db'}"), "the tables changed: append to versions.MIGRATIONS"


def test_a_ledger_that_lacks_a_table_of_its_version_is_refused_when_it_is_opened(url: str) -> None:
    Ledger(url).close()
    engine = create_engine(url)
    with engine.begin() as conn:
        conn.execute(text("DROP TABLE ledger_turn"))
    engine.dispose()
    with refused(UNAVAILABLE, "lacks ledger_turn", "restore a backup"):
        Ledger(url)


def test_a_record_that_this_version_cannot_read_is_never_guessed(ledger: Ledger, blank: str) -> None:
    which, _ = under_way(ledger, plan())
    engine = create_engine(blank)
    with engine.begin() as conn:
        conn.execute(text("UPDATE ledger_plan SET plan = replace(plan, 'Set-VMHost', 'Set-VMHostess')"))
    engine.dispose()
    for call in (lambda: ledger.sealed("run-1", round=1, part="repair"), lambda: ledger.use_approval(which)):
        with refused(UNAVAILABLE, f"plan {which.digest[:8]}", "Set-VMHostess"):
            call()


def test_a_plan_that_was_changed_behind_the_ledgers_back_is_not_applied(ledger: Ledger, blank: str) -> None:
    which, lease = under_way(ledger, plan(limit_step(4)))
    engine = create_engine(blank)
    with engine.begin() as conn:
        statement = "UPDATE ledger_plan SET plan = replace(plan, :old, :new)"
        conn.execute(
            text(statement), {"old": '"MaximumVirtualMachineMigrations":4', "new": '"MaximumVirtualMachineMigrations":9'}
        )
    engine.dispose()
    forged = ledger.sealed("run-1", round=1, part="repair")
    assert forged is not None
    assert "9" in forged.plan.steps[0].command.text
    for sealed in (which, forged):
        with refused(Reason.APPROVAL_INVALID):
            ledger.use_approval(sealed)
    for sealed in (which, forged):
        with refused(Reason.APPROVAL_INVALID, "somebody wrote to the database"):
            intend(ledger, sealed, lease)
