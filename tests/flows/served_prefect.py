"""Talking to a running `remediate serve`, and waiting for what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError


@dataclass
class Served:
    """A running `remediate serve`."""

    process: subprocess.Popen[bytes]
    state: Path
    notes: Path
    env: dict[str, str]
    log: Path
    api: str = ""
    receiver: str = ""
    left: Sequence[int] = ()
    """Processes that were still there after its end."""

    def client(self) -> SyncPrefectClient:
        """A client of its Prefect."""
        return SyncPrefectClient(self.api)

    def webhook_block(self, name: str, *, url: str) -> None:
        """Make a custom webhook block, a notification block in its Prefect, as a person does in its pages."""
        program = (
            "import sys; from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block;"
            "Block(name=sys.argv[1], url=sys.argv[2], json_data={'subject': '{{subject}}', 'body': '{{body}}'})"
            ".save(sys.argv[1], overwrite=True)"
        )
        command = [sys.executable, "-c", program, name, url]
        subprocess.run(command, env={**self.env, "PREFECT_API_URL": self.api}, check=True, timeout=120, capture_output=True)

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`remediate` with the same settings."""
        command = [sys.executable, "-m", "remediations.cli", *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=180, check=False)

    def processes(self) -> list[int]:
        """Every process that was started for it, whoever its parent is now."""
        mark = f"REMEDIATE_STATE={self.state}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def worker(self) -> int:
        """Its Prefect worker; waits while one is started again."""

        def look() -> int | None:  # `serve` itself has no such argument
            return next((each for each in self.processes() if b"flows.worker" in cmdline(each)), None)

        found: int = eventually(look, 60, "a Prefect worker", lambda: self.log.read_text()[-3000:])
        return found

    def gated(self, deployment: UUID, expires_at: datetime, host: str) -> FlowRun:
        """A new run of the test's own flow."""
        with self.client() as client:
            parameters = {"expires_at": expires_at.isoformat(), "host": host}
            return client.create_flow_run_from_deployment(deployment, parameters=parameters)

    def until(self, run: UUID, *states: str, seconds: float = 120) -> FlowRun:
        """The run, once it is in one of these states."""
        return eventually(lambda: _in(self, run, states), seconds, f"run {run} to be one of {states}", lambda: self.told(run))

    def told(self, run: UUID) -> str:
        """For who reads of a run that did not get where it should: its states, and what its worker wrote last."""
        with self.client() as client:
            found = client.read_flow_run_states(run)
        states = [f"{each.timestamp:%H:%M:%S.%f} {each.name} {each.message or ''}" for each in found]
        worker = (self.state / "logs" / "prefect-worker.log").read_text(errors="replace").splitlines()[-60:]
        return "\n".join([*states, *worker])


def answered(status: int) -> PrefectHTTPStatusError:
    """What Prefect's client raises for an answer of this HTTP status."""
    request = httpx.Request("POST", "http://127.0.0.1:9/api")
    return PrefectHTTPStatusError(f"HTTP {status}", request=request, response=httpx.Response(status, request=request))


def cmdline(pid: int) -> bytes:
    """A process's arguments; none if it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _in(served: Served, run: UUID, states: tuple[str, ...]) -> FlowRun | None:
    with served.client() as client:
        found = client.read_flow_run(run)
    return found if found.state is not None and found.state.name in states else None


@contextmanager
def serving(base: Path, **env: str) -> Iterator[Served]:
    """`remediate serve` with its files under `base` and these settings beside; told to stop at the end, nothing of it is left.

    Whoever wants to know how it ended asks `process` and `left` afterwards.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "REMEDIATE_"))}
    own |= {
        "HOME": str(base),
        "REMEDIATE_STATE": str(base / "state"),
        "REMEDIATE_CONFIG": str(base / "configs"),
        "REMEDIATE_RECEIVER_PORT": "0",
        "REMEDIATE_WATCH_SECONDS": "0",  # there is no host of these names
        **env,
    }
    log = base / "serve.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "remediations.cli", "serve"]
        process = subprocess.Popen(command, env=own, stdout=output, stderr=output, start_new_session=True)
    running = Served(process, base / "state", base / "notes", own, log)
    try:
        where = eventually(lambda: _serving(running), 120, "remediate serve", lambda: log.read_text()[-3000:])
        running.api, running.receiver = where["api"], where["receiver"]
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        running.left = running.processes()
        for each in running.left:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


def _serving(running: Served) -> dict[str, str] | None:
    assert running.process.poll() is None, running.log.read_text()[-3000:]
    try:
        found: dict[str, str] = json.loads((running.state / "serving.json").read_text())
    except (OSError, ValueError):
        return None
    return found


def eventually(look: Callable[[], Any], seconds: float, what: str, told: Callable[[], str] = str) -> Any:
    """What `look` returns once it is not None; fails after `seconds`, with what `told` then says."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.2)
    pytest.fail(f"waited {seconds:g} s for {what}\n{told()}")
