"""An accepted incident gets its run, once, whatever happens to Prefect and to us meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled
from served_prefect import Served, eventually

from flows.deployments import deploy, ensure_pool
from flows.dispatch import Dispatcher
from flows.remediate_migration import remediate_migration
from remediations.ledger import Ledger, OpenIncident
from remediations.model.incident import Incident
from remediations.model.outcome import Ending
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
        again.close_stillborn()
        assert ledger.incident(accepted.id).closed_at is None, "its run may still begin"

        with served.client() as client:
            client.set_flow_run_state(run, Cancelled(message="by a person"), force=True)
        again.close_stillborn()
        closed = ledger.incident(accepted.id)
        assert closed.outcome is not None
        assert closed.outcome.ending is Ending.FAILED
        assert "by a person" in closed.outcome.summary
        assert again.accept([Incident(vm="VM42", source="HV01")])[0].id != accepted.id, "a later alert opens a new one"


def runs(served: Served, tag: str) -> list[UUID] | None:
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

    with served.client() as client:
        found = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])))
    return [each.id for each in found] or None


@pytest.mark.long
def test_what_comes_over_prefects_bus_and_by_webhook_is_one_incident_with_one_run(served: Served) -> None:
    vm = f"VM-{uuid4().hex[:8]}"
    failed = {"vm": vm, "source": "HV01", "destination": "HV02", "message": "Quotes ' and \" and {{ braces }} survive"}
    event = {
        "event": "migration.failed",
        "resource": {"prefect.resource.id": f"hyperv.vm.{vm}"},
        "occurred": datetime.now(UTC).isoformat(),
        "id": str(uuid4()),
        "payload": failed,
    }
    assert httpx.post(f"{served.api}/events", json=[event]).status_code == 204
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
def test_an_event_that_names_nobody_says_so_where_people_look(served: Served) -> None:
    mark = f"mark-{uuid4().hex[:8]}"
    event = {
        "event": "migration.failed",
        "resource": {"prefect.resource.id": "hyperv.vm.nobody"},
        "occurred": datetime.now(UTC).isoformat(),
        "id": str(uuid4()),
        "payload": {"source": mark},
    }
    assert httpx.post(f"{served.api}/events", json=[event]).status_code == 204

    def failed() -> FlowRun | None:
        with served.client() as client:
            found = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=20)
        mine = (each for each in found if each.parameters.get("failure", {}).get("source") == mark)
        return next((each for each in mine if each.state is not None and each.state.is_final()), None)

    run = eventually(failed, 200, "its flow run")
    assert run.state is not None
    assert run.state.is_failed()
    assert "vm" in str(run.state.message)


def of(ledger: Ledger, vm: str) -> list[OpenIncident]:
    return [each for each in ledger.open_incidents() if each.incident.vm == vm]


def ended(ledger: Ledger, incident_id: str) -> OpenIncident | None:
    found = ledger.incident(incident_id)
    return found if found.closed_at is not None else None
