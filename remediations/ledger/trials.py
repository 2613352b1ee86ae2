"""Pauses, the remediations' records, and their breakers: what keeps changes from beginning, kept where everybody sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime
from sqlalchemy import Connection, Row, func, insert, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.records import parsed
from remediations.model.base import Frozen
from remediations.model.causes import Cause
from remediations.model.outcome import Reason, Refused
from remediations.model.trust import OpenBreaker, Spoilt, Trial

_pause, _trial, _breaker = schema.pause, schema.trial, schema.breaker


class Pause(Frozen):
    """The ledger's pause switch, while it is on."""

    by: str
    why: str
    at: AwareDatetime

    @property
    def words(self) -> str:
        """For people: who paused, when, why, and what ends it."""
        return f"{self.by} paused every change at {self.at:%Y-%m-%d %H:%M} UTC ({self.why}); `remediate resume` ends it"


class Trials(Store):
    """The pause switch, trials and breakers."""

    # ---- pause -------------------------------------------------------------------------------------------------------

    def pause(self, by: str, why: str) -> Pause:
        """Switch the pause on. Once this returns no step is begun any more, by any process. One that is on stays as it is."""
        by, why = _somebody(by), why.strip() or "no reason was given"
        with self._writing() as writing:
            there = _paused(writing.conn)
            if there is not None:
                return there
            number = (writing.conn.execute(select(func.max(_pause.c.number))).scalar() or 0) + 1
            writing.conn.execute(insert(_pause).values(number=number, by=by, why=why, at=writing.now))
            writing.note(None, "paused", {"by": by, "why": why})
            return Pause(by=by, why=why, at=writing.now)

    def resume(self, by: str) -> Pause | None:
        """Switch it off; the pause that was ended, or None if it was not on."""
        by = _somebody(by)
        with self._writing() as writing:
            there = _paused(writing.conn)
            if there is not None:
                lifted = update(_pause).where(_pause.c.lifted_at.is_(None))
                writing.conn.execute(lifted.values(lifted_by=by, lifted_at=writing.now))
                writing.note(None, "resumed", {"by": by})
            return there

    def paused(self) -> Pause | None:
        """The pause, while the switch is on."""
        with self._database.reading() as conn:
            return _paused(conn)

    # ---- trials ------------------------------------------------------------------------------------------------------

    def tried(
        self,
        run: str,
        digest: str,
        remediations: Sequence[str],
        *,
        verified: bool,
        detail: str,
        causes: Sequence[Cause],
        targets: Sequence[str],
        breaks: tuple[int, timedelta],
    ) -> None:
        """Record that a plan of these remediations was applied, and whether it was verified. The first word stands.

        `targets` are `Target.id`s. `breaks`: so many failures of one remediation within such a time open its breaker.
        """
        with self._writing() as writing:
            for remediation in dict.fromkeys(remediations):
                mine = (_trial.c.run == run) & (_trial.c.digest == digest) & (_trial.c.remediation == remediation)
                if writing.conn.execute(select(_trial.c.at).where(mine)).first() is not None:
                    continue
                values = {
                    "causes": [each.value for each in causes],
                    "targets": sorted({each.casefold() for each in targets}),
                    "detail": detail,
                }
                writing.conn.execute(
                    insert(_trial).values(
                        run=run, digest=digest, remediation=remediation, at=writing.now, verified=int(verified), **values
                    )
                )
                told = {"digest": digest, "remediation": remediation, "verified": verified, **values}
                writing.note(run, "remediation tried", told)
                if not verified:
                    _break(writing, remediation, breaks)

    def fired_falsely(self, run: str, causes: Sequence[Cause], detail: str, breaks: tuple[int, timedelta]) -> None:
        """Spoil what this run has verified for these causes: it did not help. Counts as a failure for the breaker."""
        self._spoil(_trial.c.run == run, causes, None, how="false fire", detail=detail, breaks=breaks)

    def came_back(self, run: str, causes: Sequence[Cause], targets: Sequence[str], since: datetime) -> None:
        """Spoil what other runs have verified since a time for one of these causes on one of these targets: it is back."""
        which = (_trial.c.run != run) & (_trial.c.at >= since)
        detail = f"run {run} found the same cause on the same target again"
        self._spoil(which, causes, targets, how="came back", detail=detail, breaks=None)

    def verified_before(self, run: str, causes: Sequence[Cause], targets: Sequence[str], since: datetime) -> Trial | None:
        """The newest trial of another run that was verified since a time, for one of these causes on one of these targets."""
        wanted, aims = {each.value for each in causes}, {each.casefold() for each in targets}
        looked = select(_trial).where(_trial.c.run != run, _trial.c.verified == 1, _trial.c.at >= since)
        with self._database.reading() as conn:
            rows = conn.execute(looked.order_by(_trial.c.at.desc())).all()
        return next((_read(row) for row in rows if wanted & set(row.causes) and aims & set(row.targets)), None)

    def trials(self, remediations: Sequence[str] | None = None) -> list[Trial]:
        """Every trial of these remediations, or of all, oldest first."""
        mine = select(_trial) if remediations is None else select(_trial).where(_trial.c.remediation.in_(remediations))
        with self._database.reading() as conn:
            return [_read(row) for row in conn.execute(mine.order_by(_trial.c.at))]

    def _spoil(
        self,
        which: Any,
        causes: Sequence[Cause],
        targets: Sequence[str] | None,
        *,
        how: Literal["false fire", "came back"],
        detail: str,
        breaks: tuple[int, timedelta] | None,
    ) -> None:
        wanted, aims = {each.value for each in causes}, None if targets is None else {each.casefold() for each in targets}
        looked = select(_trial).where(which, _trial.c.verified == 1, _trial.c.spoilt.is_(None))

        def found(conn: Connection) -> list[Row[Any]]:
            rows = conn.execute(looked).all()
            return [row for row in rows if wanted & set(row.causes) and (aims is None or aims & set(row.targets))]

        with self._database.reading() as conn:
            if not found(conn):
                return
        with self._writing() as writing:
            for row in found(writing.conn):
                value = Spoilt(how=how, detail=detail, at=writing.now).model_dump(mode="json")
                key = (_trial.c.run == row.run) & (_trial.c.digest == row.digest) & (_trial.c.remediation == row.remediation)
                writing.conn.execute(update(_trial).where(key).values(spoilt=value))
                told = {"digest": row.digest, "remediation": row.remediation, **value}
                writing.note(row.run, "remediation spoilt", told)
                if breaks is not None:
                    _break(writing, row.remediation, breaks)

    # ---- breakers ----------------------------------------------------------------------------------------------------

    def open_breakers(self) -> list[OpenBreaker]:
        """Every breaker that is open, oldest first."""
        with self._database.reading() as conn:
            rows = conn.execute(select(_breaker).where(_breaker.c.closed_at.is_(None)).order_by(_breaker.c.opened_at))
            return [OpenBreaker(remediation=row.remediation, opened_at=row.opened_at, why=row.why) for row in rows]

    def close_breaker(self, remediation: str, by: str) -> OpenBreaker:
        """Close a breaker; its failures count no more. Raises `LookupError` for one that is not open."""
        by = _somebody(by)
        with self._writing() as writing:
            mine = (_breaker.c.remediation == remediation) & _breaker.c.closed_at.is_(None)
            row = writing.conn.execute(select(_breaker).where(mine)).first()
            if row is None:
                raise LookupError(f"the breaker of {remediation} is not open: `remediate breaker list` shows those that are")
            writing.conn.execute(update(_breaker).where(mine).values(closed_by=by, closed_at=writing.now))
            writing.note(None, "breaker closed", {"remediation": remediation, "by": by})
            return OpenBreaker(remediation=remediation, opened_at=row.opened_at, why=row.why)


