"""The audit trail: append-only, each row bound to the one before by its hash, written in the transaction that it tells of."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select

from remediations.ledger import columns, schema, versions
from remediations.ledger.database import Database
from remediations.ledger.records import Head, Note
from remediations.model.outcome import Reason, Refused

_note = schema.note

BEGINNING = "0" * 64
"""Head of an empty trail."""


@dataclass
class Writing:
    """A writing transaction: its connection, its time (taken when its turn came), and the trail's end."""

    conn: Connection
    now: datetime
    seq: int
    head: str

    def note(self, run: str | None, kind: str, data: Mapping[str, Any]) -> str:
        """Append one row to the trail and return the new head."""
        return self.append([(run, kind, data)])

    def notes(self, run: str | None, told: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
        """Append a row for each kind and its data, in order, and return the new head."""
        return self.append([(run, kind, data) for kind, data in told])

    def append(self, told: Sequence[tuple[str | None, str, Mapping[str, Any]]]) -> str:
        """Append a row for each run, kind and data, in order, and return the new head."""
        at, rows = columns.written(self.now), []
        for run, kind, data in told:
            text, previous = columns.dumps(data), self.head
            self.seq += 1
            self.head = _hash(previous, (self.seq, at, run, kind, text))
            row = {"seq": self.seq, "at": self.now, "run": run, "kind": kind}
            rows.append({**row, "data": text, "previous": previous, "hash": self.head})
        if rows:
            self.conn.execute(insert(_note), rows)
        return self.head


class Store:
    """What every part of the ledger stands on: transactions, the clock, and the audit trail."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock
        self._guard = threading.Lock()
        self._seen = (0, BEGINNING)

    def note(self, run: str | None, kind: str, data: dict[str, Any]) -> str:
        """Append to the trail and return its new head. `data` is plain JSON; `kind` a few words, as `take back`."""
        with self._writing() as writing:
            return writing.note(run, kind, data)

    def head(self) -> str:
        """The trail's newest hash: put it into reports, so that cutting the trail's end off shows (`verify`)."""
        with self._database.reading() as conn:
            return conn.execute(select(_note.c.hash).order_by(_note.c.seq.desc()).limit(1)).scalar() or BEGINNING

    def end(self) -> Head:
        """The trail's newest row, by number and hash."""
        with self._database.reading() as conn:
            row = conn.execute(select(_note.c.seq, _note.c.hash).order_by(_note.c.seq.desc()).limit(1)).first()
            return Head(seq=0, hash=BEGINNING) if row is None else Head(seq=row.seq, hash=row.hash)

    def holds(self, head: Head) -> bool:
        """Whether the trail still has the row that it ended with at some time."""
        if head.seq == 0:
            return head.hash == BEGINNING
        with self._database.reading() as conn:
            return conn.execute(select(_note.c.hash).where(_note.c.seq == head.seq)).scalar() == head.hash

    def whole_trail(self, *, after: int = 0) -> Iterator[Note]:
        """Every row after one, oldest first, as it is stored; `verify` says whether it may be believed."""
        with self._database.reading() as conn:
            rows = select(_note).where(_note.c.seq > after).order_by(_note.c.seq)
            yield from map(_read, conn.execution_options(yield_per=1000).execute(rows))

    def trail(self, run: str | None) -> list[Note]:
        """A run's notes, oldest first; with None those that belong to no run."""
        mine = _note.c.run.is_(None) if run is None else _note.c.run == run
        with self._database.reading() as conn:
            return [_read(row) for row in conn.execute(select(_note).where(mine).order_by(_note.c.seq))]

    def verify(self, head: str | None = None) -> None:
        """Check the whole trail. With `head`, from a report, also that the trail still holds that row.

        Raises `Refused` (LedgerUnavailable) naming the first row that is broken or missing.
        """
        found, seq, previous = head in (None, BEGINNING), 0, BEGINNING
        with self._database.reading() as conn:
            stored = select(*(_note.c[name] for name in ("seq", "run", "kind", "data", "previous", "hash")), _raw_at)
            for row in conn.execution_options(yield_per=1000).execute(stored.order_by(_note.c.seq)):
                seq += 1
                if row.seq != seq:
                    raise _broken(seq, "is missing")
                if row.previous != previous:
                    raise _broken(seq, "does not follow the row before it")
                if row.hash != _hash(previous, (seq, row.raw_at, row.run, row.kind, row.data)):
                    raise _broken(seq, "is not what was written")
                previous = row.hash
                found = found or row.hash == head
        if not found:
            raise _broken(seq + 1, f"and what followed is missing: the head {head} of a report is not in the trail")

    @contextmanager
    def _writing(self) -> Iterator[Writing]:
        with self._database.writing() as conn:
            with self._guard:
                seen = self._seen
            writing = self._continue(conn, seen)
            yield writing
        with self._guard:
            self._seen = max(self._seen, (writing.seq, writing.head))

    def _continue(self, conn: Connection, seen: tuple[int, str]) -> Writing:
        """Begin at the trail's end, and refuse a ledger that has forgotten what this process wrote or saw in it.

        Also one that a newer program has taken over meanwhile: what it keeps there, this one would not heed.
        """
        rows = conn.execute(_ENDS, {"seen": seen[0]}).all()
        if newer := next((row.version for row in rows if row.version != versions.newest()), None):
            detail = (
                f"the ledger {self._database.where} has schema version {newer} by now, and this program, which knows "
                f"{versions.newest()}, was begun before: start it again, with the program that the others have"
            )
            raise Refused(Reason.LEDGER_UNAVAILABLE, detail)
        hashes = {row.seq: row.hash for row in rows}
        seq = max(hashes, default=0)
        if seen[0] and hashes.get(seen[0]) != seen[1]:
            detail = (
                f"the ledger {self._database.where} no longer holds note {seen[0]}, which this process has seen in it: "
                "it was replaced, perhaps by an older copy; find out which changes it has forgotten, then start again"
            )
            raise Refused(Reason.LEDGER_UNAVAILABLE, detail)
        return Writing(conn, self._now(), seq, hashes.get(seq, BEGINNING))

    def _now(self) -> datetime:
        now = self._clock()
        if now.tzinfo is None:
            raise ValueError("the ledger's clock must give aware times")
        return now.astimezone(UTC)


_last = select(_note.c.seq).order_by(_note.c.seq.desc()).limit(1).scalar_subquery()
_version = select(schema.meta.c.version).limit(1).scalar_subquery()
_ENDS = select(_note.c.seq, _note.c.hash, _version.label("version")).where(
    or_(_note.c.seq == _last, _note.c.seq == bindparam("seen"))
)
"""The trail's last row, the one that this process saw last, and the version; made once: every transaction begins with it."""

_raw_at = columns.raw(_note.c.at).label("raw_at")


def _hash(previous: str, row: tuple[int, str, str | None, str, str]) -> str:
    return hashlib.sha256(columns.dumps([previous, *row]).encode()).hexdigest()


def _read(row: Row[Any]) -> Note:
    return Note(
        seq=row.seq, at=row.at, run=row.run, kind=row.kind, data=json.loads(row.data), previous=row.previous, hash=row.hash
    )


def _broken(seq: int, what: str) -> Refused:
    detail = f"the audit trail is broken: note {seq} {what}; keep a copy of the database and find out who wrote to it"
    return Refused(Reason.LEDGER_UNAVAILABLE, detail)
