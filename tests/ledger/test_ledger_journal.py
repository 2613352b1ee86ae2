"""Intents before, results after, and brackets in between."""

from __future__ import annotations

from uuid import uuid4

import pytest
from ledger_examples import (
    ENDED,
    MARGIN,
    FakeClock,
    approve,
    intend,
    intend_close,
    intend_undo,
    limit_step,
    on_sqlite,
    plan,
    refused,
    result,
    sealed,
    start_step,
    started,
    stop_step,
    under_way,
)

from remediations.ledger import Ledger, Sealed
from remediations.model.outcome import Reason
from remediations.model.plan import Step

OFF_AND_ON = plan(stop_step(), limit_step(), start_step())


def test_an_intent_is_there_until_its_result(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    sent = intend(ledger, which, lease)
    (entry,) = ledger.journal("run-1", which.digest)
    assert (entry.index, entry.command_id, entry.intended_at, entry.attempt) == (1, sent, clock.now, 1)
    assert (entry.result, entry.how, entry.undone) == (None, None, None)
    assert entry.step == which.plan.items[1]
    result(ledger, which, how="asked", detail="it ran")
    (entry,) = ledger.journal("run-1", which.digest)
    assert (entry.result, entry.how, entry.detail) == (True, "asked", "it ran")


def test_the_journal_is_in_the_plans_order(ledger: Ledger) -> None:
    which, lease = under_way(ledger, OFF_AND_ON)
    for index in (3, 1, 2):
        intend(ledger, which, lease, index)
    assert [entry.index for entry in ledger.journal("run-1", which.digest)] == [1, 2, 3]
    assert ledger.journal("run-2", which.digest) == ledger.journal("run-1", "0" * 64) == []


def _intend_raw(ledger: Ledger, which: Sealed, **other: object) -> None:
    lease = ledger.lease(["host:hv07"], holder=which.run, seconds=600)
    step = which.plan.items[1]
    assert isinstance(step, Step)
    given = {"run": which.run, "digest": which.digest, "index": 1, "step": step, "lease": lease, **other}
    ledger.intend(command_id=uuid4(), deadline=60, margin=MARGIN, **given)


def test_nothing_is_sent_without_a_used_approval(ledger: Ledger) -> None:
    started(ledger)
    which = sealed(ledger, plan())
    with refused(Reason.NOT_APPROVED):
        _intend_raw(ledger, which)
    approve(ledger, which)
    with refused(Reason.NOT_APPROVED):
        _intend_raw(ledger, which)
    ledger.use_approval(which)
    with refused(Reason.NOT_APPROVED):
        _intend_raw(ledger, which, digest="0" * 64)
    ledger.void(which, Reason.PAUSED, "an operator stopped it")
    with refused(Reason.NOT_APPROVED):
        _intend_raw(ledger, which)
    assert ledger.journal("run-1", which.digest) == []


def test_an_approval_of_one_run_sends_nothing_for_another(ledger: Ledger) -> None:
    which, _ = under_way(ledger, plan(), resources=["host:hv03"])
    started(ledger, "run-2")
    sealed(ledger, plan(), run="run-2")
    with refused(Reason.NOT_APPROVED):
        _intend_raw(ledger, which, run="run-2")


@on_sqlite
@pytest.mark.parametrize(
    "other", [{"step": limit_step(6)}, {"index": 0}, {"index": 2}, {"index": -1}, {"step": limit_step(4, "HV08")}], ids=str
)
def test_only_what_was_approved_is_sent(ledger: Ledger, other: dict[str, object]) -> None:
    which, _ = under_way(ledger, plan())
    with refused(Reason.DRIFT, "as approved"):
        _intend_raw(ledger, which, **other)
    assert ledger.journal("run-1", which.digest) == []


def test_a_run_that_ended_sends_nothing_more(ledger: Ledger) -> None:
    which, lease = under_way(ledger, plan())
    ledger.finish_run("run-1", ENDED)
    with refused(Reason.APPROVAL_INVALID, "has ended"):
        intend(ledger, which, lease)


@on_sqlite
@pytest.mark.parametrize(
    ("ok", "how", "again"),
    [
        (True, "answered", False),
        (True, "read again", False),
        (False, "answered", False),
        (False, "asked", True),
        (False, "read again", True),
    ],
)
def test_a_step_is_sent_again_only_if_it_is_proven_not_to_have_run(ledger: Ledger, ok: bool, how: str, again: bool) -> None:
    which, lease = under_way(ledger, plan())
    intend(ledger, which, lease)
    result(ledger, which, ok=ok, how=how, detail="said the host")
    if again:
        sent = intend(ledger, which, lease)
        (entry,) = ledger.journal("run-1", which.digest)
        assert (entry.attempt, entry.command_id, entry.result) == (2, sent, None)
        assert [note.data["attempt"] for note in ledger.trail("run-1") if note.kind == "step intended"] == [1, 2]
    else:
        with refused(Reason.DUPLICATE_IN_PROGRESS, "is done" if ok else "has failed (said the host)"):
            intend(ledger, which, lease)


def test_nothing_is_sent_again_while_the_first_may_be_in_flight(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    first = intend(ledger, which, lease)
    clock.tick(59.9)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "may run until 12:01:00"):
        intend(ledger, which, lease)
    assert ledger.journal("run-1", which.digest)[0].command_id == first
    clock.tick(0.1)
    second = intend(ledger, which, lease)
    assert ledger.journal("run-1", which.digest)[0].command_id == second


def test_a_result_stands(ledger: Ledger) -> None:
    which, lease = under_way(ledger, plan())
    with pytest.raises(LookupError, match="never intended item 1"):
        result(ledger, which)
    intend(ledger, which, lease)
    result(ledger, which, ok=False, how="read again", detail="before still holds")
    head = ledger.head()
    result(ledger, which, ok=False, how="answered", detail="the same, told twice")
    assert ledger.head() == head
    with refused(Reason.DUPLICATE_IN_PROGRESS, "found failed", "before still holds"):
        result(ledger, which, ok=True, detail="the old process woke up")
    assert ledger.journal("run-1", which.digest)[0].result is False
    assert ledger.trail("run-1")[-1].data["detail"] == "the old process woke up"


@pytest.mark.parametrize("known", [False, True])
def test_what_became_of_an_earlier_command_is_no_result_of_the_last(ledger: Ledger, clock: FakeClock, known: bool) -> None:
    """As a process tells that was frozen while another one went on with its run."""
    which, lease = under_way(ledger, plan())
    first = intend(ledger, which, lease)
    clock.tick(60)
    result(ledger, which, ok=False, how="read again", detail="before still holds")
    second = intend(ledger, which, lease)
    if known:
        result(ledger, which, of=second)
    for ok in (False, True):
        with refused(Reason.DUPLICATE_IN_PROGRESS, "was sent again meanwhile"):
            result(ledger, which, of=first, ok=ok, how="read again", detail="the old process woke up")
        assert ledger.journal("run-1", which.digest)[0].result is (True if known else None)
        assert ledger.trail("run-1")[-1].data["command_id"] == str(first)
    result(ledger, which, of=second)
    assert ledger.journal("run-1", which.digest)[0].result is True


def test_what_was_taken_back_is_not_done_again(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    intend(ledger, which, lease)
    undo = uuid4()
    for ok, detail in ((False, "the host is down"), (True, "Set-VMHost 2")):
        ledger.mark_undone("run-1", which.digest, 1, undo, ok=ok, detail=detail)
        undone = ledger.journal("run-1", which.digest)[0].undone
        assert undone is not None
        assert (undone.ok, undone.detail, undone.command_id) == (ok, detail, undo)
    clock.tick(300)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "taken back"):
        intend(ledger, which, lease)
    with pytest.raises(LookupError, match="item 2"):
        ledger.mark_undone("run-1", which.digest, 2, undo, ok=True, detail="")


def test_a_step_is_taken_back_only_once_it_is_known_and_once(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    with pytest.raises(LookupError, match="never intended item 1"):
        intend_undo(ledger, which, lease)
    intend(ledger, which, lease)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "nobody knows yet"):
        intend_undo(ledger, which, lease)
    result(ledger, which)
    first = intend_undo(ledger, which, lease)
    clock.tick(59.9)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "the undo of item 1", "may run until 12:01:00"):
        intend_undo(ledger, which, lease)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "is being taken back"):
        intend(ledger, which, lease)
    ledger.mark_undone("run-1", which.digest, 1, first, ok=False, detail="the host refused it")
    second = intend_undo(ledger, which, lease)  # known to have failed: nothing to wait for
    clock.tick(60)
    third = intend_undo(ledger, which, lease)  # never answered, and it cannot be in flight any more
    (entry,) = ledger.journal("run-1", which.digest)
    assert entry.undoing is not None
    assert entry.undoing.command_id == third not in (first, second)
    ledger.mark_undone("run-1", which.digest, 1, third, ok=True, detail="Set-VMHost 2")
    clock.tick(300)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "was taken back"):
        intend_undo(ledger, which, lease)