def refuse_paused(conn: Connection) -> None:
    """Raise `Refused` (Paused) while the switch is on; in the transaction of an intent, so that none slips through."""
    there = _paused(conn)
    if there is not None:
        raise Refused(Reason.PAUSED, there.words)


def _paused(conn: Connection) -> Pause | None:
    row = conn.execute(select(_pause).where(_pause.c.lifted_at.is_(None)).order_by(_pause.c.number)).first()
    return None if row is None else Pause(by=row.by, why=row.why, at=row.at)


def _break(writing: Writing, remediation: str, breaks: tuple[int, timedelta]) -> None:
    """Open the remediation's breaker if it has failed too often since it was last closed."""
    most, within = breaks
    mine = _breaker.c.remediation == remediation
    if writing.conn.execute(select(_breaker.c.opened_at).where(mine, _breaker.c.closed_at.is_(None))).first() is not None:
        return
    closed = writing.conn.execute(select(func.max(_breaker.c.closed_at)).where(mine)).scalar()
    rows = writing.conn.execute(select(_trial).where(_trial.c.remediation == remediation)).all()
    failures = [when for when in map(_failed_at, map(_read, rows)) if when is not None and when > writing.now - within]
    failures = [when for when in failures if closed is None or when > closed]
    if len(failures) < most:
        return
    hours = f"{within.total_seconds() / 3600:g} hours"
    why = f"{len(failures)} failed verifications within {hours}, the last at {max(failures):%Y-%m-%d %H:%M} UTC"
    writing.conn.execute(insert(_breaker).values(remediation=remediation, opened_at=writing.now, why=why))
    writing.note(None, "breaker opened", {"remediation": remediation, "why": why})


def _failed_at(trial: Trial) -> datetime | None:
    """When a trial failed, or turned out to have been a false fire; None if neither."""
    if not trial.verified:
        return trial.at
    return trial.spoilt.at if trial.spoilt is not None and trial.spoilt.how == "false fire" else None


def _read(row: Row[Any]) -> Trial:
    names = ("remediation", "run", "at", "detail", "spoilt")
    return parsed(Trial, {"verified": bool(row.verified)} | {name: getattr(row, name) for name in names}, "a trial")


def _somebody(name: str) -> str:
    if not name.strip():
        raise ValueError("this is somebody's doing: give a name")
    return name.strip()
