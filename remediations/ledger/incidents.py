"""Incidents, one open at a time for each key, and the runs that work on them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.records import OpenIncident, RunRecord, Standing, parsed
from remediations.ledger.standing import stand
from remediations.model.incident import Incident
from remediations.model.outcome import Outcome

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read or said as another."""

_incident, _run, _queue = schema.incident, schema.run, schema.queue


class Incidents(Store):
    """Incidents and runs."""

    def open_incident(self, incident: Incident, run: str | None) -> OpenIncident:
        """Open an incident, or join the one that is open for the same key.

        `run` owns a new one. A run that asks again for its own gets it back as it is: that is no new report.
        """
        with self._writing() as writing:
            return _opened(writing, incident, run)

    def take_in(self, incidents: Sequence[Incident]) -> list[OpenIncident]:
        """Open or join all of these, in one transaction: all are in the ledger once this returns, or none is."""
        with self._writing() as writing:
            return [_opened(writing, incident, None) for incident in incidents]

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
        with self._writing() as writing:
            found = one_incident(writing.conn, incident_id)
            if found.closed_at is None:
                close(writing, found, outcome)

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


def _opened(writing: Writing, incident: Incident, run: str | None) -> OpenIncident:
    """As `open_incident`, within a transaction."""
    conn = writing.conn
    there = conn.execute(select(_incident).where(_incident.c.key == incident.key, _incident.c.closed_at.is_(None))).first()
    if there is None:
        number = _number(conn)
        conn.execute(
            insert(_incident).values(
                id=number, key=incident.key, incident=_plain(incident), reports=1, run=run, opened_at=writing.now
            )
        )
        writing.note(run, "incident opened", {"incident": number, "as": _plain(incident)})
        return OpenIncident(id=number, incident=incident, run=run, opened_at=writing.now)
    found = read_incident(there)
    if run is not None and found.run == run:
        return found
    # Reported again after it was said to be over: it is not.
    conn.execute(update(_queue).where(_queue.c.incident_id == found.id).values(ended=None))
    reports = found.reports + 1
    conn.execute(update(_incident).where(_incident.c.id == found.id).values(reports=reports))
    writing.note(run, "incident joined", {"incident": found.id, "reports": reports, "as": _plain(incident)})
    return found.model_copy(update={"joined": True, "reports": reports})


def close(writing: Writing, found: OpenIncident, outcome: Outcome) -> None:
    """Close an open incident, in the caller's transaction."""
    values = {"closed_at": writing.now, "outcome": _plain(outcome)}
    writing.conn.execute(update(_incident).where(_incident.c.id == found.id).values(values))
    writing.note(found.run, "incident closed", {"incident": found.id, "outcome": _plain(outcome)})


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


def _number(conn: Connection) -> str:
    while True:
        number = "INC-" + "".join(secrets.choice(_LETTERS) for _ in range(6))
        if conn.execute(select(_incident.c.id).where(_incident.c.id == number)).first() is None:
            return number


def one_incident(conn: Connection, incident_id: str) -> OpenIncident:
    """An incident, open or closed. Raises `LookupError` for an id that the ledger does not know."""
    row = conn.execute(select(_incident).where(_incident.c.id == incident_id)).first()
    if row is None:
        raise LookupError(f"the ledger knows no incident {incident_id!r}; its ids look like INC-7F3K2A")
    return read_incident(row)


def read_incident(row: Row[Any]) -> OpenIncident:
    """An incident from a row that has its columns."""
    value = {name: getattr(row, name) for name in ("id", "incident", "run", "opened_at", "reports", "closed_at", "outcome")}
    return parsed(OpenIncident, value, f"incident {row.id}")


def _read_run(row: Row[Any]) -> RunRecord:
    return parsed(RunRecord, dict(row._mapping), f"run {row.run}")


def _plain(record: Incident | Outcome) -> dict[str, Any]:
    return record.model_dump(mode="json")
