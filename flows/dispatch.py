"""From an accepted incident to its flow run: the ledger has it first and says who gets one, Prefect may come later."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
import structlog
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Crashed

from flows.alive import may_go_on
from flows.approvals import waiting
from flows.running import state_of
from remediations.alerts import Ended
from remediations.alerts.taking import over
from remediations.engine import Engine, Recovered
from remediations.engine.grouping import arrange, covers, group_of
from remediations.ledger import Ledger, OpenIncident, OverBy, Queued, Standing
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.policy import Policy
from remediations.model.site import Site

LONGEST_PAUSE = 30.0
"""Seconds between attempts while Prefect does not answer; they begin at one and double."""

LOOK = 5.0
"""Seconds after which the ledger is looked at again unasked: other processes accept incidents too, and runs end."""

BREATH = 0.2
"""Seconds between two decisions, so that alerts that come together are decided on together."""

TRIES = 5
"""Flow runs that are asked for, one after another, for an incident that none of them begins with; then a person is told."""

BATCH = 500
"""Incidents that one transaction decides on at most: nobody else can write to the ledger meanwhile."""

OF_ONE = frozenset({400, 409, 413, 422, 500})
"""What Prefect answers to a request that it cannot take, where it may well take the next."""

AWAY = (httpx.HTTPError, PrefectHTTPStatusError, Refused, OSError)
"""As Prefect or the ledger that cannot be reached is told of; anything else is logged with where it came from."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """Carries out what is decided of open incidents (`engine/grouping.py`): which get a flow run, and which have no need.

    Any number may work on one ledger. The incident's id is the run's idempotency key: asking twice, or again after a crash
    in between, gives the same run (with a number behind it for one that is asked for anew). Prefect may be down meanwhile.
    """

    def __init__(
        self,
        ledger: Ledger,
        client: Callable[[], SyncPrefectClient],
        deployment: UUID,
        *,
        site: Site,
        policy: Policy,
        register: Callable[[SyncPrefectClient], UUID] | None = None,
    ) -> None:
        """`register` makes the deployment again, once somebody has deleted it in Prefect; without it, alerts wait till then."""
        self.ledger, self.client, self.deployment, self.register = ledger, client, deployment, register
        self.site, self.policy = site, policy
        self._wake, self._stop, self._needless = threading.Event(), threading.Event(), threading.Event()
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

    def over(self, incident: Incident, how: OverBy, words: str) -> OpenIncident | None:
        """End what waits for an incident whose alert is resolved or was taken over; what is being applied goes on.

        Gives the incident, closed or not; None if none is open. Raises as `accept`.
        """
        found = self.ledger.over(incident.key, how, words, began=incident.occurred_at)
        if found is not None:
            log.info("incident reported over", incident=found.id, how=how, closed=found.closed_at is not None)
            if found.closed_at is not None and found.run is not None:
                self._needless.set()
            self._wake.set()
        return found

    def settle(self, incident: Incident, ended: Ended) -> str:
        """What an alert changes that does not fire any more, as the receiver asks; one sentence for its sender."""
        return over(self.over(incident, ended.how, ended.words(incident)), ended)

    def dispatch(self) -> None:
        """Decide, and start what has a run coming to it. Raises what Prefect's client raises; what was started stays so.

        One whose flow run is refused keeps no other from its own: its error is raised once all were tried.
        """
        while self._arranged() >= BATCH:
            pass
        if self._needless.is_set():
            self.end_needless()
            self._needless.clear()
        due = self.ledger.to_start()
        if not due:
            return
        refused: Exception | None = None
        with self.client() as client:
            for each in due:
                try:
                    run = self._started(client, each)
                except (PrefectHTTPStatusError, ValueError) as error:
                    if isinstance(error, PrefectHTTPStatusError) and error.response.status_code not in OF_ONE:
                        raise
                    log.warning("an incident's flow run is refused, and asked for again later", incident=each.id)
                    refused = refused or error
                    continue
                self.ledger.started_as(each.id, str(run.id))
                log.info("incident dispatched", incident=each.id, run=str(run.id))
        if refused is not None:
            raise refused

    def replace_stillborn(self) -> Iterator[Recovered]:
        """Ask for another flow run where one ended before it took its incident over: nobody has looked at that failure yet.

        So it ends where Prefect is killed while a run starts. A run that a person cancelled is not replaced, nor is the last of
        `TRIES`: those incidents are closed, and given one by one for people to be told.
        """
        due = self.ledger.not_begun()
        if not due:
            return
        with self.client() as client:
            for each in due:
                run = str(each.flow_run)
                state = _last_state(client, UUID(run))
                if state is None:
                    continue
                why = state.message or state.name or state.type.value
                end = _given_up(each, state.is_cancelled(), why)
                if not self.ledger.never_began(each.id, run, why, end=end):
                    continue
                if end is None:
                    log.warning("a flow run ended before it began; another is asked for", incident=each.id, run=run, why=why)
                    self._wake.set()
                else:
                    log.warning("an incident is closed that nobody has looked at", incident=each.id, run=run, why=why)
                    yield Recovered(run=run, incident_id=each.id, what=why, outcome=end)

    def end_needless(self) -> None:
        """End flow runs that still ask although the ledger has closed their incident: it was reported over."""
        with self.client() as client:
            for each in waiting(client):
                record = self.ledger.run(str(each.run))
                outcome = record.outcome if record is not None else None
                if outcome is not None and outcome.reason is Reason.SYMPTOM_GONE:
                    with suppress(ObjectNotFound):  # deleted since it was looked at: it asks nobody any more
                        client.set_flow_run_state(each.run, state_of(outcome), force=True)
                    log.info("run ended, nothing is left to do", run=str(each.run))

    def read_again(self, engine: Engine) -> None:
        """Read again what was left when the outcome of its group came: closed if it is over, else it waits for a run."""
        while due := self.ledger.to_read_again(BATCH):
            self._read_again(engine, due)
            if len(due) < BATCH:
                return

    def _read_again(self, engine: Engine, due: Sequence[Queued]) -> None:
        over = engine.over_by_now([each.opened for each in due])
        nothing = Outcome(ending=Ending.NOTHING_TO_DO, reason=Reason.SYMPTOM_GONE, summary="")
        self.ledger.close_incidents(
            {
                number: nothing.model_copy(update={"summary": f"{why} Nothing was changed."})
                for number, why in over.items()
                if why
            }
        )
        still = [each.id for each in due if not over.get(each.id)]
        self.ledger.fails_still(*still, why="it was read again and fails still, or could not be read")
        self._wake.set()

    def _arranged(self) -> int:
        """Decide on the next incidents; how many have another standing now."""
        for opened in self.ledger.newcomers(BATCH):
            group_of(opened.incident)  # known before the ledger is locked
        decide = partial(
            arrange, max_open_runs=self.policy.caps.max_open_runs, covers=lambda plan, each: covers(plan, each, self.site)
        )
        moves = self.ledger.arrange(decide, BATCH)
        for move in moves:
            if move.standing is Standing.WAITS:
                log.warning("incident waits for its run", incident=move.incident_id, why=move.why)
            else:
                log.info("incident arranged", incident=move.incident_id, standing=move.standing.value, why=move.why)
        return len(moves)

    def _started(self, client: SyncPrefectClient, due: Queued) -> FlowRun:
        try:
            return self._start(client, due)
        except PrefectHTTPStatusError as error:
            if self.register is None or error.response.status_code != HTTPStatus.NOT_FOUND:
                raise
        log.warning("the deployment was deleted in Prefect: all are registered again", deployment=str(self.deployment))
        self.deployment = self.register(client)
        return self._start(client, due)

    def _start(self, client: SyncPrefectClient, due: Queued) -> FlowRun:
        opened = due.opened
        return client.create_flow_run_from_deployment(
            self.deployment,
            parameters={"incident": opened.incident.model_dump(mode="json", exclude_none=True), "dry_run": False},
            name=f"{opened.id}: {opened.incident.title}",
            tags=[opened.id],
            idempotency_key=f"{opened.id}-{due.lost + 1}" if due.lost else opened.id,
        )

    def _work(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.dispatch()
            except Exception as error:  # alerts are accepted all the same: nothing may end what starts their runs
                waits = {"error": str(error), "again_in_seconds": pause}
                log.warning("incidents wait for their flow runs", **waits, exc_info=not isinstance(error, AWAY))
                self._stop.wait(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            else:
                pause = 1.0
                # A storm's alerts are decided on together: each by itself would keep the next from being written.
                self._stop.wait(BREATH)
                self._wake.wait(LOOK)


def _last_state(client: SyncPrefectClient, run: UUID) -> State[Any] | None:
    """The state in which a flow run has ended; None if it has not."""
    try:
        state = client.read_flow_run(run).state
    except ObjectNotFound:
        return Crashed(message="it was deleted in Prefect")
    return state if state is not None and state.is_final() and not may_go_on(state, datetime.now(UTC)) else None


def _given_up(each: Queued, cancelled: bool, why: str) -> Outcome | None:
    """How an incident ends for which no other flow run is asked for; None for one that gets another."""
    if cancelled:
        which = f"its flow run was cancelled before anything was read ({why})"
    elif each.lost + 1 >= TRIES:
        which = f"{TRIES} flow runs for it ended before anything was read, the last so: {why.rstrip('.')}"
    else:
        return None
    summary = f"Nobody has looked at it: {which}. Nothing was changed; report it again to have it looked at."
    return Outcome(ending=Ending.NEEDS_PERSON, summary=summary)
