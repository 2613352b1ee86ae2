"""What a process of its own does until it is killed, for real, at one of its writes to the ledger or to a host."""

from __future__ import annotations

import logging
import os
import signal
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import structlog
from breaking import LEDGER_WRITES, Life, Mortal
from law_bench import ANYTIME, MovableClock

from remediations.catalogue.configure_delegation import ConfigureDelegation
from remediations.catalogue.drain_node import DrainNode
from remediations.catalogue.enable_processor_compatibility import EnableProcessorCompatibility
from remediations.catalogue.register_spns import RegisterSpns
from remediations.catalogue.remediation import Remediation
from remediations.engine import Answer, Ask, Engine, Report
from remediations.ledger import Ledger
from remediations.remoting import Remoting
from remediations.settings import load_site, resolve

REQUESTS: dict[str, Remediation] = {
    "drain-node": DrainNode(node="HV01"),
    "enable-processor-compatibility": EnableProcessorCompatibility(vm="VM42", source="HV01", destination="HV02"),
    "configure-delegation": ConfigureDelegation(source="HV03", destination="HV04"),
    "register-spns": RegisterSpns(host="HV04"),
}
UNDO = "undo"
"""Takes back run `done`, which mended the processor compatibility of VM42."""


class Killed(Life):
    """A life that ends by SIGKILL: nothing of the process runs any more, not a handler, not a `finally`."""

    def die(self) -> None:
        """Now."""
        os.kill(os.getpid(), signal.SIGKILL)


def approving(ask: Ask) -> Answer:
    """A gate that approves."""
    return Answer(decision="approve", approver="anna", digest=ask.digest[:8], target=ask.needed.typed)


def carried_out(engine: Engine, name: str) -> Report:
    """The run `run-1`, begun or gone on with."""
    if name == UNDO:
        return engine.undo("run-1", "done", dry_run=False, gate=approving, requested_by="carl")
    return engine.carry_out("run-1", REQUESTS[name], dry_run=False, gate=approving, requested_by="carl")


def lives(site_file: str, ledger_url: str, name: str, at: int | None, told: Connection) -> None:
    """Carry out `name` until the `at`-th write is done, or whole; then say which writes there were."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    site, clock = load_site(Path(site_file)), MovableClock()

    def pause(seconds: float) -> None:
        time.sleep(min(seconds, 0.05))
        clock.ahead += timedelta(seconds=seconds)

    life = Killed(at, after=True)
    if at == 0:
        life.die()
    with Ledger(ledger_url, clock=clock) as ledger, Remoting(site, resolve) as remoting:
        engine = Engine(
            site=site,
            policy=ANYTIME,
            ledger=Mortal(life, ledger, LEDGER_WRITES),
            remoting=Mortal(life, remoting, frozenset({"change"})),
            clock=clock,
            pause=pause,
        )
        report = carried_out(engine, name)
    told.send((report.outcome.ending.value, life.writes))
