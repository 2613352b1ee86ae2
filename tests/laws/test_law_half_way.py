"""What stands between the steps of a plan: somebody else, a failure, a lost answer, a lost lease, a cancellation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from breaking import Interrupted, Meddling, interrupted, remediate
from law_bench import Bench

from remediations.engine import Engine, Over
from remediations.lab.protocol import Fault
from remediations.model.causes import Cause
from remediations.model.command import Command
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Reason
from remediations.remoting import AnswerLost

SPN, CPU = Cause.SPN_MISSING.value, Cause.CPU_INCOMPATIBLE.value


def meddled(bench: Bench, command: str, **when: object) -> Engine:
    engine = bench.engine()
    engine.hosts = Meddling(bench, command, **when)
    return engine


def running(bench: Bench, name: str = "VM42") -> bool:
    bench.lab.world.wait(lambda: bench.lab.world.machine(name).running)
    return True


class Late(Meddling):
    """Hosts on which a change runs a little after its answer was lost, and that cannot tell of it."""

    waiting: Callable[[], object] | None = None

    def change(self, host: str, command: Command, **how: Any) -> object:
        """Lose the answer; keep the command for later."""
        if command.name != self._command:
            return super().change(host, command, **how)
        how["before_send"]()
        self.waiting = partial(self._hosts.change, host, command, **how | {"before_send": lambda: None})
        raise AnswerLost(host, command.text, "the connection was reset", how["command_id"])

    def outcome(self, host: str, command_id: UUID, *, deadline: float) -> None:
        """Nothing is known of it."""


def test_a_change_that_comes_late_is_not_taken_for_one_that_never_came(bench: Bench) -> None:
    """The answer is lost and the host still shows what was before; the command runs a little later."""
    failure, engine, pauses = bench.lab.fail(SPN), bench.engine(), []
    late = Late(bench, "Set-ADComputer")
    engine.hosts = late

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3 and late.waiting is not None:
            late.waiting()
        bench.pause(seconds)

    engine.pause = pause
    report = remediate(engine, failure, bench.approving)
    assert report.outcome.ending is Ending.MENDED, report.outcome
    assert [name for _, name, _ in bench.changes()].count("Set-ADComputer") == 1


def test_somebody_who_sets_what_the_next_step_would_set_stops_nothing(bench: Bench) -> None:
    failure = bench.lab.fail(CPU)

    def meddle() -> None:
        bench.lab.world.machine("VM42").compatible = True

    report = remediate(meddled(bench, "Stop-VM", after=meddle), failure, bench.approving)
    assert report.outcome.ending is Ending.MENDED, report.outcome
    assert "Set-VMProcessor" not in [name for _, name, _ in bench.changes()]
    assert running(bench)


def test_somebody_who_starts_the_machine_meanwhile_is_left_alone(bench: Bench) -> None:
    """The guard of the second step (the machine is off) fails: there is nothing left to take back."""
    failure, engine = bench.lab.fail(CPU), bench.engine()
    shown = engine.observe

    def observe(name: str, work: Callable[[], object]) -> object:
        if ": Set-VMProcessor" in name:
            with bench.lab.world.lock:
                bench.lab.world.machine("VM42").state = "Running"
        return shown(name, work)

    engine.observe = observe
    report = remediate(engine, failure, bench.approving)
    assert report.outcome.ending in (Ending.UNDONE, Ending.REFUSED), report.outcome
    assert [name for _, name, _ in bench.changes()] == ["Stop-VM"]
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.held() == []


def test_a_step_that_fails_has_those_before_it_taken_back_newest_first(bench: Bench) -> None:
    failure = bench.lab.fail(CPU)
    before = bench.lab.world.state_hash()
    bench.lab.protocol_faults.add(Fault(action="Command", kind="wsman", command="Set-VMProcessor", count=None))
    report = bench.mend(failure)
    assert report.outcome.ending is Ending.UNDONE, report.outcome
    assert running(bench)
    assert bench.lab.world.state_hash() == before
    assert [name for _, name, _ in bench.changes()] == ["Stop-VM", "Start-ClusterResource"]
    assert bench.ledger.open_brackets() == []


def test_a_start_that_fails_is_said_and_closed_by_recovery(bench: Bench) -> None:
    failure = bench.lab.fail(CPU)
    bench.lab.protocol_faults.add(Fault(action="Command", kind="wsman", command="Start-ClusterResource", count=None))
    report = bench.mend(failure)
    assert report.outcome.ending is Ending.FAILED, report.outcome
    assert "Start-ClusterResource" in report.outcome.summary
    assert bench.ledger.open_brackets() != []
    bench.lab.protocol_faults.clear()
    bench.clock.ahead += timedelta(hours=1)
    bench.engine().recover(lambda run: Over(reason=None, words="it ended"))
    assert running(bench)
    assert bench.ledger.open_brackets() == []


def test_a_lease_that_is_lost_half_way_says_what_was_done(bench: Bench) -> None:
    """The worker slept for hours in the middle of the plan: it takes back what it did, and keeps nothing quiet."""
    failure = bench.lab.fail(CPU)
    before = bench.lab.world.state_hash()

    def sleep() -> None:
        bench.clock.ahead += timedelta(hours=2)

    report = remediate(meddled(bench, "Stop-VM", after=sleep), failure, bench.approving)
    assert report.outcome.ending in (Ending.UNDONE, Ending.MENDED), report.outcome
    assert running(bench)
    if report.outcome.ending is Ending.UNDONE:
        assert bench.lab.world.state_hash() == before
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.held() == []


def test_a_ledger_that_goes_away_half_way_is_no_reason_to_say_that_nothing_was_changed(bench: Bench) -> None:
    failure = bench.lab.fail(CPU)

    def vanish() -> None:
        for each in bench.path.glob("ledger.db*"):
            each.rename(each.with_name("away-" + each.name))

    report = remediate(meddled(bench, "Set-VMProcessor", after=vanish), failure, bench.approving)
    assert report.outcome.reason is Reason.LEDGER_UNAVAILABLE
    assert report.outcome.ending is Ending.FAILED, report.outcome
    assert "Stop-VM" in report.outcome.summary, report.outcome
    for each in bench.path.glob("away-ledger.db*"):
        each.rename(each.with_name(each.name.removeprefix("away-")))
    bench.clock.ahead += timedelta(hours=2)
    bench.engine().recover(lambda run: Over(reason=None, words="The run ended"))
    assert running(bench)
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.unfinished_runs() == []


@pytest.mark.parametrize("piece", ["Stop-VM", "Set-VMProcessor", "Start-ClusterResource"])
def test_a_cancelled_run_leaves_nothing_half_way(bench: Bench, piece: str) -> None:
    failure = bench.lab.fail(CPU)
    before = bench.lab.world.state_hash()
    with pytest.raises(Interrupted):
        remediate(interrupted(bench, f": {piece}"), failure, bench.approving)
    assert running(bench)
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.held() == []
    (recovered,) = bench.engine().recover(lambda run: Over(reason=None, words="The run was cancelled"))
    assert recovered.outcome.ending in (Ending.UNDONE, Ending.REFUSED), recovered.outcome
    assert bench.lab.world.state_hash() == before
    assert bench.ledger.open_incidents() == []


def test_two_engines_on_one_run_at_once_do_every_step_once(bench: Bench) -> None:
    """Prefect may start a run again while its first process still lives."""
    failure = bench.lab.fail(CPU)
    found = []

    def meanwhile() -> None:
        if not found:
            found.append(None)
            found[0] = remediate(bench.engine(), failure, bench.approving)

    first = remediate(meddled(bench, "Stop-VM", after=meanwhile), failure, bench.approving)
    names = [name for _, name, _ in bench.changes()]
    assert {name: names.count(name) for name in ("Stop-VM", "Set-VMProcessor")} == {"Stop-VM": 1, "Set-VMProcessor": 1}, names
    assert running(bench)
    assert bench.ledger.open_brackets() == []
    assert first.outcome.ending is not Ending.UNDONE, first.outcome
    assert bench.ledger.run("run-1").outcome == found[0].outcome


def test_a_step_that_nobody_could_decide_is_decided_once_its_host_is_back(bench: Bench) -> None:
    """The directory dies with the change: until it is back nobody may touch it, and then everybody may again."""
    failure = bench.lab.fail(SPN)
    bench.lab.protocol_faults.add(Fault(host="DC1", action="Command", kind="die", command="Set-ADComputer"))
    report = bench.mend(failure)
    assert report.outcome.ending is Ending.FAILED, report.outcome
    assert [each.became for each in report.sent] == ["not known"]
    bench.lab.server.start_host("DC1")
    bench.clock.ahead += timedelta(hours=2)
    (recovered,) = bench.engine().recover(lambda run: None)
    assert recovered.run == "run-1"
    assert bench.ledger.undecided() == []
    assert bench.engine().recover(lambda run: None) == []
    again = bench.mend(failure, run="run-2")
    assert again.outcome.ending is not Ending.FAILED, again.outcome
    assert again.outcome.reason is not Reason.RESOURCE_BUSY, again.outcome


def test_what_else_its_role_holds_is_not_started_with_it(bench: Bench) -> None:
    """VM44 was put into VM42's role and is off on purpose; VM42 is shut down for its setting and started again."""
    failure, cluster = bench.lab.fail(CPU), bench.lab.world.cluster
    assert cluster is not None
    with bench.lab.world.lock:
        del cluster.roles["VM44"]
        cluster.roles["VM42"].others = ("VM44",)
        bench.lab.world.machine("VM44").power_off()
    remediate(bench.engine(), failure, bench.approving)
    assert "Set-VMProcessor" in [name for _, name, _ in bench.changes()]
    assert running(bench)
    assert bench.lab.world.machine("VM44").state == "Off"


def test_a_guest_that_was_asked_to_shut_down_and_has_not_is_told_of(bench: Bench) -> None:
    """It may go down when nobody of ours looks any more: people have to know."""
    failure = bench.lab.fail(CPU)
    bench.lab.world.machine("VM42").hangs = True
    report = bench.mend(failure)
    assert report.outcome.ending is Ending.UNDONE, report.outcome
    assert "The guest of VM42 was asked to shut down and may do so yet" in report.outcome.summary
    assert bench.ledger.open_brackets() == []


def test_what_is_remembered_of_a_machine_is_not_another_clusters_of_that_name() -> None:
    here = Incident(vm="VM42", source="HV01", cluster="CLUSTER1")
    assert here.seen_on == "VM42 in CLUSTER1"
    assert here.seen_on != here.model_copy(update={"cluster": "CLUSTER2"}).seen_on
