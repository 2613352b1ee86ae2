"""Sealed plans: as people saw them, by run and digest, gone when they expire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, insert, select, update

from remediations.ledger import columns, schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.incidents import known_run
from remediations.ledger.records import Decision, Part, Sealed, State, Void, parsed
from remediations.model.causes import Cause
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan

_plan, _decision, _run, _step, _queue = schema.plan, schema.decision, schema.run, schema.step, schema.queue

SHORTEST = 8
"""Characters of a digest that name a plan."""


class Plans(Store):
    """Plans."""

    def seal(
        self,
        run: str,
        *,
        round: int,  # noqa: A002 - the word of the design
        part: Part,
        plan: Plan,
        expires_at: datetime,
        causes: Sequence[Cause] | None = None,
    ) -> Sealed:
        """Keep a plan as it is shown to people.

        The same digest again gives back the one that is there. Another digest makes the one before void: the facts moved,
        and what was approved is not what would run. `causes` says what it mends, for `last_remediation`; a plan that does
        not say counts for every cause. Refused (Drift) once the plan before it has begun: that one is resumed; (SymptomGone)
        if its incident was reported over and nothing was asked yet.
        """
        until = columns.written(expires_at)
        with self._writing() as writing:
            known_run(writing.conn, run)
            there = _latest(writing, run, round, part)
            if (over := _said_over(writing.conn, run)) and (there is None or there.void is not None):
                raise Refused(Reason.SYMPTOM_GONE, over)
            if there is not None and there.void is None:
                if there.digest == plan.digest:
                    return there
                if writing.conn.execute(select(_step).where(_step.c.run == run, _step.c.digest == there.digest)).first():
                    detail = (
                        f"plan {there.digest[:8]} has begun: it is resumed from the journal, never planned anew in its round"
                    )
                    raise Refused(Reason.DRIFT, detail)
                _void(writing, there, Reason.DRIFT, f"the facts moved: the plan is now {plan.digest[:8]}")
            last = writing.conn.execute(select(func.max(_plan.c.ask)).where(_plan.c.run == run)).scalar()
            values = {
                "run": run,
                "ask": (last or 0) + 1,
                "round": round,
                "part": part,
                "digest": plan.digest,
                "plan": _survives(plan),
                "sealed_at": writing.now,
                "expires_at": expires_at.astimezone(UTC),
            }
            writing.conn.execute(
                insert(_plan).values(causes=None if causes is None else [each.value for each in causes], **values)
            )
            told = {key: values[key] for key in ("ask", "round", "part", "digest")}
            steps = [f"{step.host}: {step.command.text}" for step in plan.steps]
            writing.note(run, "plan sealed", {**told, "title": plan.title, "steps": steps, "until": until})
            return parsed(Sealed, {**values, "state": _state(values, None, None, writing.now)}, "the plan")

    def sealed(self, run: str, *, round: int, part: Part) -> Sealed | None:  # noqa: A002 (what a plan calls it)
        """The newest plan sealed for this half of this round, void or not; None if there is none."""
        with self._database.reading() as conn:
            found = _newest(conn, run, round, part)
            return None if found is None else _read(found, self._now())

    def void(self, sealed: Sealed, reason: Reason, detail: str) -> None:
        """Give a plan up: it can be neither approved nor applied any more. One that is void keeps its first reason."""
        with self._writing() as writing:
            there = same(writing, sealed)
            if there.void is None:
                _void(writing, there, reason, detail)

    def find_sealed(self, digest_prefix: str) -> list[Sealed]:
        """The plans whose digest begins so, newest first. Raises `ValueError` for less than eight hexadecimal characters."""
        prefix = "".join(digest_prefix.split()).lower()
        if len(prefix) < SHORTEST or set(prefix) - set("0123456789abcdef"):
            raise ValueError(f"{digest_prefix!r} names no plan: give at least {SHORTEST} characters of its digest, as 3f9a41c0")
        return self._select(_plan.c.digest.startswith(prefix), newest_first=True)

    def waiting(self) -> list[Sealed]:
        """The plans that wait for a decision, oldest first: not decided, not void, not expired, their run not ended."""
        return self._select(
            _plan.c.void.is_(None),
            _decision.c.decision.is_(None),
            _plan.c.expires_at > self._now(),
            _run.c.finished_at.is_(None),
        )

    def _select(self, *which: ColumnElement[bool], newest_first: bool = False) -> list[Sealed]:
        order = (_plan.c.sealed_at.desc(), _plan.c.ask.desc()) if newest_first else (_plan.c.sealed_at, _plan.c.ask)
        with self._database.reading() as conn:
            now = self._now()
            return [
                _read(row, now)
                for row in conn.execute(_sealed().join(_run, _run.c.run == _plan.c.run).where(*which).order_by(*order))
            ]


def applied(writing: Writing, run: str, digest: str) -> tuple[Sealed, list[str] | None]:
    """The plan of this digest whose approval this run has used, and its causes: the only plan whose steps may be sent.

    Refused: NotApproved if there is none; ApprovalInvalid if what the database holds under the digest is another plan.
    """
    mine = and_(_plan.c.run == run, _plan.c.digest == digest, _plan.c.void.is_(None), _decision.c.used_at.is_not(None))
    row = writing.conn.execute(_sealed().where(mine).order_by(_plan.c.ask.desc())).first()
    if row is None:
        raise Refused(Reason.NOT_APPROVED, f"run {run} has used no approval of plan {digest[:8]}: nothing of it is sent")
    found = _read(row, writing.now)
    if found.plan.digest != digest:
        detail = f"what the ledger holds as plan {digest[:8]} is plan {found.plan.digest[:8]}: somebody wrote to the database"
        raise Refused(Reason.APPROVAL_INVALID, detail)
    return found, row.causes


def _sealed() -> Select[Any]:
    """Plans with what was decided on them."""
    joined = and_(_decision.c.run == _plan.c.run, _decision.c.ask == _plan.c.ask)
    return select(_plan, _decision.c.decision, _decision.c.used_at).outerjoin_from(_plan, _decision, joined)


def _newest(conn: Connection, run: str, number: int, part: Part) -> Row[Any] | None:
    mine = and_(_plan.c.run == run, _plan.c.round == number, _plan.c.part == part)
    return conn.execute(_sealed().where(mine).order_by(_plan.c.ask.desc())).first()


def _latest(writing: Writing, run: str, number: int, part: Part) -> Sealed | None:
    row = _newest(writing.conn, run, number, part)
    return None if row is None else _read(row, writing.now)


def same(writing: Writing, sealed: Sealed) -> Sealed:
    """The ledger's own record of a plan that a caller holds. Refused (ApprovalInvalid) if it is another one."""
    mine = and_(_plan.c.run == sealed.run, _plan.c.ask == sealed.ask)
    row = writing.conn.execute(_sealed().where(mine)).first()
    if row is None:
        detail = f"run {sealed.run} has no plan {sealed.digest[:8]} with number {sealed.ask}"
        raise Refused(Reason.APPROVAL_INVALID, detail)
    there = _read(row, writing.now)
    if not there.digest == sealed.digest == sealed.plan.digest == there.plan.digest:
        detail = f"question {sealed.ask} of run {sealed.run} is plan {there.digest[:8]}, not {sealed.plan.digest[:8]}"
        raise Refused(Reason.APPROVAL_INVALID, detail)
    return there


