"""Law 4 with real processes: killed after any write, to a host or to the ledger, and another one resumes or recovers.

Between the end of one write and the beginning of the next nothing lasting happens, so that after each is before the next too.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from multiprocessing.context import BaseContext
from pathlib import Path

import law_killed
import pytest
from law_bench import Bench, MovableClock
from law_killed import REQUESTS, UNDO, approving, carried_out

from remediations.engine import Over
from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.outcome import Ending
from remediations.remoting import Remoting, RemotingSettings
from remediations.settings import resolve

BROKEN = {
    "enable-processor-compatibility": Cause.CPU_INCOMPATIBLE,
    "configure-delegation": Cause.ACCESS_DENIED_DELEGATION,
    "register-spns": Cause.SPN_MISSING,
    UNDO: Cause.CPU_INCOMPATIBLE,
}
SAFE_TWICE = frozenset({"Clear-RemediationTicket"})
"""Emptying a ticket cache that is empty changes nothing."""

NAMES = (*REQUESTS, UNDO)
WAYS = ("resumed", "recovered")


def killed(processes: BaseContext, path: Path, name: str, at: int | None, way: str) -> list[str]:
    """Let a process die after its `at`-th write; resume or recover; check. Without `at` it lives: the writes it made."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        path.mkdir()
        clock, url = MovableClock(), f"sqlite:///{path / 'ledger.db'}"
        ledger = stack.enter_context(Ledger(url, clock=clock))
        remoting = stack.enter_context(Remoting(lab.site(), resolve, settings=RemotingSettings(in_flight=1)))
        bench = Bench(lab, ledger, remoting, clock, path)
        if name in BROKEN:
            lab.inject(BROKEN[name].value)
        if name == UNDO:
            request = REQUESTS["enable-processor-compatibility"]
            done = bench.engine().carry_out("done", request, dry_run=False, gate=approving, requested_by="carl")
            assert done.outcome.ending is Ending.MENDED, done.markdown
        before, sent = lab.world.state_hash(), len(bench.changes())
        ours, theirs = processes.Pipe()
        site = lab.write_site(path / "site.yaml")
        child = processes.Process(target=law_killed.lives, args=(str(site), url, name, at, theirs))
        child.start()
        theirs.close()
        child.join(120)
        if at is None:
            ending, writes = ours.recv()
            assert ending == Ending.MENDED.value
            return list(writes)
        assert child.exitcode == -9, f"{name} was not killed at write {at}: {child.exitcode}"
        lab.world.wait(lambda: all(entry.outcome != "running" for entry in lab.journal))
        clock.ahead += timedelta(hours=6)
        _follow(bench, name, way, before)
        _at_rest(bench, f"{name}, {way} after write {at}", sent)
    return []


def _follow(bench: Bench, name: str, way: str, before: str) -> None:
    """What another process does of it, and what is so then."""
    if way == "resumed":
        report = carried_out(bench.engine(), name)
        # One that had begun to take its steps back goes on with that.
        assert report.outcome.ending in (Ending.MENDED, Ending.NOTHING_TO_DO), report.markdown
        return
    bench.engine().recover(lambda run: Over(reason=None, words="The run crashed") if run == "run-1" else None)
    if name != "drain-node" and bench.lab.world.state_hash() != before:
        again = bench.engine()
        found = (
            again.undo("dry", "done", dry_run=True, gate=approving, requested_by="carl")
            if name == UNDO
            else again.carry_out("dry", REQUESTS[name], dry_run=True, gate=approving, requested_by="carl")
        )
        assert found.outcome.ending is Ending.NOTHING_TO_DO, found.markdown


def _at_rest(bench: Bench, where: str, sent: int) -> None:
    world = bench.lab.world
    world.wait(lambda: world.machine("VM42").running)
    ran = Counter(
        json.dumps([host, command, given], default=str, sort_keys=True)
        for host, command, given in bench.changes()[sent:]
        if command not in SAFE_TWICE
    )
    assert [each for each, times in ran.items() if times > 1] == [], where
    assert bench.ledger.open_brackets() == [], where
    assert bench.ledger.undecided() == [], where
    assert bench.ledger.unfinished_runs() == [], where
    assert bench.ledger.held() == [], where
    assert world.cluster is not None
    drained = not any(machine.running for machine in world.machines_on("HV01"))
    for node in world.cluster.nodes.values():
        assert node.state == "Up" or (node.name == "HV01" and drained), f"{where}: {node.name} is {node.state}"
    bench.ledger.verify()


@pytest.mark.parametrize(
    ("name", "way", "at"),
    [
        ("enable-processor-compatibility", "recovered", 12),
        ("register-spns", "resumed", 8),
        ("register-spns", "recovered", 5),
        (UNDO, "recovered", 14),
    ],
)
def test_a_killed_process_leaves_nothing_half_way(processes: BaseContext, tmp_path: Path, name: str, way: str, at: int) -> None:
    killed(processes, tmp_path / "one", name, at, way)


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_wherever_it_is_killed_nothing_is_left_half_way(processes: BaseContext, tmp_path: Path, name: str, way: str) -> None:
    """Each write of the run: resumed after every second one, recovered after the others."""
    writes = killed(processes, tmp_path / "whole", name, None, way)
    assert "change" in writes
    assert "intend" in writes
    points = range(WAYS.index(way), len(writes) + 1, len(WAYS))
    for at in points:
        killed(processes, tmp_path / str(at), name, at, way)
    print(f"{name}: {way} after {len(points)} of {len(writes) + 1} points")
