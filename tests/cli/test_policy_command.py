"""`remediate policy explain`: where it would act, a plan by its digest, and a plan made on the lab."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from remediations.cli import app
from remediations.engine import Ask
from remediations.lab.lab import Lab
from remediations.ledger import Ledger

RUNNER = CliRunner()
pytestmark = pytest.mark.usefixtures("state")


def explain(*arguments: str) -> Result:
    return RUNNER.invoke(app, ("policy", "explain", *arguments), env={"COLUMNS": "200"})


def test_every_rule_is_shown_and_which_decides() -> None:
    shown = explain("rules", "register-spns", "--host", "hv01")
    assert shown.exit_code == 0, shown.output
    assert "register-spns: HV01 · tier 2 (directory or cluster) · touches HV01, cluster CLUSTER1" in shown.stdout
    assert "Applied once a person has approved it: gates.tiers.2: approve." in shown.stdout
    (decides,) = (line for line in shown.stdout.splitlines() if line.startswith("▸"))
    assert decides.split() == ["▸", "gates.tiers.2", "approve"], shown.stdout
    for rule in ("gates.hosts", "gates.clusters", "pause: policy.yaml", "windows.2", "caps.per_day", "cooldown_minutes"):
        assert rule in shown.stdout


@pytest.mark.parametrize(("named", "tier"), [(("--host", "HV03"), 1), (("--cluster", "CLUSTER1"), 2), ((), 1)])
def test_a_clusters_limit_is_judged_as_what_it_is(named: tuple[str, ...], tier: int) -> None:
    (judged,) = json.loads(explain("rules", "set-migration-limits", *named, "--json").stdout)
    assert judged["subject"]["tier"] == tier


def test_scripts_read_the_same(state: Path) -> None:
    (judged,) = json.loads(explain("rules", "register-spns", "--cluster", "cluster1", "--json").stdout)
    assert (judged["gate"], judged["decides"]["rule"]) == ("approve", "gates.tiers.2")
    assert judged["subject"]["clusters"] == {"CLUSTER1": ["HV01", "HV02"]}
    assert judged["follows"] == "Applied once a person has approved it: gates.tiers.2: approve."


def test_a_plan_of_the_ledger_is_judged_by_its_digest(state: Path, question: Ask) -> None:
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        ledger.start_run("run-1", kind="register-spns", incident_id=None, requested_by="anna")
        until = datetime.now(UTC) + timedelta(hours=1)
        assert question.plan is not None
        ledger.seal("run-1", round=1, part="repair", plan=question.plan, expires_at=until)
    shown = explain("digest", question.digest[:8])
    assert shown.exit_code == 0, shown.output
    assert "Register SPNs: HV02 · tier 2 (directory or cluster) · touches DC1, HV02, cluster CLUSTER1" in shown.stdout
    assert "spn_missing was never mended on HV02$" in " ".join(shown.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rules", "register-spn"), "register-spn is not in the catalogue"),
        (("rules", "register-spns", "--host", "HV99"), "HV99 is not in the inventory"),
        (("rules", "register-spns", "--cluster", "C9"), "cluster C9 is not in the inventory"),
        (("digest", "3f9a"), "give at least 8 characters of its digest"),
        (("digest", "3f9a41c0"), "the ledger has no plan 3f9a41c0"),
        (("register-spns", "--host", "*"), "no host name"),
    ],
)
def test_bad_input_is_named(state: Path, arguments: tuple[str, ...], says: str) -> None:
    Ledger(f"sqlite:///{state / 'ledger.db'}").close()
    failed = explain(*arguments)
    assert failed.exit_code == 2
    assert says in failed.stderr.replace("\n", " ")


@pytest.mark.long
def test_a_plan_that_is_made_now_is_judged_and_nothing_is_changed(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab() as lab:
        lab.write_site(state / "site.yaml")
        (state / "policy.yaml").write_text("gates: {hosts: {HV04: propose}}\n")
        monkeypatch.setenv("REMEDIATE_CONFIG", str(state))
        lab.fail("spn_missing")
        before = lab.world.state_hash()
        judged = json.loads(explain("register-spns", "--host", "HV04", "--json").stdout)
        assert [(each["gate"], each["decides"]["rule"]) for each in judged] == [("propose", "gates.hosts.HV04")]
        assert lab.world.state_hash() == before
        healthy = explain("register-spns", "--host", "HV01")
        assert (healthy.exit_code, "There is nothing for policy to judge: Nothing to do" in healthy.stderr) == (3, True)
