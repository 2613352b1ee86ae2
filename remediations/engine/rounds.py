"""One run of the runbook: its rounds of read, plan, ask, apply, verify, try again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import structlog

from remediations.catalogue.remediation import Remediation, Repair
from remediations.diagnosis import of_files
from remediations.engine.asking import Asking
from remediations.engine.companions import part_ways
from remediations.engine.done import ROUNDS
from remediations.engine.endings import failed, left_to_people, stands, unmendable, whys
from remediations.engine.looking import OURSELVES, Looking
from remediations.engine.ports import Gate
from remediations.engine.propose import asked_for
from remediations.engine.render import why_markdown
from remediations.engine.sending import Applied, Overtaken
from remediations.engine.stuck import stuck
from remediations.engine.work import NOT_SHOWN
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Plan, Verdict
from remediations.model.policy import Gate as Gating
from remediations.model.policy import Retry
from remediations.remoting import RemotingError

if TYPE_CHECKING:
    from remediations.engine.runbook import Engine

log = structlog.get_logger(__name__)

LOOKS = 3
"""How often what was applied is looked at again where only what others have under way is left to wait for."""

_OF_A_HOST = (None, Reason.GUARD_FAILED)
"""Why a plan was not carried to its end, where a host or what it waited for is why."""


class Run(Looking):
    """One run of the runbook, from what the ledger knows of it."""

    def __init__(self, engine: Engine, run: str, gate: Gate) -> None:
        super().__init__(engine, run)
        self.asking = Asking(run, engine.judging, gate, engine.head, engine.step_of)
        self.preface = ""
        """What is told before the plan where it is asked for, as markdown."""

    # ---- the three ways in -------------------------------------------------------------------------------------------

    def look(self, incident: Incident) -> Outcome:
        """Dry run: everything up to the plan. Sends nothing but reads."""
        proposal = self.proposed(incident, frozenset())
        return unmendable(proposal) or Outcome(
            ending=Ending.PROPOSED, summary="This is what would be done. It was a dry run: nothing was changed."
        )

    def mend(self, incident: Incident) -> Outcome:
        """Rounds of read → plan → gate → apply → verify → retry, until it moved or a person is needed."""
        finished = {int(note.data["round"]): note.data for note in self.ledger.trail(self.run) if note.kind == "round"}
        causes = [Cause(data["cause"]) for data in finished.values() if data.get("cause")]
        told, self.reported = finished.get(len(finished), {}), incident
        for number in range(len(finished) + 1, ROUNDS + 1):
            outcome, cause = self._round(number, _failed_again(incident, told), frozenset(causes))
            if outcome is not None:
                return outcome
            told = {"round": number, "cause": cause.value if cause else None, **self._said(number)}
            self.ledger.note(self.run, "round", told)
            causes += [cause] if cause else []
        detail = f"After {ROUNDS} rounds it still does not move. The report holds everything that was seen."
        return Outcome(ending=Ending.NEEDS_PERSON, reason=Reason.INEFFECTIVE, summary=detail)

    def operate(self, remediation: Remediation, *, dry_run: bool, approved: Callable[[], None] = lambda: None) -> Outcome:
        """Plan one remediation, ask, apply, verify. `approved` is called in between: the answer may have taken hours."""
        # A person who asks for a repair stands for the evidence that its cause is real.
        evidence = asked_for(remediation) if isinstance(remediation, Repair) else Evidence()
        return self._carry(lambda: self.planned(remediation, evidence), evidence, dry_run=dry_run, approved=approved)

    def asked_again(self) -> Outcome | None:
        """Put the question again that waits for an answer, as it was put first: no host is read for it.

        None if none waits, or once it is approved; else the outcome that ends the run.
        """
        sealed = self.ledger.sealed(self.run, round=1, part="repair")
        if sealed is None or self.ledger.decision(sealed) is not None:
            return None
        return self.asking.approved(sealed.plan, None, number=1, why=self.preface)

    def undo(self, of: str, *, dry_run: bool) -> Outcome:
        """Plan what takes back another run, ask, apply, verify, and write into that run's journal that it was."""
        applier, record = self.engine.applier(Evidence()), self.ledger.run(of)
        if record is None or record.finished_at is None:
            detail = f"run {of} is not over: cancel it, or let `remediate recover` finish it; then it can be undone"
            raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)

        def plan() -> Plan:
            return self.phase("read and plan", partial(self.watch, f"read and plan: undo {of}", partial(applier.undo, of)))

        outcome = self._carry(plan, Evidence(), dry_run=dry_run)
        if not dry_run:
            applier.undone(of, by=self.run)
        return outcome

    def _begun(self) -> Plan | None:
        """The plan of this run that a step of was sent, or is about to be; none if nothing was begun."""
        sealed = self.ledger.sealed(self.run, round=1, part="repair")
        return sealed.plan if sealed is not None and self.ledger.journal(self.run, sealed.digest) else None

    def _carry(
        self,
        planned: Callable[[], Plan],
        evidence: Evidence,
        *,
        dry_run: bool,
        approved: Callable[[], None] = lambda: None,
    ) -> Outcome:
        begun = None if dry_run else self._begun()
        plan = begun or planned()
        if begun is None and not dry_run and (begun := self._begun()):
            # Another process of this run began meanwhile: what was read is of the middle of its work, and decides nothing.
            plan = begun
        started = begun is not None
        self.plan, self.title = plan, self.title or plan.title
        if not started:
            if self.absent:
                return Outcome(ending=Ending.NEEDS_PERSON, summary=f"There is no such virtual machine: {self.absent}.")
            if plan.verdict is Verdict.ABSENT:
                why = "; ".join(getattr(item, "why", "") for item in plan.items)
                return Outcome(ending=Ending.NOTHING_TO_DO, summary=f"Nothing to do: {why}")
            if plan.by_hand and not dry_run:
                summary = "A person has done it, as fresh facts show; nothing was sent."
                return self._by_hand(plan, evidence) or Outcome(ending=Ending.NOTHING_TO_DO, summary=summary)
            if outcome := stands(plan):
                return outcome
            if dry_run:
                return Outcome(ending=Ending.PROPOSED, summary="This is what would be done. Nothing was changed.")
            if not plan.steps:
                self._wait_out(evidence, plan)
                self.verified = True
                return Outcome(ending=Ending.NOTHING_TO_DO, summary="What was waited for has come; nothing had to be changed.")
            told = (self.preface, self.engine.judging.override(self.run, plan), self.expected)
            why = "\n\n".join(each for each in told if each)
            if outcome := self._asked(plan, None, 1, why):
                return outcome
            approved()
        applied, again = self._apply_and_verify(1, "repair", evidence)
        if not applied.ok:
            return self._failed(1, applied)
        if again is not None and again.verdict is not Verdict.ABSENT:
            summary = f"Applied, but not verified: {'; '.join(whys(again))}"
            return self.unverified(1, again, Outcome(ending=Ending.FAILED, summary=summary))
        self.note_trial(1, verified=True)
        self.verified = True
        if not started and self.plan is not None:
            self._note_drain(self.plan)
        return Outcome(
            ending=Ending.MENDED, summary="Done and verified: made again on fresh facts, the plan has nothing left to do."
        )

    def _asked(self, plan: Plan | None, retry: Plan | None, number: int, why: str) -> Outcome | None:
        """As `Asking.approved`; what policy wants observed only is not shown in the report either."""
        outcome, wanted = self.asking.approved(plan, retry, number=number, why=why), plan or retry
        if outcome is not None and wanted is not None:
            self.observed = self.engine.judging.plan(wanted, retry=plan is None).gate is Gating.OBSERVE
        return outcome

    # ---- one round ---------------------------------------------------------------------------------------------------

    def _round(self, number: int, incident: Incident, tried: frozenset[Cause]) -> tuple[Outcome | None, Cause | None]:
        """One round; an outcome ends the run, none goes on to the next round with the cause that was mended."""
        sealed = self.ledger.sealed(self.run, round=number, part="repair")
        retry = self.ledger.sealed(self.run, round=number, part="retry")
        begun = any(each is not None and self.ledger.journal(self.run, each.digest) for each in (sealed, retry))
        if begun:
            self.plan = sealed.plan if sealed else None
            self.retry = retry.plan if retry else None
            evidence = self.evidence_of(incident)
            cause, presumed = self.remember(number)
            self.proposal = self.proposal and self.with_override(self.proposal, self.plan)
        else:
            proposal = self.proposed(incident, tried)
            self.plan = self.plan and self.plan.model_copy(update={"attempt": number})
            self.retry = self.retry and self.retry.model_copy(update={"attempt": number})
            evidence, cause, presumed = proposal.evidence, proposal.cause, proposal.presumed
            # Where there was only something to wait for, and it has come meanwhile, the move that was asked for is left.
            waited = sealed is None and retry is not None and self.retry is not None and retry.digest == self.retry.digest
            if (outcome := unmendable(proposal)) and not (waited and proposal.plan is None and not proposal.over):
                return outcome, None
            if cause is not None and cause in tried and not presumed:
                self.engine.judging.note_false_fire(self.run, cause)
                detail = f"{cause.value} was mended and verified, and the move fails with it again: a person should look"
                return Outcome(ending=Ending.NEEDS_PERSON, reason=Reason.INEFFECTIVE, summary=detail), cause
            if cause is not None and proposal.incident.vm:
                self.ledger.sight(cause, proposal.incident.seen_on, self.incident_id or "")
            if not waited:
                chosen = {"round": number, "cause": cause.value if cause else None, "presumed": presumed}
                self.ledger.note(self.run, "chosen", chosen)
            mend = self.plan if self.plan is not None and self.plan.steps else None
            part_two = None if self.policy.retry is Retry.NEVER else self.retry
            # Whoever the plan does not help need not wait until it was decided.
            part_ways(self.engine.hosts, self.site, self.ledger, self.incident_id, mend=self.plan, evidence=evidence)
            if outcome := self._asked(mend, part_two, number, why_markdown(proposal)):
                return outcome, cause
        if self.plan is not None and self.plan.steps:
            applied, again = self._apply_and_verify(number, "repair", evidence)
            if not applied.ok:
                return self._failed(number, applied), cause
            if again is not None and again.verdict is not Verdict.ABSENT and not presumed:
                summary = f"Applied, but the fault is still there: {'; '.join(whys(again))}"
                still = Outcome(ending=Ending.NEEDS_PERSON, reason=Reason.INEFFECTIVE, summary=summary)
                return self.unverified(number, again, still), cause
            if not presumed:
                self.note_trial(number, verified=True)
            self.verified = True
        else:
            self._wait_out(evidence, self.plan)
            self.verified = True
        outcome = self._try_again(number, evidence)
        if presumed and (self.retried or outcome is None):
            # What was only presumed is decided by the move itself.
            detail = "" if self.retried else "it was only presumed, and the move failed again"
            self.note_trial(number, verified=self.retried, detail=detail)
        return outcome, cause

    def _try_again(self, number: int, evidence: Evidence) -> Outcome | None:
        """The move that had failed, again; None if it failed again. Whatever keeps it from being tried, the mend stays."""
        if self.retry is None:
            if self.plan is not None and self.verified:
                if evidence.incident is not None and of_files(evidence.incident):
                    return left_to_people(
                        "What failed was a storage migration: start it again; the machine itself is not moved."
                    )
                self.retried = True
                return Outcome(ending=Ending.MENDED, summary="Mended and verified.")
            return None
        if self.policy.retry is Retry.NEVER:
            return left_to_people("Policy leaves the move itself to you (retry: never).")
        sealed = self.ledger.sealed(self.run, round=number, part="retry")
        try:
            begun = sealed is not None and self.ledger.journal(self.run, sealed.digest)
            if not begun and (outcome := self._retry_gated(number, evidence)):
                return outcome
            applied, again = self._apply_and_verify(number, "retry", evidence)
        except Overtaken:
            raise
        except Refused as refused:
            if refused.reason is Reason.LEDGER_UNAVAILABLE:
                raise
            return left_to_people(f"The move itself was not tried again: {refused.detail}", refused.reason)
        if applied.ok and (again is None or again.verdict is Verdict.ABSENT):
            self.retried = True
            return Outcome(ending=Ending.MENDED, summary="Mended, verified, and the move that had failed has succeeded.")
        unbegun = applied.reason in (Reason.DRIFT, Reason.GUARD_FAILED) and not applied.done and applied.error is None
        if unbegun or applied.reason is Reason.PAUSED:
            return left_to_people(f"The move itself was not tried again: {applied.detail}", applied.reason)
        if applied.reason is Reason.LEDGER_UNAVAILABLE:
            return failed(applied)
        return None

    def _said(self, number: int) -> dict[str, str]:
        """When this round's retry was sent and what the host said of it: what the next round starts from."""
        sealed = self.ledger.sealed(self.run, round=number, part="retry")
        sent = self.ledger.journal(self.run, sealed.digest) if sealed is not None else ()
        if not sent:
            return {}
        last = sent[-1]
        said = last.detail if last.result is False and last.detail != NOT_SHOWN else ""
        return {"at": sent[0].intended_at.isoformat(), "said": said}

    def _retry_gated(self, number: int, evidence: Evidence) -> Outcome | None:
        """Plan the retry on the facts as they are now; ask again if it is not the one that was approved."""
        if self.retry is None:
            raise ValueError("there is no move to try again")
        fresh = self.engine.applier(evidence).again(self.retry)
        if fresh.verdict is Verdict.ABSENT:
            self.retried = True
            return Outcome(
                ending=Ending.MENDED, summary="Mended and verified; the virtual machine is already where it should be."
            )
        self.retry = fresh
        if fresh.by_hand:
            if missing := self._by_hand(fresh, evidence):
                return left_to_people(f"The move itself is for a person: {missing.summary}", missing.reason)
            self.retried = True
            return Outcome(ending=Ending.MENDED, summary="Mended and verified; a person has moved the virtual machine.")
        if not fresh.appliable:
            return left_to_people(f"The move itself is for a person: {'; '.join(whys(fresh))}")
        decision = self.asking.retry_decision(number, fresh)
        if decision == "reject":
            return left_to_people("The approver left the move itself to people.")
        if decision == "approve":
            return None
        why = "The mend is verified. This is the move that had failed."
        outcome = self.asking.approved(None, fresh, number=number, why=why)
        return outcome and left_to_people(outcome.summary, outcome.reason)

    # ---- doing -------------------------------------------------------------------------------------------------------

    def _apply_and_verify(
        self, number: int, part: Literal["repair", "retry"], evidence: Evidence
    ) -> tuple[Applied, Plan | None]:
        sealed = self.ledger.sealed(self.run, round=number, part=part)
        if sealed is None:
            raise ValueError(f"no sealed {part} in round {number}")
        applier = self.engine.applier(evidence)
        name = "apply" if part == "repair" else "try the move again"
        applied = self.phase(name, lambda: applier.apply(self.run, sealed))
        if not applied.ok:
            return applied, None
        verify = partial(self.phase, "verify", partial(self.watch, "verify", partial(applier.again, sealed.plan)))
        again: Plan = verify()
        for _ in range(LOOKS):
            if not again.comes_by_itself:
                break
            # It did what it was for; what others have under way since is no failure of it.
            self._wait_out(evidence, again)
            again = verify()
        told = {"round": number, "part": part, "verdict": again.verdict.value, "why": [item.why for item in again.items]}
        self.ledger.note(self.run, "verified", told)
        return applied, again

    def _failed(self, number: int, applied: Applied) -> Outcome:
        """How a plan ends that was not carried out; of a drain also what got stuck, as far as reads tell."""
        self.note_failure(number, applied)
        outcome = failed(applied)
        sealed = self.ledger.sealed(self.run, round=number, part="repair") if applied.reason in _OF_A_HOST else None
        sent = self.ledger.journal(self.run, sealed.digest) if sealed is not None else ()
        if sealed is None or not sent:
            return outcome
        look = partial(stuck, self.engine.hosts, self.site, sealed.plan, sent[0].intended_at, self.engine.clock)
        try:
            found = self.phase("what got stuck", partial(self.watch, "read: what got stuck", look))
        except (RemotingError, TimeoutError, LookupError) as error:
            log.warning("nothing more is known of the failure", run=self.run, error=str(error))
            return outcome
        if found is None or not found.words:
            return outcome
        self.stuck = found.markdown
        return outcome.model_copy(update={"summary": f"{outcome.summary}. What got stuck: {found.words}"})

    def _note_drain(self, plan: Plan) -> None:
        """How long a drain took, if all that it moved is known: the next one is told by it."""
        ahead = self.foreseen
        if ahead is not None and ahead.whole and ahead.cluster:
            self.ledger.note_drain(self.run, plan.digest, cluster=ahead.cluster, node=ahead.host, mebibytes=ahead.mebibytes)

    def _by_hand(self, plan: Plan, evidence: Evidence) -> Outcome | None:
        """Wait, as long as policy lets a wait last, until what only a person can do shows on the hosts; None once it does."""
        told = "; ".join(f"{manual.why}. {'. '.join(manual.instructions)}" for manual in plan.manuals)
        try:
            self._wait_out(evidence, plan)
        except Refused as refused:
            if refused.reason is not Reason.GUARD_FAILED:
                raise
            return Outcome(
                ending=Ending.NEEDS_PERSON,
                reason=refused.reason,
                summary=f"Nobody has done it so far ({refused.detail}). {told}",
            )
        again = self.phase("verify", partial(self.watch, "verify", partial(self.engine.applier(evidence).again, plan)))
        if again.verdict is not Verdict.ABSENT:
            return Outcome(ending=Ending.NEEDS_PERSON, summary=f"A person is needed: {'; '.join(whys(again))}")
        self.verified = True
        return None

    def _wait_out(self, evidence: Evidence, plan: Plan | None) -> None:
        """What a plan waits for, where it changes nothing: nobody is asked."""
        if plan is None:
            return
        applier = self.engine.applier(evidence)
        longest = self.policy.waits.at_most_minutes * 60
        for wait in plan.waits:
            bounded = wait.model_copy(update={"at_most": min(wait.at_most, longest)})
            self.phase("wait", partial(self.watch, f"wait: {wait.why}", partial(applier.wait_out, plan, bounded)))


def _failed_again(incident: Incident, told: Mapping[str, Any]) -> Incident:
    """The incident as the round before left it: the move failed again, at another time, and the host says why."""
    if not told.get("at"):
        return incident
    anew = {"occurred_at": datetime.fromisoformat(told["at"]), "reported_by": OURSELVES}
    if said := told.get("said"):
        anew |= {"message": said, "event_id": None, "channel": None, "provider": None}
    return incident.model_copy(update=anew)
