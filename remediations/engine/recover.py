"""Finish what runs left that will not come back: brackets first, then half-done plans, then incidents."""

from __future__ import annotations

from collections.abc import Callable

from remediations.engine.apply import Applier
from remediations.engine.companions import companions, dismiss
from remediations.engine.done import sealed_of
from remediations.ledger import Ledger, RunRecord
from remediations.model.base import Frozen
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.roll import ROLLING
from remediations.model.site import Site

LATER = (Refused, LookupError, ValueError)
"""What keeps one run from being finished now, and no other: busy hosts, a host or remediation that is gone from the files."""


class Over(Frozen):
    """Why a run will not come back."""

    reason: Reason | None
    """Of the closed list, as `ApprovalExpired`; none for a run that crashed or was cancelled."""
    words: str


Fate = Callable[[str], Over | None]
"""Says of a run whether it is over without having told the ledger, and why."""


class Recovered(Frozen):
    """What was finished for one run."""

    run: str
    incident_id: str | None
    what: str
    outcome: Outcome


def recover(ledger: Ledger, applier: Applier, fate: Fate) -> list[Recovered]:
    """Look at every unfinished run and finish those that are over. A run whose hosts are busy is left for the next time.

    Before that, what an ended run could not is done: its brackets are closed and its unanswered steps decided, for a host
    that was down then may be back, and until then nobody else may touch it.
    """
    found = _close_left_over(ledger, applier)
    for record in ledger.unfinished_runs():
        over = fate(record.run)
        if over is None:
            continue
        try:
            outcome = _finish(ledger, applier, record, over)
        except LATER as busy:
            ledger.note(record.run, "recover later", {"why": str(busy)})
            continue
        # A run that only found the incident taken by another one must not close it under that one's feet.
        if record.incident_id is not None and ledger.incident(record.incident_id).run == record.run:
            if over.reason is Reason.APPROVAL_EXPIRED:
                _with_companions(ledger, applier.site, record, outcome)
            ledger.close_incident(record.incident_id, outcome)
        _give_back(ledger, record.run)
        ledger.finish_run(record.run, outcome)
        found.append(Recovered(run=record.run, incident_id=record.incident_id, what=over.words, outcome=outcome))
    return found


def _with_companions(ledger: Ledger, site: Site, record: RunRecord, outcome: Outcome) -> None:
    """What went with a run ends as it does where its plan was for both: nobody decided on the one plan, so on neither."""
    mends = (each.plan for each in sealed_of(ledger, record.run) if each.part == "repair")
    dismiss(ledger, record.incident_id or "", companions(ledger, record.incident_id, next(mends, None), site), outcome)


class Left(Frozen):
    """What of one run is still half-way, or has no outcome."""

    run: str
    what: str
    why: str


Unseen = Callable[[str], str]
"""Says of a run why it cannot be told from here whether it goes on; nothing where it can."""


def left_over(ledger: Ledger, fate: Fate, unseen: Unseen) -> list[Left]:
    """What runs still have left, and why: what kept it from being finished when it was tried last, or that nobody may try.

    Of runs that are over, and of those of which that cannot be told from here.
    """
    unfinished = [each.run for each in ledger.unfinished_runs()]
    over = {run for run in unfinished if fate(run) is not None}
    hidden = {run: why for run in unfinished if run not in over and (why := unseen(run))}
    told = over | hidden.keys()
    found = {run: "without an outcome" for run in unfinished if run in told}
    asked = "in question: nobody knows what became of a step"
    found |= {run: asked for run, _ in ledger.undecided() if _is_over(ledger, run, told)}
    for each in ledger.open_brackets():
        if _is_over(ledger, each.run, told):
            found[each.run] = f"half-way: “{each.name}”, which ends with {each.close.command.text} on {each.close.host}"
    return [Left(run=run, what=what, why=hidden.get(run) or _kept(ledger, run)) for run, what in found.items()]


def _is_over(ledger: Ledger, run: str, over: set[str]) -> bool:
    record = ledger.run(run)
    return run in over or record is None or record.finished_at is not None


def _kept(ledger: Ledger, run: str) -> str:
    told = [note.data["why"] for note in ledger.trail(run) if note.kind == "recover later"]
    return told[-1] if told else "it was not tried yet"


def _give_back(ledger: Ledger, run: str) -> None:
    """The leases of a run that is over: one that died before its first step had taken them and sent nothing."""
    for lease in ledger.held():
        if lease.holder == run:
            ledger.release(lease)


def _close_left_over(ledger: Ledger, applier: Applier) -> list[Recovered]:
    found = []
    brackets = {(each.run, each.digest): each for each in ledger.open_brackets()}
    for run, digest in dict.fromkeys([*brackets, *ledger.undecided()]):
        record = ledger.run(run)
        sealed = next((each for each in ledger.find_sealed(digest) if each.run == run), None)
        if record is None or record.finished_at is None or sealed is None:
            continue
        bracket = brackets.get((run, digest))
        words = f"“{bracket.name}” was left half-way" if bracket else "nobody knew what had become of a step"
        try:
            left = applier.close(run, sealed, words)
        except LATER as busy:
            left = [str(busy)]
        if left:
            ledger.note(run, "recover later", {"why": "; ".join(left)})
        else:
            now = f"{bracket.close.command.text} closed it" if bracket else "its host shows it now"
            outcome = Outcome(ending=Ending.UNDONE if bracket else Ending.NEEDS_PERSON, summary=f"{words}; {now}.")
            found.append(Recovered(run=run, incident_id=record.incident_id, what=words, outcome=outcome))
    return found


def _rolling(ledger: Ledger, record: RunRecord, over: Over) -> Outcome:
    """A roll stands in the ledger, not in its run: what its drains and resumes left is recovered as theirs."""
    roll = ledger.roll_of(record.run)
    if roll is None or roll.ended_at is not None:
        ending, what = (Ending.REFUSED, "nothing was changed") if roll is None else (Ending.MENDED, roll.words)
        return Outcome(ending=ending, reason=over.reason, summary=f"{over.words}; {what}.")
    summary = f"{over.words}; {roll.id} is open: {roll.words}. Started again it goes on there."
    return Outcome(ending=Ending.NEEDS_PERSON, reason=over.reason, summary=summary)


def _finish(ledger: Ledger, applier: Applier, record: RunRecord, over: Over) -> Outcome:
    finished = [
        applier.finish(record.run, sealed, over.words)
        for sealed in sealed_of(ledger, record.run)
        if ledger.journal(record.run, sealed.digest)
    ]
    if record.kind == ROLLING:
        return _rolling(ledger, record, over)
    left = [applied.detail for applied in finished if not applied.ok and not applied.undone]
    if left:
        return Outcome(ending=Ending.FAILED, reason=over.reason, summary=f"{over.words}; {'; '.join(left)}")
    if any(applied.ok for applied in finished):
        kept = "what had been carried out whole stays; what was half-done was taken back"
        return Outcome(ending=Ending.NEEDS_PERSON, reason=over.reason, summary=f"{over.words}; {kept}.")
    if finished:
        return Outcome(ending=Ending.UNDONE, reason=over.reason, summary=f"{over.words}; what had been done was taken back.")
    return Outcome(ending=Ending.REFUSED, reason=over.reason, summary=f"{over.words}; nothing was changed.")
