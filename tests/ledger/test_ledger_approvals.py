"""Approvals: somebody else's, of this very plan, in time, once. Each way to get round that is refused and leaves a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from ledger_examples import ENDED, OWN, FakeClock, approve, limit_step, on_sqlite, plan, refused, sealed, started

from remediations.ledger import Ledger, Sealed, State
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Blocked, Obstacle, Plan

FOUR, SIX, EIGHT = (plan(limit_step(limit)) for limit in (4, 6, 8))
BLOCKED = FOUR.model_copy(update={"items": (*FOUR.items, Blocked(obstacle=Obstacle.CONFLICT, why="held elsewhere"))})


@pytest.fixture
def which(ledger: Ledger) -> Sealed:
    started(ledger)
    return sealed(ledger, FOUR)


def test_an_approval_is_used_by_its_run_also_when_it_resumes(ledger: Ledger, which: Sealed, clock: FakeClock) -> None:
    assert ledger.decision(which) is None
    ledger.decide(which, decision="approve", approver="bert", comment="go on", proof="terminal")
    decided = ledger.decision(which)
    assert decided is not None
    assert (decided.approver, decided.comment, decided.proof, decided.digest) == ("bert", "go on", "terminal", which.digest)
    assert (decided.decided_at, decided.used_at) == (clock.now, None)
    clock.tick(60)
    used = ledger.use_approval(which)
    assert used.used_at == clock.now
    clock.tick(60)
    assert ledger.use_approval(which) == used
    assert ledger.find_sealed(which.digest)[0].state is State.USED
    assert [note.kind for note in ledger.trail("run-1")] == ["run started", "plan sealed", "decided", "approval used"]


Case = tuple[Callable[[Ledger, Sealed, FakeClock], None], Reason, str]
"""What is done first, why the next thing is refused, and words that say so."""


def _rejected(ledger: Ledger, which: Sealed, _: FakeClock) -> None:
    ledger.decide(which, decision="reject", approver="bert", comment="not today", proof="name")


def _late(ledger: Ledger, which: Sealed, clock: FakeClock) -> None:
    approve(ledger, which)
    clock.now = which.expires_at


def _late_after_use(ledger: Ledger, which: Sealed, clock: FakeClock) -> None:
    approve(ledger, which)
    ledger.use_approval(which)
    clock.now = which.expires_at


def _over(ledger: Ledger, which: Sealed, _: FakeClock) -> None:
    approve(ledger, which)
    ledger.use_approval(which)
    ledger.finish_run(which.run, ENDED)


def _void(ledger: Ledger, which: Sealed, _: FakeClock) -> None:
    approve(ledger, which)
    ledger.void(which, Reason.SYMPTOM_GONE, "it moved by itself")


def _moved(ledger: Ledger, which: Sealed, _: FakeClock) -> None:
    approve(ledger, which)
    sealed(ledger, SIX)


@on_sqlite
@pytest.mark.parametrize(
    "case",
    [
        (lambda *_: None, Reason.NOT_APPROVED, "nobody has decided"),
        (_rejected, Reason.NOT_APPROVED, "bert rejected"),
        (_late, Reason.APPROVAL_EXPIRED, "until 2026-03-01 20:00 UTC"),
        (_late_after_use, Reason.APPROVAL_EXPIRED, "until 2026-03-01 20:00 UTC"),
        (_over, Reason.APPROVAL_INVALID, "has ended"),
        (_void, Reason.SYMPTOM_GONE, "it moved by itself"),
        (_moved, Reason.DRIFT, "the facts moved"),
    ],
)
def test_what_was_not_approved_is_not_used(ledger: Ledger, which: Sealed, clock: FakeClock, case: Case) -> None:
    before, reason, says = case
    before(ledger, which, clock)
    with refused(reason, says):
        ledger.use_approval(which)
    last = ledger.trail("run-1")[-1]
    assert (last.kind, last.data["reason"]) == ("approval refused", reason.value)


@on_sqlite
@pytest.mark.parametrize(
    "case",
    [
        (_rejected, Reason.APPROVAL_INVALID, "bert rejected plan"),
        (lambda ledger, which, _: approve(ledger, which), Reason.APPROVAL_INVALID, "bert approved plan"),
        (_void, Reason.SYMPTOM_GONE, "is void"),
        (_moved, Reason.DRIFT, "is void"),
        (lambda ledger, which, _: ledger.finish_run(which.run, ENDED), Reason.APPROVAL_INVALID, "has ended"),
    ],
)
@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_what_cannot_be_decided_any_more_is_refused(
    ledger: Ledger, which: Sealed, clock: FakeClock, decision: str, case: Case
) -> None:
    before, reason, says = case
    before(ledger, which, clock)
    first = ledger.decision(which)
    with refused(reason, says):
        ledger.decide(which, decision=decision, approver="carla", comment="", proof="name")
    assert ledger.decision(which) == first
    last = ledger.trail("run-1")[-1]
    assert (last.kind, last.data["approver"], last.data["reason"]) == ("decision refused", "carla", reason.value)


def test_a_decision_after_its_time_is_refused(ledger: Ledger, which: Sealed, clock: FakeClock) -> None:
    clock.now = which.expires_at
    with refused(Reason.APPROVAL_EXPIRED):
        approve(ledger, which)
    assert ledger.decision(which) is None


@on_sqlite
@pytest.mark.parametrize("name", ["anna", "ANNA", " Anna "])
def test_nobody_approves_what_they_asked_for(ledger: Ledger, which: Sealed, name: str) -> None:
    with refused(Reason.APPROVAL_INVALID, "somebody else"):
        approve(ledger, which, name)
    assert ledger.decision(which) is None


def test_policy_may_allow_it_and_rejecting_is_always_allowed(ledger: Ledger, which: Sealed) -> None:
    approve(ledger, which, "anna", needed=OWN)
    assert ledger.use_approval(which).approver == "anna"
    own = sealed(ledger, SIX, number=2)
    ledger.decide(own, decision="reject", approver="anna", comment="", proof="name")
    assert ledger.find_sealed(SIX.digest)[0].state is State.REJECTED


def test_a_decision_without_a_name_is_none(ledger: Ledger, which: Sealed) -> None:
    with pytest.raises(ValueError, match="approver"):
        approve(ledger, which, "  ")


def test_a_plan_that_is_blocked_cannot_be_approved(ledger: Ledger) -> None:
    started(ledger)
    which = sealed(ledger, BLOCKED)
    with refused(Reason.APPROVAL_INVALID, "nothing that may be applied"):
        approve(ledger, which)


@on_sqlite
@pytest.mark.parametrize(
    "forged",
    [
        {"run": "run-2"},
        {"run": "run-9"},
        {"ask": 2},
        {"digest": SIX.digest},
        {"plan": SIX},
        {"plan": SIX, "digest": SIX.digest},
    ],
    ids="+".join,
)
def test_an_approval_fits_no_other_run_question_or_plan(ledger: Ledger, which: Sealed, forged: dict[str, object]) -> None:
    started(ledger, "run-2")
    approve(ledger, which)
    other = which.model_copy(update=forged)
    with refused(Reason.APPROVAL_INVALID):
        ledger.use_approval(other)
    with refused(Reason.APPROVAL_INVALID):
        approve(ledger, other, "carla")
    assert ledger.use_approval(which).approver == "bert"


def _part_two(ledger: Ledger, wanted: Plan = EIGHT, hours: float = 8) -> Sealed:
    return ledger.seal("run-1", round=1, part="retry", plan=wanted, expires_at=ledger._now() + timedelta(hours=hours))


@on_sqlite
@pytest.mark.parametrize("word", ["approve", "reject"])
def test_one_answer_decides_both_parts_of_a_question(ledger: Ledger, which: Sealed, word: str) -> None:
    second = _part_two(ledger)
    approve(ledger, which, also=(second, word))
    decided = [ledger.decision(each) for each in (which, second)]
    assert [(each.decision, each.approver) for each in decided if each] == [("approve", "bert"), (word, "bert")]


@on_sqlite
def test_a_part_two_that_was_decided_before_stays_decided_so(ledger: Ledger, which: Sealed) -> None:
    second = _part_two(ledger)
    approve(ledger, second, "bert")
    approve(ledger, which, "carla", also=(second, "reject"))
    decided = [ledger.decision(each) for each in (which, second)]
    assert [(each.decision, each.approver) for each in decided if each] == [("approve", "carla"), ("approve", "bert")]


def _void_second(ledger: Ledger, _: FakeClock) -> Sealed:
    second = _part_two(ledger)
    ledger.void(second, Reason.SYMPTOM_GONE, "it moved by itself")
    return second


def _late_second(ledger: Ledger, clock: FakeClock) -> Sealed:
    second = _part_two(ledger, hours=1)
    clock.now = second.expires_at
    return second


@on_sqlite
@pytest.mark.parametrize(
    ("part_two", "reason"),
    [
        (_void_second, Reason.SYMPTOM_GONE),
        (_late_second, Reason.APPROVAL_EXPIRED),
        (lambda ledger, _: _part_two(ledger, BLOCKED), Reason.APPROVAL_INVALID),
        (lambda ledger, _: _part_two(ledger).model_copy(update={"digest": SIX.digest}), Reason.APPROVAL_INVALID),
    ],
    ids=["void", "too late", "blocked", "another plan"],
)
def test_an_answer_to_both_parts_counts_for_both_or_for_none(
    ledger: Ledger, which: Sealed, clock: FakeClock, part_two: Callable[[Ledger, FakeClock], Sealed], reason: Reason
) -> None:
    second = part_two(ledger, clock)
    with refused(reason):
        approve(ledger, which, also=(second, "approve"))
    assert [ledger.decision(each) for each in (which, second)] == [None, None]
    assert ledger.approvals(which) == []
    last = ledger.trail("run-1")[-1]
    assert (last.kind, last.data["reason"]) == ("decision refused", reason.value)


class Approvals(RuleBasedStateMachine):
    """Any order of seals, decisions, uses, forgeries, delays and ends, against a list of what may not be."""

    ledger: Ledger
    clock: FakeClock
    serial = count(1)

    @initialize()
    def runs(self) -> None:
        number = next(self.serial)
        self.asked_by = {f"m{number}-a": "anna", f"m{number}-b": "bert"}
        for run, name in self.asked_by.items():
            started(self.ledger, run, requested_by=name)
        self.seen: list[Sealed] = []
        self.current: dict[tuple[str, int], Sealed] = {}
        self.gone: set[tuple[str, int]] = set()
        self.decided: dict[tuple[str, int], tuple[str, str]] = {}
        self.ended: set[str] = set()

    def _asked(self, which: Sealed) -> Sealed | None:
        """The question that this is, to the letter; None if it was never asked."""
        key = which.run, which.ask, which.digest, which.plan.digest
        return next((each for each in self.seen if (each.run, each.ask, each.digest, each.plan.digest) == key), None)

    def _too_late(self, which: Sealed) -> set[Reason]:
        found = set()
        if (which.run, which.ask) in self.gone:
            found.add(Reason.DRIFT)
        if which.run in self.ended:
            found.add(Reason.APPROVAL_INVALID)
        if self.clock.now >= which.expires_at:
            found.add(Reason.APPROVAL_EXPIRED)
        return found

    @rule(which=st.sampled_from([FOUR, SIX, EIGHT]), number=st.integers(1, 2), run=st.integers(0, 1), hours=st.integers(1, 3))
    def seal(self, which: object, number: int, run: int, hours: int) -> None:
        name = list(self.asked_by)[run]
        found = sealed(self.ledger, which, run=name, number=number, hours=hours)
        assert found.digest == which.digest
        before = self.current.get((name, number))
        if before is not None and before.digest == found.digest:
            assert found.ask == before.ask
            return
        assert found.ask not in {each.ask for each in self.seen if each.run == name}
        if before is not None:
            self.gone.add((name, before.ask))
        self.current[name, number] = found
        self.seen.append(found)

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), who=st.sampled_from(["anna", "bert", "carla"]), decision=st.sampled_from(["approve", "reject"]))
    def decide(self, data: st.DataObject, who: str, decision: str) -> None:
        which = self._pick(data)
        key, asked = (which.run, which.ask), self._asked(which)
        if asked is None:
            expected = {Reason.APPROVAL_INVALID}
        else:
            expected = self._too_late(asked)
            if key in self.decided or (decision == "approve" and self.asked_by[which.run] == who):
                expected.add(Reason.APPROVAL_INVALID)
        with self._refused_for(expected):
            self.ledger.decide(which, decision=decision, approver=who, comment="", proof="name")
            self.decided[key] = decision, who

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        which = self._pick(data)
        asked = self._asked(which)
        decision, who = self.decided.get((which.run, which.ask), ("", ""))
        expected = {Reason.APPROVAL_INVALID} if asked is None else self._too_late(asked)
        if decision != "approve" and asked is not None:
            expected.add(Reason.NOT_APPROVED)
        with self._refused_for(expected):
            used = self.ledger.use_approval(which)
            assert (used.approver, used.digest, used.run) == (who, which.digest, which.run)
            assert who != self.asked_by[which.run]

    @rule(minutes=st.sampled_from([5, 50, 120]))
    def wait(self, minutes: int) -> None:
        self.clock.tick(60 * minutes)

    @rule(run=st.integers(0, 1))
    def end(self, run: int) -> None:
        name = list(self.asked_by)[run]
        self.ledger.finish_run(name, ENDED)
        self.ended.add(name)

    @invariant()
    def what_waits_could_be_decided(self) -> None:
        mine = [each for each in self.ledger.waiting() if each.run in getattr(self, "asked_by", ())]
        for each in mine:
            assert (each.run, each.ask) not in self.decided
            assert not self._too_late(each)

    @staticmethod
    @contextmanager
    def _refused_for(reasons: set[Reason]) -> Iterator[None]:
        """The body is refused for one of these reasons, and passes if there are none."""
        if not reasons:
            yield
            return
        with pytest.raises(Refused) as caught:
            yield
        assert caught.value.reason in reasons, caught.value

    def _pick(self, data: st.DataObject) -> Sealed:
        which = data.draw(st.sampled_from(self.seen))
        forge = data.draw(st.sampled_from(["", "", "", "run", "digest", "plan"]))
        if forge == "run":
            other = next(run for run in self.asked_by if run != which.run)
            return which.model_copy(update={"run": other, "ask": data.draw(st.integers(1, 3))})
        if forge == "digest":
            return which.model_copy(update={"digest": "0" * 64})
        if forge == "plan":
            other = next(each for each in (FOUR, SIX) if each.digest != which.digest)
            return which.model_copy(update={"plan": other, "digest": other.digest})
        return which


@on_sqlite
def test_no_order_of_events_gets_a_plan_past_its_approval(ledger: Ledger, clock: FakeClock) -> None:
    machine = type("OnThisLedger", (Approvals,), {"ledger": ledger, "clock": clock})
    quick = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=quick)
    ledger.verify()
