"""What was seen and done before: what makes an episode of observations, and what caps and cooldowns count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from remediations.ledger import schema
from remediations.ledger.audit import Store
from remediations.ledger.records import Result, Undone, parsed
from remediations.model.causes import Cause
from remediations.model.diagnosis import Sighting
from remediations.model.names import short_name
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.plan import Step
from remediations.model.situation import Changed, Mend, touched

_sighting, _step, _run = schema.sighting, schema.step, schema.run


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

    def last_remediation(self, cause: Cause, target: str, *, but: tuple[str, str] | None = None) -> Mend | None:
        """The last repair for this cause of which a step was sent at a target (`Target.id`); None if there was none.

        `but` is a run and a plan's digest that do not count: what the one who asks is about to do itself, and another process
        of the same run may have begun.
        A plan that was sealed without its causes counts for every cause: a cooldown may be too long, never forgotten. What a
        pause stopped and its run took back does not count: it mended nothing, and may begin anew once nothing pauses.
        """
        mine = (_step.c.target_id == target.casefold()) & (_step.c.part == "repair")
        if but is not None:
            mine &= (_step.c.run != but[0]) | (_step.c.digest != but[1])
        told = (_step.c[name] for name in ("run", "digest", "intended_at", "causes", "result", "undone"))
        steps = select(*told, _run.c.outcome).join(_run, _run.c.run == _step.c.run)
        with self._database.reading() as conn:
            rows = conn.execute(steps.where(mine).order_by(_step.c.intended_at.desc()))
            for row in rows:
                if (row.causes is None or cause.value in row.causes) and not _stopped_by_a_pause(row.undone, row.outcome):
                    return _mend([row, *(each for each in rows if (each.run, each.digest) == (row.run, row.digest))])
        return None


def _mend(steps: Sequence[Row[Any]]) -> Mend:
    """What became of one plan's steps at a target, newest first."""
    back, stands = [], False
    for each in steps:
        undone = None if each.undone is None else parsed(Undone, each.undone, "a step that was taken back")
        result = None if each.result is None else parsed(Result, each.result, "a step's result")
        if undone is not None and undone.ok:
            back.append(undone.at)
        elif result is None or result.ok:
            stands = True
    return Mend(at=steps[0].intended_at, taken_back=None if stands else max(back, default=None), failed=not stands and not back)


def _stopped_by_a_pause(undone: Any, outcome: Any) -> bool:
    """Whether a step was taken back, by its own run, which a pause had stopped."""
    if undone is None or outcome is None or not parsed(Undone, undone, "a step that was taken back").ok:
        return False
    ended = parsed(Outcome, outcome, "an outcome")
    return ended.ending is Ending.UNDONE and ended.reason is Reason.PAUSED


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
