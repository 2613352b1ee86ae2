"""Law 4: a process that dies before or after any write, to a host or to the ledger, is resumed or recovered all the same."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from breaking import Died, Life, mortal, remediate
from law_bench import Bench

from remediations.engine import Over
from remediations.model.causes import Cause
from remediations.model.outcome import Ending

CPU = Cause.CPU_INCOMPATIBLE.value


def points(first: int, last: int) -> list[tuple[int, bool]]:
    """Before and after each write; a run of this repair has 27 after its first three."""
    return [(at, after) for at in range(first, last + 1) for after in (False, True)]


def assert_at_rest(bench: Bench) -> None:
    """Nothing is half-way, nobody holds anything, nobody is waited for."""
    world = bench.lab.world
    world.wait(lambda: world.machine("VM42").running)
    assert world.cluster is not None
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.unfinished_runs() == []
    assert bench.ledger.open_incidents() == []


def died(bench: Bench, at: int, *, after: bool) -> tuple[object, Life]:
    """A run for the virtual machine that must be off for its repair, dead at the `at`-th write."""
    failure, life = bench.lab.fail(CPU), Life(at, after=after)
    with pytest.raises(Died):
        remediate(mortal(bench, life), failure, bench.approving)
    bench.clock.ahead += timedelta(hours=1)
    return failure, life


@pytest.mark.parametrize(("at", "after"), points(4, 27)[::8])
def test_a_run_that_died_goes_on_where_it_was(bench: Bench, at: int, after: bool) -> None:
    failure, life = died(bench, at, after=after)
    report = remediate(bench.engine(), failure, bench.approving)
    assert report.outcome.ending in (Ending.MENDED, Ending.NOTHING_TO_DO), (life.writes, report.outcome)
    assert bench.lab.world.machine("VM42").host == "HV02"
    assert_at_rest(bench)
    ran = Counter(name for _, name, _ in bench.changes())
    assert set(ran.values()) == {1}, (life.writes, ran)


@pytest.mark.parametrize(("at", "after"), points(4, 27)[3::8])
def test_a_run_that_died_is_finished_by_recovery(bench: Bench, at: int, after: bool) -> None:
    _, life = died(bench, at, after=after)
    engine = bench.engine()
    for _ in range(2):  # a second sweep finds nothing more to do
        engine.recover(lambda run: Over(reason=None, words="The run crashed"))
    machine = bench.lab.world.machine("VM42")
    bench.lab.world.wait(lambda: machine.running)
    for opened in bench.ledger.open_incidents():
        assert opened.run is None
    assert bench.ledger.unfinished_runs() == []
    assert bench.ledger.open_brackets() == []
    outcome = (bench.ledger.run("run-1") or pytest.fail("no run")).outcome
    assert outcome is not None
    if outcome.ending in (Ending.UNDONE, Ending.REFUSED):
        assert (machine.compatible, machine.host) == (False, "HV01"), (life.writes, outcome)
    else:
        assert machine.compatible, (life.writes, outcome)
