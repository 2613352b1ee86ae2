"""The gate against a real Prefect server and worker: suspended, answered, refused, expired, forged."""

from __future__ import annotations

import json
import os
import signal
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from gated import HOSTILE, plan, retry
from prefect.states import Pending, Running, Scheduled, Suspended
from served_prefect import Served, eventually

from flows import approvals, deployments
from flows.fate import fate, start_lost
from flows.remediate_migration import remediate_migration
from remediations.model.outcome import Reason

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(300)]


def later(seconds: float = 3600) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def note(served: Served, run: UUID) -> dict[str, object] | None:
    path = served.notes / str(run)
    return json.loads(path.read_text()) if path.exists() else None


def asked(served: Served, run: UUID) -> approvals.Waiting:
    """The run's question, once it is written down."""

    def look() -> approvals.Waiting | None:
        with served.client() as client:
            return next((each for each in approvals.waiting(client) if each.run == run), None)

    return eventually(look, 120, f"the question of {run}")


def test_what_cannot_be_is_refused_and_waits_on_then_the_answer_counts_once(served: Served, gated_deployment: UUID) -> None:
    digest = plan(host="HV10").digest
    run = served.gated(gated_deployment, later(), "HV10").id
    question = asked(served, run)
    assert (question.digest, question.title, question.retry) == (digest, plan().title, retry().title)
    good = {"decision": "approve", "approver": "Anna Berg", "digest": digest[:8], "retry": False}
    wrong = [
        {},
        {**good, "decision": "perhaps"},
        {**good, "approver": ""},
        {**good, "approver": "x" * 65},
        {**good, "digest": "00000000"},
        {**good, "also": 1},
        {key: value for key, value in good.items() if key != "decision"},
    ]
    for given in wrong:
        assert resumed(served, run, given) == "REJECT", given
    assert served.until(run, "Suspended")
    assert resumed(served, run, good) == "ACCEPT"
    with served.client() as client, pytest.raises(approvals.NotTaken, match="ABORT"):
        approvals.answer(client, question, "reject", approver="Somebody Else")
    done = served.until(run, "Completed")
    assert done.state is not None
    assert done.state.message == "mended: Mended."
    told = note(served, run)
    assert told is not None
    assert {name: told[name] for name in ("decision", "approver", "retry", "digest")} == {
        "decision": "approve",
        "approver": "Anna Berg",
        "retry": False,
        "digest": digest[:8],
    }
    shown = artifacts(served, run)
    assert sorted(key for key, _ in shown) == [f"plan-{digest[:12]}", "report-inc-7f3k2a", f"steps-{digest[:12]}"]
    assert not [data for _, data in shown if "<img" in data or "![" in data]
    assert any("203.0.113.9" in data for _, data in shown), "the text itself is kept"
    assert HOSTILE not in "".join(data for _, data in shown)


def resumed(served: Served, run: UUID, given: dict[str, object]) -> str:
    """What Prefect makes of an answer; its client waits while the database is busy."""
    with served.client() as client:
        return client.resume_flow_run(run, run_input=given).status.value


def artifacts(served: Served, run: UUID) -> list[tuple[str, str]]:
    body = {"flow_runs": {"id": {"any_": [str(run)]}}}
    return [(each["key"], str(each["data"])) for each in httpx.post(f"{served.api}/artifacts/filter", json=body).json()]


def test_a_killed_worker_forgets_nothing_and_the_terminal_answers(served: Served, gated_deployment: UUID) -> None:
    digest = plan(host="HV20").digest
    run = served.gated(gated_deployment, later(), "HV20").id
    asked(served, run)
    served.until(run, "Suspended")
    os.kill(served.worker(), signal.SIGKILL)
    listed = json.loads(served.cli("approvals", "--json").stdout)
    assert [each["digest"] for each in listed if each["run"] == str(run)] == [digest]
    unknown = served.cli("approve", "00000000", "--as", "Anna Berg")
    assert unknown.returncode == 2
    assert digest[:8] in unknown.stderr
    taken = served.cli("approve", f"{digest[:4]} {digest[4:8]}", "--as", "Anna Berg", "--comment", "CHG1")
    assert taken.returncode == 0, taken.stderr
    assert "approved by Anna Berg" in taken.stdout
    served.until(run, "Completed")
    told = note(served, run)
    assert told is not None
    assert (told["decision"], told["retry"], told["comment"]) == ("approve", True, "CHG1")


@pytest.mark.long
def test_an_answer_that_comes_while_the_asking_process_still_ends_is_carried_out(
    served: Served, gated_deployment: UUID
) -> None:
    worker = served.worker()
    runs = {host: served.gated(gated_deployment, later(), host).id for host in ("HV21", "HV22", "HV23")}
    for run in runs.values():
        question = asked(served, run)
        with served.client() as client:
            approvals.answer(client, question, "approve", approver="Anna Berg")
    for run in runs.values():
        served.until(run, "Completed")
    assert worker in served.processes(), "the worker that began has died"


