"""Plans of several parts: repairs of causes that are all proven, planned one on the predicted outcome of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Remediation
from remediations.engine.gather import as_changed
from remediations.model.plan import Plan
from remediations.model.tier import Reversal

_WEAKEST_FIRST = (Reversal.IRREVERSIBLE, Reversal.EXACT_EXCEPT_PLACEMENT, Reversal.EXACT, Reversal.NOT_NEEDED)


UNDO = "undo"
"""What stands for a remediation's id in a plan that undoes a run (`engine/undo.py`)."""


def requests_of(plan: Plan) -> list[dict[str, Any]]:
    """The requests that a plan was made for, in order: `remediation` (its id) and `request`, as JSON.

    Of an undo, those of the plans that it takes back: they say which facts it stands on.
    """
    found: list[dict[str, Any]] = plan.request.get("parts", [{"remediation": plan.remediation, "request": plan.request}])
    return found


def parts_of(plan: Plan) -> list[Remediation]:
    """The same as typed requests. Raises `LookupError` for a remediation that is no longer there."""
    return typed(requests_of(plan))


def typed(requests: Sequence[Mapping[str, Any]]) -> list[Remediation]:
    """Requests as they stand in plans, as remediations of the catalogue. Raises `LookupError` for one that is not there."""
    found = []
    for part in requests:
        if part["remediation"] not in CATALOGUE:
            raise LookupError(f"{part['remediation']} is not in the catalogue any more: the plan cannot be carried out")
        found.append(CATALOGUE[part["remediation"]].model_validate(part["request"]))
    return found


def fold(remediations: Sequence[Remediation], inputs: Sequence[Mapping[str, Any]]) -> Plan:
    """One plan for all: the first on the facts as read, each next one on the facts as those before it will leave them."""
    plans: list[Plan] = []
    for remediation, own in zip(remediations, inputs, strict=True):
        made = [change for plan in plans for change in plan.changes]
        plans.append(remediation.planned(as_changed(own, made)))
    if len(plans) == 1:
        return plans[0]
    return Plan(
        remediation="+".join(plan.remediation for plan in plans),
        request={"parts": [{"remediation": plan.remediation, "request": plan.request} for plan in plans]},
        title="; ".join(plan.title for plan in plans),
        tier=max(plan.tier for plan in plans),
        reversal=min((plan.reversal for plan in plans), key=_WEAKEST_FIRST.index),
        proof=plans[0].proof,
        items=tuple(item for plan in plans for item in plan.items),
    )
