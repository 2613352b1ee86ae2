"""One real `remediate serve` for all end-to-end tests: Prefect server, worker, receiver, as a newcomer starts them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from served_prefect import Served, eventually

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`remediate serve`, started once; at the end it is told to stop, and nothing of it may be left."""
    base = tmp_path_factory.mktemp("served")
    configs, notes, state = base / "configs", base / "notes", base / "state"
    shutil.copytree(CONFIGS, configs)
    notes.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "REMEDIATE_"))}
    env |= {
        "HOME": str(base),
        "REMEDIATE_STATE": str(state),
        "REMEDIATE_CONFIG": str(configs),
        "REMEDIATE_RECEIVER_PORT": "0",
        "REMEDIATE_WATCH_SECONDS": "0",  # there is no host of these names
        "GATED_NOTES": str(notes),
        "PYTHONPATH": str(HERE),
    }
    log = base / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "remediations.cli", "serve"], env=env, stdout=output, stderr=output, start_new_session=True
        )
    running = Served(process, state, notes, env, log)
    try:
        where = eventually(lambda: _serving(running), 90, "remediate serve")
        running.api, running.receiver = where["api"], where["receiver"]
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(45)
        except subprocess.TimeoutExpired:
            process.kill()
        left = running.processes()
        for each in left:
            os.kill(each, signal.SIGKILL)
    assert process.returncode == 0, log.read_text()[-3000:]
    assert left == []
    assert not (state / "serving.json").exists()


def _serving(running: Served) -> dict[str, str] | None:
    assert running.process.poll() is None, running.log.read_text()[-3000:]
    try:
        found: dict[str, str] = json.loads((running.state / "serving.json").read_text())
    except (OSError, ValueError):
        return None
    return found


@pytest.fixture(scope="session")
def gated_deployment(served: Served) -> UUID:
    """The test's own flow, registered as ours are."""
    import gated

    from flows.deployments import POOL, deploy

    with served.client() as client:
        return deploy(client, gated.gated, pool=POOL)
