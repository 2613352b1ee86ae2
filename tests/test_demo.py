"""The demo as a newcomer runs it: its own process, everything real but the hosts, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(420)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An empty home, temporary files of our own, and no settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REMEDIATE_", "PREFECT_"))}
    (tmp_path / "tmp").mkdir()
    return kept | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "COLUMNS": "120"}


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that a test started; none outlives it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        if each.poll() is None:
            each.kill()
            each.wait(10)


def demo(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "remediations.cli", "demo", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def left_of(environment: dict[str, str]) -> list[str]:
    """Processes that still run with this test's home in their environment."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            variables, command = (each / "environ").read_bytes(), (each / "cmdline").read_bytes()
        except OSError:
            continue
        if f"HOME={environment['HOME']}".encode() in variables.split(b"\0"):
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_a_fault_is_mended_and_a_second_report_of_it_changes_nothing(
    environment: dict[str, str], children: list[subprocess.Popen[str]]
) -> None:
    children.append(demo(environment, "--fault", "cpu_incompatible", "--again"))
    told, _ = children[-1].communicate(timeout=400)
    assert children[-1].returncode == 0, told
    for part in (
        "proven: cpu_incompatible",
        "HV01> Stop-VM -Name VM42",
        "HV01> Set-VMProcessor",
        "MENDED",
        "meanwhile succeeded",
        "unchanged",
    ):
        assert part in " ".join(told.split()), told
    assert left_of(environment) == []
    assert list(Path(environment["TMPDIR"]).iterdir()) == []


def test_ctrl_c_ends_it_all(environment: dict[str, str], children: list[subprocess.Popen[str]]) -> None:
    children.append(demo(environment, "--keep"))
    end = time.monotonic() + 120
    while not any("prefect server start" in each for each in left_of(environment)):
        assert children[-1].poll() is None, children[-1].communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.2)
    children[-1].send_signal(signal.SIGINT)
    told, _ = children[-1].communicate(timeout=180)
    assert children[-1].returncode == 1, told
    assert "nothing is left running" in told
    assert left_of(environment) == []


def test_an_unknown_fault_is_named(environment: dict[str, str], children: list[subprocess.Popen[str]]) -> None:
    children.append(demo(environment, "--fault", "gremlins"))
    told, _ = children[-1].communicate(timeout=60)
    assert children[-1].returncode == 2
    assert "gremlins" in told
    assert "spn_missing" in told
