"""An accepted incident gets its run, once, whatever happens to Prefect and to us meanwhile."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Cancelled
from served_prefect import Served, eventually

from flows.deployments import deploy, ensure_pool
from flows.dispatch import Dispatcher
from flows.remediate_migration import remediate_migration
from remediations.ledger import Ledger
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
