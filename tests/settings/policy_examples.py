"""A plan of any tier, and what policy says of it where nothing was done before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from remediations.model.command import command
from remediations.model.fact import Change
from remediations.model.judgement import Judgement, judge
from remediations.model.plan import Plan, Step, Target
from remediations.model.policy import Policy
from remediations.model.situation import Situation, Subject
from remediations.model.tier import Reversal, Tier

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
"""A Monday, in no window of the packaged policy."""


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


def subject(tier: int = 1, hosts: Sequence[str] = ("HV01",), clusters: Sequence[str] = (), **more: Any) -> Subject:
    """What policy sees of a plan."""
    nodes = dict.fromkeys(clusters, ("HV01", "HV02"))
    given = {
        "title": "Mend it",
        "remediations": ("mend-it",),
        "tier": tier,
        "hosts": tuple(hosts),
        "clusters": nodes,
        "aims": (),
    }
    return Subject.model_validate(given | more)


def situation(**known: Any) -> Situation:
    """Nothing is paused and nothing was done before, but for what is given."""
    at: Mapping[str, Any] = {"now": NOON, "paused": {"policy.yaml": None}}
    return Situation(**{**at, **known})


def judged(policy: Policy, which: Subject, **known: Any) -> Judgement:
    """What policy says."""
    return judge(policy, which, situation(**known))
