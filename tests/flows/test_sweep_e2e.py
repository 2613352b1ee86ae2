"""What a real Prefect and the ledger say differently is brought together again: runs ended, woken, and told of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import gated
import httpx
import pytest
from inbox import inbox_of
from prefect.states import Crashed, Failed, Running, State
from proving import asked, enrolled
from served_prefect import Served, eventually

from flows.alive import SILENT
from flows.deployments import POOL, deploy, end_zombies, ensure_pool
from flows.remediate_migration import remediate_migration
from remediations.ledger import Ledger
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(420)]


def waiting_run(served: Served, host: str, vm: str | None = None) -> UUID:
    """A run that asked by the ledger and is suspended."""
    with served.client() as client:
        parameters = {"host": host} | ({"vm": vm} if vm else {})
        run = client.create_flow_run_from_deployment(deploy(client, gated.proven, pool=POOL), parameters=parameters).id
    asked(served, run)
    served.until(run, "Suspended")
    return run


@pytest.mark.parametrize("status", ["resolved", "acknowledged"])
def test_a_suspended_run_ends_in_prefect_once_its_alert_is_over(served: Served, status: str) -> None:
    vm = f"OVER-{uuid4().hex[:8]}"
    run = waiting_run(served, f"HV{uuid4().hex[:6]}", vm)
    told = httpx.post(f"{served.receiver}/event", json={"status": status, "vm": vm, "source": "HV03"}, timeout=60)
    assert told.status_code == 200, told.text
    assert "is closed and nothing was changed" in told.json()["ignored"][0]["why"]
    with Ledger(f"sqlite:///{served.state / 'ledger.db'}") as ledger:
        record = ledger.run(str(run))
        assert record is not None
        assert record.incident_id is not None
        closed = ledger.incident(record.incident_id)
    for outcome in (record.outcome, closed.outcome):
        assert outcome is not None
        assert (outcome.ending, outcome.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)
    ended = served.until(run, "Completed")
    assert ended.state is not None
    assert str(ended.state.message).startswith("nothing to do (SymptomGone): ")
    assert status in str(ended.state.message)
    listed = json.loads(served.cli("approvals", "--json").stdout)
    assert str(run) not in [each["run"] for each in listed], "nobody is asked any more"


def test_a_run_whose_approvals_came_while_prefect_was_down_is_woken_by_the_sweep(served: Served) -> None:
    names = [f"Approver {uuid4().hex[:6]}" for _ in range(2)]
    approvers = [(name, enrolled(served, name)) for name in names]
    host = f"HV{uuid4().hex[:6]}"
    run = waiting_run(served, host)
    digest = gated.plan(gated.Tier.IRREVERSIBLE, host=host).digest[:8]
    question = asked(served, run)
    down = Served(
        served.process, served.state, served.notes, served.env | {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, served.log
    )
    for name, authenticator in approvers:
        code = authenticator.at(datetime.now(UTC))
        given = down.cli("approve", digest, "--as", name, "--code", code, "--target", question.typed)
        assert given.returncode == 0, given.stderr
        assert "within a minute" in " ".join((given.stdout + given.stderr).split())
    done = served.until(run, "Completed", "Failed", seconds=300)
    assert done.state is not None
    assert done.state.message == "mended: Approved."
    told = json.loads((served.notes / str(run)).read_text())
    assert [each["approver"] for each in told["approvals"]] == names
    assert "a run whose answer was in the ledger is woken" in served.log.read_text()


def test_who_wants_to_know_is_told_of_runs_that_could_not_tell_it_themselves(served: Served) -> None:
    block = f"recovered-{uuid4().hex[:6]}"
    ends: tuple[State[object], ...] = (
        Crashed(message="no heartbeat"),
        Failed(message="The flow was paused and never resumed."),
    )
    with (
        told_of(served, block),
        inbox_of(served, block) as inbox,
        Ledger(f"sqlite:///{served.state / 'ledger.db'}") as ledger,
    ):
        incidents = [lost(served, ledger, state) for state in ends]
        goes_on = lost(served, ledger, None)

        def messages() -> list[dict[str, str]]:
            """Those of these runs: what other tests left is recovered too."""
            return [each for each in inbox if each["subject"].rpartition(" ")[2] in {*incidents, goes_on}]

        eventually(lambda: messages() if len(messages()) >= len(ends) else None, 200, "the messages", served.log.read_text)
        told = {each["subject"]: each for each in messages()}
        assert len(messages()) == len(told) == len(ends)
        for incident, why in zip(incidents, ("crashed", "expired without an answer"), strict=True):
            each = told[f"Hyper-V remediation, needs a person: {incident}"]
            assert why in each["body"]
            assert f"{served.api.removesuffix('/api')}/runs/flow-run/" in each["body"].splitlines()[-1]
        assert [ledger.incident(each).closed_at is None for each in (*incidents, goes_on)] == [False, False, True]
        over = Outcome(ending=Ending.NOTHING_TO_DO, summary="The test is over.")
        ledger.finish_run(str(ledger.incident(goes_on).run), over)
        ledger.close_incident(goes_on, over)


def test_a_run_that_cannot_be_seen_is_named_until_somebody_says_that_it_is_gone(served: Served) -> None:
    elsewhere = f"cli:elsewhere:1:0-1:{uuid4().hex[:8]}"
    with Ledger(f"sqlite:///{served.state / 'ledger.db'}") as ledger:
        ledger.start_run(elsewhere, kind="apply", incident_id=None, requested_by="anna")
    with served.client() as client:
        deployment = client.read_deployment_by_name("recover/recover")
        run = client.create_flow_run_from_deployment(deployment.id).id
    done = served.until(run, "Completed", "Failed")
    assert done.state is not None
    assert done.state.is_completed(), done.state.message
    assert f"still has to wait: {elsewhere}, without an outcome (it was begun at a terminal of elsewhere" in str(
        done.state.message
    )
    said = json.loads(served.cli("recover", "--json", "--gone", elsewhere).stdout)
    assert [each["run"] for each in said["recovered"]] == [elsewhere]
    assert elsewhere not in [each["run"] for each in said["left"]]


def test_a_run_that_goes_on_while_prefect_hears_nothing_of_it_is_put_right_and_not_recovered(served: Served) -> None:
    """As after an outage of Prefect's: the first that it does then is to end whatever could show no heartbeat meanwhile."""
    with served.client() as client, Ledger(f"sqlite:///{served.state / 'ledger.db'}") as ledger:
        deployment = deploy(client, gated.lasting, pool=POOL)
        run = client.create_flow_run_from_deployment(deployment, parameters={"seconds": 100}).id
        eventually(lambda: ledger.run(str(run)), 120, "its beginning", served.log.read_text)
        client.set_flow_run_state(run, Crashed(message=f"{SILENT} 90 s: worker or process died"), force=True)
        served.until(run, "Running", seconds=45)
        served.until(run, "Completed", "Failed", "Crashed", seconds=200)
        record = ledger.run(str(run))
    assert record is not None
    assert record.outcome is not None
    assert record.outcome.summary == "It has lasted."


