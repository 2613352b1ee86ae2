"""Many broken requests of one remediation's carrying out, each tried from the same moment: its question has just been put.

What leads to the question is done once. Then each point is tried in a child process of its own, where the world as it is gets
new hosts and the ledger is as it was; so no point knows of another. As after Prefect's suspend, no session is open when the
answer comes, so that opening them breaks too.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import NoReturn

from law_bench import ANYTIME, Bench
from law_wire import HASTY, Attempt, Became, Tried, Way, bench, carried, prepared

from remediations.engine import Answer, Ask, Engine
from remediations.lab.lab import Lab
from remediations.remoting import Remoting
from remediations.settings import resolve

Point = tuple[int, Way | None]

SILENT = 300
"""Seconds after which a child that has told nothing is ended: whoever waited for that run would have been told nothing."""


class _AllTried(BaseException):
    """Every point has been tried: the run that stands at its question is not gone on with."""


def crossed(name: str, points: Sequence[Point], tell: Callable[[Tried], None]) -> None:
    """Try these points of a remediation one after the other, and tell of each. Only in a process without other threads."""
    with bench() as it:
        remediation, engine = prepared(it, name), it.engine(ANYTIME)
        child: _Child | None = None

        def gate(ask: Ask) -> Answer:
            nonlocal child
            if child is None:
                child = _at_the_question(it, engine, name, points, tell)
            return child.attempt.answer(ask)

        try:
            report, error = carried(engine, remediation, gate)
        except _AllTried:
            return
        if child is None:
            raise RuntimeError(f"{name} asked nobody: {report.outcome.summary if report else error}")
        child.end(lambda attempt: attempt.over(report, error))


def found_of(name: str, points: Sequence[Point]) -> list[Tried]:
    """What became of these points, in their order."""
    found: list[Tried] = []
    crossed(name, points, found.append)
    return found


class _Child:
    """What a forked process tries, and where it tells of it."""

    def __init__(self, attempt: Attempt, pipe: int) -> None:
        self.attempt, self._pipe = attempt, pipe

    def end(self, judge: Callable[[Attempt], Tried]) -> NoReturn:
        """Tell, and end without the parent's exits."""
        try:
            told = judge(self.attempt)
        except BaseException as error:  # it must not run on as a second parent
            told = _nothing(self.attempt.name, self.attempt.request, None, f"the judge failed: {error!r}")
            told = replace(told, kind=self.attempt.kind, moment=self.attempt.moment)
        try:
            with open(self._pipe, "w", encoding="utf-8") as pipe:
                json.dump(asdict(told), pipe)
            self.attempt.it.remoting.close()
            self.attempt.it.lab.__exit__(None, None, None)
        finally:
            os._exit(0)


def _at_the_question(it: Bench, engine: Engine, name: str, points: Sequence[Point], tell: Callable[[Tried], None]) -> _Child:
    """In the parent: tries all points, then raises `_AllTried`. In each child: returns what it is to try."""
    it.remoting.close()
    it.lab.__exit__(None, None, None)
    it.ledger.close()
    if (alive := threading.active_count()) > 1:
        raise RuntimeError(f"{alive} threads: a forked child would miss all but one")
    saved = it.path / "at the question"
    saved.mkdir()
    for file in it.path.glob("ledger.db*"):
        shutil.copy2(file, saved)
    gc.freeze()
    for request, way in points:
        for file in it.path.glob("ledger.db*"):
            file.unlink()
        for file in saved.iterdir():
            shutil.copy2(file, it.path)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            it.lab = Lab(it.lab.world).__enter__()
            it.remoting = engine.hosts = Remoting(it.lab.site(), resolve, settings=HASTY)
            return _Child(Attempt(it, name, request, way), writing)
        os.close(writing)
        tell(_told(pid, reading) or _nothing(name, request, way, f"nothing for {SILENT} s, or its process died"))
    raise _AllTried


def _told(pid: int, reading: int) -> Tried | None:
    """What a child tells before it ends; none if it tells nothing."""
    with open(reading, encoding="utf-8") as pipe:
        ready, _, _ = select.select([pipe], [], [], SILENT)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        text = pipe.read()
    os.waitpid(pid, 0)
    return read(text) if text else None


def read(line: str) -> Tried:
    """A point from the line that tells of it."""
    found = json.loads(line)
    return Tried(**(found | {"became": Became(found["became"])}))


def _nothing(name: str, request: int, way: Way | None, detail: str) -> Tried:
    kind, moment, _ = way or ("none", "before", None)
    return Tried(name, request, kind, moment, Became.LOST, detail)
