"""`remediate pause | resume | breaker | trust`: the ledger's switches from a terminal."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from remediations.catalogue import CATALOGUE
from remediations.cli import app
from remediations.ledger import Ledger

RUNNER = CliRunner()
pytestmark = pytest.mark.usefixtures("state")


def ledger(state: Path) -> Ledger:
    return Ledger(f"sqlite:///{state / 'ledger.db'}")


@pytest.fixture(autouse=True)
def _there_is_one(state: Path) -> None:
    ledger(state).close()


def run(*arguments: str, columns: int = 200) -> Result:
    return RUNNER.invoke(app, arguments, env={"COLUMNS": str(columns)})


def failed(state: Path, times: int = 3) -> None:
    with ledger(state) as book:
        for number in range(times):
            book.start_run(f"run-{number}", kind="register-spns", incident_id=None, requested_by="anna")
            told = {"verified": False, "detail": "it broke", "causes": [], "targets": []}
            book.tried(f"run-{number}", "d" * 64, ["register-spns"], **told, breaks=(3, timedelta(days=1)))


def test_a_pause_is_on_until_it_is_ended_and_policy_explain_says_so(state: Path) -> None:
    paused = run("pause", "--why", "the SAN is slow", "--as", "anna")
    assert (paused.exit_code, paused.stdout.startswith("Paused: anna paused every change at ")) == (0, True), paused.output
    assert "anna paused every change" in run("pause", "--as", "bert").stdout
    judged = json.loads(run("policy", "explain", "rules", "register-spns", "--json").stdout)[0]
    assert judged["decides"]["reason"] == "Paused"
    assert "(the SAN is slow)" in judged["follows"]
    assert run("resume", "--as", "bert").stdout.startswith("Resumed: what anna paused at ")
    assert run("resume", "--as", "bert").stdout.strip() == "The ledger's pause was not on."
    assert json.loads(run("policy", "explain", "rules", "register-spns", "--json").stdout)[0]["decides"]["reason"] is None


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_pause_of_nobody_is_that_of_the_account(state: Path, blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")
    assert run("pause", "--as", blank).stdout.startswith("Paused: anna paused every change at ")
    assert run("resume", "--as", blank).exit_code == 0
    with ledger(state) as book:
        assert book.paused() is None


def test_a_pause_works_when_the_configuration_is_broken(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.yaml").write_text("domain: 4\n")
    (tmp_path / "policy.yaml").write_text("pause: perhaps\n")
    monkeypatch.setenv("REMEDIATE_CONFIG", str(tmp_path))
    assert run("pause").exit_code == 0
    with ledger(state) as book:
        assert book.paused() is not None
    resumed = run("resume")
    assert "Still paused by policy.yaml: policy.yaml cannot be read any more" in resumed.stdout.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("pause",),
        ("resume",),
        ("breaker", "list"),
        ("trust",),
        ("audit", "verify"),
        ("audit", "export"),
        ("roll", "list"),
        ("incidents",),
        ("runs",),
        ("approvers", "list"),
        ("approvers", "remove", "Anna Berg"),
        ("recover",),
        ("undo", "cli:HV:1:2:3", "--dry-run"),
        ("policy", "explain", "digest", "3f9a41c0"),
    ],
)
def test_an_empty_ledger_is_not_made_to_be_paused_or_asked(
    state: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    elsewhere = state / "mistyped"
    monkeypatch.setenv("REMEDIATE_STATE", str(elsewhere))
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (3, ""), refused.output
    assert f"there is no ledger at sqlite:///{elsewhere}/ledger.db" in refused.stderr.replace("\n", "")
    assert not elsewhere.exists()
    monkeypatch.setenv("REMEDIATE_LEDGER", f"sqlite:///{state}/mistyped.db")
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (3, ""), refused.output
    assert not (state / "mistyped.db").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("approvers", "add", "Anna Berg"),
        ("readiness", "--host", "HV01"),
        ("audit", "accept", "--as", "anna"),
        ("serve",),
    ],
)
def test_a_state_directory_that_cannot_be_made_is_named(
    state: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    (state / "file").touch()
    monkeypatch.setenv("REMEDIATE_STATE", str(state / "file"))
    refused = run(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, ""), refused.output
    assert "REMEDIATE_STATE: " in refused.stderr
    assert "cannot be made (File exists); name a directory" in refused.stderr.replace("\n", "")


def test_resuming_says_what_pauses_still(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.yaml").write_text("pause: true\n")
    monkeypatch.setenv("REMEDIATE_CONFIG", str(tmp_path))
    assert "Still paused by policy.yaml: policy.yaml says pause: true" in run("resume").stdout


def test_a_breaker_is_listed_and_closed(state: Path) -> None:
    assert run("breaker", "list").stdout.strip() == "No breaker is open."
    failed(state)
    assert json.loads(run("breaker", "list", "--json").stdout)[0]["remediation"] == "register-spns"
    assert "remediate breaker close register-spns --as NAME" in run("breaker", "list").stdout
    assert run("breaker", "close", "register-spns").exit_code == 2
    assert run("breaker", "close", "register-spns", "--as", " ").exit_code == 2
    closed = run("breaker", "close", "register-spns", "--as", "anna")
    assert closed.stdout.startswith("anna closed the breaker of register-spns (3 failed verifications"), closed.output
    again = run("breaker", "close", "register-spns", "--as", "anna")
    assert (again.exit_code, "is not open" in again.stderr) == (2, True)


def test_trust_shows_each_record_and_what_is_missing(state: Path) -> None:
    failed(state)
    listed = {each["remediation"]: each for each in json.loads(run("trust", "--json").stdout)}
    assert set(listed) == {entry.id for entry in CATALOGUE.values() if entry.sends}
    spns, drain = listed["register-spns"], listed["drain-node"]
    assert (spns["failed"], spns["trusted"], spns["breaker_open"]) == (3, False, True)
    assert spns["missing"].startswith("10 more verified without a failure (so far 0 in a row since ")
    assert drain["missing"] == "nothing more to reach: tier 3 (running virtual machines) goes no further than approve"
    shown = run("trust", columns=80).stdout
    assert "register-spns: its breaker is open (remediate breaker list)\n" in shown
    assert "register-spns: counts anew since " in shown
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line and line.split()[0] in CATALOGUE}
    assert set(lines) == set(listed), "every remediation has one line of its own"
    assert lines["register-spns"] == ["breaker", "0", "0", "3", "0", "0"]
    assert lines["drain-node"] == ["never", "0", "0", "0", "0", "0"]
    assert all(len(line) <= 80 for line in shown.splitlines() if not line.startswith("register-spns: "))
