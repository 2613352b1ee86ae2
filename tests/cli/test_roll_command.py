"""`remediate roll` and `plan rolling-maintenance` against the lab: where it stands, going on, giving up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from remediations.cli import app
from remediations.engine import Answer, Ask, Engine, Report, looking
from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.model.outcome import Ending
from remediations.model.roll import RollingMaintenance
from remediations.remoting import Remoting
from remediations.settings import load_policy, resolve

RUNNER = CliRunner()


class Suspended(BaseException):
    """The run waits for an answer, and its process has ended."""


@pytest.fixture
def policy_of_the_site(monkeypatch: pytest.MonkeyPatch) -> str:
    """At any time, by a name; and what to expect is not worked out."""
    monkeypatch.setattr(looking, "foresee", lambda *_: None)
    return "windows: {}\nproof: {3: name}\n"


def run(*arguments: str) -> Result:
    return RUNNER.invoke(app, arguments, catch_exceptions=False)


def roll(lab: Lab, path: Path, run_id: str) -> Report:
    """A roll of HV01 alone, whose drain is approved and whose resume waits for somebody."""

    def gate(ask: Ask) -> Answer:
        if ask.plan is not None and "Resume" in ask.plan.title:
            raise Suspended
        return Answer(decision="approve", approver="anna", digest=ask.digest[:8])

    with Ledger(f"sqlite:///{path / 'ledger.db'}") as ledger, Remoting(lab.site(), resolve) as remoting:
        policy = load_policy(path / "policy.yaml")
        engine = Engine(site=lab.site(), policy=policy, ledger=ledger, remoting=remoting)
        request = RollingMaintenance(cluster="CLUSTER1", nodes=("HV01",))
        return engine.roll(run_id, request, dry_run=False, gate=gate, requested_by="carl")


def test_a_drained_node_is_seen_and_gone_on_with_from_the_terminal(lab: Lab, tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path / 'ledger.db'}").close()
    assert run("roll", "list").stdout.strip() == "No cluster is, or was, in rolling maintenance."
    with pytest.raises(Suspended):
        roll(lab, tmp_path, "run-1")
    (shown,) = json.loads(run("roll", "list", "--json").stdout)
    assert [turn["stage"] for turn in shown["turns"]] == ["drained"]
    assert "HV01 stays drained for the person who works on it" in run("roll", "list").stdout
    busy = run("roll", "end", "CLUSTER1", "--as", "anna")
    assert busy.exit_code == 2
    assert "--leave-drained" in busy.stderr
    assert "is worked on by run run-1" in run("roll", "end", "CLUSTER1", "--as", "anna", "--leave-drained").stderr
    own = run("roll", "continue", "CLUSTER1", "--as", "carl")
    assert own.exit_code != 0, "whoever asked for it is not enough"
    said = run("roll", "continue", "cluster1", "--as", "anna", "--comment", "CHG7")
    assert said.exit_code == 0, said.stderr
    assert "approved by anna: Resume a cluster node: HV01, Immediate" in said.stdout
    report = roll(lab, tmp_path, "run-1")
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert lab.world.cluster is not None
    assert lab.world.cluster.nodes["HV01"].state == "Up"
    again = run("roll", "continue", "CLUSTER1", "--as", "anna")
    assert "no roll of it is open" in again.stderr
    assert "1 of 1 nodes of CLUSTER1 are done" in run("roll", "list").stdout


def test_a_plan_at_the_terminal_shows_each_node(lab: Lab) -> None:
    del lab
    told = run("plan", "rolling-maintenance", "--cluster", "CLUSTER1", "--nodes", "HV02", "--nodes", "HV01")
    assert told.exit_code == 3, told.stderr  # proposed, not done
    assert told.stdout.index("HV02 would be drained") < told.stdout.index("HV01 would be drained")
    wrong = run("plan", "rolling-maintenance", "--cluster", "CLUSTER1", "--nodes", "HV03")
    assert wrong.exit_code == 2
    assert "HV03 is no node of CLUSTER1 (site.yaml has HV01, HV02)" in wrong.stderr
    twice = run("plan", "rolling-maintenance", "--cluster", "CLUSTER1", "--nodes", "HV01", "--nodes", "hv01.contoso.com")
    assert twice.exit_code == 2
    assert "stands there twice" in twice.stderr
