"""An accepted incident gets its run, once, whatever happens to Prefect and to us meanwhile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled, Crashed
from pytest_mock import MockerFixture
from served_prefect import Served, eventually

from flows import dispatch
from flows.approvals import Waiting
from flows.deployments import deploy, ensure_pool
from flows.dispatch import TRIES, Dispatcher
from flows.remediate_migration import remediate_migration
from remediations.engine import Recovered
from remediations.ledger import Ledger, OpenIncident
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.policy import Policy
from remediations.settings import load_site, packaged

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(300)]

SITE = load_site(packaged("site.yaml"))
DEAD = "http://127.0.0.1:9/api"


@pytest.fixture
def deployment(served: Served) -> UUID:
    """The main flow in a pool that no worker looks at."""
    with served.client() as client:
        ensure_pool(client, "nobody")
        return deploy(client, remediate_migration.with_options(name="undispatched"), pool="nobody")


def test_prefect_may_be_down_and_we_may_be_restarted(served: Served, deployment: UUID, tmp_path: Path) -> None:
    apis = iter([DEAD])
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        first = Dispatcher(ledger, lambda: SyncPrefectClient(next(apis, served.api)), deployment, site=SITE, policy=Policy())
        (accepted,) = first.accept([Incident(vm="VM42", source="HV01")])
        assert [each.id for each in ledger.open_incidents()] == [accepted.id], "durable before anything else"
        first.start()
        (run,) = eventually(lambda: runs(served, accepted.id), 20, "the run")
        first.stop()
        again = Dispatcher(ledger, served.client, deployment, site=SITE, policy=Policy())
        assert again.accept([Incident(vm="vm42", source="HV01")])[0].joined
        again.dispatch()
        assert runs(served, accepted.id) == [run]
        assert list(again.replace_stillborn()) == []
        assert [each.flow_run for each in ledger.not_begun()] == [str(run)], "its run may still begin"

        with served.client() as client:
            client.set_flow_run_state(run, Cancelled(message="by a person"), force=True)
        (told,) = again.replace_stillborn()
        closed = ledger.incident(accepted.id)
        assert closed.outcome is not None
        assert closed.outcome.ending is Ending.NEEDS_PERSON
        assert "by a person" in closed.outcome.summary
        assert (told.incident_id, told.outcome) == (accepted.id, closed.outcome), "people are told"
        assert list(again.replace_stillborn()) == []
        assert again.accept([Incident(vm="VM42", source="HV01")])[0].id != accepted.id, "a later alert opens a new one"


def test_a_run_that_ends_before_it_begins_is_replaced_until_people_are_told(
    served: Served, deployment: UUID, tmp_path: Path
) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        dispatcher = Dispatcher(ledger, served.client, deployment, site=SITE, policy=Policy())
        (accepted,) = dispatcher.accept([Incident(vm="VM42", source="HV01")])
        asked: list[str] = []
        told: list[Recovered] = []
        while not told and len(asked) < 2 * TRIES:
            dispatcher.dispatch()
            (each,) = ledger.not_begun()
            asked.append(str(each.flow_run))
            with served.client() as client:
                if len(asked) == 1:
                    client.delete_flow_run(UUID(asked[0]))
                else:
                    client.set_flow_run_state(UUID(asked[-1]), Crashed(message="Prefect was away"), force=True)
            if len(asked) < TRIES:
                assert ledger.incident(accepted.id).closed_at is None, "nobody has looked at it"
            told = list(dispatcher.replace_stillborn())
        assert len(set(asked)) == len(asked) == TRIES
        (end,) = told
        assert (end.incident_id, end.run, end.outcome.ending) == (accepted.id, asked[-1], Ending.NEEDS_PERSON)
        assert "Prefect was away" in end.outcome.summary
        assert ledger.incident(accepted.id).outcome == end.outcome
        ledger.verify()


def test_a_deployment_that_was_deleted_in_prefect_is_made_again(served: Served, tmp_path: Path) -> None:
    """Else every alert would be accepted, and none looked at, until somebody started `serve` again."""

    def registered(client: SyncPrefectClient) -> UUID:
        ensure_pool(client, "nobody")
        return deploy(client, remediate_migration.with_options(name="deleted and made again"), pool="nobody")

    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger, served.client() as client:
        first = registered(client)
        client.delete_deployment(first)
        dispatcher = Dispatcher(ledger, served.client, first, site=SITE, policy=Policy(), register=registered)
        (accepted,) = dispatcher.accept([Incident(vm="VM42", source="HV01")])
        dispatcher.dispatch()
        (run,) = runs(served, accepted.id)
        assert client.read_flow_run(run).deployment_id == dispatcher.deployment != first
        assert ledger.to_start() == []


def test_a_run_that_is_deleted_just_before_it_is_ended_keeps_no_other_from_its_end(
    served: Served, deployment: UUID, tmp_path: Path, mocker: MockerFixture
) -> None:
    """The edge is the moment between: what Prefect said to be waiting, of which one run is not there any more."""
    with served.client() as client:
        parameters = {"incident": {"vm": "VM42"}}
        gone, there = (client.create_flow_run_from_deployment(deployment, parameters=parameters).id for _ in range(2))
        client.delete_flow_run(gone)
    mocker.patch.object(dispatch, "waiting", return_value=[asking(gone), asking(there)])
    over = Outcome(ending=Ending.NOTHING_TO_DO, reason=Reason.SYMPTOM_GONE, summary="It was resolved.")
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        for run in (gone, there):
            ledger.start_run(str(run), kind="remediate-migration", incident_id=None, requested_by="alerting")
            ledger.finish_run(str(run), over)
        Dispatcher(ledger, served.client, deployment, site=SITE, policy=Policy()).end_needless()
    ended = served.until(there, "Completed", seconds=1)
    assert ended.state is not None
    assert ended.state.message == "nothing to do (SymptomGone): It was resolved."


def asking(run: UUID) -> Waiting:
    expires = datetime.now(UTC) + timedelta(hours=1)
    return Waiting(run=run, run_name="", digest="0" * 64, title="", tier="", expires_at=expires, retry=None, link="")


def runs(served: Served, tag: str) -> list[UUID] | None:
    with served.client() as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])))
    return [each.id for each in found] or None


@pytest.mark.long
def test_what_comes_over_prefects_bus_and_by_webhook_is_one_incident_with_one_run(served: Served) -> None:
    vm = f"VM-{uuid4().hex[:8]}"
    failed = {"vm": vm, "source": "HV01", "destination": "HV02", "message": "Quotes ' and \" and {{ braces }} survive"}
    emitted(served, failed)
    with Ledger(f"sqlite:///{served.state / 'ledger.db'}") as ledger:
        opened = eventually(lambda: next(iter(of(ledger, vm)), None), 180, "the event's incident")
        assert opened.incident.message == failed["message"]
        told = httpx.post(f"{served.receiver}/event", json=failed)
        assert told.status_code == 202, told.text
        assert told.json()["accepted"][0] == {"field": "event", "incident": opened.id, "joined": True}
        (run,) = eventually(lambda: runs(served, opened.id), 60, "its run")
        served.until(run, "Completed", "Failed", seconds=200)
        closed = eventually(lambda: ended(ledger, opened.id), 60, "its outcome")
        assert closed.reports == 2
        assert closed.run == str(run), "the one run that worked on it"
        assert runs(served, opened.id) == [run]


@pytest.mark.long
def test_what_comes_over_prefects_bus_while_the_ledger_is_locked_is_taken_in_afterwards(served: Served) -> None:
    vm = f"VM-{uuid4().hex[:8]}"
    with closing(sqlite3.connect(served.state / "ledger.db", timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # as some tool of an administrator that holds its lock
        emitted(served, {"vm": vm, "source": "HV01"})
        run = eventually(lambda: reporting(served, vm=vm), 200, "its flow run").id
        eventually(lambda: pieces(served, run).get("AwaitingRetry"), 120, "a try that failed", lambda: served.told(run))
        other.execute("ROLLBACK")
    done = served.until(run, "Completed", "Failed", seconds=200)
    assert done.state is not None
    assert done.state.name == "Completed", served.told(run)
    with Ledger(f"sqlite:///{served.state / 'ledger.db'}") as ledger:
        assert ledger.incident(str(done.state.message).removesuffix(" opened")).incident.vm == vm


@pytest.mark.long
def test_an_event_that_names_nobody_says_so_where_people_look(served: Served) -> None:
    mark = f"mark-{uuid4().hex[:8]}"
    emitted(served, {"source": mark})
    run = eventually(lambda: reporting(served, source=mark), 200, "its flow run").id
    failed = served.until(run, "Completed", "Failed", seconds=200)
    assert failed.state is not None
    assert failed.state.name == "Failed"
    assert "vm" in str(failed.state.message)
    assert eventually(lambda: pieces(served, run).get("Failed"), 60, "what it did") == 1, "tried once: it stays wrong"


def emitted(served: Served, payload: dict[str, str]) -> None:
    """Tell Prefect's bus of a failure."""
    event = {
        "event": "migration.failed",
        "resource": {"prefect.resource.id": f"hyperv.vm.{payload.get('vm', 'nobody')}"},
        "occurred": datetime.now(UTC).isoformat(),
        "id": str(uuid4()),
        "payload": payload,
    }
    assert httpx.post(f"{served.api}/events", json=[event]).status_code == 204


def reporting(served: Served, **failure: str) -> FlowRun | None:
    """The flow run that was started with a failure of these fields."""
    with served.client() as client:
        found = client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=50)
    mine = (each for each in found if failure.items() <= each.parameters.get("failure", {}).items())
    return next(mine, None)


def pieces(served: Served, run: UUID) -> dict[str | None, int]:
    """How often each task of a flow run was tried, by the state that it is in."""
    with served.client() as client:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])))
    return {each.state_name: each.run_count for each in found}


def of(ledger: Ledger, vm: str) -> list[OpenIncident]:
    return [each for each in ledger.open_incidents() if each.incident.vm == vm]


def ended(ledger: Ledger, incident_id: str) -> OpenIncident | None:
    found = ledger.incident(incident_id)
    return found if found.closed_at is not None else None
