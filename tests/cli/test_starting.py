"""What comes before a command begins: Ctrl-C while it is still importing, and what the imports say. Over processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def interrupted(imported: str, before: Callable[[], Any] | None = None) -> tuple[int, str, list[str]]:
    """Exit code, output and what was said of a command that gets Ctrl-C once it has imported this, and is not done with it.

    Python says each import as it ends, and long ones follow; so the signal comes in the middle.
    """
    command = [sys.executable, "-X", "importtime", "-m", "remediations", "--version"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=before) as process:  # noqa: PLW1509
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == imported:
                process.send_signal(signal.SIGINT)
                break
        said = [line for line in process.stderr if not line.startswith("import time:")]
        return process.wait(60), process.stdout.read(), said


@pytest.mark.parametrize("imported", ["typer", "rich.console", "pydantic"])
def test_ctrl_c_while_it_imports_ends_it_without_a_word(imported: str) -> None:
    assert interrupted(imported) == (130, "", [])


def test_where_ctrl_c_is_ignored_it_stays_so() -> None:
    """As in the background of a script, whose own Ctrl-C is for others."""
    code, output, said = interrupted("typer", lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert (code, output.split()[:1], said) == (0, ["hyperv-remediation"], [])


def test_the_command_that_is_installed_starts_there() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"remediate": "remediations.__main__:main"}


def test_an_account_without_a_home_is_told_nothing_of_prefects() -> None:
    """As that of a service often is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")} | {"HOME": "/proc"}
    command = [sys.executable, "-c", "import flows.pause"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
