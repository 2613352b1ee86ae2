"""The runbook: read, plan, ask, apply, verify, try again, report. Re-entrant: called again, it goes on from the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, TypeVar

from remediations.catalogue.remediation import Remediation, Repair
from remediations.engine.apply import Applied, Applier
from remediations.engine.asking import Asking
from remediations.engine.gather import read_for
from remediations.engine.ports import Clock, Considered, Gate, Hosts, Observe, Phase, Report, quietly
from remediations.engine.propose import Proposal, asked_for, canonical, gather_evidence, propose
from remediations.engine.recover import ROUNDS, Fate, Recovered, recover
from remediations.engine.render import report_markdown, why_markdown
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence, Sighting
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Plan, Verdict
from remediations.model.policy import Policy, Retry
from remediations.model.site import Site

T = TypeVar("T")


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Engine:
    """One process's engine. Give it hosts, a ledger and a policy; it holds no state of its own between calls."""

    def __init__(
        self,
        *,
        site: Site,
        policy: Policy,
        ledger: Ledger,
        remoting: Hosts,
        clock: Clock = utc_now,
        observe: Observe = quietly,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.site, self.policy, self.ledger, self.hosts = site, policy, ledger, remoting
        self.clock, self.observe, self.pause = clock, observe, pause

    def remediate(self, run: str, incident: Incident, *, dry_run: bool, gate: Gate, requested_by: str) -> Report:
        """Mend one failed migration or drain. Raises `LookupError` for a host or cluster that the inventory does not have."""
        incident = canonical(incident, self.site)
        work = Run(self, run, gate)
        if dry_run:
            return work.concluded(lambda: work.look(incident))
        # What the receiver opened is taken over as it is; only a report that nobody opened yet opens, or joins, one.
        mine = (each for each in self.ledger.open_incidents() if each.incident.key == incident.key and each.run in (None, run))
        opened = next(mine, None) or self.ledger.open_incident(incident, run)
        self.ledger.start_run(run, kind="remediate-migration", incident_id=opened.id, requested_by=requested_by)
        work.incident_id = opened.id
        if not self.ledger.attach_run(opened.id, run):
            detail = f"{opened.id} is being worked on by run {opened.run}; this report was added to it"
            return work.ended(Outcome(ending=Ending.REFUSED, reason=Reason.DUPLICATE_IN_PROGRESS, summary=detail), close=False)
        return work.concluded(lambda: work.mend(opened.incident))

    def carry_out(self, run: str, remediation: Remediation, *, dry_run: bool, gate: Gate, requested_by: str) -> Report:
        """Carry out one entry of the catalogue that a person asked for."""
        work = Run(self, run, gate)
        work.title = remediation.summary
        if not dry_run:
            self.ledger.start_run(run, kind=remediation.id, incident_id=None, requested_by=requested_by)
        return work.concluded(lambda: work.operate(remediation, dry_run=dry_run))

    def recover(self, fate: Fate) -> list[Recovered]:
        """Finish what runs left that will not come back; `fate` says why a run is over, or None while it may go on."""
        return recover(self.ledger, self.applier(Evidence()), fate)

    def applier(self, evidence: Evidence) -> Applier:
        """What applies plans, on the facts that `evidence` makes them read."""
        return Applier(
            site=self.site,
            policy=self.policy,
            ledger=self.ledger,
            hosts=self.hosts,
            clock=self.clock,
            pause=self.pause,
            observe=self.observe,
            evidence=evidence,
        )


class Run:
    """One run of the runbook, from what the ledger knows of it."""

    def __init__(self, engine: Engine, run: str, gate: Gate) -> None:
        self.engine, self.run = engine, run
        self.ledger, self.policy, self.site = engine.ledger, engine.policy, engine.site
        self.asking = Asking(run, engine.site, engine.policy, engine.ledger, engine.clock, gate)
        self.incident_id: str | None = None
        self.title = ""
        self.considered: tuple[Considered, ...] = ()
        self.plan: Plan | None = None
        self.retry: Plan | None = None
        self.verified = self.retried = False
        self.phases: list[Phase] = []
        self.proposal: Proposal | None = None

    # ---- the three ways in -------------------------------------------------------------------------------------------

    def look(self, incident: Incident) -> Outcome:
        """Dry run: everything up to the plan. Sends nothing but reads."""
        proposal = self._propose(incident, frozenset())
        return _unmendable(proposal) or Outcome(
            ending=Ending.PROPOSED, summary="This is what would be done. It was a dry run: nothing was changed."
        )

    def mend(self, incident: Incident) -> Outcome:
        """Rounds of read → plan → gate → apply → verify → retry, until it moved or a person is needed."""
        finished = {int(note.data["round"]): note.data for note in self.ledger.trail(self.run) if note.kind == "round"}
        causes = [Cause(data["cause"]) for data in finished.values() if data.get("cause")]
        for number in range(len(finished) + 1, ROUNDS + 1):
            outcome, cause, presumed = self._round(number, incident, frozenset(causes))
            if outcome is not None:
                return outcome
            if cause is not None and cause in causes and not presumed:
                detail = f"{cause.value} was mended and verified, and the move fails with it again: a person should look"
                return Outcome(ending=Ending.NEEDS_PERSON, reason=Reason.INEFFECTIVE, summary=detail)
            self.ledger.note(self.run, "round", {"round": number, "cause": cause.value if cause else None})
            causes += [cause] if cause else []
        detail = f"After {ROUNDS} rounds it still does not move. The report holds everything that was seen."
        return Outcome(ending=Ending.NEEDS_PERSON, reason=Reason.INEFFECTIVE, summary=detail)

    def operate(self, remediation: Remediation, *, dry_run: bool) -> Outcome:
        """Plan one remediation, ask, apply, verify."""
        evidence = Evidence()
        if isinstance(remediation, Repair):
            # A person who asks for a repair stands for the evidence that its cause is real.
            evidence = asked_for(remediation)
        sealed = self.ledger.sealed(self.run, round=1, part="repair")
        started = sealed is not None and bool(self.ledger.journal(self.run, sealed.digest))
        plan = sealed.plan if sealed is not None and started else self._planned(remediation, evidence)
        self.plan = plan
        if not started:
            if plan.verdict is Verdict.ABSENT:
                why = "; ".join(getattr(item, "why", "") for item in plan.items)
                return Outcome(ending=Ending.NOTHING_TO_DO, summary=f"Nothing to do: {why}")
            if stands := _stands(plan):
                return stands
            if dry_run:
                return Outcome(ending=Ending.PROPOSED, summary="This is what would be done. Nothing was changed.")
            if outcome := self.asking.approved(plan, None, number=1, why=""):
                return outcome
        applied, again = self._apply_and_verify(1, "repair", evidence)
        if not applied.ok:
            return _failed(applied)
        if again is not None and again.verdict is not Verdict.ABSENT:
            return Outcome(ending=Ending.FAILED, summary=f"Applied, but not verified: {'; '.join(_whys(again))}")
        self.verified = True
        return Outcome(
            ending=Ending.MENDED, summary="Done and verified: made again on fresh facts, the plan has nothing left to do."
        )

    # ---- one round ---------------------------------------------------------------------------------------------------

    def _round(self, number: int, incident: Incident, tried: frozenset[Cause]) -> tuple[Outcome | None, Cause | None, bool]:
        """One round; an outcome ends the run, none goes on to the next round with the cause that was mended."""
        sealed = self.ledger.sealed(self.run, round=number, part="repair")
        retry = self.ledger.sealed(self.run, round=number, part="retry")
        begun = any(each is not None and self.ledger.journal(self.run, each.digest) for each in (sealed, retry))
        if begun:
            self.plan = sealed.plan if sealed else None
            self.retry = retry.plan if retry else None
            evidence = self._evidence(incident)
            cause, presumed = self._remembered(number)
        else:
            proposal = self._propose(incident, tried)
            if outcome := _unmendable(proposal):
                return outcome, None, False
            self.plan = self.plan and self.plan.model_copy(update={"attempt": number})
            self.retry = self.retry and self.retry.model_copy(update={"attempt": number})
            evidence, cause, presumed = proposal.evidence, proposal.cause, proposal.presumed
            if cause is not None and proposal.incident.vm:
                self.ledger.sight(cause, proposal.incident.vm, self.incident_id or "")
            self.ledger.note(
                self.run, "chosen", {"round": number, "cause": cause.value if cause else None, "presumed": presumed}
            )
            mend = self.plan if self.plan is not None and self.plan.steps else None
            if outcome := self.asking.approved(mend, self.retry, number=number, why=why_markdown(proposal)):
                return outcome, cause, presumed
        if self.plan is not None and self.plan.steps:
            applied, again = self._apply_and_verify(number, "repair", evidence)
            if not applied.ok:
                return _failed(applied), cause, presumed
            if again is not None and again.verdict is not Verdict.ABSENT and not presumed:
                summary = f"Applied, but the fault is still there: {'; '.join(_whys(again))}"
                return Outcome(ending=Ending.NEEDS_PERSON, reason=Reason.INEFFECTIVE, summary=summary), cause, presumed
            self.verified = True
        elif self.plan is not None and self.plan.waits:
            self._wait_out(number, evidence)
            self.verified = True
        return self._try_again(number, evidence), cause, presumed

    def _try_again(self, number: int, evidence: Evidence) -> Outcome | None:
        """The move that had failed, again; None if it failed again."""
        if self.retry is None:
            if self.plan is not None and self.verified:
                self.retried = True
                return Outcome(ending=Ending.MENDED, summary="Mended and verified.")
            return None
        if self.policy.retry is Retry.NEVER:
            return Outcome(
                ending=Ending.MENDED, summary="Mended and verified. Policy leaves the move itself to you (retry: never)."
            )
        sealed = self.ledger.sealed(self.run, round=number, part="retry")
        begun = sealed is not None and self.ledger.journal(self.run, sealed.digest)
        if not begun and (outcome := self._retry_gated(number, evidence)):
            return outcome
        applied, again = self._apply_and_verify(number, "retry", evidence)
        if applied.ok and (again is None or again.verdict is Verdict.ABSENT):
            self.retried = True
            return Outcome(ending=Ending.MENDED, summary="Mended, verified, and the move that had failed has succeeded.")
        if applied.reason in (Reason.DRIFT, Reason.GUARD_FAILED) and not applied.done and applied.error is None:
            return _failed(applied)
        return None

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
        if not fresh.appliable:
            return _stands(fresh)
        self.retry = fresh
        decision = self.asking.retry_decision(number, fresh)
        if decision == "reject":
            return Outcome(ending=Ending.MENDED, summary="Mended and verified. The approver left the move itself to people.")
        if decision == "approve":
            return None
        return self.asking.approved(None, fresh, number=number, why="The mend is verified. This is the move that had failed.")

    # ---- doing -------------------------------------------------------------------------------------------------------

    def _apply_and_verify(
        self, number: int, part: Literal["repair", "retry"], evidence: Evidence
    ) -> tuple[Applied, Plan | None]:
        sealed = self.ledger.sealed(self.run, round=number, part=part)
        if sealed is None:
            raise ValueError(f"no sealed {part} in round {number}")
        applier = self.engine.applier(evidence)
        name = "apply" if part == "repair" else "try the move again"
        applied = self._phase(name, lambda: applier.apply(self.run, sealed))
        if not applied.ok:
            return applied, None
        again = self._phase("verify", partial(self._watch, "verify", partial(applier.again, sealed.plan)))
        told = {"round": number, "part": part, "verdict": again.verdict.value, "why": [item.why for item in again.items]}
        self.ledger.note(self.run, "verified", told)
        return applied, again

    def _wait_out(self, number: int, evidence: Evidence) -> None:
        """A plan that only waits: no change, so nobody is asked."""
        if self.plan is None:
            return
        applier = self.engine.applier(evidence)
        longest = self.policy.waits.at_most_minutes * 60
        for wait in self.plan.waits:
            bounded = wait.model_copy(update={"at_most": min(wait.at_most, longest)})
            self._phase("wait", partial(self._watch, f"wait: {wait.why}", partial(applier.wait_out, self.plan, bounded)))

    def _planned(self, remediation: Remediation, evidence: Evidence) -> Plan:
        def work() -> Plan:
            (inputs,) = read_for(self.engine.hosts, self.site, evidence, [remediation])
            return remediation.planned(inputs)

        return self._phase("read and plan", partial(self._watch, f"read and plan: {remediation.id}", work))

    def _propose(self, incident: Incident, tried: frozenset[Cause]) -> Proposal:
        def work() -> Proposal:
            return propose(
                self.engine.hosts,
                self.site,
                incident,
                now=self.engine.clock(),
                sightings=self._sightings(incident),
                tried=tried,
            )

        proposal = self._phase("read and plan", partial(self._watch, f"read and plan: {incident.title}", work))
        self.proposal, self.considered = proposal, proposal.considered
        self.plan, self.retry = proposal.plan, proposal.retry
        self.title = proposal.incident.title
        if self.incident_id is not None:
            looked_at = [
                {"cause": each.hypothesis.cause.value, "verdict": each.verdict.value if each.verdict else None, "why": each.why}
                for each in proposal.considered
            ]
            self.ledger.note(self.run, "considered", {"incident": proposal.incident.to_json(), "causes": looked_at})
        return proposal

    def _sightings(self, incident: Incident) -> list[Sighting]:
        since = self.engine.clock() - timedelta(hours=self.policy.waits.look_back_hours)
        found = (self.ledger.sightings(cause, incident.vm or incident.source or "", since) for cause in Cause)
        return [each for each in found if each is not None and each.times >= self.policy.waits.times]

    def _evidence(self, incident: Incident) -> Evidence:
        return gather_evidence(self.engine.hosts, self.site, incident, now=self.engine.clock())

    def _remembered(self, number: int) -> tuple[Cause | None, bool]:
        """Which cause a round is for, and whether it is only presumed, as the run itself wrote down."""
        for note in reversed(self.ledger.trail(self.run)):
            if note.kind == "chosen" and note.data["round"] == number:
                cause = note.data["cause"]
                return (Cause(cause) if cause else None), bool(note.data["presumed"])
        return None, False

    # ---- ending ------------------------------------------------------------------------------------------------------

    def concluded(self, work: Callable[[], Outcome]) -> Report:
        """Run `work` to its outcome, a refusal being one too, and report it."""
        try:
            outcome = work()
        except Refused as refused:
            outcome = Outcome(ending=Ending.REFUSED, reason=refused.reason, summary=refused.detail)
            if refused.reason is Reason.LEDGER_UNAVAILABLE:
                return self._report(outcome)
        return self.ended(outcome)

    def ended(self, outcome: Outcome, *, close: bool = True) -> Report:
        """Write the outcome down and report it."""
        report = self._report(outcome)
        if self.ledger.run(self.run) is not None:
            self.ledger.note(self.run, "report", {"markdown": report.markdown})
            self.ledger.finish_run(self.run, outcome)
        if close and self.incident_id is not None:
            self.ledger.close_incident(self.incident_id, outcome)
        return report

    def _report(self, outcome: Outcome) -> Report:
        report = Report(
            run=self.run,
            incident_id=self.incident_id,
            title=self.title or (self.plan.title if self.plan else ""),
            outcome=outcome,
            considered=self.considered,
            also_seen=self.proposal.also_seen if self.proposal else (),
            plan=self.plan,
            retry=self.retry,
            verified=self.verified,
            retried=self.retried,
            phases=tuple(self.phases),
        )
        return report.model_copy(update={"markdown": report_markdown(report, self.proposal)})

    def _watch(self, name: str, work: Callable[[], T]) -> T:
        return self.engine.observe(name, work)

    def _phase(self, name: str, work: Callable[[], T]) -> T:
        started = self.engine.clock()
        try:
            return work()
        finally:
            seconds = max(0.0, (self.engine.clock() - started).total_seconds())
            self.phases.append(Phase(name=name, started_at=started, seconds=seconds))


def _whys(plan: Plan) -> list[str]:
    return [item.why for item in plan.items if item.item != "satisfied"]


def _failed(applied: Applied) -> Outcome:
    if applied.reason is not None and not applied.done and applied.undone:
        return Outcome(ending=Ending.REFUSED, reason=applied.reason, summary=f"Nothing was changed: {applied.detail}")
    if applied.undone:
        return Outcome(ending=Ending.UNDONE, reason=applied.reason, summary=f"What was done was taken back: {applied.detail}")
    return Outcome(ending=Ending.FAILED, reason=applied.reason, summary=applied.detail)


def _unmendable(proposal: Proposal) -> Outcome | None:
    """The outcome of a proposal that leaves nothing to apply or to wait for; None if there is something."""
    if proposal.over:
        return Outcome(
            ending=Ending.NOTHING_TO_DO,
            reason=Reason.SYMPTOM_GONE,
            summary="What had failed has meanwhile succeeded: the virtual machine is where it should be. Nothing was changed.",
        )
    if proposal.plan is None:
        if not proposal.evidence.hypotheses:
            said = "Nothing in the report or in the hosts' logs points to a cause that is known: unknown. Nothing was changed."
        else:
            said = "The facts refute every cause that the evidence points to, or could not be read. Nothing was changed."
        return Outcome(ending=Ending.NEEDS_PERSON, summary=said)
    return _stands(proposal.plan)


def _stands(plan: Plan) -> Outcome | None:
    """Why a plan cannot be carried out by us, or None if it can (or only waits)."""
    if plan.appliable or (plan.waits and not plan.blocks and not plan.steps):
        return None
    managed = [block for block in plan.blocks if block.obstacle.value == "managed elsewhere"]
    lacks = [block for block in plan.blocks if block.obstacle.value == "endpoint lacks"]
    reason = Reason.MANAGED_ELSEWHERE if managed else Reason.ENDPOINT_LACKS if lacks else None
    return Outcome(ending=Ending.NEEDS_PERSON, reason=reason, summary=f"A person is needed: {'; '.join(_whys(plan))}")
