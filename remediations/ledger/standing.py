"""Where an open incident stands on its way to a run: the rows behind `Queue`, and their one way of being written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Writing
from remediations.ledger.records import Standing

_queue, _incident, _run = schema.queue, schema.incident, schema.run


def stand(
    writing: Writing,
    incident_id: str,
    standing: Standing,
    *,
    leader: str | None = None,
    why: str = "",
    **more: object,
) -> None:
    """Write down where an incident stands now, and in the trail why; without a `why` the caller tells it there.

    The same again writes nothing.
    """
    there = writing.conn.execute(select(_queue).where(_queue.c.incident_id == incident_id)).first()
    values: Mapping[str, Any] = {"standing": standing.value, "leader": leader, "since": writing.now, **more}
    if there is None:
        writing.conn.execute(insert(_queue).values(incident_id=incident_id, **values))
    elif (there.standing, there.leader) == (standing.value, leader) and not more:
        return
    else:
        writing.conn.execute(update(_queue).where(_queue.c.incident_id == incident_id).values(**values))
    if why:
        told = {"incident": incident_id, "standing": standing.value, "with": leader, "why": why}
        writing.note(None, "incident queued", {key: value for key, value in told.items() if value})


def is_open() -> ColumnElement[bool]:
    """Whether an incident is open."""
    return _incident.c.closed_at.is_(None)
