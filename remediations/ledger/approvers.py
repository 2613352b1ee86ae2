"""Who may approve with one-time codes: enrolled, removed, and each code used once."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, insert, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.records import Approver, Code, Sealed, parsed
from remediations.model.names import person
from remediations.model.outcome import AnswerRefused

_approver, _code = schema.approver, schema.code

WRONG_CODES = 5
"""Wrong codes after which an approver's codes are not looked at for a while: a million codes must not be tried out."""

WHILE = timedelta(minutes=15)
"""How long that is, from the last wrong one."""

SKEW = timedelta(minutes=1)
"""By how much the clock that an answer's time is from (Prefect's server) may differ from ours."""


class Approvers(Store):
    """Approvers and their sealed secrets."""

    def add_approver(self, name: str, secret: str, *, by: str) -> Approver:
        """Enrol somebody. `secret` is sealed: the ledger cannot read it. Raises `ValueError` for a name that is enrolled."""
        shown = " ".join(name.split())
        if not 2 <= len(shown) <= 64 or not shown.isprintable():
            raise ValueError(f"an approver's name has 2 to 64 characters that can be seen, {name!r} has not")
        with self._writing() as writing:
            there = _row(writing.conn, name)
            if there is not None:
                raise ValueError(f"{there.name} is enrolled since {there.added_at:%Y-%m-%d}: remove that enrolment first")
            values = {"name": shown, "enrolment": str(uuid4()), "added_at": writing.now, "added_by": by}
            writing.conn.execute(insert(_approver).values(person=person(name), secret=secret, wrong=0, **values))
            writing.note(None, "approver added", {"approver": shown, "enrolment": values["enrolment"], "by": by})
            return Approver.model_validate(values)

    def remove_approver(self, name: str, *, by: str) -> Approver:
        """End an enrolment; approvals that it gave and that were not used yet count no more. Raises `LookupError`."""
        with self._writing() as writing:
            there = _row(writing.conn, name)
            if there is None:
                raise LookupError(f"{name} is no approver: `remediate approvers list` shows them")
            writing.conn.execute(delete(_approver).where(_approver.c.person == there.person))
            writing.note(None, "approver removed", {"approver": there.name, "enrolment": there.enrolment, "by": by})
            return _read(there)

    def approvers(self) -> list[Approver]:
        """Everybody who is enrolled, by name. Their secrets stay where they are."""
        with self._database.reading() as conn:
            return [_read(row) for row in conn.execute(select(_approver).order_by(_approver.c.name))]


def prove(writing: Writing, sealed: Sealed, approver: str, code: Code) -> Approver | AnswerRefused:
    """The enrolled approver whose code this is, which from now on is used; or why it is not taken. Counts wrong ones."""
    there = _row(writing.conn, approver)
    if there is None:
        return AnswerRefused(f"{approver} is no approver: `remediate approvers add NAME` enrols one")
    if there.wrong >= WRONG_CODES and writing.now < there.wrong_at + WHILE:
        again = f"{there.wrong_at + WHILE:%H:%M} UTC"
        return AnswerRefused(f"{there.name}'s last {there.wrong} codes were wrong: no other is looked at before {again}")
    if not sealed.sealed_at - SKEW <= code.at <= writing.now + SKEW:
        when, now = f"{code.at:%Y-%m-%d %H:%M:%S} UTC", f"{writing.now:%Y-%m-%d %H:%M:%S} UTC"
        return AnswerRefused(f"the answer is of {when}, before the question or after now ({now}): compare both clocks")
    step = code.step(there.secret)
    if step is None:
        count = there.wrong + 1 if there.wrong_at is not None and writing.now < there.wrong_at + WHILE else 1
        _update(writing.conn, there.person, wrong=count, wrong_at=writing.now)
        return AnswerRefused(f"the code is not {there.name}'s, or not of the time at which it was given ({_clock(code.at)})")
    mine = (_code.c.person == there.person) & (_code.c.step == step)
    if writing.conn.execute(select(_code.c.run).where(mine)).first() is not None:
        return AnswerRefused(f"this code of {there.name} was used before: wait until another one is shown")
    writing.conn.execute(insert(_code).values(person=there.person, step=step, run=sealed.run, used_at=writing.now))
    _update(writing.conn, there.person, wrong=0, wrong_at=None)
    return _read(there)


def enrolled(conn: Connection, enrolment: str) -> bool:
    """Whether an enrolment is still there."""
    return conn.execute(select(_approver.c.person).where(_approver.c.enrolment == enrolment)).first() is not None


def _row(conn: Connection, name: str) -> Row[tuple[str, ...]] | None:
    return conn.execute(select(_approver).where(_approver.c.person == person(name))).first()


def _update(conn: Connection, who: str, *, wrong: int, wrong_at: datetime | None) -> None:
    conn.execute(update(_approver).where(_approver.c.person == who).values(wrong=wrong, wrong_at=wrong_at))


def _read(row: Row[tuple[str, ...]]) -> Approver:
    value = {name: getattr(row, name) for name in ("name", "enrolment", "added_at", "added_by")}
    return parsed(Approver, value, f"approver {row.name}")


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"
