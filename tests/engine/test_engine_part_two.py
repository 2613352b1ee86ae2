"""What an approval lets begin, asked again where time has passed: the move with its mend, a plan that waited, caps, pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from approving import Clock, Rows, Suspended, plan

from remediations.engine import Answer
from remediations.engine.asking import Asking
from remediations.engine.judging import Judging, causes_of
from remediations.engine.parts import UNDO
from remediations.ledger import Ledger, Sealed
from remediations.model.causes import Cause
from remediations.model.outcome import Outcome, Reason, Refused
from remediations.model.plan import Blocked, Obstacle, Plan
from remediations.model.policy import Caps, Gate, Gates, Policy, Retry, Trust
from remediations.model.tier import Tier
from remediations.model.windows import Window
from remediations.settings import load_site, packaged

MEND = plan(Tier.LOCAL, 4)
MOVE = plan(Tier.LOCAL, 8).model_copy(
    update={"remediation": "move-vm", "request": {"vm": "VM42", "to": "HV02", "source": "HV01"}, "title": "Move it"}
)
BLOCKED = MOVE.model_copy(update={"items": (*MOVE.items, Blocked(obstacle=Obstacle.CONFLICT, why="held elsewhere"))})
SITE = load_site(packaged("site.yaml"))


def policy(mend: Gate = Gate.APPROVE, move: Gate = Gate.APPROVE, **other: Any) -> Policy:
    gates = Gates(remediations={"set-migration-limits": mend, "move-vm": move})
    return Policy(gates=gates, windows={}, trust=Trust(verified_in_a_row=0)).model_copy(update=other)


@dataclass
class Run:
    """One run, under a policy and switches that may change."""

    ledger: Ledger
    clock: Clock
    policy: Policy = field(default_factory=policy)
    switch: str | None = None
    rows: Rows = field(default_factory=Rows)

    @property
    def judging(self) -> Judging:
        return Judging(SITE, self.policy, self.ledger, self.clock, lambda: {"a switch": self.switch})

    @property
    def asking(self) -> Asking:
        return Asking("run-1", self.judging, self.rows.gate, self.ledger.end)

    def go_on(self, move: Plan = MOVE) -> Outcome | None:
        return self.asking.approved(MEND, move, number=1, why="")

    def part(self, part: str) -> Sealed | None:
        return self.ledger.sealed("run-1", round=1, part=part)

    def answered(self, *, retry: bool, decision: str = "approve") -> None:
        """It asks, bert answers, it goes on."""
        with pytest.raises(Suspended):
            self.go_on()
        assert self.rows.pending is not None
        answer = {"decision": decision, "approver": "bert", "retry": retry, "at": self.clock.now}
        self.rows.answers[self.rows.pending.key] = Answer.model_validate(answer)
        self.go_on()

    def applied(self) -> None:
        """The mend is under way: it counts for the caps, and as the last one of its target."""
        self.answered(retry=False)
        lease = self.ledger.lease(["host:hv01"], holder="run-1", seconds=600)
        step = {"run": "run-1", "digest": MEND.digest, "index": 0, "command_id": uuid4()}
        self.ledger.intend(**step, step=MEND.steps[0], lease=lease, deadline=60, margin=15)
        self.ledger.result(**step, ok=True, detail="", how="answered")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    clock = Clock()
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock) as ledger:
        ledger.start_run("run-1", kind="test", incident_id=None, requested_by="anna")
        yield Run(ledger, clock)


# ---- whether the answer to the mend is one to the move too ------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "move", "joint"),
    [
        (policy(), MOVE, True),
        (policy(Gate.APPROVE_TWICE, Gate.APPROVE), MOVE, True),
        (policy(Gate.APPROVE_TWICE, Gate.APPROVE_TWICE), MOVE, True),
        (policy(Gate.APPROVE, Gate.APPROVE_TWICE), MOVE, False),
        (policy(Gate.APPROVE, Gate.AUTO), MOVE, True),
        (policy(Gate.AUTO, Gate.APPROVE), MOVE, False),
        (policy(Gate.APPROVE, Gate.PROPOSE), MOVE, False),
        (policy(Gate.APPROVE, Gate.NEVER), MOVE, False),
        (policy(retry=Retry.APPROVE), MOVE, False),
        (policy(retry=Retry.NEVER), MOVE, False),
        (policy(), BLOCKED, False),
    ],
)
def test_the_move_is_part_two_only_where_that_takes_no_more_than_the_mend(
    run: Run, given: Policy, move: Plan, joint: bool
) -> None:
    run.policy = given
    if given.gates.remediations["set-migration-limits"] is Gate.AUTO:
        assert run.go_on(move) is None
    else:
        with pytest.raises(Suspended):
            run.go_on(move)
        assert run.rows.pending is not None
        assert run.rows.pending.retry == (move if joint else None)
    assert (run.part("retry") is not None) is joint


# ---- and whether it still counts when the move's turn comes -----------------------------------------------------------


@pytest.mark.parametrize(("retry", "says"), [(True, "approve"), (False, "reject")])
def test_what_was_decided_of_this_very_move_counts(run: Run, retry: bool, says: str) -> None:
    assert run.asking.retry_decision(1, MOVE) is None, "nobody was asked yet"
    run.answered(retry=retry)
    assert run.asking.retry_decision(1, MOVE) == says
    assert run.asking.retry_decision(1, MOVE.model_copy(update={"attempt": 2})) is None, "another move"
    assert run.asking.retry_decision(2, MOVE) is None, "another round"


def paused_by_policy(run: Run) -> None:
    run.policy = policy(pause=True)


def paused_by_a_person(run: Run) -> None:
    run.ledger.pause("anna", "a storm")


def paused_by_a_switch(run: Run) -> None:
    run.switch = "the variable is true"


def never_now(run: Run) -> None:
    run.policy = policy(move=Gate.NEVER)


def two_now(run: Run) -> None:
    run.policy = policy(Gate.APPROVE_TWICE)


def too_late(run: Run) -> None:
    run.clock.now += timedelta(hours=8)


def void(run: Run) -> None:
    found = run.part("retry")
    assert found is not None
    run.ledger.void(found, Reason.SYMPTOM_GONE, "it moved by itself")


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (paused_by_policy, Reason.PAUSED),
        (paused_by_a_person, Reason.PAUSED),
        (paused_by_a_switch, Reason.PAUSED),
        (never_now, Reason.POLICY_NEVER),
        (two_now, Reason.APPROVAL_INVALID),
        (too_late, Reason.APPROVAL_EXPIRED),
        (void, Reason.SYMPTOM_GONE),
    ],
)
def test_an_approved_move_is_asked_again_whether_it_may_begin(run: Run, then: Callable[[Run], None], reason: Reason) -> None:
    run.answered(retry=True)
    then(run)
    with pytest.raises(Refused) as refused:
        run.asking.retry_decision(1, MOVE)
    assert refused.value.reason is reason


# ---- a plan that had to wait first ------------------------------------------------------------------------------------


def mend_never_now(run: Run) -> None:
    run.policy = policy(Gate.PROPOSE)


def window_closed(run: Run) -> None:
    night = Window.model_validate({"from": "22:00", "to": "05:00", "zone": "UTC"})
    run.policy = policy(windows={Tier.LOCAL: (night,)})


def breaker_opened(run: Run) -> None:
    run.judging.note_trial("run-1", MEND, verified=False, detail="it broke")


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (paused_by_policy, Reason.PAUSED),
        (paused_by_a_person, Reason.PAUSED),
        (paused_by_a_switch, Reason.PAUSED),
        (mend_never_now, Reason.POLICY_NEVER),
        (window_closed, Reason.OUTSIDE_WINDOW),
        (breaker_opened, Reason.BREAKER_OPEN),
        (too_late, Reason.APPROVAL_EXPIRED),
    ],
)
def test_what_was_approved_and_waited_is_asked_again_whether_it_may_begin(
    run: Run, then: Callable[[Run], None], reason: Reason
) -> None:
    run.policy = policy(breaker=Policy().breaker.model_copy(update={"failures": 1}))
    run.answered(retry=False)
    sealed = run.part("repair")
    assert sealed is not None
    run.judging.may_begin(sealed)
    then(run)
    with pytest.raises(Refused) as refused:
        run.judging.may_begin(sealed)
    assert refused.value.reason is reason


# ---- what the ledger remembers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caps", "hours", "reason"),
    [
        (Caps(per_day=1), 23.9, Reason.CAP_REACHED),
        (Caps(per_day=1), 24.1, None),
        (Caps(per_hour=1), 0.9, Reason.CAP_REACHED),
        (Caps(per_hour=1), 1.1, None),
        (Caps(), 0.4, Reason.RECENTLY_REMEDIATED),
        (Caps(), 0.6, None),
    ],
)
def test_what_was_changed_before_counts_against_what_comes_next(
    run: Run, caps: Caps, hours: float, reason: Reason | None
) -> None:
    run.policy = policy(caps=caps)
    run.applied()
    run.clock.now += timedelta(hours=hours)
    found = run.judging.plan(MEND).refusal
    assert (found and found.reason) is reason


@pytest.mark.parametrize(("hours", "room"), [(23.9, False), (24.1, True)])
def test_what_has_to_follow_needs_its_room_too(run: Run, hours: float, room: bool) -> None:
    run.policy = policy(caps=Caps(per_host_per_day=3, per_host_per_hour=9))
    run.applied()
    run.clock.now += timedelta(hours=hours)
    run.judging.refuse_crowded(MEND, 1)
    if room:
        run.judging.refuse_crowded(MEND, 2)
        return
    with pytest.raises(Refused, match="counting what has to follow it") as refused:
        run.judging.refuse_crowded(MEND, 2)
    assert refused.value.reason is Reason.CAP_REACHED


def test_an_undo_mends_nothing_and_has_no_record(run: Run) -> None:
    parts = [{"remediation": MEND.remediation, "request": MEND.request}]
    back = MEND.model_copy(update={"remediation": UNDO, "request": {"run": "run-0", "parts": parts}})
    assert causes_of(MEND) == [Cause.MIGRATION_LIMIT_REACHED]
    assert causes_of(back) == []
    run.judging.note_trial("run-1", back, verified=False, detail="it broke")
    assert run.ledger.trials() == []
