"""The main flow: one failed migration (or drain) in, a verified outcome out."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.running import conclude
from remediations.model.incident import Incident


def _name() -> str:
    incident = flow_run.get_parameters()["incident"]
    title = Incident.model_validate(incident).title
    return title if not flow_run.get_parameters().get("dry_run", True) else f"{title} (dry run)"


@flow(name="remediate-migration", flow_run_name=_name, persist_result=False, retries=0, validate_parameters=True)
def remediate_migration(incident: Incident, dry_run: bool = True) -> State[Any]:
    """Find out why a virtual machine would not move, mend it once it is approved, prove it, and move it again.

    Reads the hosts, proves which cause is real, shows the exact commands that would mend it and asks here, on the run's page
    (Resume), before anything is changed. Safe to run again at any point: it goes on from its journal.

    Args:
        incident: What failed, as it was reported. The virtual machine is enough; what is missing is read from the hosts.
        dry_run: Read and plan only: nothing can be changed, not even by mistake. Switched off, the plan is shown on the run's
            page and asked for there (Resume) before anything is sent.
    """
    return conclude(
        lambda engine, run, gate: engine.remediate(run, incident, dry_run=dry_run, gate=gate, requested_by=incident.reported_by)
    )
