"""No order of answers, codes, removals, drifts and delays gets a plan applied that was not approved as policy asks.

A machine of everything that can happen against a small model of what may count, written from the policy's page and not from
the program: who said yes to this very plan with which code of which enrolment. The program and the model must agree on every
answer and on every attempt to go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import pytest
from approving import GARBAGE, STEP, Clock, People, Rows, Suspended, plan
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from remediations.engine import Answer
from remediations.engine.asking import MISTAKES, NOT_COUNTED, Asking
from remediations.engine.deciding import question_of, record
from remediations.engine.judging import Judging
from remediations.engine.ports import IN_LEDGER, no_switches
from remediations.ledger import Ledger, Sealed
from remediations.ledger.approvers import WHILE, WRONG_CODES
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.policy import Policy
from remediations.model.tier import Tier
from remediations.settings import load_site, packaged

SITE = load_site(packaged("site.yaml"))
POLICY = Policy(windows={}, approval_hours=2)
ASKER, NEVER_ENROLLED = "anna", "dora"
PEOPLE = (ASKER, "bert", "carla", NEVER_ENROLLED)
WHO = st.sampled_from([ASKER, "bert", "bert", "carla", "carla", NEVER_ENROLLED])
KINDS = (
    "right", "right", "right", "right", "no code", "wrong code", "old code", "replayed", "another's", "wrong digest",
    "wrong target", "from the future", "before the question",
)  # fmt: skip
MAY_REFUSE = {
    Reason.APPROVAL_INVALID, Reason.APPROVAL_EXPIRED, Reason.NOT_APPROVED, Reason.DRIFT,
}  # fmt: skip


def must(be_so: bool, told: object) -> None:
    assert be_so, told


SHARED = Path("/dev/shm")  # noqa: S108 (a ledger of a moment, where writing it is quick)


@dataclass(frozen=True)
class Yes:
    """A yes that counted when it was given."""

    who: str
    serial: int | None
    """Which enrolment of theirs proved it; None for a bare name."""


class Approving(RuleBasedStateMachine):
    """One site, one run after the other."""

    serial = count(1)
    went_on: ClassVar[set[Tier]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.home = TemporaryDirectory(dir=SHARED if SHARED.is_dir() else None)
        self.clock = Clock()
        self.ledger = Ledger(f"sqlite:///{Path(self.home.name) / 'ledger.db'}", clock=self.clock)
        self.people = People(self.ledger)
        self.judging = Judging(SITE, POLICY, self.ledger, self.clock, no_switches)
        self.used: set[tuple[str, int]] = set()
        self.wrong: dict[str, tuple[int, datetime]] = {}

    def teardown(self) -> None:
        self.ledger.verify()
        self.ledger.close()
        self.home.cleanup()

    @initialize(tier=st.sampled_from([Tier.LOCAL, Tier.DIRECTORY, Tier.WORKLOAD, Tier.IRREVERSIBLE, Tier.IRREVERSIBLE]))
    def begin(self, tier: Tier) -> None:
        self.tier = tier
        for name in PEOPLE[:3]:
            self.people.add(name)
        self.new_run()

    def new_run(self) -> None:
        self.run, self.limit, self.rows = f"run-{next(self.serial)}", 4, Rows()
        self.ledger.start_run(self.run, kind="test", incident_id=None, requested_by=ASKER)
        self.yes: list[Yes] = []
        self.no, self.mistakes = False, 0
        self.go_on()

    # ---- the model ---------------------------------------------------------------------------------------------------

    def standing(self) -> list[Yes]:
        return [
            each
            for each in self.yes
            if each.serial is None or (each.who in self.people.enrolled and each.serial == self.people.serial[each.who])
        ]

    @property
    def people_needed(self) -> int:
        return 2 if self.tier is Tier.IRREVERSIBLE else 1

    @property
    def sealed(self) -> Sealed:
        found = self.ledger.sealed(self.run, round=1, part="repair")
        assert found is not None
        return found

    def enough(self, said: list[Yes]) -> bool:
        own = self.tier is Tier.LOCAL
        return len(said) >= self.people_needed and (own or said[-1].who != ASKER)

    def proves(self, answer: Answer) -> bool:
        """Whether the code of an answer is right; used up then, and counted if it is wrong."""
        who, at = answer.approver, answer.at or self.clock.now
        if who not in self.people.enrolled:
            return False
        times, last = self.wrong.get(who, (0, self.clock.now))
        if times >= WRONG_CODES and self.clock.now < last + WHILE:
            return False
        minute = timedelta(minutes=1)
        if not self.sealed.sealed_at - minute <= at <= self.clock.now + minute:
            return False
        steps = [step for step in (0, -1, 1) if self.people.code(who, at + step * STEP) == answer.code]
        if not steps:
            self.wrong[who] = (times + 1 if self.clock.now < last + WHILE else 1), self.clock.now
            return False
        step = int(at.timestamp()) // 30 + steps[0]
        if (who, step) in self.used:
            return False
        self.used.add((who, step))
        self.wrong.pop(who, None)
        return True

    def counts(self, answer: Answer, digest: str) -> bool:
        """Whether a yes is one; takes it down if it is."""
        if not digest.startswith(answer.digest):
            return False
        coded = self.tier >= Tier.WORKLOAD
        if answer.code and not self.proves(answer):
            return False
        if coded and not answer.code:
            return False
        if self.tier is Tier.IRREVERSIBLE and answer.target != "VM42":
            return False
        said = Yes(answer.approver, self.people.serial[answer.approver] if answer.code else None)
        before = [each for each in self.standing() if each.who != said.who]
        if len(before) < len(self.standing()):
            return False
        if len(before) + 1 >= self.people_needed and not self.enough([*before, said]):
            return False
        self.yes = [*before, said]
        return True

    @property
    def open(self) -> bool:
        return not (self.no or self.decided or self.clock.now >= self.sealed.expires_at)

    @property
    def decided(self) -> bool:
        return self.ledger.decision(self.sealed) is not None

    # ---- what can happen ---------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """The run is called again, as after every resume; what it may do has to be what the model lets it."""
        wanted = plan(self.tier, self.limit)
        before = self.ledger.sealed(self.run, round=1, part="repair")
        if before is not None and before.digest != wanted.digest:
            self.yes, self.no, self.mistakes = [], False, 0  # the facts moved: another plan, which nobody has seen
        asking = Asking(self.run, self.judging, self.rows.gate, self.ledger.end, self.people.codes.step)
        try:
            ended = asking.approved(wanted, None, number=1, why="")
        except Suspended:
            assert not self.no
            assert not self.decided
            return
        except Refused as refused:
            must(refused.reason in MAY_REFUSE, refused)
            valid = self.enough(self.standing()) and not self.no and self.clock.now < self.sealed.expires_at
            must(not valid, f"refused though it was approved: {refused}")
            self.end()
            return
        assert ended is None
        assert self.enough(self.standing()), f"goes on with {self.yes}, of whom {self.standing()} stand"
        assert not self.no
        assert self.clock.now < self.sealed.expires_at
        used = self.ledger.decision(self.sealed)
        assert used is not None
        assert used.digest == wanted.digest
        self.went_on.add(self.tier)
        self.end()

    def end(self) -> None:
        """The run ends, and the next one asks for the same."""
        ended = self.run
        self.ledger.finish_run(ended, Outcome(ending=Ending.REFUSED, summary="x"))
        self.new_run()

    def answer(self, who: str, kind: str, decision: str, *, by_form: bool) -> Answer:
        now = self.clock.now
        at = {"from the future": now + timedelta(hours=1), "before the question": now - timedelta(hours=9)}.get(kind, now)
        code = self.people.code(who, at)
        if kind == "no code" or (self.tier < Tier.WORKLOAD and kind == "right"):
            code = ""
        elif kind == "wrong code":
            code = f"{(int(code) + 1) % 1_000_000:06}"
        elif kind == "old code":
            code = self.people.code(who, at - 5 * STEP)
        elif kind == "replayed":
            code = self.people.code(who, at - STEP)
        elif kind == "another's":
            code = self.people.code("carla" if who == "bert" else "bert", at)
        return Answer.model_validate(
            {
                "decision": decision,
                "approver": who,
                "code": code,
                "digest": "00000000" if kind == "wrong digest" else self.sealed.digest[:8],
                "target": "VM43" if kind == "wrong target" else "VM42",
                "at": at if by_form or kind in ("from the future", "before the question") else None,
            }
        )

    @precondition(lambda self: self.rows.pending is not None)
    @rule(who=WHO, kind=st.sampled_from(KINDS), later=st.sampled_from([0, 0, 20, 3600]))
    def by_the_form(self, who: str, kind: str, later: int) -> None:
        """Somebody, or whoever may write to Prefect, answers; the run reads it a while later."""
        assert self.rows.pending is not None
        answer = self.answer(who, kind, "approve", by_form=True)
        self.rows.answers[self.rows.pending.key] = answer
        self.clock.now += timedelta(seconds=later)
        if self.open and plan(self.tier, self.limit).digest == self.sealed.digest:
            self.mistakes += not self.counts(answer, self.sealed.digest)
        run, mistakes = self.run, self.mistakes
        self.go_on()
        assert self.run != run or mistakes < MISTAKES

    @rule(who=WHO, kind=st.sampled_from(KINDS), wakes=st.booleans())
    def at_the_desk(self, who: str, kind: str, wakes: bool) -> None:
        """Somebody answers in the ledger: by the terminal, or by the receiver. The run may be woken or not."""
        answer = self.answer(who, kind, "approve", by_form=False)
        was_open, sealed = self.open, self.sealed
        try:
            question = question_of(self.judging, sealed.digest, self.run)
        except LookupError:
            assert not was_open
            return
        assert was_open
        counts = self.counts(answer, sealed.digest)
        try:
            missing = record(self.ledger, question, answer, step_of=self.people.codes.step, clock=self.clock)
        except Refused as refused:
            must(refused.reason is Reason.APPROVAL_INVALID and not counts, refused)
        else:
            assert counts, f"{kind} of {who} counted"
            assert missing == max(0, self.people_needed - len(self.standing()))
            if wakes:
                self.wake(who, missing)

    def wake(self, who: str, missing: int) -> None:
        """The run is woken by its form, in the name of who has just answered in the ledger: that is no answer of theirs."""
        assert self.rows.pending is not None
        code = "000000" if self.tier >= Tier.WORKLOAD else ""
        self.rows.answers[self.rows.pending.key] = Answer(
            decision="approve", approver=who, comment=IN_LEDGER, code=code, target="VM42", at=self.clock.now
        )
        run, refused = self.run, self.refusals(self.run)
        self.go_on()
        assert self.refusals(run) == refused
        assert self.run == run or not missing

    def refusals(self, run: str) -> int:
        return sum(note.kind in ("decision refused", NOT_COUNTED) for note in self.ledger.trail(run))

    @rule(what=st.sampled_from(["rejected", "garbage", "drift", "drift back", "woken", "woken", "enrolment"]), who=WHO)
    def mishap(self, what: str, who: str) -> None:
        """What happens less often: somebody rejects, forges, is removed or enrolled anew; facts move; the run is woken."""
        if what == "rejected" and self.open:
            answer = self.answer(who, "no code", "reject", by_form=False)
            question = question_of(self.judging, self.sealed.digest, self.run)
            record(self.ledger, question, answer, step_of=self.people.codes.step, clock=self.clock)
            self.no = True
        elif what == "garbage" and self.rows.pending is not None:
            self.rows.answers[self.rows.pending.key] = GARBAGE
            self.go_on()
        elif what.startswith("drift"):
            self.limit = 6 if what == "drift" else 4
        elif what == "woken":
            self.go_on()
        elif what == "enrolment" and who in self.people.enrolled:
            self.people.remove(who)
        elif what == "enrolment" and who != NEVER_ENROLLED:
            self.people.add(who)
            self.wrong.pop(who, None)

    @rule(seconds=st.sampled_from([31, 31, 61, 61, 61, 1000, 7300]))
    def wait(self, seconds: int) -> None:
        """Time goes by."""
        self.clock.now += timedelta(seconds=seconds)


def run_machine(examples: int) -> None:
    quick = settings(max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Approving, settings=quick)


def test_nothing_is_done_without_a_valid_set_of_approvals() -> None:
    run_machine(30)


@pytest.mark.long
def test_nothing_is_done_without_a_valid_set_of_approvals_however_long_one_tries() -> None:
    run_machine(100)
    every = {Tier.LOCAL, Tier.DIRECTORY, Tier.WORKLOAD, Tier.IRREVERSIBLE}
    for _ in range(10):  # Hypothesis leaves out some of what can happen by chance, and with it a tier's every approval
        if Approving.went_on != every:
            run_machine(20)
    assert Approving.went_on == every, "each was approved at times"
