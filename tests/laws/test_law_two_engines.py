"""Law 6 with two whole engines, each a process of its own, on one real PostgreSQL: one changes, and nothing is done twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import law_two
import pytest
from breaking import Life
from law_bench import Bench, MovableClock
from law_two import Signalled, begun
from own_postgres import own_postgres, own_schema, require

from remediations.engine import Over, Report
from remediations.lab.lab import Failure, Lab
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.outcome import Ending, Reason
from remediations.remoting import Remoting, RemotingSettings
from remediations.settings import resolve

CAUSES = (Cause.CPU_INCOMPATIBLE, Cause.ACCESS_DENIED_DELEGATION, Cause.SPN_MISSING)
LAGS = (0.0, 0.3, 0.7, 1.5)
"""Seconds by which the second engine comes later, so that it meets the first at another place each time."""
AT_THE_SAME_TIME = (Reason.RESOURCE_BUSY, Reason.DUPLICATE_IN_PROGRESS, Reason.DRIFT, Reason.GUARD_FAILED)


@dataclass
class Site:
    """A lab, a ledger on PostgreSQL, and engines in other processes."""

    bench: Bench
    url: str
    site: Path
    processes: BaseContext
    ends: ExitStack

    def starts(
        self, run: str, what: str | Failure, moment: float = 0.0, life: Life | None = None
    ) -> tuple[BaseProcess, Connection]:
        """An engine that begins this run at that moment."""
        ours, theirs = self.processes.Pipe()
        given = (str(self.site), self.url, run, what, life or Life(), moment, theirs)
        process = self.processes.Process(target=law_two.runs, args=given)
        process.start()
        self.ends.callback(process.kill)  # a test that failed leaves none behind, frozen ones neither
        theirs.close()
        return process, ours

    def race(self, lag: float, *runs: tuple[str, str | Failure]) -> list[Report]:
        """The reports of engines of which each begins a while after the one before."""
        moment = time.time() + 0.5
        started = [self.starts(run, what, moment + number * lag) for number, (run, what) in enumerate(runs)]
        return [told(process, pipe) for process, pipe in started]

    def at_rest(self) -> None:
        """Nothing was done twice, nothing is half-way or held, and no two ever had one resource."""
        world, ledger = self.bench.lab.world, self.bench.ledger
        world.wait(lambda: all(entry.outcome != "running" for entry in self.bench.lab.journal))
        ran = Counter(json.dumps(each, default=str, sort_keys=True) for each in self.bench.changes())
        assert [each for each, times in ran.items() if times > 1] == []
        assert ledger.open_brackets() == []
        assert ledger.undecided() == []
        assert ledger.unfinished_runs() == []
        assert ledger.held() == []
        ledger.verify()
        holders: dict[str, str] = {}
        for note in ledger.whole_trail():
            if note.kind == "lease taken":
                for resource in note.data["tokens"]:
                    assert holders.get(resource, note.data["holder"]) == note.data["holder"], f"{resource} had two holders"
                    holders[resource] = note.data["holder"]
            elif note.kind == "lease released":
                for resource in note.data["resources"]:
                    holders.pop(resource, None)

    def sent(self, run: str) -> int:
        """How many commands a run has sent."""
        return sum(each.kind == "step intended" for each in self.bench.ledger.trail(run))


def told(process: BaseProcess, pipe: Connection) -> Report:
    """What an engine reports before its process ends."""
    assert pipe.poll(200), "an engine said nothing"
    try:
        report: Report = pipe.recv()
    except EOFError:
        pytest.fail("an engine ended without a report: its traceback is in what was printed")
    process.join(60)
    assert process.exitcode == 0
    return report


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    require()
    with own_postgres(durable=True) as url:
        yield url


@pytest.fixture
def site(server: str, processes: BaseContext, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes a site of its own each time."""
    with ExitStack() as stack:

        def make(causes: Sequence[Cause] = CAUSES) -> Site:
            lab, clock, url = stack.enter_context(Lab()), MovableClock(), own_schema(server)
            for cause in causes:
                lab.inject(cause.value)
            ledger = stack.enter_context(Ledger(url, clock=clock))
            remoting = stack.enter_context(Remoting(lab.site(), resolve, settings=RemotingSettings(in_flight=1)))
            path = tmp_path / url[-6:]
            path.mkdir()
            return Site(Bench(lab, ledger, remoting, clock, path), url, lab.write_site(path / "site.yaml"), processes, stack)

        yield make


@pytest.mark.parametrize("what", ["enable-processor-compatibility", "configure-delegation"])
def test_two_engines_are_given_the_same_plan(site: Callable[..., Site], what: str) -> None:
    """As when a worker is thought dead and its run is given to another one, while it still works."""
    for lag in LAGS:
        here = site()
        reports = here.race(lag, ("run-1", what), ("run-1", what))
        endings = [each.outcome.ending for each in reports]
        assert Ending.MENDED in endings, "\n".join(each.markdown for each in reports)
        assert set(endings) <= {Ending.MENDED, Ending.REFUSED}, reports
        here.at_rest()


