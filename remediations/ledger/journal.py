"""The journal: what is about to be sent is written first, what became of it after; and what must not stay half-way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, select, update

from remediations.ledger import history, leases, plans, schema, trials
from remediations.ledger.audit import Store, Writing
from remediations.ledger.incidents import known_run
from remediations.ledger.records import Bracket, Entry, Flight, How, Lease, Result, Undone, parsed
from remediations.model.names import short_name
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Step
from remediations.model.situation import Room, unlimited

_step, _bracket = schema.step, schema.bracket


class Journal(Store):
    """Intents, results and brackets."""

    def intend(
        self,
        *,
        run: str,
        digest: str,
        index: int,
        step: Step,
        command_id: UUID,
        lease: Lease,
        deadline: float,
        margin: float,
        room: Room = unlimited,
    ) -> None:
        """Write down that a step is about to be sent. When this returns, and only then, it may be.

        One transaction makes sure of all of it: the run has not ended and has used the approval of this very plan, of which
        `step` is item `index`; the ledger's pause is off; the lease is still ours for `deadline` + `margin` seconds; the step
        has not been done, did not fail, and no earlier command for it can be in flight; and, before a mend's first step,
        `room` finds that what was changed within a day leaves room for it, so that of many that were let begin at once no
        more go on than may. It also opens the step's bracket. Refused: NotApproved, ApprovalInvalid (the run has ended),
        Drift (not the plan's step), Paused, ResourceBusy (the lease), DuplicateInProgress, and what `room` says.
        """
        with self._writing() as writing:
            found, causes = plans.applied(writing, run, digest)
            if known_run(writing.conn, run).finished_at is not None:
                raise Refused(Reason.APPROVAL_INVALID, f"run {run} has ended: it sends nothing more")
            wanted, items = step.model_dump(mode="json"), found.plan.items
            if not 0 <= index < len(items) or items[index].model_dump(mode="json") != wanted:
                raise Refused(
                    Reason.DRIFT, f"{step.command.name} on {step.host} is not item {index} of plan {digest[:8]} as approved"
                )
            trials.refuse_paused(writing.conn)
            leases.refuse_lost(writing, lease, least=deadline + margin)
            before = _row(writing.conn, run, digest, index)
            if before is not None:
                _refuse_again(writing, before)
            if found.part == "repair" and not _begun(writing.conn, run, digest):
                over = room(history.changes(writing.conn, writing.now - timedelta(days=1)), writing.now)
                if over is not None:
                    raise over
            attempt = 1 if before is None else before.attempt + 1
            values = {
                "step": wanted,
                "causes": causes,
                "part": found.part,
                "host": _host(step.host),
                "target_id": step.target.id.casefold(),
                "attempt": attempt,
                "command_id": str(command_id),
                "holder": lease.holder,
                "resources": list(lease.resources),
                "intended_at": writing.now,
                "deadline": deadline,
                "decided_at": None,
                "result": None,
            }
            if before is None:
                writing.conn.execute(insert(_step).values(run=run, digest=digest, item=index, **values))
            else:
                writing.conn.execute(update(_step).where(_key(run, digest, index)).values(values))
            leases.lengthen(writing.conn, lease, deadline)
            told = {"digest": digest, "index": index, "attempt": attempt, "command_id": str(command_id)}
            writing.note(
                run, "step intended", {**told, "host": step.host, "command": step.command.text, "tokens": lease.tokens}
            )
            _open_bracket(writing, run, digest, index, step=step, lease=lease)

    def result(self, *, run: str, digest: str, index: int, command_id: UUID, ok: bool, detail: str, how: How) -> None:
        """Write down what became of a step by its command; if it worked, the bracket that it closes is closed.

        The same result again changes nothing. Refused (DuplicateInProgress) if another one was written before, or of an
        earlier command than the step's last, as a process tells that was stopped meanwhile: what is written stands, the other
        is in the audit trail. `ok` false with how `asked` or `read again` says that the command is proven
        not to have changed anything: the step may be sent again. Raises `LookupError` for a step that was never intended.
        """
        with self._writing() as writing:
            row = _known(writing.conn, run, digest, index)
            told = {"digest": digest, "index": index, "ok": ok, "detail": detail, "how": how}
            before = None if row.result is None else parsed(Result, row.result, "a result")
            late = row.command_id != str(command_id)
            if late:
                writing.note(run, "step result late", {**told, "command_id": str(command_id)})
            elif before is None:
                value = Result(ok=ok, detail=detail, how=how, at=writing.now).model_dump(mode="json")
                changed = update(_step).where(_key(run, digest, index))
                writing.conn.execute(changed.values(result=value, decided_at=writing.now))
                writing.note(run, "step result", told)
                closes = row.step["closes"]
                if ok and closes:
                    _close(writing, run, digest, closes, f"item {index} closed it")
            elif before.ok is not ok:
                writing.note(run, "step result contradicted", told)
        if late:
            detail = (
                f"item {index} of plan {digest[:8]} was sent again meanwhile: what became of the command before says nothing"
            )
            raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)
        if before is not None and before.ok is not ok:
            word = "done" if before.ok else "failed"
            when = f"{before.at:%Y-%m-%d %H:%M:%S} UTC"
            detail = f"item {index} of plan {digest[:8]} was found {word} ({before.how}) at {when}: {before.detail}"
            raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)

    def journal(self, run: str, digest: str) -> list[Entry]:
        """What was intended of a plan, by the items' order; of each step the last attempt."""
        mine = and_(_step.c.run == run, _step.c.digest == digest)
        with self._database.reading() as conn:
            return [_read(row) for row in conn.execute(select(_step).where(mine).order_by(_step.c.item))]

    def undecided(self) -> list[tuple[str, str]]:
        """Run and digest of every plan with a step of which nobody knows what became: its resources are kept from others."""
        which = select(_step.c.run, _step.c.digest).where(_step.c.decided_at.is_(None)).distinct()
        with self._database.reading() as conn:
            return [(row.run, row.digest) for row in conn.execute(which)]

    def intend_undo(
        self, *, run: str, digest: str, index: int, command_id: UUID, lease: Lease, deadline: float, margin: float
    ) -> None:
        """Write down that a step is about to be taken back. When this returns, and only then, its undo may be sent.

        The lease is still ours for `deadline` + `margin` seconds, what the step itself did is known, it has not been taken
        back, and no earlier undo of it can be in flight. Until `mark_undone` nobody else gets its resources. Refused:
        ResourceBusy (the lease), DuplicateInProgress. Raises `LookupError` for a step that was never intended.
        """
        with self._writing() as writing:
            row = _known(writing.conn, run, digest, index)
            leases.refuse_lost(writing, lease, least=deadline + margin)
            entry = _read(row)
            what = f"item {index} of plan {digest[:8]}"
            if entry.result is None:
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, f"nobody knows yet whether {what} was done: decide that first")
            if entry.undone is not None and entry.undone.ok:
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, f"{what} was taken back: it is not taken back again")
            _refuse_flying(writing, entry.undoing if entry.undo_undecided else None, f"the undo of {what}")
            undoing = Flight(command_id=command_id, at=writing.now, deadline=deadline)
            values = {"undoing": undoing.model_dump(mode="json"), "decided_at": None}
            writing.conn.execute(update(_step).where(_key(run, digest, index)).values(values))
            leases.lengthen(writing.conn, lease, deadline)
            undo = row.step["undo"]
            told = {"digest": digest, "index": index, "command_id": str(command_id), "host": row.step["host"]}
            writing.note(run, "undo intended", {**told, "command": undo and undo["name"], "tokens": lease.tokens})

    def mark_undone(self, run: str, digest: str, index: int, command_id: UUID, *, ok: bool, detail: str) -> None:
        """Write down that a step was taken back (`ok`), or could not be; what became of its undo is known then."""
        with self._writing() as writing:
            row = _known(writing.conn, run, digest, index)
            undone = Undone(ok=ok, command_id=command_id, detail=detail, at=writing.now).model_dump(mode="json")
            known = ok or row.result is not None
            decided = writing.now if known and row.decided_at is None else row.decided_at
            writing.conn.execute(update(_step).where(_key(run, digest, index)).values(undone=undone, decided_at=decided))
            writing.note(run, "step undone" if ok else "step not undone", {"digest": digest, "index": index, **undone})

    # ---- brackets ----------------------------------------------------------------------------------------------------

    def open_brackets(self, run: str | None = None) -> list[Bracket]:
        """What was opened and not closed, of one run or of all, newest first: the order to close them in."""
        which = _bracket.c.closed_at.is_(None)
        mine = which if run is None else and_(which, _bracket.c.run == run)
        order = (_bracket.c.opened_at.desc(), _bracket.c.item.desc())
        with self._database.reading() as conn:
            return [_read_bracket(row) for row in conn.execute(select(_bracket).where(mine).order_by(*order))]

    def intend_close(self, bracket: Bracket, *, command_id: UUID, lease: Lease, deadline: float, margin: float) -> None:
        """Write down that a bracket's closing command is about to be sent. When this returns, and only then, it may be.

        Refused: ResourceBusy unless the lease is ours for `deadline` + `margin` seconds; DuplicateInProgress if the bracket
        is closed, or an earlier closing command can be in flight.
        """
        with self._writing() as writing:
            leases.refuse_lost(writing, lease, least=deadline + margin)
            row = writing.conn.execute(select(_bracket).where(_open(bracket))).first()
            what = f"“{bracket.name}” of plan {bracket.digest[:8]}"
            if row is None:
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, f"{what} is closed: it is not closed again")
            there = _read_bracket(row)
            _refuse_flying(writing, there.closing, f"the closing command of {what}")
            closing = Flight(command_id=command_id, at=writing.now, deadline=deadline).model_dump(mode="json")
            writing.conn.execute(update(_bracket).where(_open(bracket)).values(closing=closing))
            leases.lengthen(writing.conn, lease, deadline)
            told = {"digest": bracket.digest, "bracket": bracket.name, "command_id": str(command_id), "tokens": lease.tokens}
            command = bracket.close.command.text
            writing.note(bracket.run, "bracket closing", {**told, "host": bracket.close.host, "command": command})

    def close_failed(self, bracket: Bracket, detail: str) -> None:
        """Write down that a closing command has ended and that the bracket is still open: it may be sent again."""
        with self._writing() as writing:
            if writing.conn.execute(update(_bracket).where(_open(bracket)).values(closing=None)).rowcount:
                told = {"digest": bracket.digest, "bracket": bracket.name, "detail": detail}
                writing.note(bracket.run, "bracket not closed", told)

    def close_bracket(self, bracket: Bracket, detail: str) -> None:
        """Write down that a bracket is closed, and how. One that is closed stays as it is."""
        with self._writing() as writing:
            _close(writing, bracket.run, bracket.digest, bracket.name, detail)


