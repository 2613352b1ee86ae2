"""From an accepted incident to its flow run: the ledger has it first, Prefect may come later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import httpx
import structlog
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError

from remediations.ledger import Ledger, OpenIncident
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Refused

LONGEST_PAUSE = 30.0
"""Seconds between attempts while Prefect does not answer; they begin at one and double."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Starts one flow run for each open incident that has none, until it worked. Prefect may be down meanwhile.

    The incident's id is the run's idempotency key: asking twice, or after a crash in between, gives the same run.
    """

    def __init__(self, ledger: Ledger, client: Callable[[], SyncPrefectClient], deployment: UUID) -> None:
        self.ledger, self.client, self.deployment = ledger, client, deployment
        self._started: dict[str, FlowRun] = {}
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin, with what was left from before."""
        self._thread.start()

    def stop(self) -> None:
        """End after the attempt in hand."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=15)

    def accept(self, incidents: Sequence[Incident]) -> list[OpenIncident]:
        """Write incidents to the ledger, or add the reports to those that are open; their runs follow by themselves.

        Raises `Refused(LEDGER_UNAVAILABLE)`: then nothing was accepted, and the sender must try again.
        """
        opened = self.ledger.take_in(incidents)
        self._wake.set()
        return opened

    def dispatch(self) -> None:
        """Start what has no run yet. Raises what Prefect's client raises; what was started stays started."""
        with self.client() as client:
            for opened in self._without_run():
                if opened.id not in self._started:
                    self._started[opened.id] = self._start(client, opened)
                    log.info("incident dispatched", incident=opened.id, run=str(self._started[opened.id].id))

    def close_stillborn(self) -> None:
        """Close incidents whose flow run ended before the engine could take them over (a crash at start, an unknown host)."""
        with self.client() as client:
            for opened in self._without_run():
                run = self._start(client, opened)
                if run.state is not None and run.state.is_final():
                    why = run.state.message or run.state.name
                    summary = f"Its flow run ended before anything was read ({why}); nothing was changed."
                    self.ledger.close_incident(opened.id, Outcome(ending=Ending.FAILED, summary=summary))
                    self._started.pop(opened.id, None)

    def _without_run(self) -> list[OpenIncident]:
        return [opened for opened in self.ledger.open_incidents() if opened.run is None]

    def _start(self, client: SyncPrefectClient, opened: OpenIncident) -> FlowRun:
        return client.create_flow_run_from_deployment(
            self.deployment,
            parameters={"incident": opened.incident.model_dump(mode="json", exclude_none=True), "dry_run": False},
            name=f"{opened.id}: {opened.incident.title}",
            tags=[opened.id],
            idempotency_key=opened.id,
        )

    def _work(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.dispatch()
            except (httpx.HTTPError, PrefectHTTPStatusError, Refused, OSError) as error:
                log.warning("incidents wait for their flow runs", error=str(error), again_in_seconds=pause)
                self._stop.wait(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                pause = 1.0
                self._wake.wait(timedelta(minutes=1).total_seconds())
