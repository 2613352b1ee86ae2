"""The scheduled look ahead: which migrations would fail now, as a page, and as an event where something got worse."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import structlog
from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed, Failed
from pydantic import Field

from flows.artifacts import safe
from flows.running import Tasks
from flows.runtime import configure_logs, engine, readers
from remediations.engine.readiness import Scope, assess
from remediations.engine.readiness_page import page
from remediations.engine.readiness_text import headline, markdown
from remediations.model.names import ClusterName, HostName, VmName
from remediations.model.outcome import Refused
from remediations.model.readiness import Readiness, Way, compare
from remediations.settings import ConfigError, Settings

LOST = "hyper-v.readiness.lost"
"""The event of a way that was ready and no longer is."""

MOST = 50
"""Ways that have an event of their own at most; more are told by one for all of them."""

PAGE = "readiness.html"
"""The newest page, in the state directory."""

log = structlog.get_logger(__name__)


@flow(name="readiness", persist_result=False, retries=0, validate_parameters=True)
def readiness(
    hosts: Annotated[list[HostName], Field(description="Only these hosts; empty for all")] = [],  # noqa: B006 - a form's default
    clusters: Annotated[list[ClusterName], Field(description="Only the nodes of these clusters")] = [],  # noqa: B006 - as above
    virtual_machines: Annotated[list[VmName], Field(description="These virtual machines too")] = [],  # noqa: B006 - as above
    all_virtual_machines: bool = False,
    across: bool = False,
) -> State[Any]:
    """Look ahead: which live migrations would fail now, why, and the commands that would mend it. Sends nothing but reads.

    Shows the report as an artifact, keeps it for the next one to compare with, and emits the event hyper-v.readiness.lost for
    every way between two hosts that was ready and no longer is.

    Args:
        hosts: Only these hosts. Empty: all of the inventory.
        clusters: Only the nodes of these clusters.
        virtual_machines: These virtual machines too: to where could each go?
        all_virtual_machines: Every virtual machine. Takes longer.
        across: Also ways into, out of and between clusters.
    """
    configure_logs()
    scope = Scope(tuple(hosts), tuple(clusters), tuple(virtual_machines), all_vms=all_virtual_machines, across=across)
    tasks = Tasks()
    try:
        with engine(tasks) as built, readers(built.site) as several:
            clock = built.clock
            report = assess(built.hosts, built.site, scope, clock=clock, now=time.monotonic, observe=tasks, read=several.read)
            before = built.ledger.last_readiness(report)
            if before is not None:
                report = report.model_copy(update={"changed": compare(report, before)})
            built.ledger.keep_readiness(report)
    except (ConfigError, LookupError) as error:
        if isinstance(error, (KeyError, IndexError)):
            raise
        return Failed(message=f"failed: {error}")
    except Refused as refused:
        return Failed(message=str(refused))
    # The next one compares with this one: what got worse is told now or never, so before anything else can fail.
    tell(report)
    publish(report)
    return Completed(message=headline(report))


def publish(report: Readiness) -> None:
    """Show the report on the run's page, and keep the page with the heat map in the state directory, or say why not."""
    key = hashlib.sha256(report.scope.encode()).hexdigest()[:8]
    state = Settings.load().state
    kept = state / PAGE
    try:
        _keep(page(report), kept)
        where = f"The heat map: `{kept}`, on the machine of this worker."
    except OSError as error:
        log.warning("the page could not be kept", file=str(kept), error=str(error))
        where = f"The heat map could not be kept as `{kept}` on the machine of this worker: {error}"
    text = f"{markdown(report)}\n\n{where}"
    create_markdown_artifact(safe(text), key=f"readiness-{key}", description=headline(report))


def _keep(text: str, kept: Path) -> None:
    """Write the page whole or not at all, whoever else writes one meanwhile. Raises `OSError`."""
    fresh = kept.with_name(f".{kept.name}.{uuid4().hex}")
    try:
        fresh.write_text(text, "utf-8")
        fresh.replace(kept)
    finally:
        fresh.unlink(missing_ok=True)


def tell(report: Readiness) -> None:
    """Emit an event for each way that was ready and no longer is; for a great many, one event for all that are left."""
    lost = report.changed.lost if report.changed else ()
    for way in lost[:MOST]:
        emit_event(
            event=LOST,
            resource={
                "prefect.resource.id": f"hyper-v.way.{way.source}.{way.destination}".lower(),
                "prefect.resource.name": f"{way.source} → {way.destination}",
            },
            payload={"source": way.source, "destination": way.destination, **_why(way, report)},
        )
    if len(lost) > MOST:
        left = lost[MOST:]
        emit_event(
            event=LOST,
            resource={"prefect.resource.id": "hyper-v.ways", "prefect.resource.name": f"{len(left)} more ways"},
            payload={"ways": [f"{way.source} → {way.destination}" for way in left[:1000]], "number": len(left)},
        )


def _why(way: Way, report: Readiness) -> dict[str, Any]:
    found = [report.by_id[each] for each in way.findings[:5] if each in report.by_id]
    return {
        "level": way.level.value,
        "why": [why for each in found for why in each.why[:1]],
        "plans": [each.ask for each in found if each.ask],
    }
