"""From a plan to its approval: what policy asks for, the question, the decision in the ledger, its single use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from remediations.engine.deciding import Question, Word, lacking, record
from remediations.engine.judging import Judging, causes_of
from remediations.engine.ports import IN_LEDGER, NO_CODE, Answer, Ask, Gate, StepOf, no_codes
from remediations.engine.render import plan_markdown
from remediations.ledger import POLICY, Head, Ledger, Sealed
from remediations.model.judgement import Judgement
from remediations.model.names import same_person
from remediations.model.outcome import AnswerRefused, Ending, Outcome, Reason, Refused
from remediations.model.plan import Plan
from remediations.model.policy import Gate as Gating
from remediations.model.policy import Needed, Policy, Retry

MISTAKES = 3
"""Answers to one question that do not count, after which its run ends."""

COUNTED, NOT_COUNTED = "answer counted", "answer not counted"
"""The notes of answers that came by the question's own form."""


@dataclass(frozen=True)
class Asking:
    """Gets approvals for one run."""

    run: str
    judging: Judging
    gate: Gate
    head: Callable[[], Head]
    """The audit trail's head, for the page on which a question is put."""
    step_of: StepOf = no_codes
    hours: float | None = None
    """How long a question may wait for its answer; policy's `approval_hours` unless it is given."""

    follows: int = 0
    """Changes of the same hosts that have to follow an approved one: caps that leave no room for them refuse it too."""

    def leading(self, follows: int) -> Asking:
        """The same, for a plan that so many others have to follow."""
        return replace(self, follows=follows)

    def within(self, hours: float) -> Asking:
        """The same, with so many hours for an answer."""
        return replace(self, hours=hours)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.judging.policy

    @property
    def ledger(self) -> Ledger:
        """Where questions and decisions are kept."""
        return self.judging.ledger

    def approved(self, plan: Plan | None, retry: Plan | None, *, number: int, why: str) -> Outcome | None:
        """Get and use the approval of `plan`, with `retry` as part two of the same question where policy says so.

        Without a plan that changes something the retry alone is asked for. Returns the outcome that ends the run if it may
        not go on, else None. Raises `Refused`, or whatever the gate raises to suspend the run.
        """
        wanted = plan or retry
        if wanted is None or not wanted.steps:
            return None
        self.judging.note_returns(self.run, wanted)
        decided = self.judging.plan(wanted, retry=plan is None, run=self.run)
        if decided.gate is Gating.NEVER:
            return Outcome(ending=Ending.REFUSED, reason=Reason.POLICY_NEVER, summary=decided.because)
        if not decided.offered:
            said = "Diagnosed and recorded only" if decided.gate is Gating.OBSERVE else "Proposed only"
            return Outcome(ending=Ending.PROPOSED, summary=f"{said}: {decided.because}. Nothing was changed.")
        decided.refuse()
        if self.follows:
            self.judging.refuse_crowded(wanted, self.follows)
        joint = retry is not None and retry.appliable and self._goes_with(decided, retry)
        first = self._seal(plan, number, "repair")
        second = self._seal(retry, number, "retry") if plan is None or joint else None
        asked = first or second
        if asked is None:
            return None
        needed = self._needed(wanted, decided.gate)
        if self.ledger.decision(asked) is None:
            if needed is None:
                also: tuple[Sealed, Word] | None = (second, "approve") if first is not None and second is not None else None
                self.ledger.decide(
                    asked, decision="approve", approver=POLICY, comment=decided.because, proof=POLICY, needed=None, also=also
                )
            else:
                self._ask(Question(first, second, needed), why)
                # The answer may have taken hours: a window that has closed meanwhile counts as it would have before.
                self.judging.plan(wanted, retry=plan is None, run=self.run).refuse()
        self.ledger.use_approval(asked, needed)
        return None

    def retry_decision(self, number: int, fresh: Plan) -> Literal["approve", "reject"] | None:
        """What was decided of this very move as part two of the mend's question; None if it has to be asked for."""
        sealed = self.ledger.sealed(self.run, round=number, part="retry")
        if sealed is None or sealed.digest != fresh.digest:
            return None
        decision = self.ledger.decision(sealed)
        if decision is None:
            return None
        if decision.decision == "approve":
            self.judging.refuse_paused()
            self.judging.refuse_forbidden(fresh, retry=True)
            mend = self.ledger.sealed(self.run, round=number, part="repair")
            asked = mend.plan if mend is not None else fresh
            self.ledger.use_approval(sealed, self._needed(asked, self.judging.plan(asked, retry=mend is None).gate))
        return decision.decision

    def _goes_with(self, decided: Judgement, retry: Plan) -> bool:
        """Whether policy and the retry's own gate let the answer to the mend's question be an answer to it too."""
        own = self.judging.plan(retry, retry=True).gate
        covered = own is Gating.AUTO or 0 < own.people <= decided.gate.people
        return self.policy.retry is Retry.WITH_REPAIR and covered

    def _needed(self, asked: Plan, gate: Gating) -> Needed | None:
        """What the approval of a question takes; None where nobody is asked."""
        return self.policy.needed(asked, gate) if gate.people else None

    def _ask(self, question: Question, why: str) -> None:
        """Ask until it is decided or its time is up. An answer that does not count is told and asked for again, thrice."""
        asked = question.asked
        while self.ledger.decision(asked) is None and self.judging.clock() < asked.expires_at:
            taken = [
                note
                for note in self.ledger.trail(self.run)
                if note.kind in (COUNTED, NOT_COUNTED) and note.data["ask"] == asked.ask
            ]
            refused = [str(note.data["detail"]) for note in taken if note.kind == NOT_COUNTED]
            answer = self.gate(self._put(question, why, refused, answered=len(taken)))
            if answer is None:
                continue
            told = {"ask": asked.ask, "digest": asked.digest, "approver": answer.approver}
            try:
                if not self._only_wakes(asked, answer):
                    record(self.ledger, question, answer, step_of=self.step_of, clock=self.judging.clock)
            except AnswerRefused as error:
                self.ledger.note(self.run, NOT_COUNTED, {**told, "detail": error.detail})
                if len(refused) + 1 >= MISTAKES:
                    raise
            except Refused:
                # Another process of this run, or the terminal, was quicker with a yes: this one changes nothing about it.
                decided = self.ledger.decision(asked)
                if answer.decision != "approve" or decided is None or decided.decision != "approve":
                    raise
            else:
                self.ledger.note(self.run, COUNTED, told)

    def _only_wakes(self, asked: Sealed, answer: Answer) -> bool:
        """Whether a form was filled in for somebody whose approval the ledger has, so that the run goes on and asks the next.

        Judging it would count it against them: it carries no code of theirs. That it says so itself is needed too: who
        answers a second time is told why that does not count. It gives nothing to whoever forges it.
        """
        if answer.decision != "approve" or answer.comment != IN_LEDGER or answer.code not in ("", NO_CODE):
            return False
        return any(same_person(each.approver, answer.approver) for each in self.ledger.approvals(asked))

    def _put(self, question: Question, why: str, refused: Sequence[str], *, answered: int) -> Ask:
        """The question as a gate puts it to a person, `answered` answers of its form having been taken before."""
        asked, parts = question.asked, [each for each in (question.first, question.second) if each is not None]
        given = self.ledger.approvals(asked)
        # A part two that has changed is another question too, and so is the next one after an answer. An approval that came
        # by another way leaves the form as it is, until that is filled in: by whoever wakes the run, or by the next approver.
        number = max(each.ask for each in parts)
        return Ask(
            run=self.run,
            key=f"approve-{asked.digest[:12]}-{number}" + (f"-{answered + 1}" if answered else ""),
            plan=question.first.plan if question.first is not None else None,
            retry=question.second.plan if question.second is not None else None,
            expires_at=asked.expires_at,
            why=why,
            page="\n\n".join([*(plan_markdown(each.plan) for each in parts), self.head().words]),
            needed=question.needed,
            approved_by=tuple(each.approver for each in given),
            refused=refused[-1] if refused else "",
            lacking=lacking(self.ledger, question.needed),
        )

    def _seal(self, plan: Plan | None, number: int, part: Literal["repair", "retry"]) -> Sealed | None:
        if plan is None:
            return None
        ends = self.judging.clock() + timedelta(hours=self.hours or self.policy.approval_hours)
        return self.ledger.seal(self.run, round=number, part=part, plan=plan, expires_at=ends, causes=causes_of(plan))