@pytest.mark.long
def test_a_run_that_a_worker_took_and_lost_is_started_again(served: Served, gated_deployment: UUID) -> None:
    parameters = {"expires_at": later().isoformat(), "host": "HV24"}
    with served.client() as client:
        run = client.create_flow_run_from_deployment(gated_deployment, parameters=parameters, state=Pending()).id
        assert run not in [each.id for each in start_lost(client, deployments.POOL)], "it may still be starting"
        assert run in [each.id for each in start_lost(client, deployments.POOL, after=timedelta(0))]
    served.until(run, "Suspended")
    asked(served, run)
    assert served.cli("reject", plan(host="HV24").digest[:8], "--as", "Anna Berg").returncode == 0
    served.until(run, "Completed")


def test_rejected_bypassed_and_expired_end_without_a_change(served: Served, gated_deployment: UUID) -> None:
    expiring = served.gated(gated_deployment, later(1), "HV30").id
    digest = plan(host="HV31").digest
    rejected = served.gated(gated_deployment, later(), "HV31").id
    asked(served, rejected)
    told = served.cli("reject", digest[:8], "--as", "Anna Berg")
    assert told.returncode == 0, told.stderr
    assert "rejected by Anna Berg" in told.stdout
    bypassed = served.gated(gated_deployment, later(), "HV32").id
    asked(served, bypassed)
    with served.client() as client:
        client.set_flow_run_state(bypassed, Scheduled(), force=True)

    ended = served.until(rejected, "Completed")
    assert ended.state is not None
    assert ended.state.message == "refused (NotApproved): Anna Berg rejected it."
    ended = served.until(bypassed, "Completed", "Failed")
    assert ended.state is not None
    assert str(ended.state.message).startswith("refused (ApprovalInvalid): the run was resumed past its form")
    assert note(served, bypassed) is None
    ended = served.until(expiring, "Failed")
    with served.client() as client:
        over = fate(client, str(expiring))
    assert over is not None
    assert over.reason is Reason.APPROVAL_EXPIRED
    assert note(served, expiring) is None


def test_a_run_that_a_person_suspended_and_nobody_resumed_is_no_approval_that_expired(served: Served) -> None:
    with served.client() as client:
        deployments.ensure_pool(client, "nobody")
        deployment = deployments.deploy(client, remediate_migration.with_options(name="put to sleep"), pool="nobody")
        run = client.create_flow_run_from_deployment(deployment, parameters={"incident": {"vm": "VM42"}}).id
        for state in (Pending(), Running(), Suspended(timeout_seconds=1)):
            client.set_flow_run_state(run, state)
        served.until(run, "Failed")
        over = fate(client, str(run))
    assert over is not None
    assert (over.reason, over.words.startswith("The run was suspended in Prefect")) == (None, True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead of modes")
def test_nothing_that_serve_writes_is_for_other_accounts(served: Served) -> None:
    """Whatever the mode of the state directory is, and of the account's umask."""
    made = [path for path in served.state.rglob("*") if path.exists()]
    assert {"ledger.db", "logs", "serve.lock", "serving.json", "prefect"} <= {path.name for path in made}
    assert [f"{path} {path.stat().st_mode:o}" for path in made if path.stat().st_mode & 0o077] == []


def test_registering_again_changes_nothing(served: Served) -> None:
    with served.client() as client:
        before = {each.name: each for each in client.read_deployments()}
        again = deployments.register(client)
        after = {each.name: each for each in client.read_deployments()}
        assert again == {name: before[name].id for name in again}
        assert {name: each.id for name, each in after.items()} == {name: each.id for name, each in before.items()}
        assert len(client.read_automations_by_name(deployments.ZOMBIES)) == 1


def test_forms_say_what_each_field_means_and_a_dry_run_is_the_default(served: Served) -> None:
    with served.client() as client:
        found = {each.name: each for each in client.read_deployments()}
    for flow in deployments.ALL:
        schema = found[flow.name].parameter_openapi_schema
        assert schema is not None
        properties = schema["properties"]
        assert flow.name != "recover" or properties == {}
        # What sends no command that changes anything has no dry run: it reads hosts, or writes to the ledger.
        harmless = flow.name in {"recover", "readiness", "watch-event-logs", "report-failure"}
        assert ("dry_run" in properties) is not harmless, flow.name
        assert harmless or properties["dry_run"]["default"] is True
        models = [each for each in schema.get("definitions", {}).values() if "properties" in each]
        fields = [*properties.items(), *(field for model in models for field in model["properties"].items())]
        assert [name for name, field in fields if not field.get("description")] == [], flow.name


def test_an_alert_is_in_the_ledger_before_it_is_answered_and_gets_one_run(served: Served) -> None:
    event = {"vm": "VM77", "source": "HV01", "destination": "HV02", "message": "it would not move"}
    first = httpx.post(f"{served.receiver}/event", json=event)
    again = httpx.post(f"{served.receiver}/event", json=event)
    assert (first.status_code, again.status_code) == (202, 202)
    incident = first.json()["accepted"][0]["incident"]
    assert again.json()["accepted"][0] == {"field": "event", "incident": incident, "joined": True}

    def runs() -> list[dict[str, object]] | None:
        found = httpx.post(f"{served.api}/flow_runs/filter", json={"flow_runs": {"tags": {"all_": [incident]}}}).json()
        return found or None

    started = eventually(runs, 20, f"the run of {incident}")
    assert [each["parameters"]["incident"]["vm"] for each in started] == ["VM77"]
    assert [each["parameters"]["dry_run"] for each in started] == [False]
    assert httpx.post(f"{served.receiver}/event", json={**event, "source": "HV99"}).status_code == 400
