"""Approvals: bound to a run and a digest, of as many people as policy asks for, proven, used once, gone when they expire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, insert, select, update

from remediations.ledger import schema
from remediations.ledger.approvers import SKEW, enrolled, prove
from remediations.ledger.audit import Writing
from remediations.ledger.incidents import known_run
from remediations.ledger.plans import Plans, decided_on, expired, same
from remediations.ledger.records import Approval, Code, Decision, RunRecord, Sealed, parsed
from remediations.model.names import person, same_person
from remediations.model.outcome import AnswerRefused, Reason, Refused
from remediations.model.policy import Needed, Proven

_approval, _decision = schema.approval, schema.decision

Word = Literal["approve", "reject"]

ONE = Needed(people=1, proof=Proven.NAME, own=False)
"""Somebody else's word."""

POLICY = "policy"
"""The proof of what policy decided, without anybody being asked."""


class Approvals(Plans):
    """What was decided on plans, by whom, and its use."""

    def decide(
        self,
        sealed: Sealed,
        *,
        decision: Word,
        approver: str,
        comment: str,
        proof: str,
        needed: Needed | None = ONE,
        code: Code | None = None,
        typed: str = "",
        also: tuple[Sealed, Word] | None = None,
        at: datetime | None = None,
    ) -> int:
        """Record what one person says to a plan, and with `also` to part two of the same question; how many are missing.

        0 once it is decided: approved by as many people as are `needed`, or rejected by anybody. `needed` is None for what
        policy itself decides. A `code` is judged, and used up, in the same transaction; where one is given it has to be
        right, also to reject. `at` is when it was said, where somebody else kept it meanwhile.

        Refused: ApprovalExpired after its time; the void plan's own reason; ApprovalInvalid for a plan that the ledger does
        not have so, that was decided before, that cannot be applied, or whose run has ended; and, as `AnswerRefused`, for an
        answer that does not count: a wrong or used code, none where one is needed, another target typed, somebody who has
        approved before, one of before the question, or whoever asked for the run where somebody else has to. What is refused
        is in the audit trail too.
        """
        if not approver.strip():
            raise ValueError("approver: a decision is somebody's: give a name")
        said = {"decision": decision, "approver": approver, "comment": comment, "proof": proof}
        told = {"ask": sealed.ask, "digest": sealed.digest, **said}
        missing, refused = 0, None
        with self._writing() as writing:
            parts = [(sealed, decision), *([also] if also else [])]
            refused = next((why for which, word in parts if (why := _undecidable(writing, which, word, again=also))), None)
            who = None if refused is not None or code is None else prove(writing, sealed, approver, code)
            if isinstance(who, AnswerRefused):
                refused = who
            elif refused is None:
                given = Approval(
                    approver=who.name if who else approver,
                    comment=comment,
                    proof=proof,
                    enrolment=who.enrolment if who else None,
                    typed=typed,
                    at=writing.now,
                )
                refused = self._counts(writing, sealed, decision, given, needed) or _of_before(sealed, decision, at)
                if refused is None:
                    missing = _record(writing, sealed, decision, given, needed)
                    if also is not None and decided_on(writing.conn, also[0]) is None:
                        _record(writing, *also, given, needed)
            if refused is not None:
                writing.note(sealed.run, "decision refused", {**told, "reason": refused.reason, "detail": refused.detail})
        if refused is not None:
            raise refused
        return missing

    def decision(self, sealed: Sealed) -> Decision | None:
        """What was decided on this very plan; None if nothing was yet."""
        with self._database.reading() as conn:
            found = decided_on(conn, sealed)
            return found if found is not None and found.digest == sealed.digest else None

    def approvals(self, sealed: Sealed) -> list[Approval]:
        """Who has approved this plan so far, in order, whether or not it is decided."""
        with self._database.reading() as conn:
            return _given(conn, sealed)

    def use_approval(self, sealed: Sealed, needed: Needed | None = None) -> Decision:
        """Use a plan's approval, for its own run and once. The same run may use it again while it resumes, until it expires.

        With `needed`, what was given has to be that much, also if policy has changed since, and everybody who proved it by a
        code has to be an approver still.

        Refused: NotApproved if nobody did or somebody rejected it; ApprovalExpired after its time, used before or not; the
        void plan's own reason; ApprovalInvalid for any other plan than the one that was approved, once its run has ended, or
        for less than is needed. What is refused is in the audit trail too.
        """
        with self._writing() as writing:
            found, refused = _usable(writing, sealed, needed)
            told = {"ask": sealed.ask, "digest": sealed.digest}
            if refused is not None:
                writing.note(sealed.run, "approval refused", {**told, "reason": refused.reason, "detail": refused.detail})
            elif found is not None and found.used_at is None:
                found = found.model_copy(update={"used_at": writing.now})
                mine = (_decision.c.run == sealed.run) & (_decision.c.ask == sealed.ask)
                writing.conn.execute(update(_decision).where(mine).values(used_at=writing.now))
                writing.note(sealed.run, "approval used", {**told, "approver": found.by})
        if refused is not None or found is None:
            raise refused or Refused(Reason.NOT_APPROVED, f"nobody has decided on plan {sealed.digest[:8]}")
        return found

    @staticmethod
    def _counts(
        writing: Writing, sealed: Sealed, decision: Word, given: Approval, needed: Needed | None
    ) -> AnswerRefused | None:
        """Why one person's word does not count; None if it does. Anybody may reject."""
        if decision == "reject" or needed is None:
            return None
        if why := _short(writing.conn, given, needed):
            return AnswerRefused(f"{given.approver} cannot approve plan {sealed.digest[:8]} so: {why}")
        before = _standing(writing.conn, _given(writing.conn, sealed), needed)
        if any(same_person(each.approver, given.approver) for each in before):
            return AnswerRefused(f"{given.approver} has approved plan {sealed.digest[:8]} before: a second person has to")
        return _own(known_run(writing.conn, sealed.run), sealed, [*before, given], needed)


