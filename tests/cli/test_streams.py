"""Where nothing more can be written: a reader that has enough, a disk that is full. Over processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from remediations.catalogue import CATALOGUE
from remediations.cli import app
from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.model.outcome import Ending

SPNS = ("register-spns", "--host", "HV04")
pytestmark = pytest.mark.usefixtures("logging_as_it_was")


def unread() -> int:
    """A pipe whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    return write


def full() -> int:
    """A disk without room."""
    return os.open("/dev/full", os.O_WRONLY)


def ran(*arguments: str | bytes, before: Callable[[], Any] | None = None, **streams: int) -> subprocess.CompletedProcess[str]:
    """What became of a command with these streams, which are closed then; the others are read."""
    command: list[str | bytes] = [sys.executable, "-m", "remediations", *arguments]
    told: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | streams
    try:
        return subprocess.run(command, text=True, timeout=120, check=False, preexec_fn=before, **told)
    finally:
        for each in streams.values():
            os.close(each)


@pytest.mark.parametrize("nowhere", [unread, full])
def test_a_run_goes_on_to_its_end_when_nobody_reads_its_progress(nowhere: Callable[[], int], lab: Lab, state: Path) -> None:
    """`remediate apply … 2>&1 | head`, or a pager that was left, in the middle of a change."""
    lab.inject("spn_missing")
    planned = json.loads(CliRunner().invoke(app, ["plan", *SPNS, "--json"]).stdout)
    done = ran("apply", *SPNS, "--as", "anna", "--approve", planned["plan"]["digest"], stderr=nowhere())
    assert done.returncode == 0, done.stdout
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        (run,) = ledger.runs()
        assert run.outcome is not None
        assert run.outcome.ending is Ending.MENDED


@pytest.mark.parametrize("why", ["größer → ✓".encode(), "größer".encode("cp1252"), b"a\x81b"])
def test_a_pause_works_from_a_terminal_of_another_encoding(why: bytes, state: Path) -> None:
    Ledger(f"sqlite:///{state / 'ledger.db'}").close()
    done = ran("pause", b"--why=" + why)
    assert done.returncode == 0, done.stderr
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        paused = ledger.paused()
        assert paused is not None
        assert paused.why in ("größer → ✓", "größer", "a\N{REPLACEMENT CHARACTER}b")


@pytest.mark.parametrize("arguments", [("catalogue",), ("catalogue", "--json"), ("--version",), ("--help",)])
def test_a_disk_without_room_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    done = ran(*arguments, stdout=full())
    assert (done.returncode, done.stderr) == (1, "standard output cannot be written: No space left on device\n")


@pytest.mark.parametrize("arguments", [("catalogue",), ("catalogue", "--json"), ("diagnose", "--jsonl", "{}")])
def test_a_reader_that_has_enough_ends_it_without_a_word(arguments: tuple[str, ...], tmp_path: Path) -> None:
    lines = tmp_path / "events.jsonl"
    lines.write_text('{"event_id": 21502, "text": "x"}\n' * 500)
    done = ran(*(each.format(lines) for each in arguments), stdout=unread())
    assert (done.returncode, done.stderr) == (1, "")


def test_a_pipe_that_does_not_wait_gets_everything() -> None:
    """As one that is shared with a program which has set it so: a full one is no error, but has room in a moment."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with ThreadPoolExecutor(1) as reader, open(read, "rb") as stream:
        got = reader.submit(stream.read)
        done = ran("catalogue", "--json", stdout=write)
        assert (done.returncode, done.stderr) == (0, "")
        assert [each["id"] for each in json.loads(got.result(60))] == list(CATALOGUE)


@pytest.mark.parametrize("arguments", [("diagnose",), ("diagnose", "-"), ("diagnose", "--jsonl")])
def test_a_closed_input_is_an_empty_one(arguments: tuple[str, ...]) -> None:
    done = ran(*arguments, before=lambda: os.close(0))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [("catalogue",), ("catalogue", "--json"), ("--version",)])
def test_a_closed_output_is_no_error(arguments: tuple[str, ...]) -> None:
    done = ran(*arguments, before=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")
