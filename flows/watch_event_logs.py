"""The hosts' own event logs as a source of alerts: for who has no other, and for what fell through."""

from __future__ import annotations

from typing import Any

import structlog
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.runtime import configure_logs, engine
from remediations.engine import Engine
from remediations.engine.watch import Seen

log = structlog.get_logger(__name__)


@flow(name="watch-event-logs", persist_result=False, retries=0)
def watch_event_logs() -> State[Any]:
    """Look at the hosts' event logs once, and report migrations and drains that failed since the last look.

    `remediate serve` does the same every minute by itself; this is for doing it now, or by a schedule of your own. Changes
    nothing; runs follow by themselves.
    """
    configure_logs()
    with engine() as built:
        seen = built.watch()
    tell(seen)
    return Completed(message=words(seen))


def look(built: Engine, before: Seen | None = None) -> Seen:
    """One look, told in the log of this process; what was unread `before` too is not told again."""
    seen = built.watch()
    known = before.unread if before is not None else ()
    tell(seen.model_copy(update={"unread": tuple(each for each in seen.unread if each not in known)}))
    return seen


def tell(seen: Seen) -> None:
    """Write what was seen to the log."""
    if seen.reported or seen.over:
        log.info("the hosts' event logs tell of failures", reported=seen.reported, joined=seen.joined, over=seen.over)
    for each in seen.lost:
        log.warning("an event log has lost records that were not read", where=each)
    for each in seen.unread:
        log.warning("an event log could not be read", where=each)


def words(seen: Seen) -> str:
    """What was seen, in one line."""
    said = [
        f"{len(seen.reported)} reported" + (f" ({', '.join(seen.reported)})" if seen.reported else ""),
        f"{len(seen.joined)} known already",
        f"{len(seen.over)} over",
        *(f"lost: {each}" for each in seen.lost),
        *(f"not read: {each}" for each in seen.unread),
    ]
    return "; ".join(said)
