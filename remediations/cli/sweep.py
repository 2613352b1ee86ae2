"""The recovery sweep of `remediate serve`: what ended runs left open, and what Prefect and the ledger say differently."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from flows.dispatch import Dispatcher
    from remediations.ledger import Ledger

SECONDS = 60.0
"""How often it looks."""

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def sweeping(ledger: Ledger, dispatcher: Dispatcher, api: str) -> Iterator[None]:
    """Sweep every minute, in a thread of its own, for as long as the block lasts."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(SECONDS):
            sweep(ledger, dispatcher, api)

    thread = threading.Thread(target=work, name="recovery", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=15)


def sweep(ledger: Ledger, dispatcher: Dispatcher, api: str) -> None:
    """One look, in parts of which none keeps another from being done: what it cannot do now it may the next time.

    Prefect may be away, and what was left half-way on a host (brackets, half-done plans) has to be finished all the same.
    """
    from flows.dispatch import AWAY

    for part in (_replaced, _ended, _started_again, _woken, _recovered, _read_again):
        try:
            part(ledger, dispatcher, api)
        except Exception as error:  # no defect, and nothing that is away, may end what recovers
            told = {"part": part.__name__.strip("_"), "error": f"{type(error).__name__}: {error}"}
            known = isinstance(error, AWAY)
            log.warning("a part of the recovery sweep failed", **told, again_in_seconds=SECONDS, exc_info=not known)


def _replaced(_ledger: Ledger, dispatcher: Dispatcher, _api: str) -> None:
    """Runs that ended before they began."""
    from flows.fate import tell
    from flows.notify import tell_recovered

    for each in dispatcher.replace_stillborn():
        # As this process knew them at its start: files that nobody can read now may be why no run began.
        tell(each)
        tell_recovered(dispatcher.site.notify, each)


def _ended(_ledger: Ledger, dispatcher: Dispatcher, _api: str) -> None:
    """Runs that still ask although nobody is needed any more."""
    dispatcher.end_needless()


def _started_again(_ledger: Ledger, _dispatcher: Dispatcher, api: str) -> None:
    """Runs that a worker took and lost."""
    from flows.approvals import client_for
    from flows.deployments import POOL
    from flows.fate import start_lost

    with client_for(api) as client:
        for run in start_lost(client, POOL):
            log.warning("a run that its worker lost is started again", run=str(run.id), name=run.name)


def _woken(ledger: Ledger, _dispatcher: Dispatcher, api: str) -> None:
    """Runs that wait for an answer that the ledger has."""
    from flows.approvals import client_for, wake_answered

    with client_for(api) as client:
        for asked in wake_answered(client, ledger):
            log.warning("a run whose answer was in the ledger is woken", run=str(asked.run), name=asked.run_name)


def _recovered(ledger: Ledger, _dispatcher: Dispatcher, api: str) -> None:
    """What ended runs left open. Of flow runs Prefect tells whether they ended; where it does not answer, they are let be."""
    from flows.approvals import client_for
    from flows.fate import fate, tell
    from flows.notify import tell_recovered
    from flows.runtime import engine

    if not (ledger.unfinished_runs() or ledger.open_brackets() or ledger.undecided()):
        return
    with client_for(api) as client, engine() as built:
        there = client if client.api_healthcheck() is None else None
        for each in built.recover(lambda run: fate(there, run)):
            log.warning("recovered", run=each.run, incident=each.incident_id, why=each.what, now=each.outcome.summary)
            tell(each)
            tell_recovered(built.site.notify, each)


def _read_again(ledger: Ledger, dispatcher: Dispatcher, _api: str) -> None:
    """Incidents that were left when the outcome of their group came."""
    from flows.runtime import engine

    if ledger.to_read_again(1):
        with engine() as built:
            dispatcher.read_again(built)
