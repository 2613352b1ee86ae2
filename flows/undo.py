"""The flow that takes back what an ended run did."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from pydantic import Field

from flows.running import conclude

RunId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^\S+$")]


def _name() -> str:
    given = flow_run.get_parameters()
    return f"Undo run {given['run']}{' (dry run)' if given.get('dry_run', True) else ''}"


@flow(name="undo", flow_run_name=_name, persist_result=False, retries=0, validate_parameters=True)
def undo(run: RunId, dry_run: bool = True, requested_by: str = "a person") -> State[Any]:
    """Take back what a run changed, newest first: only what that run did, and only where it is still so.

    The undo is a plan like any other. It is shown whole, with what is no longer ours, what was changed since and what cannot
    be undone, and asked for here, on the run's page (Resume), before anything is changed.

    Args:
        run: Id of the run to undo, as its report says under "To undo it".
        dry_run: Read and plan only: nothing can be changed, not even by mistake. Switched off, the plan is shown on the run's
            page and asked for there (Resume) before anything is sent.
        requested_by: Your name. It is kept in the audit trail; up to which tier you may approve it alone, policy says.
    """
    return conclude(lambda engine, own, gate: engine.undo(own, run, dry_run=dry_run, gate=gate, requested_by=requested_by))
