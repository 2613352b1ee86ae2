"""Sealed plans: what people were shown, what waits, and when a plan stops being the one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from ledger_examples import (
    ENDED,
    FakeClock,
    approve,
    intend,
    limit_step,
    on_sqlite,
    plan,
    refused,
    result,
    sealed,
    started,
    under_way,
)

from remediations.ledger import Ledger, State
from remediations.model.outcome import Reason

FOUR, SIX = plan(limit_step(4)), plan(limit_step(6))


@pytest.fixture(autouse=True)
def _run(ledger: Ledger) -> None:
    started(ledger)


def test_a_plan_comes_back_as_it_was_sealed(ledger: Ledger, clock: FakeClock) -> None:
    found = sealed(ledger, FOUR)
    assert (found.plan.digest, found.digest, found.ask, found.state) == (FOUR.digest, FOUR.digest, 1, State.WAITING)
    assert (found.sealed_at, found.expires_at) == (clock.now, clock.now + timedelta(hours=8))
    assert ledger.sealed("run-1", round=1, part="repair") == found
    assert ledger.sealed("run-1", round=2, part="repair") is None
    assert ledger.sealed("run-1", round=1, part="retry") is None


def test_the_same_digest_is_the_same_question(ledger: Ledger, clock: FakeClock) -> None:
    first = sealed(ledger, FOUR)
    clock.tick(600)
    worded = plan(limit_step(4, why="told in other words"))
    assert sealed(ledger, worded) == first


def test_a_moved_plan_makes_the_former_void_and_asks_anew(ledger: Ledger) -> None:
    first = sealed(ledger, FOUR)
    approve(ledger, first)
    second = sealed(ledger, SIX)
    assert (second.ask, second.state) == (2, State.WAITING)
    (former,) = ledger.find_sealed(FOUR.digest)
    assert (former.state, former.void.reason if former.void else None) == (State.VOID, Reason.DRIFT)
    with refused(Reason.DRIFT, SIX.digest[:8]):
        ledger.use_approval(first)
    # Back to what it was: that is a third question, not the first one's old answer.
    third = sealed(ledger, FOUR)
    assert (third.ask, third.state) == (3, State.WAITING)
    assert ledger.decision(third) is None


def test_every_round_and_part_of_a_run_asks_with_its_own_number(ledger: Ledger) -> None:
    until = ledger._now() + timedelta(hours=1)
    asked = [
        ledger.seal("run-1", round=number, part=part, plan=FOUR, expires_at=until).ask
        for number in (1, 2)
        for part in ("repair", "retry")
    ]
    assert asked == [1, 2, 3, 4]


def test_a_plan_that_has_begun_is_never_replaced(ledger: Ledger) -> None:
    which, lease = under_way(ledger, FOUR)
    intend(ledger, which, lease)
    with refused(Reason.DRIFT, "has begun"):
        sealed(ledger, SIX)
    assert sealed(ledger, FOUR).state is State.USED
    assert sealed(ledger, SIX, number=2).ask == 2


def test_a_void_plan_keeps_its_first_reason(ledger: Ledger) -> None:
    which = sealed(ledger, FOUR)
    ledger.void(which, Reason.SYMPTOM_GONE, "it moved by itself")
    ledger.void(which, Reason.PAUSED, "later")
    (found,) = ledger.find_sealed(FOUR.digest)
    assert found.void is not None
    assert (found.void.reason, found.void.detail) == (Reason.SYMPTOM_GONE, "it moved by itself")


def test_a_plan_that_was_given_up_is_asked_anew(ledger: Ledger) -> None:
    first = sealed(ledger, FOUR)
    approve(ledger, first)
    ledger.void(first, Reason.DRIFT, "a guard's fact was gone")
    second = sealed(ledger, FOUR)
    assert (second.ask, second.state, ledger.decision(second)) == (2, State.WAITING, None)


def test_a_plan_that_expired_stays_so_for_its_run(ledger: Ledger, clock: FakeClock) -> None:
    first = sealed(ledger, FOUR)
    clock.now = first.expires_at
    again = sealed(ledger, FOUR)
    assert (again.ask, again.expires_at, again.state) == (1, first.expires_at, State.EXPIRED)


def test_waiting_is_what_a_person_can_still_decide(ledger: Ledger, clock: FakeClock) -> None:
    for name in ("decided", "void", "over", "late", "open"):
        started(ledger, name)
    decided, void, *_ = (sealed(ledger, FOUR, run=name) for name in ("decided", "void", "over"))
    late, still = sealed(ledger, FOUR, run="late", hours=1), sealed(ledger, FOUR, run="open", hours=2)
    approve(ledger, decided)
    ledger.void(void, Reason.SYMPTOM_GONE, "it moved by itself")
    ledger.finish_run("over", ENDED)
    assert [each.run for each in ledger.waiting()] == ["late", "open"]
    clock.tick(3600)
    assert ledger.waiting() == [still]
    assert [each.state for each in ledger.find_sealed(FOUR.digest) if each.run == late.run] == [State.EXPIRED]


@pytest.mark.parametrize("spelling", ["{}", "{:.8}", "{:.12}", " {:.4} ", "upper"])
def test_a_plan_is_found_by_the_digest_as_people_write_it(ledger: Ledger, spelling: str) -> None:
    which, _ = sealed(ledger, FOUR), sealed(ledger, SIX, number=2)
    short = FOUR.digest[:8]
    written = {"upper": short.upper(), " {:.4} ": f"{short[:4]} {short[4:]}"}.get(spelling) or spelling.format(FOUR.digest)
    assert ledger.find_sealed(written) == [which]


@on_sqlite
@pytest.mark.parametrize("prefix", ["", "3f9a41c", "3f9a41cz", "3f9a%%%%", "________"])
def test_what_names_no_plan_is_refused(ledger: Ledger, prefix: str) -> None:
    with pytest.raises(ValueError, match="at least 8 characters"):
        ledger.find_sealed(prefix)


def test_the_newest_plan_of_a_digest_comes_first(ledger: Ledger, clock: FakeClock) -> None:
    started(ledger, "run-2")
    for run in ("run-1", "run-2"):
        sealed(ledger, FOUR, run=run)
        clock.tick(1)
    assert [each.run for each in ledger.find_sealed(FOUR.digest)] == ["run-2", "run-1"]


def test_a_plan_needs_a_run_and_a_time_with_its_offset(ledger: Ledger, clock: FakeClock) -> None:
    with pytest.raises(LookupError, match="run-9"):
        sealed(ledger, FOUR, run="run-9")
    naive = datetime(2026, 3, 1, 20)  # noqa: DTZ001 - the mistake under test
    with pytest.raises(ValueError, match="no UTC offset"):
        ledger.seal("run-1", round=1, part="repair", plan=FOUR, expires_at=naive)
    assert ledger.sealed("run-1", round=1, part="repair") is None


@pytest.mark.parametrize("wrong", [{"title": ""}, {"items": ()}, {"request": {"host": float("nan")}}])
def test_a_plan_that_could_not_be_read_back_is_not_sealed(ledger: Ledger, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"read back|JSON compliant"):
        sealed(ledger, FOUR.model_copy(update=wrong))
    assert ledger.sealed("run-1", round=1, part="repair") is None


def test_half_a_surrogate_pair_from_a_host_is_kept(ledger: Ledger) -> None:
    started(ledger, "run-2")
    which, lease = under_way(ledger, FOUR, run="run-2")
    intend(ledger, which, lease)
    said = "Zugriff verweigert \ud83d \x00 ü"
    result(ledger, which, ok=False, detail=said)
    assert ledger.journal("run-2", which.digest)[0].detail == said
    assert ledger.trail("run-2")[-1].data["detail"] == said
    ledger.verify()
