"""The flow that maintains a cluster: one node after another, drained, yours, taken back, and healthy before the next."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.running import conclude
from remediations.model.roll import ROLLING, RollingMaintenance


def _name() -> str:
    given = flow_run.get_parameters()
    summary = RollingMaintenance.model_validate(given["request"]).summary
    return f"{summary}{' (dry run)' if given.get('dry_run', True) else ''}"


@flow(name=ROLLING, flow_run_name=_name, persist_result=False, retries=0, validate_parameters=True)
def rolling_maintenance(request: RollingMaintenance, dry_run: bool = True, requested_by: str = "a person") -> State[Any]:
    """Maintain a cluster's nodes one after another: drain, wait for you, resume, wait until the cluster is healthy, next.

    Each drain shows its plan and asks here, on the run's page (Resume). Then the node is yours; the question that its resume
    asks waits until your work on it is done. A roll that stopped goes on where it stood when this is started again.

    Args:
        request: The cluster, and the order of its nodes.
        dry_run: Read and plan only: nothing can be changed, not even by mistake. Switched off, the plan is shown on the run's
            page and asked for there (Resume) before anything is sent.
        requested_by: Your name. It is kept in the audit trail; up to which tier you may approve it alone, policy says.
    """
    return conclude(lambda engine, run, gate: engine.roll(run, request, dry_run=dry_run, gate=gate, requested_by=requested_by))
