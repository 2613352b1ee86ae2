"""`remediate runs`: what was done of late, out of the ledger alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from remediations.cli import app
from remediations.ledger import Ledger
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason

RUNNER = CliRunner()
pytestmark = pytest.mark.usefixtures("state")

MENDED = Outcome(ending=Ending.MENDED, summary="Mended, verified, and the move that had failed has succeeded.")
REFUSED = Outcome(ending=Ending.REFUSED, reason=Reason.PAUSED, summary="anna paused [bold]every[/bold] change.")


def ledger(state: Path) -> Ledger:
    return Ledger(f"sqlite:///{state / 'ledger.db'}")


def run(*arguments: str) -> Result:
    return RUNNER.invoke(app, ["runs", *arguments], env={"COLUMNS": "80"})


@pytest.fixture
def incident(state: Path) -> str:
    """Three runs: one of an incident with its report, one that was refused and told nothing, one that goes on."""
    with ledger(state) as book:
        opened = book.open_incident(Incident(vm="VM42", source="HV01", destination="HV02"), "0b5c1111-x").id
        book.start_run("0b5c1111-x", kind="remediate-migration", incident_id=opened, requested_by="Alertmanager")
        book.note("0b5c1111-x", "report", {"markdown": "# VM42\n\nSPNs were missing, and are there now."})
        book.finish_run("0b5c1111-x", MENDED)
        book.start_run("0b5c2222-x", kind="register-spns", incident_id=None, requested_by="bert")
        book.finish_run("0b5c2222-x", REFUSED)
        book.start_run("cli:here:1:0-1:x", kind="undo", incident_id=None, requested_by="carla")
        return opened


def test_the_last_ones_are_listed_newest_first_with_how_they_ended(incident: str) -> None:
    told = run()
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert [line[22:] for line in lines[::3]] == ["undo", "register-spns", f"VM42 would not move HV01 → HV02 ({incident})"]
    assert [line.strip() for line in lines[1::3]] == [
        "It has not ended.",
        "refused (Paused): anna paused [bold]every[/bold] change.",
        f"mended: {MENDED.summary}",
    ]
    assert lines[2].strip() == "run cli:here:1:0-1:x, asked for by carla"
    assert len(run("--last", "1").stdout.splitlines()) == 3


@pytest.mark.parametrize("name", ["0b5c1111-x", "0b5c1", "the incident"])
def test_one_is_shown_with_its_report(incident: str, name: str) -> None:
    told = run(incident if name == "the incident" else name)
    assert told.exit_code == 0, told.output
    assert "SPNs were missing, and are there now." in told.stdout
    (whole,) = json.loads(run("0b5c1", "--json").stdout)
    assert (whole["incident_id"], whole["outcome"]["ending"]) == (incident, "mended")
    assert whole["report"].startswith("# VM42")


def test_a_beginning_that_several_have_lists_them(incident: str) -> None:
    told = run("0b5c")
    assert told.exit_code == 0, told.output
    assert [line.split()[1].rstrip(",") for line in told.stdout.splitlines()[2::3]] == ["0b5c2222-x", "0b5c1111-x"]


def test_one_without_a_report_says_what_is_known(incident: str) -> None:
    told = run("0b5c2")
    assert "refused (Paused): anna paused [bold]every[/bold] change." in told.stdout
    assert "Nothing was sent." in told.stdout


@pytest.mark.parametrize("name", ["0b5c%", "nobody"])
def test_a_name_that_no_run_has_is_refused(incident: str, name: str) -> None:
    told = run(name)
    assert told.exit_code == 2
    assert name in told.stderr


def test_without_a_ledger_it_says_where_it_looked(state: Path) -> None:
    told = run()
    assert told.exit_code == 3
    assert str(state) in told.stderr.replace("\n", "")


def test_an_empty_ledger_is_no_mistake(state: Path) -> None:
    ledger(state).close()
    assert run().stdout.strip() == "Nothing has run with this ledger yet."