# ---- brackets ---------------------------------------------------------------------------------------------------------


def test_a_bracket_opens_with_its_intent_and_closes_with_the_result(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, OFF_AND_ON)
    intend(ledger, which, lease, 1)
    (bracket,) = ledger.open_brackets("run-1")
    step = which.plan.items[1]
    assert isinstance(step, Step)
    assert (bracket.name, bracket.close, bracket.index, bracket.opened_at) == ("VM42 is off", step.close, 1, clock.now)
    result(ledger, which, 1)
    intend(ledger, which, lease, 3)
    assert ledger.open_brackets("run-1") == ledger.open_brackets() == [bracket]
    result(ledger, which, 3)
    assert ledger.open_brackets() == []


@pytest.mark.parametrize("ok", [True, False])
def test_a_bracket_stays_open_if_closing_failed_or_opening_did(ledger: Ledger, ok: bool) -> None:
    which, lease = under_way(ledger, OFF_AND_ON)
    intend(ledger, which, lease, 1)
    result(ledger, which, 1, ok=ok)
    intend(ledger, which, lease, 3)
    result(ledger, which, 3, ok=False)
    assert [each.name for each in ledger.open_brackets()] == ["VM42 is off"]


def test_a_refused_intent_opens_nothing(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, OFF_AND_ON)
    clock.now = lease.until
    with refused(Reason.RESOURCE_BUSY):
        intend(ledger, which, lease, 1)
    assert ledger.open_brackets() == []