def _of_before(sealed: Sealed, decision: Word, at: datetime | None) -> AnswerRefused | None:
    """Refuses a yes that is older than its question: who kept it keeps it by the question's name.

    A ledger that was put back as it was earlier, or a new one, asks by the same names again.
    """
    if decision == "reject" or at is None or at >= sealed.sealed_at - SKEW:
        return None
    when, asked = f"{at:%Y-%m-%d %H:%M:%S} UTC", f"{sealed.sealed_at:%Y-%m-%d %H:%M:%S} UTC"
    return AnswerRefused(f"the answer is of {when}, from before this question, which is of {asked}: give it again")


def _record(writing: Writing, sealed: Sealed, word: Word, given: Approval, needed: Needed | None) -> int:
    """Write one person's word down, and the decision if that makes it one; how many people are missing."""
    standing = [] if needed is None else _standing(writing.conn, _given(writing.conn, sealed), needed)
    before = [each for each in standing if not same_person(each.approver, given.approver)]
    told = {"ask": sealed.ask, "digest": sealed.digest, **given.model_dump(mode="json", exclude={"at"})}
    missing = 0 if word == "reject" or needed is None else max(0, needed.people - len(before) - 1)
    if word == "approve" and needed is not None:
        mine = (
            (_approval.c.run == sealed.run) & (_approval.c.ask == sealed.ask) & (_approval.c.person == person(given.approver))
        )
        writing.conn.execute(delete(_approval).where(mine))  # one of the same person that no longer counts
        values = {"run": sealed.run, "ask": sealed.ask, "person": person(given.approver), "number": len(before) + 1}
        writing.conn.execute(insert(_approval).values(approval=given.model_dump(mode="json"), **values))
    if missing:
        writing.note(sealed.run, "approved", {**told, "missing": missing})
        return missing
    found = Decision(
        run=sealed.run,
        ask=sealed.ask,
        digest=sealed.digest,
        decision=word,
        approver=given.approver,
        comment=given.comment,
        proof=given.proof,
        decided_at=writing.now,
        approvals=() if word == "reject" or needed is None else (*before, given),
    )
    kept = found.model_dump(mode="json", exclude={"used_at"})
    writing.conn.execute(insert(_decision).values(run=sealed.run, ask=sealed.ask, decision=kept))
    writing.note(sealed.run, "decided", {**told, "decision": word, "approver": found.by})
    return 0


