"""What one of two whole engines does in a process of its own: one run, from a moment on, frozen or killed on the way."""

from __future__ import annotations

import logging
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import structlog
from breaking import LEDGER_WRITES, Life, Mortal
from law_bench import ANYTIME, incident_of
from law_killed import REQUESTS, approving

from remediations.engine import Engine, Report
from remediations.lab.lab import Failure
from remediations.ledger import Ledger
from remediations.remoting import Remoting
from remediations.settings import load_site, resolve


class Signalled(Life):
    """A life that gets a signal at its first, or a later, write of that name: before it, or when it is done."""

    def __init__(self, name: str, which: int, *, after: bool, sends: signal.Signals) -> None:
        super().__init__(None, after=after)
        self._name, self._left, self._sends = name, which, sends

    def live(self, name: str, work, *, counted: bool):  # as the one that it replaces
        """Do the work, with the signal before or after it."""
        mine = name == self._name and self._left == 1
        self._left -= name == self._name
        if mine and not self.after:
            os.kill(os.getpid(), self._sends)
        done = work()
        if mine and self.after:
            os.kill(os.getpid(), self._sends)
        return done


def begun(engine: Engine, run: str, what: str | Failure) -> Report:
    """The run, begun or gone on with."""
    if isinstance(what, str):
        return engine.carry_out(run, REQUESTS[what], dry_run=False, gate=approving, requested_by="carl")
    return engine.remediate(run, incident_of(what), dry_run=False, gate=approving, requested_by="carl")


def runs(  # noqa: PLR0917 - what a process of its own is handed
    site_file: str, ledger_url: str, run: str, what: str | Failure, life: Life, moment: float, told: Connection
) -> None:
    """Begin the run at that moment of the system's clock; then tell its report. Time is what it is, nothing is shortened."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    site = load_site(Path(site_file))
    with Ledger(ledger_url) as ledger, Remoting(site, resolve) as remoting:
        engine = Engine(
            site=site,
            policy=ANYTIME,
            ledger=Mortal(life, ledger, LEDGER_WRITES),
            remoting=Mortal(life, remoting, frozenset({"change"})),
        )
        time.sleep(max(0.0, moment - time.time()))
        told.send(begun(engine, run, what))
