"""Undo as a plan: what an ended run did, taken back newest first, where it is still as that run left it.

A pure function like every other plan: from the journal and the facts to items. A step is taken back only if the journal
says that it was done and the host still shows what it made. What is as it was before is no longer ours; what is neither
was changed since, and blocks: nothing of somebody else's is overwritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from remediations.engine.done import Did
from remediations.engine.parts import UNDO, requests_of
from remediations.engine.sending import SHOWS, Facts, after, before
from remediations.ledger import Bracket
from remediations.model.command import Command
from remediations.model.fact import Change, Guard, Test, in_words, predict, unmet
from remediations.model.plan import Blocked, Close, Item, Manual, Obstacle, Plan, Satisfied, Step
from remediations.model.tier import Reversal, Tier


def undo_plan(run: str, did: Sequence[Did], left_open: Sequence[Bracket], facts: Facts) -> Plan:
    """The plan that takes back what a run did. `did` is in the order in which it was done; `left_open` are its brackets."""
    touched = _touched(did)
    items: list[Item] = [_open(each) for each in left_open]
    items += _without_empty_brackets(list(_items(did, facts)))
    return Plan(
        remediation=UNDO,
        request={"run": run, "parts": requests_under(did)},
        title=f"Undo run {run}: {'; '.join(plan.title for plan in _plans(did)) or 'nothing'}",
        tier=max((_tier(each.plan) for each in touched), default=Tier.READ),
        reversal=_reversal(touched),
        proof=None,
        items=tuple(items) or (Satisfied(why=f"run {run} changed nothing"),),
    )


def requests_under(did: Sequence[Did]) -> list[dict[str, Any]]:
    """The requests of the plans that there is something to take back of, each once: their facts are what an undo stands on."""
    found = [part for plan in _plans(_touched(did)) for part in requests_of(plan)]
    return [part for number, part in enumerate(found) if part not in found[:number]]


def _touched(did: Sequence[Did]) -> list[Did]:
    return [each for each in did if each.stands and each.step.undo is not None]


def takes_back(back: Step, step: Step) -> bool:
    """Whether one step is the other one's undo, as `undo_plan` makes it."""
    return (back.command, back.target) == (step.undo, step.target) and back.undo in (step.command, None)


def _plans(did: Sequence[Did]) -> list[Plan]:
    return list({each.plan.digest: each.plan for each in did}.values())


def _tier(plan: Plan) -> Tier:
    """How dangerous it is to take back what can be: what cannot is no part of the undo."""
    return min(plan.tier, Tier.WORKLOAD)


def _reversal(did: Sequence[Did]) -> Reversal:
    placement = any(each.plan.reversal is Reversal.EXACT_EXCEPT_PLACEMENT for each in did)
    return Reversal.EXACT_EXCEPT_PLACEMENT if placement else Reversal.EXACT


def _open(bracket: Bracket) -> Blocked:
    why = f"“{bracket.name}” was left half-way on {bracket.close.host}: `remediate recover` closes it first"
    return Blocked(obstacle=Obstacle.PRECONDITION, why=why)


def _items(did: Sequence[Did], facts: Facts) -> Iterator[Item]:
    for each in reversed(did):
        item = _item(each, did, facts)
        if isinstance(item, Step):
            facts = predict(facts, item.changes)
        yield item


def _item(each: Did, did: Sequence[Did], facts: Facts) -> Item:
    step, entry = each.step, each.entry
    what = f"{step.command.name} on {step.host} ({step.target.name})"
    if each.in_question:
        why = f"nobody knows yet what became of {what}: `remediate recover` finds out first"
        return Blocked(obstacle=Obstacle.PRECONDITION, why=why)
    if entry.undone is not None and entry.undone.ok:
        return Satisfied(why=f"{what} was taken back at {entry.undone.at:%Y-%m-%d %H:%M} UTC")
    if entry.result is False:
        return Satisfied(why=f"{what} had failed: nothing of it was done")
    if step.undo is None and each.plan.reversal is Reversal.IRREVERSIBLE:
        lost = "Nothing brings back what was there before: if it is needed, restore it from a backup"
        return Manual(why=f"{what} cannot be undone: {step.why}", instructions=(lost,))
    if step.undo is None:
        return Satisfied(why=f"{what} needs no undo")
    if any(not one.stands for one in _ends(each, did)):
        return Satisfied(why=f"{what} is left as it is: what it belongs to was taken back")
    if before(step, facts):
        return Satisfied(why=f"{what} is no longer ours: it is already as it was before")
    if not after(step, facts):
        return Blocked(obstacle=Obstacle.CONFLICT, why=f"{what} was changed since: {_neither(step, facts)}")
    back = _back(each, step.undo, did, facts)
    if unfit := unmet(back.guards, facts):
        return Blocked(obstacle=Obstacle.PRECONDITION, why=f"{what} cannot be taken back now: {unfit}")
    return back


