"""`/metrics`: what the ledger holds, over a socket's worth of ASGI; and the dashboard that asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from remediations.alerts import receiver
from remediations.alerts.metrics import PREFIX, Metrics, shown_in
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.plan import Plan, Satisfied
from remediations.model.policy import Policy
from remediations.model.readiness import HostSeen, Level, Readiness, Way
from remediations.model.tier import Proof, Reversal, Tier

DASHBOARD = Path(__file__).parents[2] / "configs" / "grafana" / "dashboard.json"
TOKEN = "a-token-that-is-long-enough"


class Clock:
    """A time that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock) as opened:
        yield opened


def lived(ledger: Ledger, clock: Clock) -> None:
    """A ledger in which something of everything has happened."""
    for number, ending in enumerate((Ending.MENDED, Ending.MENDED, Ending.FAILED, Ending.REFUSED)):
        opened = ledger.open_incident(Incident(vm=f"VM{number}"), None)
        clock.now += timedelta(minutes=10 * (number + 1))
        reason = Reason.CAP_REACHED if ending is Ending.REFUSED else None
        ledger.close_incident(opened.id, Outcome(ending=ending, reason=reason, summary="so it is"))
    ledger.open_incident(Incident(vm="VM9"), None)
    ledger.start_run("run-1", kind="remediate-migration", incident_id=None, requested_by="a person")
    told = {"detail": "", "causes": [Cause.SPN_MISSING], "targets": ["x"], "breaks": (1, timedelta(days=1))}
    ledger.tried("run-1", "d" * 64, ["register-spns"], verified=False, **told)  # as keywords
    ledger.pause("anna", "looking at it")
    hosts = (HostSeen(name="HV01"), HostSeen(name="HV02"))
    ways = (
        Way(source="HV01", destination="HV02", level=Level.FAILS),
        Way(source="HV02", destination="HV01", level=Level.READY),
    )
    ledger.keep_readiness(Readiness(at=clock.now - timedelta(hours=3), seconds=1.0, hosts=hosts, ways=ways))


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, as Prometheus' own parser reads it."""
    return {
        (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_the_ledger_holds_is_told(ledger: Ledger, clock: Clock) -> None:
    lived(ledger, clock)
    found = samples(Metrics(ledger, Policy(), clock=clock).text().decode())
    assert found["ledger_up", ()] == 1
    assert found["incidents_total", ()] == 5
    assert found["incidents_open", ()] == 1
    assert found["outcomes_total", (("cause", "none"), ("ending", "mended"), ("reason", ""))] == 2
    assert found["outcomes_total", (("cause", "none"), ("ending", "refused"), ("reason", "CapReached"))] == 1
    assert found["time_to_mitigate_seconds_bucket", (("le", "900.0"),)] == 1
    assert found["time_to_mitigate_seconds_bucket", (("le", "+Inf"),)] == 2
    assert found["time_to_mitigate_seconds_sum", ()] == 1800
    assert found["breaker_open", (("remediation", "register-spns"),)] == 1
    assert found["paused", ()] == 1
    assert found["runs_unfinished", ()] == 1
    assert found["changes_cap", (("within", "hour"),)] == Policy().caps.per_hour
    assert found["readiness_age_seconds", ()] == 3 * 3600
    assert found["readiness_ways", (("level", "fails"),)] == 1
    assert found["approvals_waiting", ()] == found["approvals_oldest_seconds", ()] == 0


def test_what_was_mended_and_moved_again_counts_for_the_cause_of_its_mend(ledger: Ledger, clock: Clock) -> None:
    plan = Plan(
        remediation="register-spns",
        request={"host": "HV02"},
        title="Register SPNs",
        tier=Tier.DIRECTORY,
        reversal=Reversal.EXACT,
        proof=Proof.STATE,
        items=(Satisfied(why="it is registered"),),
    )
    opened = ledger.open_incident(Incident(vm="VM42"), None)
    ledger.start_run("run-1", kind="remediate-migration", incident_id=opened.id, requested_by="a person")
    ledger.attach_run(opened.id, "run-1")
    until = clock() + timedelta(hours=1)
    ledger.seal("run-1", round=1, part="repair", plan=plan, expires_at=until, causes=[Cause.SPN_MISSING])
    move = plan.model_copy(update={"title": "Move a virtual machine"})
    ledger.seal("run-1", round=1, part="retry", plan=move, expires_at=until, causes=[])
    ledger.close_incident(opened.id, Outcome(ending=Ending.MENDED, summary="so it is"))
    assert list(ledger.tally().outcomes) == [("mended", "", "spn_missing")]


@pytest.mark.parametrize(("why", "paused"), [("a person set it", 1), (None, 0)])
def test_a_switch_outside_of_the_ledger_counts_as_paused(ledger: Ledger, why: str | None, paused: int) -> None:
    switches = {"policy.yaml": None, "Prefect's variable": why}
    since_taken_out = Policy(pause=True)
    assert samples(Metrics(ledger, since_taken_out, switches=lambda: switches).text().decode())["paused", ()] == paused


def test_names_of_machines_are_no_labels(ledger: Ledger, clock: Clock) -> None:
    for number in range(40):
        ledger.open_incident(Incident(vm=f"SECRET{number}", source="HV01"), None)
    before = len(samples(Metrics(ledger, Policy(), clock=clock).text().decode()))
    for number in range(40, 80):
        ledger.open_incident(Incident(vm=f"SECRET{number}", source="HV02"), None)
    text = Metrics(ledger, Policy(), clock=clock).text().decode()
    assert len(samples(text)) == before
    assert "SECRET" not in text
    assert "HV0" not in text


def test_a_ledger_that_cannot_be_read_shows_nothing_old(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    lived(ledger, clock)
    seconds = iter((0.0, 0.0, 1.0, 60.0, 60.0))
    metrics = Metrics(ledger, Policy(), clock=clock, seconds=lambda: next(seconds))
    fresh = metrics.text()
    ledger.close()
    for file in tmp_path.glob("ledger.db*"):
        file.write_bytes(b"no database at all" * 400)
    assert metrics.text() is fresh, "asked again at once, it gives what it has just read"
    assert samples(metrics.text().decode()) == {("ledger_up", ()): 0}


def test_prometheus_needs_the_same_token_as_everybody(ledger: Ledger) -> None:
    app = receiver(lambda _: [], tokens=lambda: (TOKEN,))
    shown_in(app, Metrics(ledger, Policy()))
    with TestClient(app) as client:
        assert client.get("/metrics").status_code == 401
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert f"{PREFIX}ledger_up 1.0" in answer.text


def test_every_query_of_the_dashboard_names_what_exists(ledger: Ledger, clock: Clock) -> None:
    lived(ledger, clock)
    there = {
        (sample.name, label)
        for family in text_string_to_metric_families(Metrics(ledger, Policy(), clock=clock).text().decode())
        for sample in family.samples
        for label in (*sample.labels, "")
    }
    board = json.loads(DASHBOARD.read_text("utf-8"))
    asked: set[str] = set()
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["targets"]
        for target in panel["targets"]:
            (name,) = set(re.findall(rf"{PREFIX}\w+", target["expr"]))
            assert (name, "") in there, name
            asked.add(name)
            labels = re.findall(r"by \((\w+)\)", target["expr"]) + re.findall(r"{{(\w+)}}", target["legendFormat"])
            labels += re.findall(r"[{,](\w+)=", target["expr"])
            assert {(name, label) for label in labels} <= there, target
    shown = {re.sub("_(bucket|sum|count)$", "", name) for name, _ in there}
    assert shown == {re.sub("_(bucket|sum|count)$", "", name) for name in asked}, "every metric has a place on the board"
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(places) == len(set(places))