def test_a_bracket_that_is_closed_stays_closed_until_it_is_opened_again(ledger: Ledger) -> None:
    which, lease = under_way(ledger, OFF_AND_ON)
    intend(ledger, which, lease, 1)
    (bracket,) = ledger.open_brackets()
    ledger.close_bracket(bracket, "found running")
    head = ledger.head()
    ledger.close_bracket(bracket, "again")
    assert (ledger.open_brackets(), ledger.head()) == ([], head)
    result(ledger, which, 1, ok=False, how="read again", detail="it never ran")
    intend(ledger, which, lease, 1)
    assert [each.name for each in ledger.open_brackets()] == ["VM42 is off"]


def test_the_bracket_opened_last_is_closed_first(ledger: Ledger, clock: FakeClock) -> None:
    second = limit_step(6, opens="limit is raised", close=stop_step().close)
    which, lease = under_way(ledger, plan(stop_step(), second))
    intend(ledger, which, lease, 1)
    intend(ledger, which, lease, 2)
    assert [each.name for each in ledger.open_brackets()] == ["limit is raised", "VM42 is off"]


def test_a_bracket_is_closed_by_one_command_at_a_time(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, OFF_AND_ON)
    intend(ledger, which, lease, 1)
    (bracket,) = ledger.open_brackets()
    intend_close(ledger, which, lease)
    clock.tick(59.9)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "closing command of “VM42 is off”", "may run until 12:01:00"):
        intend_close(ledger, which, lease)
    clock.tick(0.1)
    intend_close(ledger, which, lease)  # never answered, and it cannot be in flight any more
    ledger.close_failed(bracket, "it would not start")
    intend_close(ledger, which, lease)  # known to have failed: nothing to wait for
    ledger.close_bracket(bracket, "found running")
    clock.tick(300)
    with refused(Reason.DUPLICATE_IN_PROGRESS, "is closed: it is not closed again"):
        ledger.intend_close(bracket, command_id=uuid4(), lease=lease, deadline=60, margin=MARGIN)
    head = ledger.head()
    ledger.close_failed(bracket, "it would not start")
    assert (ledger.open_brackets(), ledger.head()) == ([], head)
