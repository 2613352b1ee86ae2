"""One broken request of one remediation's carrying out, and what became of it: for the law, and for the whole cross."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from law_bench import ANYTIME, Bench, MovableClock, incident_of
from law_faults import IRREVERSIBLE, MENDED

from remediations.catalogue import CATALOGUE, repairs_for
from remediations.catalogue.bypass_proxy import BypassProxy
from remediations.catalogue.drain_node import DrainNode
from remediations.catalogue.move_vm import MoveVm
from remediations.catalogue.remediation import Remediation
from remediations.catalogue.resume_node import ResumeNode
from remediations.catalogue.upgrade_vm_version import UpgradeVmVersion
from remediations.engine import Answer, Ask, Engine, Over, Report
from remediations.engine.ports import Gate
from remediations.engine.propose import canonical
from remediations.lab.lab import Lab
from remediations.lab.protocol import Fault
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.contract import Effect, contracts
from remediations.model.outcome import Ending
from remediations.remoting import Remoting, RemotingSettings
from remediations.settings import resolve

HASTY = RemotingSettings(connect=5, operation=5, poll=1, slack=3, stop=1, in_flight=0.5, probe=3)
"""A remoting that gives up soon, but not so soon that a busy machine looks like a broken wire."""

KINDS = ("reset", "hang", "garbage", "unauthorized", "wsman", "die")

Way = tuple[str, str, float | int | None]
"""How a request breaks: kind, moment, value, as `Fault` takes them."""

BREAKS: tuple[Way, ...] = (
    *((kind, moment, None) for kind in KINDS for moment in ("before", "after")),
    ("http", "before", 503),
    ("http", "after", 503),
    ("delay", "before", 0.2),
    ("late", "before", 0.1),
)
"""Every way in which the lab's wire breaks, before and after the request was carried out."""


class Became(StrEnum):
    """What became of a remediation whose wire broke. The last three must not be."""

    MENDED = "applied and verified"
    UNDONE = "undone"
    TOLD = "stopped and reported"
    LOST = "lost"
    DOUBLED = "doubled"
    HALF_DONE = "half done without a report"


RIGHT = (Became.MENDED, Became.UNDONE, Became.TOLD)


@dataclass(frozen=True)
class Tried:
    """One point: which request broke how, and what became of it."""

    remediation: str
    request: int
    kind: str
    moment: str
    became: Became
    detail: str = ""
    struck: bool = True
    requests: int = 0
    """How many requests the run made after its approval."""

    def __str__(self) -> str:
        return f"{self.remediation}: request {self.request} {self.kind} {self.moment}: {self.became.value} {self.detail}"


Prepare = Callable[[Bench], Remediation]


def _of_cause(cause: str, wanted: type[Remediation]) -> Prepare:
    """What a repair is asked for once that cause has made a move fail."""

    def prepare(bench: Bench) -> Remediation:
        site = bench.lab.site()
        incident = canonical(incident_of(bench.lab.fail(cause)), site)
        engine = bench.engine()
        for request in wanted.for_incident(incident, site):  # repairs only
            found = engine.carry_out("look", request, dry_run=True, gate=_nobody, requested_by="anna")
            if found.plan is not None and found.plan.appliable:
                return request
        raise LookupError(f"{wanted.id} has nothing to do after {cause}")

    return prepare


def _nobody(ask: Ask) -> Answer:
    raise AssertionError(ask.page)


def _paused(bench: Bench) -> Remediation:
    assert bench.lab.world.cluster is not None
    with bench.lab.world.lock:
        bench.lab.world.cluster.nodes["HV01"].state = "Paused"
    return ResumeNode(node="HV01")


def _past_a_proxy(bench: Bench) -> Remediation:
    with bench.lab.world.lock:
        bench.lab.world.host("HV03").network.winrm.proxy = "http://proxy.contoso.com:8080"
    return BypassProxy(host="HV03", peer="HV04")


def _old(bench: Bench) -> Remediation:
    bench.lab.fail("config_version_mismatch")
    return UpgradeVmVersion(vm="VM42", host="HV01")


def _scenarios() -> dict[str, Prepare]:
    found: dict[str, Prepare] = {
        "drain-node": lambda bench: DrainNode(node="HV01"),
        "resume-node": _paused,
        "bypass-proxy": _past_a_proxy,
        "move-vm": lambda bench: MoveVm(vm="VM42", to="HV02"),
        "upgrade-vm-version": _old,
    }
    for cause in (*MENDED, *IRREVERSIBLE):
        for repair in repairs_for(Cause(cause)):
            if repair.sends and (repair.id not in found or repair.causes[0] == cause):
                found[repair.id] = found[repair.id] if repair.id == "bypass-proxy" else _of_cause(cause, repair)
    return found


SCENARIOS = _scenarios()
"""How each changing remediation comes to have something to do, by its id."""

MISSING = sorted({entry.id for entry in CATALOGUE.values() if entry.sends} - set(SCENARIOS))


class Hurried(Bench):
    """A bench whose clock runs the faster the longer a run waits: where a host died, it may do so for hours."""

    pauses = 0

    def pause(self, seconds: float) -> None:
        """Wait a moment; the engine's clock believes that it was all of it, and later much more."""
        super().pause(seconds)
        self.pauses += 1
        self.clock.ahead += timedelta(seconds=seconds * (self.pauses // 20) ** 2)


@contextmanager
def bench() -> Iterator[Bench]:
    """A fresh bench with a hasty remoting."""
    with ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="law-wire-")))
        lab, clock = stack.enter_context(Lab()), MovableClock()
        ledger = stack.enter_context(Ledger(f"sqlite:///{path / 'ledger.db'}", clock=clock))
        remoting = stack.enter_context(Remoting(lab.site(), resolve, settings=HASTY))
        yield Hurried(lab, ledger, remoting, clock, path)


