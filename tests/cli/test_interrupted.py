"""`remediate apply` that is ended in the middle, by Ctrl-C or because its terminal is gone: taken back, and written down."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remediations.cli import app
from remediations.lab.lab import Lab
from remediations.lab.world.world import Pace
from remediations.ledger import Ledger
from remediations.model.outcome import Ending

REQUEST = ("enable-processor-compatibility", "--vm", "VM42", "--source", "HV01", "--destination", "HV02")
pytestmark = [pytest.mark.long, pytest.mark.timeout(240), pytest.mark.usefixtures("logging_as_it_was")]


@pytest.fixture
def policy_of_the_site() -> str:
    """Tier 3 at any time, and a name is proof enough."""
    return 'own_approval_tier: 3\nwindows: {3: [{from: "00:00", to: "24:00", zone: UTC}]}\nproof: {3: name}\n'


class Terminal:
    """A terminal in which a command runs."""

    def __init__(self, *arguments: str) -> None:
        self.side, other = pty.openpty()
        command = [sys.executable, "-c", _CONTROLLED, "-m", "remediations.cli", *arguments]
        self.process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, start_new_session=True)
        os.close(other)

    def interrupt(self, times: int = 1) -> None:
        """Ctrl-C, typed more than once by somebody who is impatient."""
        for _ in range(times):
            os.write(self.side, b"\x03")
            time.sleep(0.3)

    def close(self) -> None:
        """The window is closed, or the connection to the machine is gone."""
        os.close(self.side)
        self.side = -1


_CONTROLLED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Python that takes the terminal for its own, as a shell does, before it becomes the command."""


@pytest.fixture
def apply() -> Iterator[Callable[[str], Terminal]]:
    started: list[Terminal] = []

    def begun(digest: str) -> Terminal:
        started.append(Terminal("apply", *REQUEST, "--as", "anna", *(("--approve", digest) if digest else ())))
        return started[-1]

    yield begun
    for each in started:
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)
            each.process.wait(10)


@pytest.mark.parametrize("how", ["Ctrl-C", "the terminal is gone", "SIGTERM"])
def test_what_was_begun_is_taken_back_and_the_run_has_its_outcome(
    how: str, lab: Lab, state: Path, apply: Callable[[str], Terminal]
) -> None:
    lab.inject("cpu_incompatible")
    planned = CliRunner().invoke(app, ["plan", *REQUEST, "--json"])
    digest = json.loads(planned.stdout)["plan"]["digest"]
    lab.world.pace = Pace(shutdown=4.0, shutdown_timeout=60.0)
    terminal = apply(digest)
    machine = lab.world.machine("VM42")
    deadline = time.monotonic() + 120
    while machine.state == "Running":
        assert terminal.process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    if how == "Ctrl-C":
        terminal.interrupt(2)
    elif how == "SIGTERM":
        terminal.process.terminate()
    else:
        terminal.close()
    code = terminal.process.wait(120)
    with lab.world.lock:
        lab.world.settle()
        assert machine.running, "it was switched off for us"
        assert not machine.compatible
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        (run,) = ledger.runs()
        assert run.outcome is not None
        assert run.outcome.ending is Ending.UNDONE, run.outcome.summary
        assert ledger.open_brackets() == []
        assert ledger.held() == []
    assert code == 1


def test_a_question_that_nobody_answers_any_more_is_over(lab: Lab, state: Path, apply: Callable[[str], Terminal]) -> None:
    lab.inject("cpu_incompatible")
    terminal = apply("")
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        deadline = time.monotonic() + 120
        while not ledger.waiting():
            assert terminal.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        terminal.interrupt()
        assert terminal.process.wait(120) == 3
        (run,) = ledger.runs()
        assert run.outcome is not None
        assert run.outcome.ending is Ending.REFUSED
        assert run.outcome.summary == "It was ended at its terminal; nothing was changed."
        assert ledger.waiting() == []
