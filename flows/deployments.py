"""What Prefect must know of us: a work pool, a deployment for each flow, and the automation that ends zombies. Idempotent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from flows.alive import SILENT
from flows.catalogue import FLOWS
from flows.forms import form
from flows.pause import ensure_variable
from flows.readiness import readiness
from flows.recover import recover
from flows.remediate_migration import remediate_migration
from flows.report_failure import report_failure
from flows.rolling_maintenance import rolling_maintenance
from flows.undo import undo
from flows.watch_event_logs import watch_event_logs
from remediations.model.site import Site

POOL = "hyper-v"
"""The work pool of one site's workers."""

MAIN = "remediate-migration"
"""Flow and deployment that a reported failure starts."""

REPORT = "report-failure"
"""Flow and deployment that an event on Prefect's bus starts."""

EVENT = "migration.failed"
"""The event on Prefect's bus that reports a failure: its payload has the fields of the receiver's `/alerts/event`."""

BUS = "take in failures from Prefect's event bus"

ALL: tuple[Flow[..., Any], ...] = (
    remediate_migration,
    *FLOWS.values(),
    rolling_maintenance,
    report_failure,
    watch_event_logs,
    undo,
    recover,
    readiness,
)

SCHEDULES: Mapping[str, str] = {readiness.name: "0 5 * * *"}
"""When a flow runs by itself (cron, UTC), as it is first registered. From then on a person's own schedule stays."""

ZOMBIES = "end runs that no longer show a heartbeat"
SILENCE = timedelta(seconds=90)
"""A flow run that shows no heartbeat for so long (they come every 30 s) has lost its process."""


def register(
    client: SyncPrefectClient, *, flows: Sequence[Flow[..., Any]] = ALL, pool: str = POOL, site: Site | None = None
) -> dict[str, UUID]:
    """Create or bring up to date pool, deployments, automations and pause switch; the deployments' ids by flow name.

    With a `site` the forms say which names of hosts and clusters there are.
    """
    ensure_pool(client, pool)
    found = {flow.name: deploy(client, flow, pool=pool, site=site) for flow in flows}
    end_zombies(client, found.values())
    ensure_variable(client)
    if REPORT in found:
        take_in_events(client, found[REPORT])
    return found


def ensure_pool(client: SyncPrefectClient, pool: str) -> None:
    """Create the process work pool unless it is there; a person's changes to it stay."""
    try:
        client.read_work_pool(pool)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        description = "Runs remediations as processes on this site's workers."
        try:
            client.create_work_pool(
                WorkPoolCreate(name=pool, type="process", base_job_template=template, description=description)
            )
        except ObjectAlreadyExists:
            return


def deploy(
    client: SyncPrefectClient, flow: Flow[..., Any], *, pool: str, entrypoint: str | None = None, site: Site | None = None
) -> UUID:
    """Create or bring up to date a flow's deployment; its id. The API checks parameters against the flow's own types."""
    return client.create_deployment(
        flow_id=client.create_flow_from_name(flow.name),
        name=flow.name,
        description=(flow.description or "").partition("\nArgs:")[0].strip(),
        tags=["hyper-v"],
        work_pool_name=pool,
        entrypoint=entrypoint or f"{flow.fn.__module__}.{flow.fn.__name__}",
        parameter_openapi_schema=form(flow, site),
        enforce_parameter_schema=True,
        pull_steps=[],
        schedules=_schedules(client, flow.name),
    )


def _schedules(client: SyncPrefectClient, name: str) -> list[DeploymentScheduleCreate]:
    """A deployment's schedules as they are, for bringing it up to date takes away what is not sent; else the first one."""
    try:
        found = client.read_deployment_by_name(f"{name}/{name}").schedules
    except ObjectNotFound:
        first = SCHEDULES.get(name)
        return [DeploymentScheduleCreate(schedule=CronSchedule(cron=first, timezone="UTC"))] if first else []
    told = {"schedule", "active", "max_scheduled_runs", "parameters", "slug"}
    return [DeploymentScheduleCreate.model_validate(each.model_dump(include=told)) for each in found]


def end_zombies(
    client: SyncPrefectClient, deployments: Iterable[UUID], *, name: str = ZOMBIES, silence: timedelta = SILENCE
) -> None:
    """Have Prefect mark a run as crashed when its process is gone without a word; a suspended run has none, so stays.

    Only runs of these deployments: the same Prefect may work for others, whose runs are none of our business.
    """
    ended = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed", "Suspended")}
    wanted = AutomationCore(
        name=name,
        description="A worker or a flow's process died: the run becomes Crashed, and recover closes what it left open.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *ended},
            match={"prefect.resource.id": ["prefect.flow-run.*"]},
            match_related={
                "prefect.resource.role": "deployment",
                "prefect.resource.id": [f"prefect.deployment.{each}" for each in deployments],
            },
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=silence,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, message=f"{SILENT} {silence.total_seconds():.0f} s: worker or process died"
            )
        ],
    )
    _automate(client, wanted)


def take_in_events(client: SyncPrefectClient, deployment: UUID) -> None:
    """Have Prefect start `report-failure` for each event `migration.failed`, with the event's payload as it came.

    The payload is handed over whole and read by our own code: a field that is missing in a template would be an error that
    nobody sees (Prefect's InvalidJinja), one that is missing in the payload is named by the flow run.
    """
    wanted = AutomationCore(
        name=BUS,
        description="An event migration.failed reports a failure; its incident and its run are those of the alert receiver.",
        trigger=EventTrigger(expect={EVENT}, posture=Posture.Reactive, threshold=1, within=timedelta(0)),
        actions=[RunDeployment(source="selected", deployment_id=deployment, parameters={"failure": _PAYLOAD})],
    )
    _automate(client, wanted)


_PAYLOAD = {
    "__prefect_kind": "json",
    "value": {"__prefect_kind": "jinja", "template": "{{ event.payload | tojson }}"},
}


def _automate(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    there = client.read_automations_by_name(wanted.name)
    if there:
        client.update_automation(there[0].id, wanted)
    else:
        client.create_automation(wanted)