def _key(run: str, digest: str, index: int) -> ColumnElement[bool]:
    return and_(_step.c.run == run, _step.c.digest == digest, _step.c.item == index)


def _row(conn: Connection, run: str, digest: str, index: int) -> Row[Any] | None:
    return conn.execute(select(_step).where(_key(run, digest, index))).first()


def _begun(conn: Connection, run: str, digest: str) -> bool:
    return conn.execute(select(_step.c.item).where(_step.c.run == run, _step.c.digest == digest)).first() is not None


def _known(conn: Connection, run: str, digest: str, index: int) -> Row[Any]:
    row = _row(conn, run, digest, index)
    if row is None:
        raise LookupError(f"run {run} never intended item {index} of plan {digest[:8]}: intend comes before sending")
    return row


def _refuse_again(writing: Writing, row: Row[Any]) -> None:
    """Refuse to send a step twice blindly."""
    what = f"item {row.item} of plan {row.digest[:8]}"
    if row.undone is not None or row.undoing is not None:
        raise Refused(Reason.DUPLICATE_IN_PROGRESS, f"{what} is being taken back: it is not done again")
    if row.result is not None:
        result = parsed(Result, row.result, "a result")
        if result.ok or result.how == "answered":
            word = "is done" if result.ok else f"has failed ({result.detail})"
            raise Refused(Reason.DUPLICATE_IN_PROGRESS, f"{what} {word}: it is not sent again")
        return
    flown = row.intended_at + timedelta(seconds=row.deadline)
    if writing.now < flown:
        detail = (
            f"{what} was sent at {row.intended_at:%H:%M:%S} UTC and may run until {flown:%H:%M:%S}: "
            "find out what became of it and write the result, or wait"
        )
        raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)