def _said_over(conn: Connection, run: str) -> str | None:
    """Why the incident of a run needs nobody any more, if that was reported; see `Queue.over`."""
    mine = select(_queue.c.ended).join(_run, _run.c.incident_id == _queue.c.incident_id).where(_run.c.run == run)
    said = conn.execute(mine).scalar()
    return None if said is None else str(said["words"])


def decided_on(conn: Connection, sealed: Sealed) -> Decision | None:
    """What was decided on the question that a plan is; None if nothing was yet."""
    mine = and_(_decision.c.run == sealed.run, _decision.c.ask == sealed.ask)
    row = conn.execute(select(_decision).where(mine)).first()
    if row is None:
        return None
    return parsed(Decision, {**row.decision, "used_at": row.used_at}, f"the decision on plan {sealed.digest[:8]}")


def _void(writing: Writing, sealed: Sealed, reason: Reason, detail: str) -> None:
    void = Void(reason=reason, detail=detail, at=writing.now).model_dump(mode="json")
    mine = and_(_plan.c.run == sealed.run, _plan.c.ask == sealed.ask)
    writing.conn.execute(update(_plan).where(mine).values(void=void))
    writing.note(sealed.run, "plan void", {"ask": sealed.ask, "digest": sealed.digest, "reason": reason, "detail": detail})


def give_up(writing: Writing, run: str, reason: Reason, detail: str) -> None:
    """Void every plan that a run has sealed, in the caller's transaction: none of them can be decided or begun any more."""
    rows = writing.conn.execute(_sealed().where(_plan.c.run == run, _plan.c.void.is_(None))).all()
    for row in rows:
        _void(writing, _read(row, writing.now), reason, detail)


def expired(sealed: Sealed) -> Refused:
    """The refusal of a plan whose time is up."""
    detail = (
        f"plan {sealed.digest[:8]} could be approved and begun until {sealed.expires_at:%Y-%m-%d %H:%M} UTC: start a new run"
    )
    return Refused(Reason.APPROVAL_EXPIRED, detail)


def _survives(plan: Plan) -> dict[str, Any]:
    """A plan as JSON. Raises `ValueError` for one that could not be read back as the same plan when it is to be applied."""
    value: dict[str, Any] = plan.model_dump(mode="json")
    try:
        same = Plan.model_validate(json.loads(columns.dumps(value))).digest == plan.digest
    except ValueError as error:
        raise ValueError(f"plan {plan.title!r} could not be read back from the ledger: {error}") from error
    if not same:
        raise ValueError(f"plan {plan.title!r} would be another one when it is read back from the ledger")
    return value


def _state(values: dict[str, Any], decided: dict[str, Any] | None, used_at: datetime | None, now: datetime) -> State:
    if values.get("void") is not None:
        return State.VOID
    if decided is not None and decided["decision"] == "reject":
        return State.REJECTED
    if used_at is not None:
        return State.USED
    if now >= values["expires_at"]:
        return State.EXPIRED
    return State.WAITING if decided is None else State.APPROVED


def _read(row: Row[Any], now: datetime) -> Sealed:
    values = dict(row._mapping)
    decided, used_at = values.pop("decision"), values.pop("used_at")
    values.pop("causes")
    return parsed(Sealed, {**values, "state": _state(values, decided, used_at, now)}, f"plan {row.digest[:8]} of run {row.run}")