def prepared(it: Bench, name: str) -> Remediation:
    """What a remediation is asked for in its scenario, which is made on this bench with a remoting that has patience."""
    with Remoting(it.lab.site(), resolve) as patient:
        return SCENARIOS[name](replace(it, remoting=patient))


class Attempt:
    """One carrying out on a bench, whose `request`-th request after its approval breaks that way."""

    def __init__(self, it: Bench, name: str, request: int, way: Way | None) -> None:
        self.it, self.name, self.request = it, name, request
        self.kind, self.moment, self.value = way or ("none", "before", None)
        self.before = it.lab.world.state_hash()
        self._counting, self._people = Counting(it), ["anna", "bert"]

    def answer(self, ask: Ask) -> Answer:
        """The gate: approves, and from then on the wire is watched, and breaks."""
        self._counting.begin()
        faults = self.it.lab.protocol_faults
        if self.kind != "none" and not faults.fired:
            faults.clear()
            faults.add(Fault(nth=self.request, kind=self.kind, moment=self.moment, value=self.value))
        return Answer(decision="approve", approver=self._people.pop(0), digest=ask.digest[:8], target=ask.needed.typed)

    def over(self, report: Report | None, error: str) -> Tried:
        """What became of it, once recovery has done its part."""
        faults = self.it.lab.protocol_faults
        struck = list(faults.fired)
        faults.clear()
        faults.release()
        dead = [each.host for each in struck if each.fault.kind == "die"]
        became, detail = judged(self.it, self.before, report, error, dead)
        count = self._counting.count
        return Tried(self.name, self.request, self.kind, self.moment, became, detail, bool(struck), count)


def carried(engine: Engine, remediation: Remediation, gate: Gate) -> tuple[Report | None, str]:
    """The report of carrying it out; or none, and the error that nobody would have been told."""
    try:
        return engine.carry_out("run-1", remediation, dry_run=False, gate=gate, requested_by="carl"), ""
    except Exception as raised:  # whatever it is
        return None, repr(raised)


def tried(name: str, request: int, way: Way | None) -> Tried:
    """Carry out a remediation whose `request`-th request after its approval breaks that way, then let recovery do its part."""
    with bench() as it:
        remediation = prepared(it, name)
        attempt = Attempt(it, name, request, way)
        return attempt.over(*carried(it.engine(ANYTIME), remediation, attempt.answer))


class Counting:
    """Counts the requests that reach the lab from some moment on."""

    def __init__(self, it: Bench) -> None:
        self.count, self._on = 0, False
        faults, strike = it.lab.protocol_faults, it.lab.protocol_faults.strike

        def counted(host: str, action: str, commands: tuple[str, ...]) -> Fault | None:
            self.count += self._on
            return strike(host, action, commands)

        faults.strike = counted

    def begin(self) -> None:
        """From now on."""
        self._on = True


def judged(it: Bench, before: str, report: Report | None, error: str, dead: Sequence[str]) -> tuple[Became, str]:
    """What became of it, and after its hosts are back and recovery has run, whether anything is left."""
    world = it.lab.world
    if report is None:
        return Became.LOST, error
    world.wait(lambda: all(entry.outcome != "running" for entry in it.lab.journal))
    told = report.outcome
    changed = world.state_hash() != before
    for host in dict.fromkeys(dead):
        it.lab.server.start_host(host)
    it.clock.ahead += timedelta(hours=2)
    it.engine().recover(lambda run: Over(reason=None, words="it ended"))
    # What hands out a secret, or writes a log to fetch it, changes no setting: once more after a lost answer does no harm.
    ran = Counter(json.dumps([host, name, given], default=str, sort_keys=True) for host, name, given in it.changes())
    most = {name: 1 if contracts()[name].effect is Effect.CHANGE else 2 for _, name, _ in it.changes()}
    doubled = [command for command, times in ran.items() if times > most[json.loads(command)[1]]]
    if doubled:
        return Became.DOUBLED, "; ".join(doubled)
    world.settle()
    left = [f"bracket {each.name}" for each in it.ledger.open_brackets()]
    left += [f"step of {run} in question" for run, _ in it.ledger.undecided()]
    left += [f"lease of {each.holder}" for each in it.ledger.held()]
    left += [f"run {each.run} unfinished" for each in it.ledger.unfinished_runs()]
    if left:
        return Became.HALF_DONE, "; ".join(left)
    kept = [each.command for each in report.sent if each.became in ("done", "not known")]
    if told.ending is Ending.MENDED:
        return (Became.MENDED, "") if report.verified else (Became.HALF_DONE, told.summary)
    if told.ending in (Ending.UNDONE, Ending.REFUSED):
        return (Became.HALF_DONE, f"says {told.ending.value}: {told.summary}") if changed else (Became.UNDONE, "")
    if not changed or kept or any(each.command in told.summary for each in report.sent):
        return Became.TOLD, f"{told.ending.value}: {told.summary[:160]}"
    return Became.HALF_DONE, told.summary


def points(name: str, requests: int, most: int | None = None) -> list[tuple[int, Way]]:
    """Every request broken in every way, in an order that is always the same for a remediation; or the first `most` of them."""
    every = [(request, way) for request in range(1, requests + 1) for way in BREAKS]
    return random.Random(name).sample(every, len(every))[:most]  # noqa: S311 # no secret: the same order every time
