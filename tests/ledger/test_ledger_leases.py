"""Leases: one holder at a time, for a time, and nobody after one whose commands may still be running."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from ledger_examples import (
    FakeClock,
    intend,
    intend_close,
    intend_undo,
    on_sqlite,
    plan,
    refused,
    result,
    start_step,
    stop_step,
    under_way,
)

from remediations.ledger import Lease, Ledger
from remediations.ledger import leases as leases_module
from remediations.model.outcome import Reason

Intended = Callable[..., UUID]

A, B = "host:hv03", "host:hv07"


def take(ledger: Ledger, holder: str, *resources: str, seconds: float = 60) -> Lease:
    return ledger.lease(resources or (A,), holder=holder, seconds=seconds)


def test_a_lease_is_one_holders_until_its_time(ledger: Ledger, clock: FakeClock) -> None:
    mine = take(ledger, "one", A, B)
    assert (mine.resources, mine.until) == ((A, B), clock.now + timedelta(seconds=60))
    assert ledger.held() == [mine]
    with refused(Reason.RESOURCE_BUSY, A, "one", "12:01:00 UTC"):
        take(ledger, "two", A)
    clock.tick(59.9)
    with refused(Reason.RESOURCE_BUSY):
        take(ledger, "two", A)
    clock.tick(0.1)
    assert take(ledger, "two", A).tokens == {A: 2}


def test_a_resource_is_one_whatever_its_case(ledger: Ledger) -> None:
    take(ledger, "one", "host:HV07")
    with refused(Reason.RESOURCE_BUSY):
        take(ledger, "two", "host:hv07")


def test_a_lease_is_taken_whole_or_not_at_all(ledger: Ledger) -> None:
    take(ledger, "one", B)
    before = ledger.held(), ledger.head()
    with refused(Reason.RESOURCE_BUSY, B):
        take(ledger, "two", A, B)
    assert (ledger.held(), ledger.head()) == before
    assert take(ledger, "three", A).tokens == {A: 1}


@on_sqlite
@pytest.mark.parametrize(("resources", "seconds"), [((), 60), (("", " "), 60), ((A,), 0), ((A,), -1)])
def test_a_lease_of_nothing_or_for_no_time_is_none(ledger: Ledger, resources: tuple[str, ...], seconds: float) -> None:
    with pytest.raises(ValueError, match="at least one resource and more than 0 seconds"):
        ledger.lease(resources, holder="one", seconds=seconds)


def test_the_same_holder_has_it_already_and_never_for_shorter(ledger: Ledger, clock: FakeClock) -> None:
    first = take(ledger, "one", A, seconds=600)
    again = take(ledger, "one", A, B, seconds=60)
    assert (again.tokens, again.until) == ({A: 1, B: 1}, first.until)
    clock.tick(1)
    assert ledger.renew(first, 60).until == first.until
    assert ledger.renew(again, 900).until == clock.now + timedelta(seconds=900)


def test_a_process_that_was_replaced_can_start_nothing_more(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    which, old = under_way(ledger, plan())
    monkeypatch.setattr(leases_module, "_IMPORTED", "another process")
    new = ledger.lease(old.resources, holder="run-1", seconds=600)
    assert new.tokens == {"host:hv07": 2}
    with refused(Reason.RESOURCE_BUSY, "taken over"):
        intend(ledger, which, old)
    with refused(Reason.RESOURCE_BUSY):
        ledger.renew(old, 600)
    ledger.release(old)
    assert ledger.held() == [new]
    assert ledger.journal("run-1", which.digest) == []
    intend(ledger, which, new)


def test_a_lease_that_ran_out_is_not_renewed_but_taken_anew(ledger: Ledger, clock: FakeClock) -> None:
    mine = take(ledger, "one")
    clock.tick(60)
    with refused(Reason.RESOURCE_BUSY, "ran out"):
        ledger.renew(mine, 60)
    assert take(ledger, "one").tokens == {A: 2}


def test_what_is_given_back_is_free_at_once(ledger: Ledger, clock: FakeClock) -> None:
    mine = take(ledger, "one")
    ledger.release(mine)
    assert ledger.held() == []
    theirs = take(ledger, "two")
    ledger.release(mine)
    assert ledger.held() == [theirs]
    with refused(Reason.RESOURCE_BUSY, "taken over by two"):
        ledger.renew(mine, 60)
    ledger.release(theirs)
    with refused(Reason.RESOURCE_BUSY, "given back"):
        ledger.renew(theirs, 60)


@on_sqlite
@pytest.mark.parametrize(("left", "enough"), [(75.0, True), (74.9, False), (0.1, False), (0.0, False), (-5.0, False)])
def test_a_step_begins_only_with_time_for_its_deadline_and_the_margin(
    ledger: Ledger, clock: FakeClock, left: float, enough: bool
) -> None:
    which, lease = under_way(ledger, plan())
    clock.now = lease.until - timedelta(seconds=left)
    if enough:
        intend(ledger, which, lease)
    else:
        with refused(Reason.RESOURCE_BUSY, "renew" if left > 0 else "ran out"):
            intend(ledger, which, lease)
        assert ledger.journal("run-1", which.digest) == []


def test_the_next_holder_waits_the_longest_deadline_too(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    intend(ledger, which, lease)
    result(ledger, which)
    # The undo of a step is sent under the same lease, and could still be on its way when the lease ends.
    clock.now = lease.until + timedelta(seconds=59.9)
    with refused(Reason.RESOURCE_BUSY, "in use by run-1"):
        take(ledger, "two", B)
    clock.tick(0.1)
    assert take(ledger, "two", B).tokens == {B: 2}


@on_sqlite
@pytest.mark.parametrize("intended", [intend_undo, intend_close])
@pytest.mark.parametrize(("left", "enough"), [(75.0, True), (74.9, False), (0.0, False)])
def test_an_undo_and_a_closing_command_need_their_time_too(
    ledger: Ledger, clock: FakeClock, intended: Intended, left: float, enough: bool
) -> None:
    which, lease = under_way(ledger, plan(stop_step(), start_step()))
    intend(ledger, which, lease)
    result(ledger, which)
    clock.now = lease.until - timedelta(seconds=left)
    if enough:
        intended(ledger, which, lease)
        return
    head = ledger.head()
    with refused(Reason.RESOURCE_BUSY, "renew" if left > 0 else "ran out"):
        intended(ledger, which, lease)
    assert ledger.head() == head


@on_sqlite
@pytest.mark.parametrize("intended", [intend_undo, intend_close])
def test_the_next_holder_waits_for_them_too(ledger: Ledger, clock: FakeClock, intended: Intended) -> None:
    which, lease = under_way(ledger, plan(stop_step(), start_step()))
    intend(ledger, which, lease)
    result(ledger, which)
    (bracket,) = ledger.open_brackets()
    sent = intended(ledger, which, lease, deadline=300)
    clock.now = lease.until + timedelta(seconds=299.9)
    ledger.close_bracket(bracket, "found running")
    if intended is intend_undo:
        ledger.mark_undone("run-1", which.digest, 1, sent, ok=False, detail="the host refused it")
    with refused(Reason.RESOURCE_BUSY, "in use by run-1"):
        take(ledger, "two", B)
    clock.tick(0.1)
    assert take(ledger, "two", B).tokens == {B: 2}


def test_nobody_else_touches_a_host_while_a_step_is_being_taken_back(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    intend(ledger, which, lease)
    result(ledger, which)
    sent = intend_undo(ledger, which, lease)
    clock.now = lease.until + timedelta(days=30)
    with refused(Reason.RESOURCE_BUSY, "nobody knows yet", "run-1"):
        take(ledger, "two", B)
    ledger.mark_undone("run-1", which.digest, 1, sent, ok=False, detail="the host refused it")
    assert take(ledger, "two", B).holder == "two"


@pytest.mark.parametrize("how", ["ran out", "given back"])
def test_nobody_else_touches_a_host_while_a_command_is_undecided(ledger: Ledger, clock: FakeClock, how: str) -> None:
    which, lease = under_way(ledger, plan())
    intend(ledger, which, lease)
    if how == "given back":
        ledger.release(lease)
    else:
        clock.now = lease.until + timedelta(days=30)
    with refused(Reason.RESOURCE_BUSY, "Set-VMHost", "run-1", "recovery"):
        take(ledger, "two", B, A)
    assert take(ledger, "two", A).tokens == {A: 1}
    # Whoever decides acts for the run that sent it.
    again = ledger.lease(lease.resources, holder="run-1", seconds=60)
    result(ledger, which, ok=False, how="read again", detail="it never ran")
    ledger.release(again)
    assert take(ledger, "two", B).tokens[B] > again.tokens[B]


def test_a_step_that_was_taken_back_is_decided(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    sent = intend(ledger, which, lease)
    ledger.release(lease)
    ledger.mark_undone("run-1", which.digest, 1, sent, ok=False, detail="the host is down")
    with refused(Reason.RESOURCE_BUSY):
        take(ledger, "two", B)
    ledger.mark_undone("run-1", which.digest, 1, sent, ok=True, detail="Set-VMHost 2")
    assert take(ledger, "two", B).holder == "two"


def test_nobody_else_touches_a_host_with_something_half_way(ledger: Ledger) -> None:
    which, lease = under_way(ledger, plan(stop_step(), start_step()))
    intend(ledger, which, lease)
    result(ledger, which)
    ledger.release(lease)
    with refused(Reason.RESOURCE_BUSY, "VM42 is off", "run-1", "recovery"):
        take(ledger, "two", B)
    (bracket,) = ledger.open_brackets()
    ledger.close_bracket(bracket, "started by recover")
    assert take(ledger, "two", B).holder == "two"
