"""Incidents, one open at a time for each key, and the runs that work on them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.records import OpenIncident, RunRecord, Standing, parsed
from remediations.ledger.standing import stand
from remediations.model.incident import Incident
from remediations.model.outcome import Outcome

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read or said as another."""

_incident, _run, _queue = schema.incident, schema.run, schema.queue


class Incidents(Store):
    """Incidents and runs."""

    def open_incident(self, incident: Incident, run: str | None) -> OpenIncident:
        """Open an incident, or join the one that is open for the same key.

        `run` owns a new one. A run that asks again for its own gets it back as it is: that is no new report.
        """
        with self._writing() as writing:
            return open_or_join(writing, [incident], run)[0]

    def take_in(self, incidents: Sequence[Incident]) -> list[OpenIncident]:
        """Open or join all of these, in one transaction: all are in the ledger once this returns, or none is."""
        if not incidents:
            return []
        with self._writing() as writing:
            return open_or_join(writing, incidents, None)

    def attach_run(self, incident_id: str, run: str) -> bool:
        """Make a run the owner of an open incident. True if it is now: nobody was, it was already, or its owner has ended."""
        with self._writing() as writing:
            found = one_incident(writing.conn, incident_id)
            if found.closed_at is not None:
                return False
            if found.run == run:
                return True
            if found.run is not None:
                owner = writing.conn.execute(select(_run.c.finished_at).where(_run.c.run == found.run)).first()
                if owner is None or owner.finished_at is None:
                    return False
            writing.conn.execute(update(_incident).where(_incident.c.id == incident_id).values(run=run))
            stand(writing, incident_id, Standing.STARTED)
            writing.note(run, "incident taken", {"incident": incident_id, "before": found.run})
            return True

    def incident(self, incident_id: str) -> OpenIncident:
        """One incident, open or closed. Raises `LookupError` for an id that the ledger does not know."""
        with self._database.reading() as conn:
            return one_incident(conn, incident_id)

    def open_incidents(self) -> list[OpenIncident]:
        """Every open incident, oldest first."""
        with self._database.reading() as conn:
            rows = conn.execute(select(_incident).where(_incident.c.closed_at.is_(None)).order_by(_incident.c.opened_at))
            return [read_incident(row) for row in rows]

    def close_incident(self, incident_id: str, outcome: Outcome) -> None:
        """Close an incident, so that a later report opens a new one. One that is closed keeps its first outcome."""
        self.close_incidents({incident_id: outcome})

    def close_incidents(self, outcomes: Mapping[str, Outcome]) -> None:
        """As `close_incident`, for each of these by its id, in one transaction."""
        if not outcomes:
            return
        with self._writing() as writing:
            rows = writing.conn.execute(select(_incident).where(_incident.c.id.in_(outcomes)))
            found = {row.id: read_incident(row) for row in rows}
            if unknown := outcomes.keys() - found.keys():
                raise _unknown(min(unknown))
            close(writing, [(each, outcomes[each.id]) for each in found.values() if each.closed_at is None])

    # ---- runs --------------------------------------------------------------------------------------------------------

    def start_run(self, run: str, *, kind: str, incident_id: str | None, requested_by: str) -> None:
        """Record a run. Again for the same run changes nothing; raises `ValueError` if it says other things of it."""
        with self._writing() as writing:
            if incident_id is not None:
                one_incident(writing.conn, incident_id)
            there = writing.conn.execute(select(_run).where(_run.c.run == run)).first()
            if there is not None:
                if (there.kind, there.incident_id) != (kind, incident_id):
                    detail = f"run {run} was started as {there.kind} for {there.incident_id}, not as {kind} for {incident_id}"
                    raise ValueError(detail)
                return
            values = {"kind": kind, "incident_id": incident_id, "requested_by": requested_by}
            writing.conn.execute(insert(_run).values(run=run, started_at=writing.now, **values))
            writing.note(run, "run started", values)

    def finish_run(self, run: str, outcome: Outcome) -> None:
        """Record how a run ended; from now on it may start no step. One that has ended keeps its first outcome."""
        with self._writing() as writing:
            finish(writing, run, outcome)

    def run(self, run: str) -> RunRecord | None:
        """One run; None if the ledger does not know it."""
        with self._database.reading() as conn:
            row = conn.execute(select(_run).where(_run.c.run == run)).first()
            return None if row is None else _read_run(row)

    def unfinished_runs(self) -> list[RunRecord]:
        """Every run that has not ended, oldest first."""
        with self._database.reading() as conn:
            rows = conn.execute(select(_run).where(_run.c.finished_at.is_(None)).order_by(_run.c.started_at))
            return [_read_run(row) for row in rows]

    def runs(self, *, last: int | None = None, named: str = "") -> list[RunRecord]:
        """The `last` runs (all, if none is given), newest first: those of an incident's id, or whose own id begins so."""
        rows = select(_run).order_by(_run.c.started_at.desc(), _run.c.run)
        if named:
            rows = rows.where(or_(_run.c.incident_id == named, _run.c.run.startswith(named, autoescape=True)))
        with self._database.reading() as conn:
            return [_read_run(row) for row in conn.execute(rows.limit(last))]


