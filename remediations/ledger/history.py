"""What was seen and done before: what makes an episode of observations, and what caps and cooldowns count."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from remediations.ledger import schema
from remediations.ledger.audit import Store
from remediations.ledger.records import parsed
from remediations.model.causes import Cause
from remediations.model.diagnosis import Sighting
from remediations.model.names import short_name
from remediations.model.plan import Step
from remediations.model.situation import Changed, touched

_sighting, _step = schema.sighting, schema.step


class History(Store):
    """Sightings, and counts of what was changed."""

    def sight(self, cause: Cause, subject: str, incident_id: str) -> None:
        """Record that a cause was seen on a subject in an incident; again for the same incident changes nothing."""
        values = {"cause": cause.value, "subject": subject.casefold(), "incident_id": incident_id}
        there = select(_sighting).where(*(_sighting.c[name] == value for name, value in values.items()))
        with self._writing() as writing:
            if writing.conn.execute(there).first() is None:
                writing.conn.execute(insert(_sighting).values(seen_at=writing.now, **values))
                writing.note(None, "cause seen", values)

    def sightings(self, cause: Cause, subject: str, since: datetime) -> Sighting | None:
        """How often, in separate incidents, a cause was seen on a subject since a time; None if never."""
        mine = (_sighting.c.cause == cause.value) & (_sighting.c.subject == subject.casefold()) & (_sighting.c.seen_at >= since)
        with self._database.reading() as conn:
            row = conn.execute(
                select(func.count().label("times"), func.min(_sighting.c.seen_at).label("first")).where(mine)
            ).one()
        return Sighting(cause=cause, subject=subject, first_seen=row.first, times=row.times) if row.times else None

    def changes_since(self, since: datetime) -> list[Changed]:
        """Every plan of which something was sent since a time: what caps count. Failed ones count too."""
        with self._database.reading() as conn:
            return changes(conn, since)

    def last_remediation(self, cause: Cause, target: str) -> datetime | None:
        """When a step of a repair for this cause was last sent at a target (`Target.id`); None if never.

        A plan that was sealed without its causes counts for every cause: a cooldown may be too long, never forgotten.
        """
        steps = select(_step.c.intended_at, _step.c.causes).where(
            _step.c.target_id == target.casefold(), _step.c.part == "repair"
        )
        with self._database.reading() as conn:
            for row in conn.execute(steps.order_by(_step.c.intended_at.desc())):
                if row.causes is None or cause.value in row.causes:
                    return row.intended_at  # type: ignore[no-any-return] # a Core row's column is untyped
        return None


def changes(conn: Connection, since: datetime) -> list[Changed]:
    """The same in a transaction of the caller's."""
    steps = select(_step.c.run, _step.c.digest, _step.c.step, _step.c.causes, _step.c.intended_at)
    found: dict[tuple[str, str], Changed] = {}
    for row in conn.execute(steps.where(_step.c.intended_at >= since).order_by(_step.c.intended_at)):
        before = found.get((row.run, row.digest))
        hosts = {short_name(host).casefold() for host in touched(parsed(Step, row.step, "a step"))}
        found[row.run, row.digest] = Changed(
            at=row.intended_at,
            hosts=frozenset(hosts | (before.hosts if before else frozenset())),
            causes=None if row.causes is None else frozenset(Cause(each) for each in row.causes),
        )
    return list(found.values())
