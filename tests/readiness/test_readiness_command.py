"""`remediate readiness` as a person and a script use it, against the lab."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from readiness_examples import report
from typer.testing import CliRunner, Result

from remediations.cli import app
from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.ledger.readiness import KEPT
from remediations.model.readiness import Level, Readiness

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    shutil.copy(CONFIGS / "policy.yaml", tmp_path)
    monkeypatch.setenv("REMEDIATE_CONFIG", str(tmp_path))
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path / "state"))
    with Lab() as running:
        running.write_site(tmp_path / "site.yaml")
        yield running


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["readiness", *arguments])


def test_a_person_sees_what_would_fail_and_what_changed(lab: Lab, tmp_path: Path) -> None:
    first = ask("--host", "HV03", "--host", "HV04", "--json", "--since", "last")
    assert first.exit_code == 0, first.output
    assert "this is the first" in first.stderr
    kept = tmp_path / "first.json"
    kept.write_text(first.stdout)
    assert Readiness.model_validate_json(first.stdout).counts[Level.FAILS] == 0

    lab.inject("spn_missing")
    page = tmp_path / "page.html"
    second = ask("--host", "HV03", "--host", "HV04", "--html", str(page))
    assert second.exit_code == 3
    assert "2 ways between 2 hosts: 2 would fail" in second.stdout
    assert "No longer ready since" in second.stdout
    assert "Set-ADComputer" in second.stdout
    assert "remediate plan register-spns --host HV04" in second.stdout
    assert "Register the migration service" in page.read_text("utf-8")

    third = ask("--host", "HV03", "--host", "HV04", "--json", "--since", str(kept))
    assert len(json.loads(third.stdout)["changed"]["lost"]) == 2
    assert [len(line) for line in lab.journal.executed("Set-ADComputer")] == []


@pytest.mark.usefixtures("lab")
def test_bad_input_is_said_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"at": 3}')
    for arguments, said in (
        (("--host", "HV99"), "HV99 is not in the inventory (site.yaml has HV01, HV02"),
        (("--cluster", "CLUSTER9"), "cluster CLUSTER9 is not in the inventory"),
        (("--since", str(broken)), "is no readiness report"),
        (("--since", str(tmp_path / "none.json")), "cannot be read: No such file"),
    ):
        found = ask(*arguments)
        assert found.exit_code == 2
        assert said in found.stderr.replace("\n", " ")


def test_the_ledger_keeps_the_newest_of_each_scope(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        small, large = report(2), report(8)
        assert ledger.last_readiness(small) is None
        assert ledger.last_counts() is None
        ledger.keep_readiness(large)
        for number in range(KEPT + 3):
            ledger.keep_readiness(small.model_copy(update={"seconds": float(number)}))
        newest = ledger.last_readiness(small)
        assert newest is not None
        assert newest.seconds == KEPT + 2
        assert ledger.last_readiness(large) == large
        assert ledger.last_counts() == (small.at, Counter(small.counts))
        with ledger._database.reading() as conn:
            assert conn.exec_driver_sql("SELECT count(*) FROM ledger_readiness").scalar_one() == KEPT + 1
        ledger.verify()
