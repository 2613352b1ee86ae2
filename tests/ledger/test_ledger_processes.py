"""Many processes on one ledger, and processes that are killed."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path

import ledger_work
import pytest
from ledger_examples import incident, intend, plan, refused, result, sealed, started

from remediations.ledger import Ledger
from remediations.ledger.published import Published
from remediations.model.outcome import Reason

WORKERS = 3


@pytest.fixture(scope="module")
def processes() -> BaseContext:
    """How processes are started: forked from one that has imported everything, and nothing else."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ledger_work"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context


@pytest.fixture(scope="module")
def pool(processes: BaseContext) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, mp_context=processes) as workers:
        yield workers


Race = Callable[..., list[object]]


@pytest.fixture
def race(pool: ProcessPoolExecutor) -> Race:
    """Runs a function in all processes at once, each with its own arguments; what each returned."""

    def run(work: Callable[..., object], each: Callable[[int], tuple[object, ...]]) -> list[object]:
        running = [pool.submit(work, *each(number)) for number in range(WORKERS)]
        return [one.result(timeout=60) for one in running]

    return run


def test_many_open_one_new_ledger(race: Race, url: str) -> None:
    found = race(ledger_work.opens, lambda _: (url, 1))
    ids = {each[0] for one in found for each in one}
    assert len(ids) == 1
    with Ledger(url) as ledger:
        assert ledger.incident(ids.pop()).reports == WORKERS
        ledger.verify()


def test_appends_of_many_processes_make_one_chain(race: Race, blank: str) -> None:
    heads = [each for one in race(ledger_work.notes, lambda number: (blank, f"run-{number}", 30)) for each in one]
    with Ledger(blank) as ledger:
        ledger.verify()
        rows = list(ledger.whole_trail())
        assert [row.seq for row in rows] == list(range(1, 30 * WORKERS + 1))
        assert sorted(row.hash for row in rows) == sorted(heads)
        for number in range(WORKERS):
            assert [row.data["number"] for row in rows if row.run == f"run-{number}"] == list(range(30))


def test_many_processes_publish_and_the_file_is_always_whole(race: Race, tmp_path: Path) -> None:
    race(ledger_work.publishes, lambda number: (str(tmp_path), list(range(number + 1, 60, WORKERS))))
    kept = Published(tmp_path).read()
    assert kept is not None
    assert kept.hash == f"{kept.seq:064}"
    assert [path.name for path in tmp_path.iterdir()] == ["audit-head.json"]


def test_one_incident_is_opened_once(race: Race, blank: str) -> None:
    found = [each for one in race(ledger_work.opens, lambda _: (blank, 15)) for each in one]
    assert len({number for number, _ in found}) == 1
    assert [joined for _, joined in found].count(False) == 1
    with Ledger(blank) as ledger:
        (opened,) = ledger.open_incidents()
        assert opened.reports == 15 * WORKERS
        ledger.verify()


def test_each_incident_is_opened_by_exactly_one_report(race: Race, blank: str) -> None:
    found = [each for one in race(ledger_work.opens_and_closes, lambda _: (blank, 10)) for each in one]
    opened = Counter(number for number, joined in found if not joined)
    assert set(opened) == {number for number, _ in found}
    assert set(opened.values()) == {1}


def test_one_run_gets_an_incident(race: Race, blank: str) -> None:
    with Ledger(blank) as ledger:
        number = ledger.open_incident(incident(), None).id
        got = race(ledger_work.attaches, lambda which: (blank, number, f"run-{which}"))
        assert got.count(True) == 1
        assert ledger.incident(number).run == f"run-{got.index(True)}"


def test_one_decision_is_made(race: Race, blank: str) -> None:
    with Ledger(blank) as ledger:
        started(ledger)
        which = sealed(ledger, plan())
        said = race(ledger_work.decides, lambda number: (blank, "run-1", f"approver {number}"))
        assert Counter(said) == {"decided": 1, Reason.APPROVAL_INVALID.value: WORKERS - 1}
        decided = ledger.decision(which)
        assert decided is not None
        assert decided.approver == f"approver {said.index('decided')}"


