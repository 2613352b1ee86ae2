"""What a plan's approval takes, and one person's answer to it: the same for a flow, the terminal and the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from remediations.engine.judging import Judging
from remediations.engine.ports import Answer, Clock, StepOf
from remediations.ledger import Code, Ledger, Sealed
from remediations.model.outcome import AnswerRefused, Reason, Refused
from remediations.model.policy import Needed, Proven

Word = Literal["approve", "reject"]

SHORTEST = 8
"""Characters of a digest that name a plan."""


def lacking(ledger: Ledger, needed: Needed) -> str:
    """What to do before enough people can approve at all; empty if they can."""
    if needed.proof is not Proven.CODE:
        return ""
    there = len(ledger.approvers())
    if there >= needed.people:
        return ""
    who = "nobody is enrolled yet" if not there else "only one person is enrolled"
    wanted = "two people have" if needed.people > 1 else "somebody has"
    return f"{wanted} to approve by one-time codes, and {who}: run `remediate approvers add NAME`, then answer here"


@dataclass(frozen=True)
class Question:
    """What is asked at once: the mend with the retry as its part two, or one of them alone."""

    first: Sealed | None
    second: Sealed | None
    needed: Needed

    @property
    def asked(self) -> Sealed:
        """The plan that the question's digest is of."""
        asked = self.first or self.second
        if asked is None:
            raise ValueError("a question needs a plan")
        return asked


def question_of(judging: Judging, digest: str, run: str | None = None) -> Question:
    """The question that waits for a decision on the plan whose digest begins so (eight characters or more).

    Raises `LookupError` if none waits, or several where `run` does not say which; `Refused` if policy asks nobody any more.
    """
    wanted = "".join(digest.split()).casefold()
    if len(wanted) < SHORTEST or set(wanted) - set("0123456789abcdef"):
        raise LookupError(
            f"{digest!r} is no digest: give its first eight characters (0-9, a-f), as `remediate approvals` shows"
        )
    waiting = judging.ledger.waiting()
    mends = {(each.run, each.round): each for each in waiting if each.part == "repair"}
    retries = {(each.run, each.round): each for each in waiting if each.part == "retry"}
    heads = [each for each in waiting if each.part == "repair" or (each.run, each.round) not in mends]
    found = [each for each in heads if each.digest.startswith(wanted) and run in (None, each.run)]
    if not found:
        known = ", ".join(each.digest[:SHORTEST] for each in heads) or "nothing"
        raise LookupError(f"no plan {wanted} waits for a decision (it may have expired, or been answered); waiting: {known}")
    if len(found) > 1:
        runs = ", ".join(each.run for each in found)
        raise LookupError(f"plan {wanted} waits in {len(found)} runs: say which by --run, of {runs}")
    asked, alone = found[0], found[0].part == "retry"
    judged = judging.plan(asked.plan, retry=alone)
    if not judged.gate.people:
        raise Refused(Reason.POLICY_NEVER, f"policy asks nobody for it any more ({judged.because}): start a new run")
    retry = retries.get((asked.run, asked.round))
    return Question(None if alone else asked, retry, judging.policy.needed(asked.plan, judged.gate))


def record(ledger: Ledger, question: Question, answer: Answer, *, step_of: StepOf, clock: Clock, always: bool = False) -> int:
    """Write an answer into the ledger; how many people are still missing.

    A code is looked at for an approval, and with `always` for a rejection too. Raises `AnswerRefused` for an answer that
    does not count, `Refused` if nothing can be said to the plan any more.
    """
    asked, second = question.asked, question.second
    if answer.digest and not asked.digest.startswith(answer.digest.replace(" ", "").lower()):
        raise AnswerRefused(f"the answer is for digest {answer.digest}, this plan has {asked.digest[:8]}")
    code = None
    if answer.code and (always or answer.decision == "approve"):
        at = answer.at or clock()
        code = Code(at=at, step=lambda secret: step_of(secret, answer.code, at))
    part_two: tuple[Sealed, Word] | None = None
    if question.first is not None and second is not None and answer.decision == "approve":
        part_two = (second, "approve" if answer.retry else "reject")
    return ledger.decide(
        asked,
        decision=answer.decision,
        approver=answer.approver,
        comment=answer.comment,
        proof=answer.proof if code is None else Proven.CODE.value,
        needed=question.needed,
        code=code,
        typed=answer.target,
        also=part_two,
        at=answer.at,
    )
