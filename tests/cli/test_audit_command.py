"""`remediate audit verify | export | accept` on a ledger of this machine."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from remediations.cli import app
from remediations.ledger import Ledger
from remediations.ledger.published import Published

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _five_lines(state: Path) -> None:
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        for number in range(5):
            ledger.note("run-1", "take back", {"number": number})


def run(*arguments: str) -> Result:
    return RUNNER.invoke(app, arguments, env={"COLUMNS": "200"})


def heads(state: Path) -> list[str]:
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        return [note.hash for note in ledger.whole_trail()]


def behind(state: Path, statement: str) -> None:
    with closing(sqlite3.connect(state / "ledger.db")) as raw:
        raw.execute("DROP TRIGGER IF EXISTS ledger_note_no_update")
        raw.execute("DROP TRIGGER IF EXISTS ledger_note_no_delete")
        raw.execute(statement)
        raw.commit()


def test_a_trail_that_holds(state: Path) -> None:
    *_, last = heads(state)
    shown = run("audit", "verify")
    assert (shown.exit_code, shown.stdout) == (0, f"The trail holds: 5 rows, head {last}\n")
    assert run("audit", "verify", "--against", heads(state)[1].upper()).exit_code == 0
    told = json.loads(run("audit", "verify", "--json").stdout)
    assert told == {"holds": True, "wrong": None, "rows": 5, "head": last}


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE ledger_note SET kind = 'x' WHERE seq = 3", "note 3 is not what was written"),
        ("DELETE FROM ledger_note WHERE seq = 2", "note 2 is missing"),
        ("UPDATE ledger_note SET seq = 9 WHERE seq = 5", "note 5 is missing"),
    ],
)
def test_what_was_tampered_with_is_named_and_still_exported(state: Path, statement: str, says: str) -> None:
    behind(state, statement)
    shown = run("audit", "verify")
    assert (shown.exit_code, says in shown.stderr) == (1, True), shown.output
    assert says in json.loads(run("audit", "verify", "--json").stdout)["wrong"]
    exported = run("audit", "export")
    assert (exported.exit_code, says in exported.stderr) == (1, True)
    assert len(exported.stdout.splitlines()) >= 5


def test_an_end_that_was_cut_off_is_told_by_a_head_from_outside(state: Path) -> None:
    last = heads(state)[-1]
    assert run("audit", "export").exit_code == 0, "what was exported counts as published"
    behind(state, "DELETE FROM ledger_note WHERE seq > 3")
    against = run("audit", "verify", "--against", last)
    assert (against.exit_code, "note 4 and what followed is missing" in against.stderr) == (1, True)
    alone = run("audit", "verify")
    assert (alone.exit_code, "ends at row 3 and does not hold row 5" in alone.stderr) == (1, True)
    # Everything that would build an engine is stopped; a pause still works.
    stopped = run("policy", "explain", "rules", "register-spns")
    assert (stopped.exit_code, "remediate audit accept --as NAME" in stopped.stderr) == (3, True), stopped.output
    serve = run("serve")
    assert (serve.exit_code, "remediate audit accept --as NAME" in serve.stderr) == (3, True), serve.output
    assert not (state / "prefect").exists(), "nothing was started"
    assert run("pause").exit_code == run("resume").exit_code == 0
    assert run("audit", "accept").exit_code == 2
    accepted = run("audit", "accept", "--as", "anna")
    assert accepted.exit_code == 0, accepted.output
    assert run("policy", "explain", "rules", "register-spns").exit_code == 0
    assert run("audit", "verify").exit_code == 0
    again = run("audit", "accept", "--as", "anna")
    assert (again.exit_code, "nothing has to be accepted" in again.stderr) == (2, True)


def test_an_export_is_json_lines_with_the_head_at_its_end(state: Path) -> None:
    lines = [json.loads(line) for line in run("audit", "export").stdout.splitlines()]
    assert [line["seq"] for line in lines[:-1]] == [1, 2, 3, 4, 5]
    assert lines[0]["data"] == {"number": 0}
    assert lines[-1] == {"rows": 5, "head": lines[-2]["hash"]}
    later = [json.loads(line) for line in run("audit", "export", "--after", "4").stdout.splitlines()]
    assert [line.get("seq") for line in later] == [5, None]
    kept = Published(state).read()
    assert kept is not None
    assert kept.hash == lines[-1]["head"]


@pytest.mark.parametrize("head", ["f", "g" * 64, "f" * 63])
def test_a_head_that_is_none_is_named(head: str) -> None:
    shown = run("audit", "verify", "--against", head)
    assert (shown.exit_code, "a head has 64 characters" in shown.stderr) == (2, True)
