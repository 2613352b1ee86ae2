"""`remediate undo` and `remediate recover` against the lab: real sockets, a ledger on disk, commands as people type them."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from remediations.catalogue.register_spns import RegisterSpns
from remediations.cli import app
from remediations.cli.console import account
from remediations.engine import Answer, Ask, Engine
from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.policy import Policy
from remediations.remoting import Remoting
from remediations.settings import resolve

RUNNER = CliRunner()


class Died(BaseException):
    """The process is gone."""


def mend(lab: Lab, tmp_path: Path, run: str, *, die: str = "") -> None:
    """Register the SPNs that HV04 lacks; a process that dies before the piece of work `die`, if it is given."""

    def observe(name: str, work: object) -> object:
        if die and die in name:
            raise Died
        return work()

    def gate(ask: Ask) -> Answer:
        return Answer(decision="approve", approver="anna")

    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger, Remoting(lab.site(), resolve) as remoting:
        policy = Policy(windows={})
        engine = Engine(site=lab.site(), policy=policy, ledger=ledger, remoting=remoting, observe=observe)
        engine.carry_out(run, RegisterSpns(host="HV04"), dry_run=False, gate=gate, requested_by="carl")


def run(*arguments: str) -> Result:
    return RUNNER.invoke(app, arguments, env={"COLUMNS": "200"})


def test_a_run_is_shown_then_undone_then_there_is_nothing_left(lab: Lab, tmp_path: Path) -> None:
    lab.inject(Cause.SPN_MISSING.value)
    broken = lab.world.state_hash()
    mend(lab, tmp_path, "run-1")
    shown = run("undo", "run-1", "--dry-run", "--json")
    assert shown.exit_code == 3, shown.output
    report = json.loads(shown.stdout)
    assert report["outcome"]["ending"] == "proposed"
    (step,) = report["plan"]["items"]
    assert step["command"]["name"] == "Set-ADComputer"
    unasked = run("undo", "run-1", "--as", "ben")
    assert unasked.exit_code == 4, unasked.output
    digest = unasked.stderr.rsplit("--approve ", 1)[1][:8]
    done = run("undo", "run-1", "--as", "ben", "--approve", digest)
    assert done.exit_code == 0, done.output
    assert run("undo", "run-1").exit_code == 0
    assert lab.world.state_hash() == broken
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        ledger.verify()
        assert ledger.held() == []


def an_empty_ledger(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"):
        pass


def test_an_unknown_run_is_named(lab: Lab, tmp_path: Path) -> None:
    an_empty_ledger(tmp_path)
    result = run("undo", "run-9")
    assert (result.exit_code, "run-9" in result.stderr) == (2, True), result.output


def test_recover_names_what_another_machines_command_left_until_somebody_says_that_it_is_gone(lab: Lab, tmp_path: Path) -> None:
    an_empty_ledger(tmp_path)
    assert run("recover").exit_code == 0
    dead = "cli:elsewhere:1:0-1:x"
    lab.inject(Cause.SPN_MISSING.value)
    with pytest.raises(Died):
        mend(lab, tmp_path, dead, die="verify")
    alone = run("recover", "--json")
    told = json.loads(alone.stdout)
    assert told["recovered"] == [], "another machine's command is left alone"
    (left,) = told["left"]
    assert (left["run"], alone.exit_code) == (dead, 3)
    assert "it was begun at a terminal of elsewhere, and is recovered there" in left["why"]
    assert left["why"].endswith(f"say so: remediate recover --gone {dead}")
    told = json.loads(run("recover", "--json", "--gone", dead).stdout)
    ((recovered,), left) = told["recovered"], told["left"]
    assert (recovered["run"], recovered["outcome"]["ending"], left) == (dead, "needs a person", [])
    assert f"{account()} said that its process is gone" in recovered["what"]
    again = run("recover", "--gone", dead)
    assert again.exit_code == 2
    assert "no unfinished run; unfinished are: none" in again.stderr


def test_nobody_says_of_a_run_that_can_be_seen_that_it_is_gone(lab: Lab, tmp_path: Path) -> None:
    lives = f"cli:{socket.gethostname()}:{os.getpid()}::x"
    lab.inject(Cause.SPN_MISSING.value)
    with pytest.raises(Died):
        mend(lab, tmp_path, lives, die="verify")
    result = run("recover", "--gone", lives)
    assert result.exit_code == 2
    assert "can be seen from here" in result.stderr


def test_recover_closes_what_this_machines_dead_command_left(lab: Lab, tmp_path: Path) -> None:
    dead = f"cli:{socket.gethostname()}:{2**22 - 1}:0-1:x"
    lab.inject(Cause.SPN_MISSING.value)
    with pytest.raises(Died):
        mend(lab, tmp_path, dead, die="verify")
    first = run("recover", "--json")
    (recovered,) = json.loads(first.stdout)["recovered"]
    assert (recovered["run"], recovered["outcome"]["ending"]) == (dead, "needs a person")
    assert first.exit_code == 0, first.output
    again = run("recover")
    assert (again.exit_code, "Nothing was left half-way" in again.stdout) == (0, True), again.output


def test_recover_says_what_has_to_wait(lab: Lab, tmp_path: Path) -> None:
    """The host is held by another run: nothing is finished now, and the exit code says so."""
    dead = f"cli:{socket.gethostname()}:{2**22 - 1}:0-1:x"
    lab.inject(Cause.SPN_MISSING.value)
    with pytest.raises(Died):
        mend(lab, tmp_path, dead, die="verify")
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        lease = ledger.lease(["host:dc1", "host:hv04"], holder="another run", seconds=600)
        result = run("recover")
        ledger.release(lease)
    assert result.exit_code == 3, result.output
    assert "another run" in result.stdout
