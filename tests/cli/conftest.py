"""A question, as the engine puts it to a gate."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from remediations.engine import Ask
from remediations.model.command import command
from remediations.model.fact import Change
from remediations.model.plan import Plan, Step, Target
from remediations.model.tier import Proof, Reversal, Tier


@pytest.fixture
def question() -> Ask:
    """A plan of one step that waits for a decision."""
    account = str(UUID(int=7))
    step = Step(
        target=Target(kind="computer account", name="HV02$", id=account),
        host="DC1",
        command=command("Set-ADComputer", Identity=account, ServicePrincipalNames={"Add": "x/hv02"}, Server="dc1.contoso.com"),
        why="it is missing",
        changes=(Change(fact=f"ComputerAccount:{account}", field="spns", members=True, before=[], after=["x/hv02"]),),
    )
    plan = Plan(
        remediation="register-spns",
        request={"host": "HV02"},
        title="Register SPNs: HV02",
        tier=Tier.DIRECTORY,
        reversal=Reversal.EXACT,
        proof=Proof.STATE,
        items=(step,),
    )
    return Ask(run="run", key="approve-1", plan=plan, retry=None, expires_at=datetime(2025, 3, 1, tzinfo=UTC), why="", page="")