def _neither(step: Step, facts: Facts) -> str:
    for change in step.changes:
        if change.fact not in facts:
            return f"{change.fact} cannot be read any more"
        if not change.holds_after(facts):
            is_now, was, left = map(in_words, (facts[change.fact].to_json()[change.field], change.before, change.after))
            return f"{change.field.replace('_', ' ')} is {is_now}; it was {was} before the run, and {left} after it"
    return "not all of it is as it was left"


def _back(each: Did, undo: Command, did: Sequence[Did], facts: Facts) -> Step:
    """The step that takes a step back, to the host where its target is now."""
    step, other = each.step, _other(each, did)
    host = _where(step, facts)
    opens = bool(step.closes) and other is not None and other.close is not None
    return Step(
        target=step.target,
        host=host,
        command=undo,
        why=f"takes back {step.command.text}, sent at {each.entry.intended_at:%Y-%m-%d %H:%M} UTC",
        changes=tuple(_turned(change) for change in step.changes),
        # What carried a secret from another host cannot be sent again on its own.
        undo=None if step.carries else step.command,
        guards=tuple(guards_of_undo(each.plan, step, host)),
        opens=step.closes if opens else "",
        close=_close(other, host) if opens else None,
        closes=step.opens if other is not None else "",
        settles=max(step.settles, SHOWS, other.settles if other else 0.0),
        deadline=max(step.deadline, other.deadline if other else 0.0),
    )


def _turned(change: Change) -> Change:
    return change.model_copy(update={"before": change.after, "after": change.before})


def _other(each: Did, did: Sequence[Did]) -> Step | None:
    """The other end of a step's bracket, if that has to be taken back too."""
    return next((one.step for one in _ends(each, did) if one.stands and one.step.undo), None)


def _ends(each: Did, did: Sequence[Did]) -> list[Did]:
    name = each.step.opens or each.step.closes
    mine = (one for one in did if one.plan.digest == each.plan.digest and one.entry.index != each.entry.index)
    return [one for one in mine if name and name in (one.step.opens, one.step.closes)]


def _close(other: Step | None, host: str) -> Close | None:
    """What ends the bracket of an undo, whatever happens: what would have ended the first one."""
    if other is None or other.close is None:
        return None
    return other.close.model_copy(update={"host": host if other.close.host == other.host else other.close.host})


def _where(step: Step, facts: Facts) -> str:
    """Where a step's undo is sent: a virtual machine is followed to the host that it has moved to."""
    home = _home(step)
    return str(facts[home.fact].to_json()["host"]) if home is not None and home.fact in facts else step.host


def _home(step: Step) -> Guard | None:
    """The guard that ties a step's target to the host that the step is sent to."""
    return next((each for each in step.guards if each.field == "host" and each.bound == step.host), None)


def guards_of_undo(plan: Plan, step: Step, host: str) -> Iterator[Guard]:
    """What must hold for a step's undo on `host`.

    Its target is there, and what the plan had brought about for it is so; what must not be for the step must not be for its
    undo either.
    """
    own = {(change.fact, change.field): change for change in step.changes}
    made = {(change.fact, change.field) for change in plan.changes}
    yield from step.undo_guards
    for guard in step.guards:
        where = guard.fact, guard.field
        if guard == _home(step):
            yield guard.model_copy(update={"bound": host})
        elif guard.test is Test.EQUALS and where in own:
            bound = own[where].predict(guard.bound)
            yield guard.model_copy(update={"bound": sorted(bound, key=str) if own[where].members else bound})
        elif (guard.test is Test.EQUALS and where in made) or (guard.test is Test.NOT and where not in own):
            yield guard


def _without_empty_brackets(items: list[Item]) -> list[Item]:
    """`items` without a shutdown and a start (or a pause and a resume) between which nothing is left to be done."""
    steps = [(number, item) for number, item in enumerate(items) if isinstance(item, Step)]
    for (one, first), (two, second) in pairwise(steps):
        if first.opens and first.opens == second.closes:
            for number, step in ((one, first), (two, second)):
                items[number] = Satisfied(why=f"{step.target.name} is left as it is: nothing is left to undo that needs it")
    return items