def test_no_number_is_asked_under_twice(race: Race, blank: str) -> None:
    with Ledger(blank) as ledger:
        started(ledger)
        asked = race(ledger_work.seals, lambda number: (blank, "run-1", number + 1))
        assert sorted(asked) == list(range(1, WORKERS + 1))


def test_a_lease_excludes_and_its_tokens_grow(race: Race, blank: str, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    tokens = race(ledger_work.counts, lambda number: (blank, str(counter), f"holder {number}", 5))
    assert int(counter.read_text()) == 5 * WORKERS
    assert sorted(each for one in tokens for each in one) == list(range(1, 5 * WORKERS + 1))
    assert all(one == sorted(one) for one in tokens)


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    def report(number: int) -> bool:
        opened = ledger.open_incident(incident(f"VM{number % 4}"), None)
        ledger.note(None, "reported", {"incident": opened.id})
        return opened.joined

    with ThreadPoolExecutor(8) as threads:
        joined = list(threads.map(report, range(40)))
    assert joined.count(False) == 4
    assert len(ledger.open_incidents()) == 4
    ledger.verify()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(ledger: Ledger) -> None:
    ledger.note(None, "parent", {})
    child = os.fork()
    if child == 0:
        try:
            ledger.note(None, "child", {})
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    ledger.note(None, "parent", {})
    assert [note.kind for note in ledger.trail(None)] == ["parent", "child", "parent"]
    ledger.verify()


# ---- kill -9 ----------------------------------------------------------------------------------------------------------


Killed = Callable[[str, str], None]


@pytest.fixture
def killed(processes: BaseContext) -> Killed:
    """Another process comes to this point of a change, and is killed there."""

    def run(url: str, where: str) -> None:
        ours, theirs = processes.Pipe()
        process = processes.Process(target=ledger_work.hangs, args=(url, where, theirs))
        process.start()
        try:
            assert ours.poll(60)
            assert ours.recv() == "ready"
        finally:
            process.kill()
            process.join()

    return run


def test_who_is_killed_before_the_intent_has_sent_nothing_and_holds_nobody_up(killed: Killed, blank: str) -> None:
    killed(blank, "before the intent commits")
    with Ledger(blank) as ledger:
        which = ledger.sealed("run-1", round=1, part="repair")
        assert which is not None
        assert ledger.journal("run-1", which.digest) == []
        assert "half-way" not in [note.kind for note in ledger.trail("run-1")]
        ledger.verify()
        assert [lease.holder for lease in ledger.held()] == ["run-1"]
        intend(ledger, which, ledger.lease(["host:hv07"], holder="run-1", seconds=600))


def test_who_is_killed_after_the_intent_leaves_everything_to_decide_it(killed: Killed, blank: str) -> None:
    killed(blank, "after the intent committed")
    with Ledger(blank) as ledger:
        (left,) = ledger.held()
        which = ledger.sealed("run-1", round=1, part="repair")
        assert which is not None
        (entry,) = ledger.journal("run-1", which.digest)
        assert entry.result is None
        (bracket,) = ledger.open_brackets()
        assert bracket.close.command.text == "Start-VM -Name VM42 -ErrorAction Stop -Confirm:$false"
    with Ledger(blank, clock=lambda: left.until + timedelta(days=1)) as later:
        with refused(Reason.RESOURCE_BUSY, "recovery"):
            later.lease(["host:hv07"], holder="run-2", seconds=60)
        mine = later.lease(["host:hv07"], holder="run-1", seconds=600)
        assert mine.tokens["host:hv07"] == left.tokens["host:hv07"] + 1
        result(later, which, ok=True, how="asked", detail="it ran")
        later.release(mine)
        with refused(Reason.RESOURCE_BUSY, "VM42 is off"):
            later.lease(["host:hv07"], holder="run-2", seconds=60)
        later.close_bracket(bracket, "started by recover")
        assert later.lease(["host:hv07"], holder="run-2", seconds=60).holder == "run-2"
        later.verify()
