"""What laws need to break things: a gate that suspends, an engine that dies, one that is interrupted at a piece of work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from law_bench import ANYTIME, Bench, incident_of

from remediations.engine import Answer, Ask, Engine, Report
from remediations.lab.lab import Failure
from remediations.model.command import Command
from remediations.model.policy import Policy


class Suspended(BaseException):
    """What Prefect's suspend does at the gate: the run ends here, and is called again from its beginning."""


class Died(BaseException):
    """The process is gone: from now on nothing of it reaches the ledger or a host."""


class Interrupted(BaseException):
    """The run was cancelled between two pieces of work; the process is still there to clean up."""


class Suspending:
    """A gate as a suspended run sees it: the first call of each question suspends, later ones return what was answered."""

    def __init__(self, bench: Bench, **answer: object) -> None:
        self.bench, self.answer = bench, {"decision": "approve", "approver": "anna"} | answer
        self.keys: list[str] = []

    def __call__(self, ask: Ask) -> Answer:
        """Suspend for a question that is new."""
        if ask.key not in self.keys:
            self.keys.append(ask.key)
            raise Suspended(ask.key)
        return self.bench.approving(ask).model_copy(update=self.answer)


class Mortal:
    """Counts the calls of a ledger or of hosts, and dies before or after the one that was chosen, with all others."""

    def __init__(self, life: Life, it: Any, writes: frozenset[str]) -> None:
        self._life, self._it, self._writes = life, it, writes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._it, name)
        if not callable(found):
            return found

        def call(*args: Any, **named: Any) -> Any:
            return self._life.live(name, lambda: found(*args, **named), counted=name in self._writes)

        return call


class Life:
    """One process's life: it dies at the `at`-th write, before it or after it."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.at, self.after, self.count, self.dead = at, after, 0, False
        self.writes: list[str] = []

    def live(self, name: str, work: Callable[[], Any], *, counted: bool) -> Any:
        """Do the work, if there is still anybody to do it."""
        if self.dead:
            raise Died
        if not counted:
            return work()
        self.count += 1
        mine = self.count == self.at
        self.writes.append(name)
        if mine and not self.after:
            self.die()
        done = work()
        if mine:
            self.die()
        return done

    def die(self) -> None:
        """The end, as far as one process can play it to itself."""
        self.dead = True
        raise Died


LEDGER_WRITES = frozenset(
    {
        *("open_incident", "attach_run", "start_run", "finish_run", "close_incident", "seal", "void", "decide"),
        *("use_approval", "lease", "release", "intend", "result", "intend_undo", "mark_undone", "intend_close"),
        *("close_failed", "close_bracket", "note", "sight", "note_drain"),
    }
)
"""Every method of the ledger that writes, but for renewals of a lease."""


def mortal(bench: Bench, life: Life, policy: Policy = ANYTIME) -> Engine:
    """An engine that lives that life."""
    engine = bench.engine(policy)
    engine.ledger = Mortal(life, bench.ledger, LEDGER_WRITES)
    engine.hosts = Mortal(life, bench.remoting, frozenset({"change"}))
    return engine


def interrupted(bench: Bench, piece: str, policy: Policy = ANYTIME, error: type[BaseException] = Interrupted) -> Engine:
    """An engine that is interrupted once, before the first piece of work whose name has `piece` in it."""
    engine, shown = bench.engine(policy), bench.engine(policy).observe
    left = [error]

    def observe(name: str, work: Callable[[], Any]) -> Any:
        if piece in name and left:
            raise left.pop()()
        return shown(name, work)

    engine.observe = observe
    return engine


class Meddling:
    """Hosts between which and us somebody does something, right before or after a change of this command's name."""

    def __init__(self, bench: Bench, command: str, *, before: Callable[[], None] | None = None, after: Any = None) -> None:
        self._hosts, self._command, self._before, self._after = bench.remoting, command, before, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hosts, name)

    def change(self, host: str, command: Command, **how: Any) -> Any:
        """Send it; the meddler comes before or after."""
        if command.name == self._command and self._before:
            self._before()
        found = self._hosts.change(host, command, **how)
        if command.name == self._command and self._after:
            self._after()
        return found


def remediate(engine: Engine, failure: Failure, gate: Any, run: str = "run-1") -> Report:
    """The main runbook by this engine."""
    return engine.remediate(run, incident_of(failure), dry_run=False, gate=gate, requested_by="alerting")
