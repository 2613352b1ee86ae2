"""One flow for each entry of the catalogue, so that a person can ask for it by a typed form.

`flows.catalogue.register_spns` is the flow of `register-spns`, and so on: a new remediation has its flow without a line here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from prefect import Flow, flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.running import conclude
from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Remediation

CatalogueFlow = Flow[..., State[Any]]


def flow_of(remediation: type[Remediation]) -> CatalogueFlow:
    """The flow that carries out one remediation: parameters `request` (its typed form), `dry_run` and `requested_by`."""

    def name() -> str:
        given = flow_run.get_parameters()
        summary = remediation.model_validate(given["request"]).summary
        return summary if not given.get("dry_run", True) else f"{summary} (dry run)"

    def carry_out(request: Remediation, dry_run: bool = True, requested_by: str = "a person") -> State[Any]:
        return conclude(
            lambda engine, run, gate: engine.carry_out(run, request, dry_run=dry_run, gate=gate, requested_by=requested_by)
        )

    carry_out.__name__ = carry_out.__qualname__ = python_name(remediation)
    carry_out.__module__ = __name__
    carry_out.__annotations__ = {"request": remediation, "dry_run": bool, "requested_by": str, "return": State}
    carry_out.__doc__ = f"""{inspect.getdoc(remediation)}

    {remediation.kind.capitalize()}, tier {remediation.tier}; undo: {remediation.reversal.value}. Shows the exact commands and
    asks here, on the run's page (Resume), before anything is changed.

    Args:
        request: What it is aimed at.
        dry_run: Read and plan only: nothing can be changed, not even by mistake. Switched off, the plan is shown on the run's
            page and asked for there (Resume) before anything is sent.
        requested_by: Your name. It is kept in the audit trail; up to which tier you may approve it alone, policy says.
    """
    decorate = flow(name=remediation.id, flow_run_name=name, persist_result=False, retries=0, validate_parameters=True)
    return decorate(carry_out)


def python_name(remediation: type[Remediation]) -> str:
    """The name of a remediation's flow in this module: `register_spns` for `register-spns`."""
    return remediation.id.replace("-", "_")


FLOWS: Mapping[str, CatalogueFlow] = {entry.id: flow_of(entry) for entry in CATALOGUE.values()}
"""The flows by the id of their remediation."""

globals().update({made.fn.__name__: made for made in FLOWS.values()})
