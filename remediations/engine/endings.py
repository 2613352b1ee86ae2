"""How a run ends, in words: what is so now, what was changed, and what is left for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from remediations.engine.ports import Sent
from remediations.engine.propose import Proposal
from remediations.engine.sending import Applied
from remediations.ledger import Entry
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.plan import Manual, Obstacle, Plan, Satisfied, Verdict

_NOTHING = "nothing was changed"
_THERE = "the virtual machine is where it should be"


def whys(plan: Plan) -> list[str]:
    """Why each item that is not satisfied is there."""
    return [item.why for item in plan.items if not isinstance(item, Satisfied)]


def failed(applied: Applied) -> Outcome:
    """The outcome of a plan that was not carried to its end."""
    if applied.reason is not None and not applied.done and applied.undone:
        return Outcome(ending=Ending.REFUSED, reason=applied.reason, summary=f"The plan was not begun: {applied.detail}")
    if applied.undone:
        return Outcome(ending=Ending.UNDONE, reason=applied.reason, summary=f"What was done was taken back: {applied.detail}")
    return Outcome(ending=Ending.FAILED, reason=applied.reason, summary=applied.detail)


def left_to_people(why: str, reason: Reason | None = None) -> Outcome:
    """The outcome of a mend that is verified, where the move itself is not ours to try again."""
    return Outcome(ending=Ending.MENDED, reason=reason, summary=f"Mended and verified. {why}")


def unverified(again: Plan, still: Outcome) -> Outcome:
    """`still`, unless all that the plan has left is what only a person can do."""
    left = [item for item in again.items if not isinstance(item, Satisfied)]
    if not all(isinstance(item, Manual) for item in left):
        return still
    summary = f"What could be done was done. A person is needed for the rest: {'; '.join(whys(again))}"
    return Outcome(ending=Ending.NEEDS_PERSON, summary=summary)


def unmendable(proposal: Proposal) -> Outcome | None:
    """The outcome of a proposal that leaves nothing to apply or to wait for; None if there is something."""
    if proposal.over:
        return Outcome(
            ending=Ending.NOTHING_TO_DO,
            reason=Reason.SYMPTOM_GONE,
            summary=f"What had failed has meanwhile succeeded: {proposal.evidence.succeeded or _THERE}.",
        )
    if proposal.gone:
        return Outcome(ending=Ending.NEEDS_PERSON, summary=f"There is nothing to move: {proposal.gone}.")
    if proposal.plan is None:
        outcome: Outcome | None = Outcome(ending=Ending.NEEDS_PERSON, summary=_unexplained(proposal))
    else:
        outcome = stands(proposal.plan)
    if outcome is None or not proposal.elsewhere:
        return outcome
    return outcome.model_copy(update={"summary": f"{outcome.summary.rstrip('.')}. {proposal.elsewhere}."})


def _unexplained(proposal: Proposal) -> str:
    """Why there is nothing to plan: nothing points to a cause, or what does is not so, or not known to be."""
    evidence = proposal.evidence
    open_ = [each for each in proposal.considered if each.verdict is not Verdict.ABSENT]
    weak = ", ".join(each.cause.value for each in evidence.weak)
    if weak:
        said = (
            f"Nothing in {evidence.looked_into} is sure of a cause that is known: unknown. Words alone point to {weak}; "
            "nothing is planned on words alone, what the facts say of it stands below"
        )
    elif not evidence.hypotheses:
        said = f"Nothing in {evidence.looked_into} points to a cause that is known: unknown"
    elif open_:
        told = "; ".join(f"{each.hypothesis.cause.value} ({_brief(each.why)})" for each in open_[:3])
        more = f"; and {len(open_) - 3} more" if len(open_) > 3 else ""
        said = f"What {evidence.looked_into} points to is neither proven nor ruled out by the facts: {told}{more}"
    else:
        said = f"The facts rule out every cause that {evidence.looked_into} points to"
    return ". ".join(each for each in (said, evidence.not_looked_into) if each) + "."


def _brief(why: str) -> str:
    return why.partition("\n")[0].rstrip(".")


def stands(plan: Plan) -> Outcome | None:
    """Why a plan cannot be carried out by us, or None if it can (or only waits)."""
    if plan.appliable or plan.comes_by_itself:
        return None
    obstacles = {block.obstacle for block in plan.blocks}
    managed, lacks = Obstacle.MANAGED_ELSEWHERE in obstacles, Obstacle.ENDPOINT_LACKS in obstacles
    reason = Reason.MANAGED_ELSEWHERE if managed else Reason.ENDPOINT_LACKS if lacks else None
    return Outcome(ending=Ending.NEEDS_PERSON, reason=reason, summary=f"A person is needed: {'; '.join(whys(plan))}")


def sent(entries: Sequence[Entry]) -> tuple[Sent, ...]:
    """What a run sent, as its report shows it."""
    return tuple(
        Sent(
            host=entry.step.host,
            command=entry.step.command.text,
            became=_became(entry),
            undo=entry.step.undo.text if entry.step.undo else "",
        )
        for entry in entries
    )


def _became(entry: Entry) -> Literal["done", "taken back", "failed", "not known"]:
    if entry.undone is not None and entry.undone.ok:
        return "taken back"
    return "not known" if entry.result is None else "done" if entry.result else "failed"


def with_what_stays(outcome: Outcome, entries: Sequence[Entry]) -> Outcome:
    """The outcome as it is once all that the run sent counts, what it did not take back above all."""
    kept = [entry for entry in entries if _became(entry) in ("done", "not known")]
    if outcome.ending in (Ending.MENDED, Ending.FAILED):
        return outcome
    if not kept:
        if outcome.ending is Ending.UNDONE or _NOTHING in outcome.summary.casefold():
            return outcome
        return outcome.model_copy(update={"summary": f"{outcome.summary.rstrip('.')}. {_NOTHING.capitalize()}."})
    ending = Ending.NEEDS_PERSON if outcome.ending is not Ending.NOTHING_TO_DO else Ending.NOTHING_TO_DO
    done = "; ".join(f"{entry.step.host}: {entry.step.command.text}" for entry in kept)
    summary = f"{outcome.summary.rstrip('.')}. What was changed stays: {done}."
    return outcome.model_copy(update={"ending": ending, "summary": summary})