def open_or_join(writing: Writing, incidents: Sequence[Incident], run: str | None) -> list[OpenIncident]:
    """As `open_incident`, for each of these in order, in a few statements however many they are."""
    conn = writing.conn
    keys = [each.key for each in incidents]
    known = {row.key: read_incident(row) for row in conn.execute(_OPEN_FOR, {"keys": list(set(keys))})}
    fresh = _numbers(conn, len(set(keys) - known.keys()))
    opened: list[OpenIncident] = []
    told: list[tuple[str, dict[str, Any]]] = []
    new: dict[str, dict[str, Any]] = {}
    joined: set[str] = set()
    for key, incident in zip(keys, incidents, strict=True):
        found, plain = known.get(key), _plain(incident)
        if found is None:
            found = OpenIncident(id=next(fresh), incident=incident, run=run, opened_at=writing.now)
            new[key] = plain
            told.append(("incident opened", {"incident": found.id, "as": plain}))
        elif run is None or found.run != run:
            found = found.model_copy(update={"joined": True, "reports": found.reports + 1})
            joined.add(key)
            told.append(("incident joined", {"incident": found.id, "reports": found.reports, "as": plain}))
        known[key] = found
        opened.append(found)
    if new:
        row = {"run": run, "opened_at": writing.now}
        rows = [(known[key], key, plain) for key, plain in new.items()]
        conn.execute(
            insert(_incident),
            [row | {"id": each.id, "key": key, "incident": it, "reports": each.reports} for each, key, it in rows],
        )
    if over := [known[key].id for key in joined]:
        # Reported again after it was said to be over: it is not.
        conn.execute(update(_queue).where(_queue.c.incident_id.in_(over)).values(ended=None))
    if again := [{"which": known[key].id, "now": known[key].reports} for key in joined - new.keys()]:
        conn.execute(update(_incident).where(_incident.c.id == bindparam("which")).values(reports=bindparam("now")), again)
    writing.notes(run, told)
    return opened


def close(writing: Writing, outcomes: Sequence[tuple[OpenIncident, Outcome]]) -> None:
    """Close open incidents, each with its outcome, in the caller's transaction."""
    plain = [(found, _plain(outcome)) for found, outcome in outcomes]
    rows = [{"which": found.id, "closed_at": writing.now, "outcome": outcome} for found, outcome in plain]
    if rows:
        writing.conn.execute(update(_incident).where(_incident.c.id == bindparam("which")), rows)
    writing.append([(found.run, "incident closed", {"incident": found.id, "outcome": outcome}) for found, outcome in plain])


def finish(writing: Writing, run: str, outcome: Outcome) -> None:
    """Record how a run ended, in the caller's transaction. One that has ended keeps its first outcome."""
    if known_run(writing.conn, run).finished_at is None:
        values = {"finished_at": writing.now, "outcome": _plain(outcome)}
        writing.conn.execute(update(_run).where(_run.c.run == run).values(values))
        writing.note(run, "run finished", {"outcome": _plain(outcome)})


def known_run(conn: Connection, run: str) -> RunRecord:
    """A run that was started. Raises `LookupError` for another."""
    row = conn.execute(select(_run).where(_run.c.run == run)).first()
    if row is None:
        raise LookupError(f"the ledger knows no run {run!r}: it was never started (start_run)")
    return _read_run(row)


def _numbers(conn: Connection, many: int) -> Iterator[str]:
    """So many ids that no incident has."""
    fresh: set[str] = set()
    while len(fresh) < many:
        some = {_number() for _ in range(many - len(fresh))}
        fresh |= some - set(conn.execute(_TAKEN, {"some": list(some)}).scalars())
    return iter(fresh)


def _number() -> str:
    bits = secrets.randbits(30)
    return "INC-" + "".join(LETTERS[bits >> shift & 31] for shift in range(0, 30, 5))


# Made once: they are carried out for each alert.
_OPEN_FOR = select(_incident).where(_incident.c.key.in_(bindparam("keys", expanding=True)), _incident.c.closed_at.is_(None))
_TAKEN = select(_incident.c.id).where(_incident.c.id.in_(bindparam("some", expanding=True)))


def one_incident(conn: Connection, incident_id: str) -> OpenIncident:
    """An incident, open or closed. Raises `LookupError` for an id that the ledger does not know."""
    row = conn.execute(select(_incident).where(_incident.c.id == incident_id)).first()
    if row is None:
        raise _unknown(incident_id)
    return read_incident(row)


def _unknown(incident_id: str) -> LookupError:
    return LookupError(f"the ledger knows no incident {incident_id!r}; its ids look like INC-7F3K2A")


def read_incident(row: Row[Any]) -> OpenIncident:
    """An incident from a row that has its columns."""
    value = {name: getattr(row, name) for name in ("id", "incident", "run", "opened_at", "reports", "closed_at", "outcome")}
    return parsed(OpenIncident, value, f"incident {row.id}")


def _read_run(row: Row[Any]) -> RunRecord:
    return parsed(RunRecord, dict(row._mapping), f"run {row.run}")


def _plain(record: Incident | Outcome) -> dict[str, Any]:
    return record.model_dump(mode="json")