def _open_bracket(writing: Writing, run: str, digest: str, index: int, *, step: Step, lease: Lease) -> None:
    """Keep how what a step leaves half-way is ended, where it leaves anything so."""
    if step.close is None:
        return
    mine = and_(_bracket.c.run == run, _bracket.c.digest == digest, _bracket.c.name == step.opens)
    values = {
        "holder": lease.holder,
        "resources": list(lease.resources),
        "opened_at": writing.now,
        "closing": None,
        "closed_at": None,
        "closed": None,
    }
    if writing.conn.execute(update(_bracket).where(mine).values(values)).rowcount:
        return  # the same step, sent again because it had not run
    close = step.close.model_dump(mode="json")
    writing.conn.execute(insert(_bracket).values(run=run, digest=digest, name=step.opens, item=index, close=close, **values))
    told = {"digest": digest, "bracket": step.opens, "host": step.close.host, "closes": step.close.command.text}
    writing.note(run, "bracket opened", told)


def _close(writing: Writing, run: str, digest: str, name: str, detail: str) -> None:
    mine = and_(_bracket.c.run == run, _bracket.c.digest == digest, _bracket.c.name == name, _bracket.c.closed_at.is_(None))
    closed = update(_bracket).where(mine).values(closed_at=writing.now, closed={"detail": detail})
    if writing.conn.execute(closed).rowcount:
        writing.note(run, "bracket closed", {"digest": digest, "bracket": name, "detail": detail})


