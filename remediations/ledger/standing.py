"""Where an open incident stands on its way to a run: the rows behind `Queue`, and their one way of being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, insert, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Writing
from remediations.ledger.records import Move, Standing

_queue, _incident, _run = schema.queue, schema.incident, schema.run


def stand(
    writing: Writing,
    incident_id: str,
    standing: Standing,
    **more: object,
) -> None:
    """Write down where an incident that goes with no other stands now; the caller tells the trail of it.

    The same again writes nothing.
    """
    there = writing.conn.execute(select(_queue).where(_queue.c.incident_id == incident_id)).first()
    values: Mapping[str, Any] = {"standing": standing.value, "leader": None, "since": writing.now, **more}
    if there is None:
        writing.conn.execute(insert(_queue).values(incident_id=incident_id, **values))
    elif (there.standing, there.leader) != (standing.value, None) or more:
        writing.conn.execute(update(_queue).where(_queue.c.incident_id == incident_id).values(**values))


def stand_all(writing: Writing, moves: Sequence[Move]) -> None:
    """Write down where each of these incidents stands now, and in the trail why, in a few statements however many they are."""
    which: BindParameter[str] = bindparam("which")
    ids = [each.incident_id for each in moves]
    known = select(_queue.c.incident_id).where(_queue.c.incident_id.in_(ids))
    there = set(writing.conn.execute(known).scalars())
    rows = [
        {"which": each.incident_id, "standing": each.standing.value, "leader": each.leader, "since": writing.now}
        for each in moves
    ]
    if new := [row for row in rows if row["which"] not in there]:
        writing.conn.execute(insert(_queue).values(incident_id=which), new)
    if old := [row for row in rows if row["which"] in there]:
        writing.conn.execute(update(_queue).where(_queue.c.incident_id == which), old)
    told = [
        {"incident": each.incident_id, "standing": each.standing.value, "with": each.leader, "why": each.why} for each in moves
    ]
    writing.notes(None, [("incident queued", {key: value for key, value in each.items() if value}) for each in told])


def is_open() -> ColumnElement[bool]:
    """Whether an incident is open."""
    return _incident.c.closed_at.is_(None)
