"""What policy says of a plan now: the ledger and the switches are read afresh, `model/judgement.py` decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from remediations.catalogue.remediation import Repair
from remediations.engine.parts import UNDO, parts_of
from remediations.engine.ports import Clock, Switches
from remediations.ledger import Ledger, Sealed
from remediations.model.causes import Cause
from remediations.model.judgement import DAY, Judgement, judge, over_cap
from remediations.model.names import short_name
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan
from remediations.model.policy import Policy
from remediations.model.site import Site
from remediations.model.situation import Changed, Room, Situation, Subject

PAUSED_BY_POLICY = "policy.yaml says pause: true; nothing is changed until it is taken out"


@dataclass(frozen=True)
class Judging:
    """Judges plans for one engine."""

    site: Site
    policy: Policy
    ledger: Ledger
    clock: Clock
    switches: Switches

    def plan(self, plan: Plan, *, retry: bool = False, run: str | None = None) -> Judgement:
        """What policy says of a plan; `retry` if it is the move that had failed, asked for again.

        `run` is whose plan it is: that the same run has begun it meanwhile, in another process, makes no cooldown.
        """
        subject = Subject.of(plan, self.site, causes_of(plan), retry=retry)
        return self.subject(subject, but=None if run is None else (run, plan.digest))

    def subject(self, subject: Subject, *, but: tuple[str, str] | None = None) -> Judgement:
        """What policy says of a plan, or of a remediation that was not planned yet; `but` as for `Ledger.last_remediation`."""
        now = self.clock()
        mended = {
            (cause, aim.id): last
            for cause in subject.causes
            for aim in subject.aims or ()
            if (last := self.ledger.last_remediation(cause, aim.id, but=but)) is not None
        }
        situation = Situation(
            now=now,
            paused=self._paused(),
            changed=self.ledger.changes_since(now - DAY),
            mended=mended,
            trials=self.ledger.trials(subject.remediations),
            breakers=self.ledger.open_breakers(),
        )
        return judge(self.policy, subject, situation)

    def note_returns(self, run: str, plan: Plan) -> None:
        """Write down that what another run had verified a while ago is back: it counts against its remediation."""
        since = self.clock() - timedelta(hours=self.policy.trust.comes_back_hours)
        self.ledger.came_back(run, causes_of(plan), [step.target.id for step in plan.steps], since)

    def override(self, run: str, plan: Plan) -> str:
        """Who probably sets back what another run had verified a while ago and is wrong again; empty where nothing is."""
        within = timedelta(hours=self.policy.trust.comes_back_hours)
        targets = [step.target.id for step in plan.steps]
        before = self.ledger.verified_before(run, causes_of(plan), targets, self.clock() - within)
        if before is None:
            return ""
        return (
            f"probable override: {before.remediation} was applied and verified here at {before.at:%Y-%m-%d %H:%M} UTC (run "
            f"{before.run}), and the fault is back. Something sets it again: look for a group policy (gpresult /scope computer "
            "/h report.html), System Center VMM, Network ATC, a desired state configuration or a script, and mend it there"
        )

    def note_trial(self, run: str, plan: Plan, *, verified: bool, detail: str) -> None:
        """Write down whether what was applied was verified: trust and the breaker go by it. An undo has no record."""
        if plan.remediation == UNDO:
            return
        self.ledger.tried(
            run,
            plan.digest,
            plan.remediation.split("+"),
            verified=verified,
            detail=detail,
            causes=causes_of(plan),
            targets=[step.target.id for step in plan.steps],
            breaks=self._breaks,
        )

    def note_false_fire(self, run: str, cause: Cause) -> None:
        """Write down that what this run had verified for a cause did not help: the same failure goes on."""
        self.ledger.fired_falsely(run, [cause], f"{cause.value} was mended, and the same failure went on", self._breaks)

    @property
    def _breaks(self) -> tuple[int, timedelta]:
        return self.policy.breaker.failures, timedelta(hours=self.policy.breaker.within_hours)

    def room(self, plan: Plan) -> Room:
        """Whether policy's caps leave room for a plan, to be asked again in the very transaction that begins it."""
        return partial(over_cap, self.policy, Subject.of(plan, self.site, causes_of(plan)))

    def refuse_crowded(self, plan: Plan, more: int) -> None:
        """Raise `Refused` (CapReached) unless the caps leave room for a plan and for `more` of the same hosts after it."""
        now, subject = self.clock(), Subject.of(plan, self.site, causes_of(plan))
        hosts = frozenset(short_name(host).casefold() for host in subject.hosts)
        follows = [Changed(at=now, hosts=hosts, causes=frozenset())] * more
        refused = self.room(plan)([*self.ledger.changes_since(now - DAY), *follows], now)
        if refused is not None:
            raise Refused(refused.reason, f"counting what has to follow it, {refused.detail}")

    def why_paused(self) -> str | None:
        """Why every change is paused, by the first switch that pauses; None while none does."""
        return next((why for why in self._paused().values() if why is not None), None)

    def refuse_paused(self) -> None:
        """Raise `Refused` (Paused) while any switch pauses."""
        if why := self.why_paused():
            raise Refused(Reason.PAUSED, why)

    def refuse_forbidden(self, plan: Plan, *, retry: bool) -> Judgement:
        """Raise `Refused` (PolicyNever) where policy would not have a plan applied any more, approved or not; else its word."""
        judged = self.plan(plan, retry=retry)
        if not judged.offered:
            raise Refused(Reason.POLICY_NEVER, judged.because)
        return judged

    def may_begin(self, sealed: Sealed) -> None:
        """Raise `Refused` unless a plan whose approval was used may begin as of now.

        For whoever had to wait first: a window may have closed since, a breaker opened, the approval run out.
        """
        self.refuse_forbidden(sealed.plan, retry=sealed.part == "retry").refuse()
        self.ledger.use_approval(sealed)

    def _paused(self) -> dict[str, str | None]:
        there = self.ledger.paused()
        # A policy file that was changed since it was loaded counts as it is now.
        return {
            "policy.yaml": PAUSED_BY_POLICY if self.policy.pause else None,
            "the ledger": None if there is None else there.words,
            **self.switches(),
        }


def causes_of(plan: Plan) -> list[Cause]:
    """What a plan mends; nothing for an operation, or an undo."""
    if plan.remediation == UNDO:
        return []
    return [cause for each in parts_of(plan) if isinstance(each, Repair) for cause in each.causes]