def _undecidable(writing: Writing, sealed: Sealed, decision: Word, *, again: tuple[Sealed, Word] | None) -> Refused | None:
    """Why nothing more can be said to a plan; part two of a question (`again`) may have been decided before."""
    try:
        there = same(writing, sealed)
        run = known_run(writing.conn, sealed.run)
    except Refused as refused:
        return refused
    short = there.digest[:8]
    if there.void is not None:
        return Refused(there.void.reason, f"plan {short} is void: {there.void.detail}")
    before = decided_on(writing.conn, sealed)
    if before is not None and not (again is not None and again[0] is sealed):
        word = "approved" if before.decision == "approve" else "rejected"
        return Refused(Reason.APPROVAL_INVALID, f"{before.by} {word} plan {short} at {before.decided_at:%Y-%m-%d %H:%M} UTC")
    if run.finished_at is not None:
        return Refused(Reason.APPROVAL_INVALID, f"run {run.run} of plan {short} has ended")
    if writing.now >= there.expires_at:
        return expired(there)
    if decision == "approve" and not there.plan.appliable:
        return Refused(Reason.APPROVAL_INVALID, f"plan {short} has nothing that may be applied: {there.plan.title}")
    return None


def _usable(writing: Writing, sealed: Sealed, needed: Needed | None) -> tuple[Decision | None, Refused | None]:
    try:
        there = same(writing, sealed)
        run = known_run(writing.conn, sealed.run)
    except Refused as refused:
        return None, refused
    found, short = decided_on(writing.conn, sealed), there.digest[:8]
    if there.void is not None:
        return None, Refused(there.void.reason, f"plan {short} is void: {there.void.detail}")
    if found is not None and found.digest != there.digest:
        return None, Refused(Reason.APPROVAL_INVALID, f"what was decided is plan {found.digest[:8]}, not {short}")
    if found is not None and found.decision == "reject":
        return None, Refused(Reason.NOT_APPROVED, f"{found.approver} rejected plan {short}: {found.comment or 'no comment'}")
    if run.finished_at is not None:
        return None, Refused(Reason.APPROVAL_INVALID, f"run {run.run} has ended: its approval of plan {short} ended with it")
    if writing.now >= there.expires_at:
        return None, expired(there)
    if found is None:
        return None, Refused(Reason.NOT_APPROVED, f"nobody has decided on plan {short} yet (remediate approve {short})")
    if needed is not None and (why := _lacks(writing.conn, run, there, found, needed)):
        return None, Refused(Reason.APPROVAL_INVALID, f"what was given for plan {short} is not enough: {why}")
    return found, None


def _lacks(conn: Connection, run: RunRecord, sealed: Sealed, found: Decision, needed: Needed) -> str | None:
    """What a decision lacks of what is needed; None if it is enough."""
    standing = _standing(conn, found.approvals, needed)
    if len(standing) < needed.people:
        fallen = [f"{each.approver}: {why}" for each in found.approvals if (why := _short(conn, each, needed))]
        return "; ".join([f"{needed.people} people are needed, {len(standing)} counts", *fallen])
    own = _own(run, sealed, standing, needed)
    return own.detail if own is not None else None


def _own(run: RunRecord, sealed: Sealed, given: Sequence[Approval], needed: Needed) -> AnswerRefused | None:
    """Whoever asked may be the first of two, never the last, and alone only where policy says so."""
    last = given[-1]
    if needed.own or len(given) < needed.people or not same_person(last.approver, run.requested_by):
        return None
    return AnswerRefused(f"{last.approver} asked for plan {sealed.digest[:8]} and cannot approve it too: somebody else has to")


def _given(conn: Connection, sealed: Sealed) -> list[Approval]:
    mine = (_approval.c.run == sealed.run) & (_approval.c.ask == sealed.ask)
    rows = conn.execute(select(_approval.c.approval).where(mine).order_by(_approval.c.number)).scalars()
    return [parsed(Approval, each, f"an approval of plan {sealed.digest[:8]}") for each in rows]


def _standing(conn: Connection, given: Sequence[Approval], needed: Needed) -> list[Approval]:
    """Those that count, one a person."""
    found: dict[str, Approval] = {}
    for each in given:
        if _short(conn, each, needed) is None:
            found.setdefault(person(each.approver), each)
    return list(found.values())


def _short(conn: Connection, given: Approval, needed: Needed) -> str | None:
    """What one approval lacks by itself; None if it counts."""
    if given.enrolment is not None and not enrolled(conn, given.enrolment):
        return "is no approver any more"
    if given.proven.strength < needed.proof.strength:
        return "policy asks for an approver's one-time code, and there was none"
    if needed.typed and " ".join(given.typed.split()).casefold() != needed.typed.casefold():
        return f"the target's name has to be typed: {needed.typed}"
    return None
