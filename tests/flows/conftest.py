"""One real `remediate serve` for all end-to-end tests: Prefect server, worker, receiver, as a newcomer starts them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from served_prefect import Served, serving

HERE = Path(__file__).parent
CONFIGS = HERE.parents[1] / "configs"


OWN_FLOWS = "gated.gated, gated.proven, gated.lasting"
"""The tests' own, which a worker runs beside ours."""


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`remediate serve`, started once; at the end it is told to stop, and nothing of it may be left."""
    base = tmp_path_factory.mktemp("served")
    shutil.copytree(CONFIGS, base / "configs")
    (base / "notes").mkdir()
    with serving(base, GATED_NOTES=str(base / "notes"), PYTHONPATH=str(HERE), REMEDIATE_FLOWS=OWN_FLOWS) as running:
        yield running
    assert running.process.returncode == 0, running.log.read_text()[-3000:]
    assert running.left == []
    assert not (running.state / "serving.json").exists()


@pytest.fixture(scope="session")
def gated_deployment(served: Served) -> UUID:
    """The test's own flow, registered as ours are."""
    import gated

    from flows.deployments import POOL, deploy

    with served.client() as client:
        return deploy(client, gated.gated, pool=POOL)
