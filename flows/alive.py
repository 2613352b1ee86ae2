"""Runs that Prefect takes for crashed although their process goes on.

Prefect ends what shows no heartbeat for a while (deployments.py). None can be shown while Prefect itself is away, and the first
that it does once it is back is to end all that ran meanwhile: recovery would take back, under a run at work, what it does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.states import Running

SILENT = "no heartbeat for"
"""How the end of a run begins that showed none."""

LOOK = 10.0
"""Seconds after which a run's process looks again whether Prefect still knows that it goes on."""

SURE = timedelta(seconds=45)
"""For which such an end may be put right by the run's process; until then nobody believes it."""

log = structlog.get_logger(__name__)


def silent(state: State[Any]) -> bool:
    """Whether Prefect says only that it has heard nothing of a run."""
    return state.type is StateType.CRASHED and (state.message or "").startswith(SILENT)


def may_go_on(state: State[Any], now: datetime) -> bool:
    """Whether a run that Prefect has ended so may go on all the same: its process would have put it right by then."""
    return silent(state) and now - state.timestamp < SURE


@contextmanager
def staying(run: str) -> Iterator[None]:
    """Within the process of a run: whenever Prefect takes it for crashed by its silence, it is told that the run goes on."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(LOOK):
            try:
                with get_client(sync_client=True) as client:
                    state = client.read_flow_run(UUID(run)).state
                    if state is not None and silent(state) and not over.is_set():
                        client.set_flow_run_state(UUID(run), Running(message="its process goes on"), force=True)
                        log.warning("Prefect had taken this run for crashed", why=state.message)
            except Exception as error:  # as while Prefect is away: that is what it waits for to be over
                log.debug("Prefect does not say how this run stands", error=str(error))

    threading.Thread(target=work, name="staying", daemon=True).start()
    try:
        yield
    finally:
        over.set()
