"""What a plan says of a way: nothing where all is well, else a finding with the commands that would mend it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from remediations.catalogue.remediation import Reads, Repair
from remediations.engine.gather import Gathered
from remediations.engine.propose import reasons
from remediations.model.base import digest
from remediations.model.plan import Blocked, Obstacle, Plan, Satisfied, Verdict
from remediations.model.readiness import ORDER, Finding, Level, Line, Way, worst

ANY_VM = "the virtual machine"
"""Stands for whichever virtual machine a way is asked for, in the words of what needs a name."""


@dataclass
class Asked:
    """A repair that is planned, once, for everything that it concerns."""

    repair: Repair
    check: bool
    reads: Reads | None = None
    more: Reads | None = None
    """What is asked if `reads`, which ask only one node of a cluster, leave anything in doubt."""
    cannot: str = ""
    """Why its facts cannot even be asked for."""


def finding_of(asked: Asked, found: Gathered) -> Finding | None:
    """What a repair's plan says, unless it says that all is well."""
    repair = asked.repair
    if asked.reads is None:
        return _told(repair, asked, Verdict.UNKNOWN, (asked.cannot,))
    inputs = found.inputs(asked.reads)
    items = tuple(repair.items(inputs))
    if items and all(isinstance(item, Satisfied) for item in items):
        return None
    plan = repair.planned(inputs)
    return _told(repair, asked, plan.verdict, tuple(reasons(plan)), plan)


def by_silence(finding: Finding | None, why: Mapping[str, str], silent: Mapping[str, Finding]) -> Finding | None:
    """A finding that is unknown because some computer said nothing at all is that computer's: it is told once, not by each."""
    if finding is None or finding.verdict is not Verdict.UNKNOWN:
        return finding
    told = "; ".join(finding.why)
    return next((silent[host] for host, reason in why.items() if reason and reason in told), finding)


def _told(repair: Repair, asked: Asked, verdict: Verdict, why: tuple[str, ...], plan: Plan | None = None) -> Finding:
    lacking = plan is not None and all(
        isinstance(item, Satisfied) or (isinstance(item, Blocked) and item.obstacle is Obstacle.ENDPOINT_LACKS)
        for item in plan.items
    )
    # What an endpoint cannot do says nothing of the fault: whether it is there is not known.
    failing = verdict is Verdict.PRESENT and not lacking
    level = Level.NOTED if asked.check else Level.FAILS if failing else Level.UNKNOWN
    request = repair.model_dump(mode="json")
    # One reason that keeps many from being known is told once.
    identity = [repair.id, request] if failing else [repair.id, *why]
    options = " ".join(
        f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in request.items() if value not in (None, False)
    )
    return Finding(
        id=digest(identity)[:12],
        level=level,
        verdict=verdict if failing else Verdict.UNKNOWN,
        remediation=repair.id,
        title=repair.summary if failing else repair.title,
        causes=repair.causes,
        why=why,
        tier=int(plan.tier if plan else repair.tier),
        lines=tuple(
            Line(host=step.host, command=step.command.text, undo=step.undo.text if step.undo else "") for step in plan.steps
        )
        if plan
        else (),
        instructions=tuple(line for each in plan.manuals for line in each.instructions) if plan else (),
        blocked=tuple(each.why for each in plan.blocks) if plan and failing else (),
        digest=plan.digest if plan and plan.appliable else "",
        ask="" if ANY_VM in request.values() else f"remediate plan {repair.id} {options}",
    )


def silence_of(host: str, why: str) -> Finding:
    """The finding of a computer that said nothing at all."""
    return Finding(
        id=digest(["silent", host.casefold()])[:12],
        level=Level.UNKNOWN,
        verdict=Verdict.UNKNOWN,
        remediation="",
        title=f"{host} could not be read",
        why=(why,),
    )


def way_of(here: str, there: str, findings: Sequence[Finding]) -> Way:
    """A way with everything that was found about it, the worst first."""
    ordered = sorted(each_once(findings), key=lambda each: ORDER[each.level])
    return Way.model_construct(
        source=here, destination=there, level=worst(each.level for each in ordered), findings=ids_of(ordered)
    )


def each_once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """These findings without those that stand there twice."""
    return tuple({each.id: each for each in findings}.values())


def ids_of(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Their ids, in order."""
    return tuple(each.id for each in findings)
