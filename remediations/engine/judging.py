"""What policy says of a plan now: the ledger and the switches are read afresh, `model/judgement.py` decides."""

from __future__ import annotations

from dataclasses import dataclass

from remediations.catalogue.remediation import Repair
from remediations.engine.parts import parts_of
from remediations.engine.ports import Clock
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.judgement import DAY, Judgement, judge
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan
from remediations.model.policy import Policy
from remediations.model.site import Site
from remediations.model.standing import Standing, Subject


@dataclass(frozen=True)
class Judging:
    """Judges plans for one engine."""

    site: Site
    policy: Policy
    ledger: Ledger
    clock: Clock

    def plan(self, plan: Plan, *, retry: bool = False) -> Judgement:
        """What policy says of a plan; `retry` if it is the move that had failed, asked for again."""
        return self.subject(Subject.of(plan, self.site, causes_of(plan), retry=retry))

    def subject(self, subject: Subject) -> Judgement:
        """What policy says of a plan, or of a remediation that was not planned yet."""
        now = self.clock()
        mended = {
            (cause, aim.id): last
            for cause in subject.causes
            for aim in subject.aims or ()
            if (last := self.ledger.last_remediation(cause, aim.id)) is not None
        }
        standing = Standing(now=now, paused=self._paused(), changed=self.ledger.changes_since(now - DAY), mended=mended)
        return judge(self.policy, subject, standing)

    def refuse_paused(self) -> None:
        """Raise `Refused` (Paused) while any switch pauses."""
        why = next((each for each in self._paused().values() if each is not None), None)
        if why is not None:
            raise Refused(Reason.PAUSED, why)

    def _paused(self) -> dict[str, str | None]:
        why = "policy.yaml says pause: true; nothing is changed until it is taken out"
        return {"policy.yaml": why if self.policy.pause else None}


def causes_of(plan: Plan) -> list[Cause]:
    """What a plan mends; nothing for an operation."""
    return [cause for each in parts_of(plan) if isinstance(each, Repair) for cause in each.causes]
