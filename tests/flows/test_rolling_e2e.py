"""Rolling maintenance by real Prefect: two questions of one run, answered in its form and at a terminal, against the lab."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from served_prefect import Served, eventually

from flows import approvals
from remediations.lab.lab import Lab
from remediations.model.roll import ROLLING

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(600)]


@pytest.fixture
def lab(served: Served, tmp_path: Path) -> Iterator[Lab]:
    """A lab in the place of the hosts that the served site names, which nobody answers for."""
    configs = Path(served.env["REMEDIATE_CONFIG"])
    kept = tmp_path / "kept"
    shutil.copytree(configs, kept)
    with Lab() as started:
        started.write_site(configs / "site.yaml")
        (configs / "policy.yaml").write_text("windows: {}\nproof: {3: name}\n")
        try:
            yield started
        finally:
            for name in ("site.yaml", "policy.yaml"):
                shutil.copy(kept / name, configs / name)


def asked(served: Served, run: UUID, title: str) -> approvals.Waiting:
    """The run's question of that title, once it is put."""

    def look() -> approvals.Waiting | None:
        with served.client() as client:
            found = (each for each in approvals.waiting(client) if each.run == run and each.title.startswith(title))
            return next(found, None)

    return eventually(look, 180, f"the question {title}", lambda: served.told(run))


def test_a_node_is_drained_left_to_a_person_and_taken_back(served: Served, lab: Lab) -> None:
    assert lab.world.cluster is not None
    node = lab.world.cluster.nodes["HV01"]
    with served.client() as client:
        deployment = client.read_deployment_by_name(f"{ROLLING}/{ROLLING}")
        given = {"request": {"cluster": "CLUSTER1", "nodes": ["HV01"]}, "dry_run": False, "requested_by": "carl"}
        run = client.create_flow_run_from_deployment(deployment.id, parameters=given).id
    drain = asked(served, run, "Drain a cluster node: HV01")
    with served.client() as client:
        approvals.answer(client, drain, "approve", approver="Anna Berg")
    asked(served, run, "Resume a cluster node: HV01")
    assert (node.state, node.drain) == ("Paused", "Completed")
    (shown,) = json.loads(served.cli("roll", "list", "--json").stdout)
    assert (shown["run"], shown["turns"][0]["stage"]) == (str(run), "drained")
    # A worker that dies while the node is the person's is nothing to the roll.
    os.kill(served.worker(), signal.SIGKILL)
    said = served.cli("roll", "continue", "CLUSTER1", "--as", "Anna Berg")
    assert said.returncode == 0, said.stderr
    assert "its run goes on" in said.stdout
    done = served.until(run, "Completed", "Failed", seconds=240)
    assert done.state is not None
    assert str(done.state.message).startswith("mended: Every node of CLUSTER1 had its turn"), served.told(run)
    assert node.state == "Up"
    sent = [each.name for each in lab.journal if each.executed and each.name.endswith("-ClusterNode")]
    assert [name for name in sent if not name.startswith("Get")] == ["Suspend-ClusterNode", "Resume-ClusterNode"]
