"""Resuming at the gate: a run that is suspended and called again asks the same question, and only that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from breaking import Suspended, Suspending
from law_bench import ANYTIME, NAMES, Bench

from remediations.engine import Over
from remediations.lab.world import migration
from remediations.model.causes import Cause
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Policy, Retry

SPN, LIMIT, CPU = Cause.SPN_MISSING.value, Cause.MIGRATION_LIMIT_REACHED.value, Cause.CPU_INCOMPATIBLE.value


def lose_another_name(bench: Bench) -> None:
    with bench.lab.world.lock:
        directory = bench.lab.world.directory
        lost = "Microsoft Virtual System Migration Service/HV04"
        directory.remove_spns("DC1", directory.computer("HV04").guid, (lost,))


def test_a_suspended_run_asks_the_same_question_again(bench: Bench) -> None:
    failure, gate = bench.lab.fail(SPN), Suspending(bench)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=gate)
    report = bench.mend(failure, gate=gate)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert len(gate.keys) == 1
    assert len(bench.ledger.open_incidents()) == 0


def test_a_moved_plan_is_asked_for_under_another_key_and_the_old_one_is_void(bench: Bench) -> None:
    failure, gate = bench.lab.fail(SPN), Suspending(bench)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=gate)
    old = bench.ledger.waiting()[0]
    lose_another_name(bench)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=gate)
    assert len(set(gate.keys)) == 2
    assert [each.plan for each in bench.ledger.waiting() if each.part == "repair"] != [old.plan]
    report = bench.mend(failure, gate=gate)
    assert report.outcome.ending is Ending.MENDED, report.markdown


def test_a_decision_that_was_recorded_before_the_process_died_is_not_asked_for_again(bench: Bench) -> None:
    failure, gate = bench.lab.fail(SPN), Suspending(bench)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=gate)
    for sealed in bench.ledger.waiting():
        bench.ledger.decide(sealed, decision="approve", approver="anna", comment="", proof="terminal")
    report = bench.mend(failure, gate=gate)
    assert report.outcome.ending is Ending.MENDED
    assert len(gate.keys) == 1


def test_an_approval_that_expires_while_suspended_changes_nothing(bench: Bench) -> None:
    failure, gate = bench.lab.fail(SPN), Suspending(bench)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=gate)
    bench.clock.ahead += timedelta(hours=ANYTIME.approval_hours, seconds=1)
    report = bench.mend(failure, gate=gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.APPROVAL_EXPIRED)
    assert bench.changes() == []


def test_pause_stops_a_plan_that_waits_for_its_approval(bench: Bench) -> None:
    failure, gate = bench.lab.fail(SPN), Suspending(bench)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=gate)
    report = bench.mend(failure, gate=gate, policy=Policy(windows={}, proof=NAMES, pause=True))
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.PAUSED)
    assert bench.changes() == []


def test_a_limit_that_is_free_by_the_time_of_the_approval_leaves_the_approved_move(bench: Bench) -> None:
    """Waiting was all there was to do, and it is over: what was approved is the move."""
    failure, gate = bench.lab.fail(LIMIT), Suspending(bench)
    forget_expectations(bench)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=gate)
    end_migrations(bench)
    report = bench.mend(failure, gate=gate)
    assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.markdown
    assert len(gate.keys) == 1


def test_a_limit_is_waited_for_without_anybody_being_asked_where_policy_leaves_the_move_to_people(bench: Bench) -> None:
    failure = bench.lab.fail(LIMIT)
    forget_expectations(bench)
    asked = []

    def pause(seconds: float) -> None:
        end_migrations(bench)
        Bench.pause(bench, seconds)

    bench.pause = pause

    def gate(ask):
        asked.append(ask)
        return bench.approving(ask)

    report = bench.mend(failure, gate=gate, policy=Policy(windows={}, proof=NAMES, retry=Retry.NEVER))
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert asked == []
    assert bench.changes() == []


def test_the_run_that_waits_for_a_slot_tries_again_once_it_is_free(bench: Bench) -> None:
    failure = bench.lab.fail(LIMIT)
    forget_expectations(bench)

    def pause(seconds: float) -> None:
        end_migrations(bench)
        Bench.pause(bench, seconds)

    bench.pause = pause
    report = bench.mend(failure)
    assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.markdown


def test_recovery_of_an_expired_question_says_that_nothing_was_changed(bench: Bench) -> None:
    failure = bench.lab.fail(SPN)
    with pytest.raises(Suspended):
        bench.mend(failure, gate=Suspending(bench))
    assert bench.engine().recover(lambda run: None) == []
    (recovered,) = bench.engine().recover(lambda run: Over(reason=Reason.APPROVAL_EXPIRED, words="It expired"))
    assert (recovered.outcome.ending, recovered.outcome.reason) == (Ending.REFUSED, Reason.APPROVAL_EXPIRED)
    assert "nothing was changed" in recovered.outcome.summary
    assert bench.ledger.open_incidents() == []
    assert bench.engine().recover(lambda run: Over(reason=None, words="again")) == []


def end_migrations(bench: Bench) -> None:
    with bench.lab.world.lock:
        for move in bench.lab.world.active_migrations():
            machine = bench.lab.world.machine(move.machine)
            migration._arrive(bench.lab.world, move, machine, bench.lab.world.host(move.destination))


def forget_expectations(bench: Bench) -> None:
    """A site that does not say which limit it wants."""
    site = bench.lab.site

    def silent():
        found = site()
        clusters = tuple(each.model_copy(update={"expect": type(each.expect)()}) for each in found.clusters)
        hosts = tuple(each.model_copy(update={"expect": type(each.expect)()}) for each in found.hosts)
        return found.model_copy(update={"clusters": clusters, "hosts": hosts})

    bench.lab.site = silent