def test_two_engines_are_told_of_the_same_failure(site: Callable[..., Site]) -> None:
    met = 0
    for lag in LAGS[:3]:
        here = site(())
        failure = here.bench.lab.fail(Cause.SPN_MISSING.value)
        first, second = sorted(
            here.race(lag, ("run-1", failure), ("run-2", failure)), key=lambda each: each.outcome.ending is not Ending.MENDED
        )
        assert first.outcome.ending is Ending.MENDED, first.markdown
        ended = (second.outcome.ending, second.outcome.reason)
        # A process that was held up for longer than the first one's whole run finds nothing that still fails.
        over = (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)
        assert ended in ((Ending.REFUSED, Reason.DUPLICATE_IN_PROGRESS), over), second.markdown
        assert here.sent(second.run) == 0, second.markdown
        met += ended != over
        assert [each.run for each in here.bench.ledger.open_incidents()] == []
        here.at_rest()
    assert met, "they never met: the law shows nothing"


@pytest.mark.parametrize(
    ("one", "other"),
    [("configure-delegation", "register-spns"), ("enable-processor-compatibility", "drain-node")],
)
def test_two_engines_have_plans_for_one_host(site: Callable[..., Site], one: str, other: str) -> None:
    met = 0
    for lag in LAGS:
        here = site()
        reports = here.race(lag, ("run-1", one), ("run-2", other))
        assert Ending.MENDED in [each.outcome.ending for each in reports], reports
        for report in reports:
            if report.outcome.ending is Ending.MENDED:
                continue
            if report.outcome.ending is Ending.NEEDS_PERSON:
                # It looked while the other had the machine off: that is in its way, so it has nothing to carry out.
                assert report.plan is not None, report.markdown
                assert not report.plan.appliable, report.markdown
            else:
                assert report.outcome.ending in (Ending.REFUSED, Ending.UNDONE), report.markdown
                assert report.outcome.reason in AT_THE_SAME_TIME, report.markdown
            sent = here.sent(report.run)
            # A drain that came first fails by the machine that the other mends after it, and takes back what it did.
            assert sent == 0 or report.outcome.ending is Ending.UNDONE, report.markdown
            met += sent == 0
        here.at_rest()
    assert met, "they never met: the law shows nothing"


@pytest.mark.parametrize("write", ["intend", "change"])
def test_when_the_holder_is_killed_the_other_waits_until_it_is_decided_and_goes_on(
    site: Callable[..., Site], write: str
) -> None:
    here = site()
    life = Signalled(write, 1, after=True, sends=signal.SIGKILL)
    process, _ = here.starts("run-1", "configure-delegation", life=life)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    engine = here.bench.engine()
    for hours in (0, 2):
        here.bench.clock.ahead = timedelta(hours=hours)
        report = begun(engine, f"early-{hours}", "register-spns")
        assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.RESOURCE_BUSY), report.markdown
        assert here.sent(report.run) == 0
    engine.recover(lambda run: Over(reason=None, words="its worker was killed") if run == "run-1" else None)
    for what in ("register-spns", "configure-delegation"):
        report = begun(engine, what, what)
        assert report.outcome.ending is Ending.MENDED, report.markdown
    # What the killed one did was taken back, and is done again by the run that was asked for it anew.
    left = here.bench.ledger.run("run-1")
    assert left is not None and left.outcome is not None and left.outcome.ending is Ending.UNDONE  # noqa: PT018


@pytest.mark.parametrize(("write", "which"), [("use_approval", 1), ("intend", 1), ("intend", 2), ("result", 1)])
def test_a_holder_that_was_frozen_past_its_lease_sends_nothing_more(site: Callable[..., Site], write: str, which: int) -> None:
    """A suspended machine wakes up when another worker has long finished its run."""
    here, what = site(), "enable-processor-compatibility"
    process, pipe = here.starts("run-1", what, life=Signalled(write, which, after=False, sends=signal.SIGSTOP))
    frozen(process)
    here.bench.clock.ahead = timedelta(hours=2)
    report = begun(here.bench.engine(), "run-1", what)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    changed, outcome = here.bench.changes(), here.bench.ledger.run("run-1")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    late = told(process, pipe)
    assert here.bench.changes() == changed, late.markdown
    assert here.bench.ledger.run("run-1") == outcome, "what the run came to stands"
    here.at_rest()


def frozen(process: BaseProcess) -> None:
    """Wait until a process has stopped itself."""
    end = time.monotonic() + 60
    while True:
        assert process.is_alive(), f"it ended, with {process.exitcode}: its traceback is in what was printed"
        if Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return
        assert time.monotonic() < end, "it never came to where it was to freeze"
        time.sleep(0.02)
