"""A plan of any tier, for policy to judge."""

from __future__ import annotations

from remediations.model.command import command
from remediations.model.fact import Change
from remediations.model.plan import Plan, Step, Target
from remediations.model.tier import Reversal, Tier


def plan(*, tier: int, step_host: str = "HV01", target: str = "HV01", kind: str = "host") -> Plan:
    """A plan of one step."""
    step = Step(
        target=Target.model_validate({"kind": kind, "name": target, "id": target}),
        host=step_host,
        command=command("Set-VMHost", MaximumVirtualMachineMigrations=4),
        why="it is too low",
        changes=(Change(fact="VmHost:hv01", field="migrations", before=2, after=4),),
    )
    return Plan(
        remediation="mend-it", request={}, title="Mend it", tier=Tier(tier), reversal=Reversal.EXACT, proof=None, items=(step,)
    )
