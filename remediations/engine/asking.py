"""From a plan to its approval: what policy asks for, the question, the decision in the ledger, its single use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from remediations.catalogue.remediation import Repair
from remediations.engine.parts import parts_of
from remediations.engine.ports import Ask, Clock, Gate
from remediations.engine.render import plan_markdown
from remediations.ledger import Ledger, Sealed
from remediations.model.causes import Cause
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Plan
from remediations.model.policy import Decision, Policy, Retry
from remediations.model.policy import Gate as Gating
from remediations.model.site import Site


def hosts_of(plan: Plan) -> list[str]:
    """The hosts that a plan's steps are sent to."""
    return sorted({step.host for step in plan.steps})


@dataclass(frozen=True)
class Asking:
    """Gets approvals for one run."""

    run: str
    site: Site
    policy: Policy
    ledger: Ledger
    clock: Clock
    gate: Gate

    def approved(self, plan: Plan | None, retry: Plan | None, *, number: int, why: str) -> Outcome | None:
        """Get and use the approval of `plan`, with `retry` as part two of the same question where policy says so.

        Without a plan that changes something the retry alone is asked for. Returns the outcome that ends the run if it may
        not go on, else None. Raises `Refused`, or whatever the gate raises to suspend the run.
        """
        wanted = plan or retry
        if wanted is None or not wanted.steps:
            return None
        decided = self._rule(wanted)
        if decided.gate is Gating.NEVER:
            return Outcome(ending=Ending.REFUSED, reason=Reason.POLICY_NEVER, summary=decided.rule)
        if decided.gate in (Gating.OBSERVE, Gating.PROPOSE, Gating.APPROVE_TWICE):
            return Outcome(ending=Ending.PROPOSED, summary=f"Proposed only: {decided.rule}. Nothing was changed.")
        self._may_begin(wanted, retry=plan is None)
        joint = retry is not None and retry.appliable and self._goes_with(decided, retry)
        first = self._seal(plan, number, "repair")
        second = self._seal(retry, number, "retry") if plan is None or joint else None
        asked = first or second
        if asked is None:
            return None
        if self.ledger.decision(asked) is None:
            if decided.gate is Gating.AUTO:
                self._decide((first, second), "approve", "policy", decided.rule, "policy")
            else:
                self._ask(first, second, asked, why)
                # The answer may have taken hours: a window that has closed meanwhile counts as it would have before.
                self._may_begin(wanted, retry=plan is None)
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
            self._refuse_paused()
            self.ledger.use_approval(sealed)
        return decision.decision

    def _goes_with(self, decided: Decision, retry: Plan) -> bool:
        """Whether policy and the retry's own gate let the answer to the mend's question be an answer to it too."""
        own = self._rule(retry).gate
        return self.policy.retry is Retry.WITH_REPAIR and (own is Gating.AUTO or own is decided.gate is Gating.APPROVE)

    def _may_begin(self, plan: Plan, *, retry: bool) -> None:
        """Raise `Refused` if policy does not let a change begin now; the retry of a move needs no window of its own."""
        self._refuse_paused()
        now, caps = self.clock(), self.policy.caps
        if not retry and not self.policy.in_window(plan.tier, now):
            opens = self.policy.next_opening(plan.tier, now)
            rule = f"tier {plan.tier} is applied in its maintenance windows only (policy.yaml)"
            raise Refused(Reason.OUTSIDE_WINDOW, f"{rule}; the next opens {opens:%a %d %b %H:%M %Z}")
        hour = now - timedelta(hours=1)
        for host in hosts_of(plan):
            if self.ledger.changes_since(hour, host=host) >= caps.per_host_per_hour:
                raise Refused(
                    Reason.CAP_REACHED, f"{host} had {caps.per_host_per_hour} changes within the hour (policy.yaml, caps)"
                )
        if self.ledger.changes_since(hour) >= caps.per_hour:
            raise Refused(Reason.CAP_REACHED, f"{caps.per_hour} changes were made within the hour (policy.yaml, caps)")
        self._refuse_again(plan, now)

    def _refuse_paused(self) -> None:
        if self.policy.pause:
            raise Refused(Reason.PAUSED, "policy.yaml says pause: true; nothing is changed until it is taken out")

    def _refuse_again(self, plan: Plan, now: datetime) -> None:
        """Raise `Refused` for a cause that was mended on one of the plan's targets a moment ago: a person should look."""
        cooldown = timedelta(minutes=self.policy.cooldown_minutes)
        for cause in _causes(plan):
            for target in {step.target.id: step.target for step in plan.steps}.values():
                last = self.ledger.last_remediation(cause, target.id)
                if last is not None and now - last < cooldown:
                    detail = (
                        f"{cause.value} was mended on {target.name} at {last:%H:%M} UTC, less than {cooldown} ago, and is back"
                    )
                    raise Refused(Reason.RECENTLY_REMEDIATED, f"{detail}: a person should look (policy.yaml, cooldown_minutes)")

    def _rule(self, plan: Plan) -> Decision:
        """The strictest gate of the plan's parts."""
        clusters = (self.site.cluster_of(host) for host in hosts_of(plan))
        cluster = next((each.name for each in clusters if each is not None), None)
        parts = [plan.model_copy(update={"remediation": name}) for name in plan.remediation.split("+")]
        decisions = [self.policy.gate(part, hosts=hosts_of(plan), cluster=cluster) for part in parts]
        return max(decisions, key=lambda decision: decision.gate.strictness)

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
        ends = self.clock() + timedelta(hours=self.policy.approval_hours)
        return self.ledger.seal(self.run, round=number, part=part, plan=plan, expires_at=ends, causes=_causes(plan))


def _causes(plan: Plan) -> list[Cause]:
    """What a plan mends; nothing for an operation."""
    return [cause for each in parts_of(plan) if isinstance(each, Repair) for cause in each.causes]