def _open(bracket: Bracket) -> ColumnElement[bool]:
    mine = and_(_bracket.c.run == bracket.run, _bracket.c.digest == bracket.digest, _bracket.c.name == bracket.name)
    return and_(mine, _bracket.c.closed_at.is_(None))


def _refuse_flying(writing: Writing, flight: Flight | None, what: str) -> None:
    """Refuse to send again what can still be under way."""
    if flight is not None and writing.now < flight.lands:
        times = f"at {flight.at:%H:%M:%S} UTC and may run until {flight.lands:%H:%M:%S}"
        detail = f"{what} was sent {times}: find out what became of it, or wait"
        raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)


def _host(name: str) -> str:
    """How hosts are counted: by their short name, so that both spellings of one host meet the same cap."""
    return short_name(name).casefold()


def _read(row: Row[Any]) -> Entry:
    what = f"item {row.item} of plan {row.digest[:8]}"
    result = None if row.result is None else parsed(Result, row.result, what)
    value = {
        "index": row.item,
        "step": row.step,
        "command_id": row.command_id,
        "attempt": row.attempt,
        "intended_at": row.intended_at,
        "result": None if result is None else result.ok,
        "how": None if result is None else result.how,
        "detail": "" if result is None else result.detail,
        "undoing": row.undoing,
        "undone": row.undone,
    }
    return parsed(Entry, value, what)


def _read_bracket(row: Row[Any]) -> Bracket:
    names = ("run", "digest", "name", "close", "holder", "resources", "opened_at", "closing")
    return parsed(Bracket, {"index": row.item} | {name: getattr(row, name) for name in names}, f"bracket {row.name}")
