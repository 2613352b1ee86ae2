"""The scheduled look ahead in a real Prefect: form, schedule, page, event; and what monitoring sees of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter
from served_prefect import Served, eventually

from flows import deployments
from flows.readiness import LOST
from remediations.ledger import Ledger
from remediations.model.readiness import HostSeen, Level, Readiness, Way
from remediations.settings import load_site, packaged

pytestmark = [pytest.mark.long, pytest.mark.e2e, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(300)]


@pytest.fixture
def deployment(served: Served) -> UUID:
    with served.client() as client:
        return client.read_deployment_by_name("readiness/readiness").id


def asked(served: Served, deployment: UUID, **given: object) -> FlowRun:
    with served.client() as client:
        return client.create_flow_run_from_deployment(deployment, parameters=given)


def test_its_next_look_is_planned(served: Served, deployment: UUID) -> None:
    """By Prefect's own scheduler, whose errors stand only in its log."""

    def planned() -> FlowRun | None:
        with served.client() as client:
            found = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])))
        return next((run for run in found if run.auto_scheduled), None)

    eventually(planned, 60, "a run of tomorrow's", lambda: (served.state / "logs" / "prefect-server.log").read_text()[-3000:])


def test_a_person_may_move_the_schedule_and_it_stays(served: Served, deployment: UUID) -> None:
    with served.client() as client:
        (schedule,) = client.read_deployment(deployment).schedules
        assert schedule.active
        assert getattr(schedule.schedule, "cron", "") == "0 5 * * *"
        client.update_deployment_schedule(deployment, schedule.id, active=False)
        deployments.deploy(client, deployments.readiness, pool=deployments.POOL)
        (kept,) = client.read_deployment(deployment).schedules
    assert (kept.schedule, kept.active) == (schedule.schedule, False)


def test_a_name_that_nobody_knows_fails_in_words(served: Served, deployment: UUID) -> None:
    ended = served.until(asked(served, deployment, hosts=["HV99"]).id, "Failed")
    assert ended.state is not None
    assert "HV99 is not in the inventory" in str(ended.state.message)


def test_what_is_lost_is_shown_and_told(served: Served, deployment: UUID) -> None:
    names = ready_before(served)
    run = asked(served, deployment, hosts=names, across=True)
    ended = served.until(run.id, "Completed", "Failed", seconds=200)
    assert ended.state is not None
    assert ended.state.name == "Completed", served.told(run.id)
    assert "2 not known" in str(ended.state.message)
    shown = page_of(served, run.id)
    assert "could not be read" in shown
    assert "No longer ready since" in shown
    events = eventually(lambda: told_of(served, run.id, 2), 60, "the events")
    assert {(each["source"], each["destination"]) for each in events} == {(names[0], names[1]), (names[1], names[0])}
    assert all(each["level"] == "not known" for each in events)
    assert "could not be read" in (served.state / "readiness.html").read_text("utf-8")

    seen = httpx.get(f"{served.receiver.removesuffix('/alerts')}/metrics").raise_for_status().text
    assert 'hyperv_remediation_readiness_ways{level="unknown"} 2.0' in seen
    assert "hyperv_remediation_ledger_up 1.0" in seen


def test_what_is_lost_is_told_where_the_page_cannot_be_kept(served: Served, deployment: UUID) -> None:
    names = ready_before(served)
    page = served.state / "readiness.html"
    page.unlink(missing_ok=True)
    page.mkdir()
    try:
        run = asked(served, deployment, hosts=names, across=True)
        ended = served.until(run.id, "Completed", "Failed", seconds=200)
    finally:
        page.rmdir()
    assert ended.state is not None
    assert ended.state.name == "Completed", served.told(run.id)
    eventually(lambda: told_of(served, run.id, 2), 60, "the events")
    assert "The heat map could not be kept" in page_of(served, run.id)
    assert [each.name for each in served.state.iterdir() if "readiness" in each.name] == [], "nothing half-written is left"


def ready_before(served: Served) -> list[str]:
    """Two hosts between which both ways were ready yesterday, as the ledger has it."""
    names = [str(host.name) for host in load_site(packaged("site.yaml")).hosts][:2]
    good = tuple(
        Way(source=here, destination=there, level=Level.READY) for here, there in ((names[0], names[1]), (names[1], names[0]))
    )
    earlier = Readiness(
        at=datetime.now(UTC) - timedelta(days=1),
        seconds=1.0,
        across=True,
        hosts=tuple(HostSeen(name=name) for name in names),
        ways=good,
    )
    with Ledger(f"sqlite:///{served.state / 'ledger.db'}") as ledger:
        ledger.keep_readiness(earlier)
    return names


def page_of(served: Served, run: UUID) -> str:
    with served.client() as client:
        (shown,) = client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run])))
    return str(shown.data)


def told_of(served: Served, run: UUID, number: int) -> list[dict[str, str]] | None:
    """What the events of a run say, once there are so many."""
    wanted = EventFilter(
        event=EventNameFilter(name=[LOST]), related=EventRelatedFilter(id=[f"prefect.flow-run.{run}"])
    ).model_dump(mode="json", exclude_unset=True)
    answer = httpx.post(f"{served.api}/events/filter", json={"filter": wanted})
    found = [each["payload"] for each in answer.raise_for_status().json()["events"]]
    return found if len(found) >= number else None
