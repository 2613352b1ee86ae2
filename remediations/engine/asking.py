"""From a plan to its approval: what policy asks for, the question, the decision in the ledger, its single use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from remediations.engine.judging import Judging, causes_of
from remediations.engine.ports import Ask, Gate
from remediations.engine.render import plan_markdown
from remediations.ledger import Ledger, Sealed
from remediations.model.judgement import Judgement
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Plan
from remediations.model.policy import Gate as Gating
from remediations.model.policy import Policy, Retry


@dataclass(frozen=True)
class Asking:
    """Gets approvals for one run."""

    run: str
    judging: Judging
    gate: Gate

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
        decided = self.judging.plan(wanted, retry=plan is None)
        if decided.gate is Gating.NEVER:
            return Outcome(ending=Ending.REFUSED, reason=Reason.POLICY_NEVER, summary=decided.because)
        if not decided.offered or decided.gate is Gating.APPROVE_TWICE:
            return Outcome(ending=Ending.PROPOSED, summary=f"Proposed only: {decided.because}. Nothing was changed.")
        decided.refuse()
        joint = retry is not None and retry.appliable and self._goes_with(decided, retry)
        first = self._seal(plan, number, "repair")
        second = self._seal(retry, number, "retry") if plan is None or joint else None
        asked = first or second
        if asked is None:
            return None
        if self.ledger.decision(asked) is None:
            if decided.gate is Gating.AUTO:
                self._decide((first, second), "approve", "policy", decided.because, "policy")
            else:
                self._ask(first, second, asked, why)
                # The answer may have taken hours: a window that has closed meanwhile counts as it would have before.
                self.judging.plan(wanted, retry=plan is None).refuse()
        self.ledger.use_approval(asked)
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
            self.ledger.use_approval(sealed)
        return decision.decision

    def _goes_with(self, decided: Judgement, retry: Plan) -> bool:
        """Whether policy and the retry's own gate let the answer to the mend's question be an answer to it too."""
        own = self.judging.plan(retry, retry=True).gate
        return self.policy.retry is Retry.WITH_REPAIR and (own is Gating.AUTO or own is decided.gate is Gating.APPROVE)

    def _ask(self, first: Sealed | None, second: Sealed | None, asked: Sealed, why: str) -> None:
        plan, retry = (each.plan if each else None for each in (first, second))
        question = Ask(
            run=self.run,
            key=f"approve-{asked.digest[:12]}-{asked.ask}",
            plan=plan,
            retry=retry,
            expires_at=asked.expires_at,
            why=why,
            page="\n\n".join(plan_markdown(each) for each in (plan, retry) if each),
        )
        answer = self.gate(question)
        if answer.digest and not asked.digest.startswith(answer.digest.replace(" ", "").lower()):
            detail = f"the answer is for digest {answer.digest}, this plan has {asked.digest[:8]}"
            raise Refused(Reason.APPROVAL_INVALID, detail)
        self._decide((asked,), answer.decision, answer.approver, answer.comment, answer.proof)
        if first is not None and second is not None and answer.decision == "approve":
            part_two: Literal["approve", "reject"] = "approve" if answer.retry else "reject"
            self._decide((second,), part_two, answer.approver, answer.comment, answer.proof)

    def _decide(
        self,
        sealed: tuple[Sealed | None, ...],
        decision: Literal["approve", "reject"],
        approver: str,
        comment: str,
        proof: str,
    ) -> None:
        for each in sealed:
            if each is not None:
                self.ledger.decide(
                    each,
                    decision=decision,
                    approver=approver,
                    comment=comment,
                    proof=proof,
                    allow_self=each.plan.tier <= self.policy.own_approval_tier,
                )

    def _seal(self, plan: Plan | None, number: int, part: Literal["repair", "retry"]) -> Sealed | None:
        if plan is None:
            return None
        ends = self.judging.clock() + timedelta(hours=self.policy.approval_hours)
        return self.ledger.seal(self.run, round=number, part=part, plan=plan, expires_at=ends, causes=causes_of(plan))
