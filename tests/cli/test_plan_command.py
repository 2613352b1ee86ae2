"""`remediate plan` against the lab: one name for one host, and what is said where nothing points to a cause."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from remediations.cli import app
from remediations.engine.render import escape
from remediations.lab.lab import Lab
from remediations.ledger import Ledger

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def planned(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["plan", *arguments, "--json"])
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_a_host_is_one_host_however_it_is_spelled(lab: Lab) -> None:
    lab.inject("spn_missing")
    plans = [planned("register-spns", "--host", name)["plan"] for name in ("HV02", "hv02", "HV02.contoso.com")]
    assert [each["request"] for each in plans] == [{"host": "HV02"}] * 3
    assert len({each["title"] for each in plans}) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "register-spns", "--host", "HV01"),
        ("plan", "incident", "--vm", "VM42", "--source", "HV01", "--message", "0x80090322"),
        ("policy", "explain", "register-spns", "--host", "HV02"),
        ("policy", "explain", "rules", "register-spns", "--host", "HV02"),
        ("collect", "--vm", "VM42", "--source", "HV01", "--no-cluster-log", "--to", "{}/kept.zip"),
    ],
)
def test_what_only_reads_makes_no_ledger(
    arguments: tuple[str, ...], lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.inject("spn_missing")
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path / "mistyped"))
    result = CliRunner().invoke(app, [each.format(tmp_path) for each in arguments])
    assert result.exit_code in (0, 3), result.output
    assert not (tmp_path / "mistyped").exists()
    told = "Nothing that ran before is counted: there is no ledger at sqlite:///" in result.stderr
    assert told is (arguments[0] != "collect")


def test_a_dry_run_names_no_page_which_nobody_writes(lab: Lab, state: Path) -> None:
    lab.inject("spn_missing")
    report = planned("register-spns", "--host", "HV02")
    assert report["page"] == ""
    assert "As a page" not in report["markdown"]
    assert not (state / "reports").exists()


def test_a_failure_that_is_reported_at_a_terminal_says_by_whom(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")
    said = planned("incident", "--vm", "VM99", "--source", "HV01")["markdown"]
    assert f"reported by: anna, at a terminal of {escape(socket.gethostname())}" in said
    said = planned("incident", "--vm", "VM99", "--source", "HV01", "--reported-by", "the night shift")["markdown"]
    assert "reported by: the night shift" in said


def test_where_nothing_points_to_a_cause_it_says_what_was_looked_into(lab: Lab) -> None:
    known = "that is known: unknown."
    said = planned("incident", "--vm", "VM42")["outcome"]["summary"]
    assert said.startswith(f"Nothing in the report or the event logs of HV01 and HV02 points to a cause {known}")
    said = planned("incident", "--vm", "VM99")["outcome"]["summary"]
    assert f"{known} No virtual machine VM99 is on HV01, HV02, HV03, HV04; check its name." in said
    lab.server.stop_host("HV01")
    report = planned("incident", "--vm", "VM42", "--source", "HV01", "--destination", "HV02")
    said = report["outcome"]["summary"]
    assert said.startswith(
        f"Nothing in the report or the event log of HV02 points to a cause {known} Event logs that could not"
    )
    assert "HV01: connection to" in said
    assert "**event log not read**: HV01: connection to" in report["markdown"]


def test_what_cannot_be_seen_without_the_module_is_not_taken_for_proven(lab: Lab) -> None:
    for host in lab.world.hosts.values():
        host.module = None
    report = planned("incident", "--vm", "VM42", "--source", "HV01", "--destination", "HV02", "--message", "0x80090322")
    verdicts = {each["hypothesis"]["cause"]: each["verdict"] for each in report["considered"]}
    assert verdicts["kerberos_tickets_stale"] == "unknown"
    said = report["outcome"]["summary"]
    assert "is neither proven nor ruled out by the facts: " in said
    assert "kerberos_tickets_stale (" in said
    assert "Run: remediate host export DIR, then on HV01 as administrator: powershell -File DIR\\Install.ps1" in said


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--as", "x"), "--as: 'x' is no name: give the name of whoever decides, two to 64 characters"),
        (("--as", "a" * 65), "is no name"),
        (("--comment", "a" * 2001), "--comment: this has 2001 characters; say it in 2000"),
    ],
)
@pytest.mark.parametrize("command", [("apply", "register-spns", "--host", "HV04"), ("undo", "some-run")])
def test_who_could_not_answer_is_told_before_anything_begins(
    command: tuple[str, ...], given: tuple[str, ...], says: str, lab: Lab, state: Path
) -> None:
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        refused = CliRunner().invoke(app, [*command, *given])
        assert (refused.exit_code, says in refused.stderr) == (2, True), refused.stderr
        assert ledger.runs() == []


def test_where_nobody_can_be_asked_the_run_ends_and_leaves_no_question(lab: Lab) -> None:
    lab.inject("spn_missing")
    before = lab.world.state_hash()
    refused = CliRunner().invoke(app, ["apply", "register-spns", "--host", "HV04"])
    assert refused.exit_code == 4, refused.output
    assert "this is no terminal to ask at: give --approve " in " ".join(refused.output.split())
    assert json.loads(CliRunner().invoke(app, ["approvals", "--json"]).stdout) == []
    assert lab.world.state_hash() == before
