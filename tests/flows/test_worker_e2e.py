"""The worker runs our flows as it would by itself, whatever Prefect's API says of how: no command, no code, no environment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from gated import gated, plan
from served_prefect import Served, eventually

from flows import approvals
from flows.deployments import POOL

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(420)]


def parameters(host: str) -> dict[str, str]:
    return {"expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "host": host}


def asks(served: Served, run: UUID, host: str) -> None:
    """The run asks its own question, as the flow does; then it is over."""
    digest = plan(host=host).digest

    def look() -> bool | None:
        with served.client() as client:
            return digest in [each.digest for each in approvals.waiting(client) if each.run == run] or None

    eventually(look, 150, f"the question of {run}", lambda: served.told(run))
    assert served.cli("reject", digest[:8], "--as", "Anna Berg").returncode == 0
    served.until(run, "Completed")


def test_what_a_run_and_its_work_pool_say_of_command_and_environment_is_not_heeded(
    served: Served, gated_deployment: UUID, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    said = {"command": f"touch {made}", "env": {"GATED_NOTES": str(tmp_path), "PYTHONPATH": ""}, "working_dir": str(tmp_path)}
    with served.client() as client:
        run = client.create_flow_run_from_deployment(gated_deployment, parameters=parameters("HV40"), job_variables=said).id
    asks(served, run, "HV40")
    assert list(tmp_path.iterdir()) == []


def test_where_a_deployment_says_its_code_is_from_is_not_heeded(served: Served, gated_deployment: UUID, tmp_path: Path) -> None:
    """Nor what it would have carried out before."""
    made = tmp_path / "made"
    with served.client() as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow_from_name(gated.name),
            name="edited",
            work_pool_name=POOL,
            entrypoint="antigravity.geohash",
            pull_steps=[{"prefect.deployments.steps.run_shell_script": {"script": f"touch {made}"}}],
        )
        run = client.create_flow_run_from_deployment(deployment, parameters=parameters("HV41")).id
    asks(served, run, "HV41")
    assert not made.exists()


def test_a_flow_that_is_not_ours_is_not_run(served: Served, gated_deployment: UUID) -> None:
    with served.client() as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow_from_name("not ours"), name="not ours", work_pool_name=POOL, entrypoint="gated.gated"
        )
        run = client.create_flow_run_from_deployment(deployment, parameters=parameters("HV42")).id
    done = served.until(run, "Crashed", "Completed", "Failed", "Suspended")
    assert done.state is not None
    assert done.state.name == "Crashed", done.state
    assert "'not ours' is none" in str(done.state.message)
