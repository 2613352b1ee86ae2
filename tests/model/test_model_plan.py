"""Plans: what is no plan cannot be built, what they say is computed, and what was approved is in the digest, nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from remediations.model.command import command
from remediations.model.fact import Change, Guard
from remediations.model.fact import Test as By
from remediations.model.plan import Blocked, Close, Item, Manual, Obstacle, Plan, Satisfied, Step, Target, Verdict, Wait
from remediations.model.tier import Proof, Reversal, Tier

LIMIT = Change(fact="HostLimits:hv07", field="migrations", before=2, after=4)
OFF = Guard(fact="Vm:42", field="state", test=By.EQUALS, bound="Off", why="it must be off")
START = Close(host="HV07", command=command("Start-VM", Name="VM42"))


def step(**other: Any) -> Step:
    """A step that opens a bracket and says all that a step can say, but for what is `other`."""
    whole = {
        "target": Target(kind="host", name="HV07", id="id-of-hv07"),
        "host": "HV07",
        "command": command("Set-VMHost", MaximumVirtualMachineMigrations=4),
        "undo": command("Set-VMHost", MaximumVirtualMachineMigrations=2),
        "why": "the limit is below what the site expects",
        "changes": (LIMIT,),
        "guards": (OFF,),
        "opens": "the limit is raised",
        "close": START,
    }
    return Step.model_validate(whole | other)


def wait(**other: Any) -> Wait:
    return Wait.model_validate({"until": (OFF,), "poll": 5, "at_most": 600, "why": "it shuts down"} | other)


def plan(*items: Item, **other: Any) -> Plan:
    whole = {
        "remediation": "set-migration-limits",
        "request": {"host": "HV07"},
        "title": "Raise the limit",
        "tier": Tier.LOCAL,
        "reversal": Reversal.EXACT,
        "proof": Proof.EPISODE,
        "items": items or (step(), wait()),
    }
    return Plan.model_validate(whole | other)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"command": command("Get-VMHost")}, "Get-VMHost changes nothing: it is no step"),
        ({"undo": command("Get-VMHost")}, "Get-VMHost changes nothing: it undoes nothing"),
        ({"close": None}, "says what closes it"),
        ({"opens": ""}, "says what closes it"),
        ({"changes": ()}, "changes"),
        ({"why": ""}, "why"),
    ],
    ids=["reads", "undo reads", "opens only", "closes only", "no change", "silent"],
)
def test_what_is_no_step_cannot_be_built(other: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        step(**other)


def test_an_empty_plan_cannot_be_built() -> None:
    with pytest.raises(ValidationError, match="items"):
        plan(items=())


SATISFIED = Satisfied(why="it is so")
CONFLICT = Blocked(obstacle=Obstacle.CONFLICT, why="held elsewhere")
UNREAD = Blocked(obstacle=Obstacle.UNKNOWN, why="it could not be read")
MANUAL = Manual(why="only a person can", instructions=("do it",))


@pytest.mark.parametrize(
    ("items", "verdict", "appliable"),
    [
        ((SATISFIED,), Verdict.ABSENT, False),
        ((SATISFIED, UNREAD), Verdict.UNKNOWN, False),
        ((UNREAD, CONFLICT), Verdict.PRESENT, False),
        ((SATISFIED, MANUAL), Verdict.PRESENT, False),
        ((MANUAL, UNREAD), Verdict.PRESENT, False),
        ((wait(),), Verdict.PRESENT, False),
        ((SATISFIED, step()), Verdict.PRESENT, True),
        ((step(), MANUAL), Verdict.PRESENT, True),
        ((step(), UNREAD), Verdict.PRESENT, False),
        ((step(), CONFLICT), Verdict.PRESENT, False),
    ],
)
def test_a_verdict_is_what_the_items_say_and_nothing_is_applied_in_part(
    items: tuple[Item, ...], verdict: Verdict, appliable: bool
) -> None:
    assert (plan(*items).verdict, plan(*items).appliable) == (verdict, appliable)


APPROVED = {
    "remediation": plan(remediation="another"),
    "request": plan(request={"host": "HV08"}),
    "tier": plan(tier=Tier.DIRECTORY),
    "second attempt": plan(attempt=2),
    "third attempt": plan(attempt=3),
    "another step": plan(step(), step(), wait()),
    "target's id": plan(step(target=Target(kind="host", name="HV07", id="another")), wait()),
    "target's kind": plan(step(target=Target(kind="cluster node", name="HV07", id="id-of-hv07")), wait()),
    "host": plan(step(host="HV08"), wait()),
    "command": plan(step(command=command("Set-VMHost", MaximumVirtualMachineMigrations=5)), wait()),
    "undo": plan(step(undo=command("Set-VMHost", MaximumVirtualMachineMigrations=3)), wait()),
    "no undo": plan(step(undo=None), wait()),
    "before": plan(step(changes=(LIMIT.model_copy(update={"before": 3}),)), wait()),
    "after": plan(step(changes=(LIMIT.model_copy(update={"after": 5}),)), wait()),
    "another change": plan(step(changes=(LIMIT, LIMIT.model_copy(update={"field": "storage"}))), wait()),
    "no guard": plan(step(guards=()), wait()),
    "a guard's bound": plan(step(guards=(OFF.model_copy(update={"bound": "Saved"}),)), wait()),
    "a guard's test": plan(step(guards=(OFF.model_copy(update={"test": By.NOT}),)), wait()),
    "bracket": plan(step(opens="another name"), wait()),
    "what closes it": plan(step(close=START.model_copy(update={"host": "HV08"})), wait()),
    "closes": plan(step(closes="another bracket"), wait()),
    "what is waited for": plan(step(), wait(until=(OFF.model_copy(update={"bound": "Saved"}),))),
    "no wait": plan(step()),
}


def test_what_is_approved_makes_another_digest() -> None:
    digests = {name: each.digest for name, each in APPROVED.items()}
    assert plan().digest not in digests.values()
    assert len(set(digests.values())) == len(digests), digests


@pytest.mark.parametrize(
    "same",
    [
        plan(title="In other words"),
        plan(step(why="in other words"), wait(why="in other words")),
        plan(step(target=Target(kind="host", name="hv07.contoso.com", id="id-of-hv07")), wait()),
        plan(step(guards=(OFF.model_copy(update={"why": "in other words"}),)), wait()),
        plan(step(undo_guards=(OFF,)), wait()),
        plan(step(stalls=(OFF,), patience=60), wait(stalls=(OFF,), patience=60, poll=1, at_most=60)),
        plan(SATISFIED, step(), wait()),
        plan(reversal=Reversal.IRREVERSIBLE, proof=None),
    ],
    ids=["title", "why", "target's name", "a guard's why", "undo's guards", "patience", "satisfied", "how it is proven"],
)
def test_what_is_told_besides_does_not(same: Plan) -> None:
    assert same.digest == plan().digest


def test_members_that_fade_are_no_part_of_what_is_approved() -> None:
    def purged(*tickets: str, fading: bool = True) -> Plan:
        gone = Change(fact="Tickets:hv07", field="held", members=True, fading=fading, before=list(tickets), after=[])
        return plan(step(changes=(gone,)))

    assert purged("one").digest == purged("two", "three").digest
    assert purged("one").digest != purged("one", fading=False).digest != purged("two", fading=False).digest