def test_a_run_without_a_heartbeat_is_ended_if_it_is_ours_and_no_other_team_s(served: Served) -> None:
    with served.client() as client:
        ensure_pool(client, "nobody")
        ours, theirs = (deploy(client, remediate_migration.with_options(name=f"{name} zombie"), pool="nobody") for name in "ab")
        end_zombies(client, [ours], name=f"zombies-{uuid4().hex[:6]}", silence=timedelta(seconds=10))
        runs = {
            each: client.create_flow_run_from_deployment(each, parameters={"incident": {"vm": "VM42"}}).id
            for each in (theirs, ours)
        }
        for deployment, run in runs.items():
            client.set_flow_run_state(run, Running(), force=True)
            heartbeat = {
                "occurred": datetime.now(UTC).isoformat(),
                "event": "prefect.flow-run.heartbeat",
                "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
                "related": [
                    {"prefect.resource.id": f"prefect.deployment.{deployment}", "prefect.resource.role": "deployment"},
                ],
                "id": str(uuid4()),
            }
            httpx.post(f"{served.api}/events", json=[heartbeat]).raise_for_status()
        served.until(runs[ours], "Crashed", seconds=60)
        state = client.read_flow_run(runs[theirs]).state
        assert state is not None
        assert state.is_running()
        client.set_flow_run_state(runs[theirs], Crashed(message="the test is over"), force=True)


def lost(served: Served, ledger: Ledger, state: State[object] | None) -> str:
    """The incident of a run that began and, with a state, ended so without a word to the ledger."""
    with served.client() as client:
        ensure_pool(client, "nobody")
        deployment = deploy(client, remediate_migration.with_options(name="undispatched"), pool="nobody")
        run = client.create_flow_run_from_deployment(deployment, parameters={"incident": {"vm": "VM42"}}).id
        incident = ledger.open_incident(Incident(vm=f"LOST-{uuid4().hex[:6]}", source="HV03"), str(run)).id
        ledger.start_run(str(run), kind="remediate-migration", incident_id=incident, requested_by="alerting")
        if state is not None:
            client.set_flow_run_state(run, state, force=True)
    return incident


@contextmanager
def told_of(served: Served, block: str) -> Iterator[None]:
    """`serve` tells this block of everything; it reads its files anew at each look."""
    site = Path(served.env["REMEDIATE_CONFIG"]) / "site.yaml"
    before = site.read_text()
    assert "\nnotify: []\n" in before
    site.write_text(before.replace("\nnotify: []\n", f"\nnotify: [{{block: custom-webhook/{block}}}]\n"))
    try:
        yield
    finally:
        site.write_text(before)
