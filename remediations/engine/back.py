"""Taking back what was done of a plan, newest first, and closing what must not stay half-way."""

from __future__ import annotations

from functools import partial
from uuid import UUID, uuid4

from remediations.engine.sending import MARGIN, SHOWS, Applied, Facts, Sending, Stopped, after, before, drift
from remediations.engine.undo import guards_of_undo
from remediations.ledger import Bracket, Entry, How
from remediations.model.fact import unmet
from remediations.model.outcome import Reason
from remediations.model.plan import Step, Wait
from remediations.model.tier import Reversal

CLOSE_DEADLINE = 120.0
"""Seconds that a bracket's closing command may take."""


class Back(Sending):
    """A plan that is decided, finished or taken back. Each command is in the journal before it is sent."""

    def give_up(self, stop: Stopped) -> Applied:
        """Take back what was done, newest first, and close what must not stay open."""
        left: list[str] = []
        for entry in reversed(self.ledger.journal(self.run, self.plan.digest)):
            step = self.plan.items[entry.index]
            if not isinstance(step, Step) or (entry.undone is not None and entry.undone.ok):
                continue
            name = f"take back {step.command.name} on {step.host}"
            problem = self.applier.observe(name, partial(self._take_back, entry, step))
            left += [problem] if problem else []
        left += self.close_brackets(stop.detail)
        detail = stop.detail if not left else f"{stop.detail}; could not be taken back: {'; '.join(left)}"
        return Applied(ok=False, detail=detail, reason=stop.reason, undone=not left, done=tuple(self.done), error=stop.error)

    def finish(self, why: str) -> Applied:
        """Decide what is unknown; a plan that was carried out whole stays, a half-done one is taken back."""
        if unknown := self.decide():
            return self.give_up(Stopped(f"{why}; {'; '.join(unknown)}"))
        if not self._whole():
            return self.give_up(Stopped(why))
        self.arrived(why)
        left = self.close_brackets(why)
        return Applied(ok=not left, detail="; ".join(left))

    # ---- deciding ----------------------------------------------------------------------------------------------------

    def decide(self) -> list[str]:
        """Find out what became of every command that was sent and never answered; what cannot be known, in words."""
        left = []
        for entry in self.ledger.journal(self.run, self.plan.digest):
            step = self.plan.items[entry.index]
            if not isinstance(step, Step):
                continue
            try:
                if entry.undo_undecided:
                    self._undo_decided(entry, step)
                elif entry.result is None and entry.undone is None:
                    self.decided(entry, step)
            except Stopped as stop:
                left.append(stop.detail)
        return left

    def decided(self, entry: Entry, step: Step) -> bool:
        """Decide a step that was sent by someone who never learned what became of it: whether it was done.

        Nothing is sent again before nothing of it can be in flight. Raises `Stopped` if neither before nor after is shown.
        """
        flight = self.flying(entry.intended_at, step.deadline)
        facts = self.settled(partial(after, step), settles=0, flight=flight)
        if after(step, facts):
            self.result(entry.index, entry.command_id, ok=True, detail="found done", how="read again")
            return True
        if not before(step, facts):
            raise Stopped(drift(step, facts), Reason.DRIFT)
        detail = "found not done, and nothing can be in flight"
        self.result(entry.index, entry.command_id, ok=False, detail=detail, how="read again")
        return False

    def _undo_decided(self, entry: Entry, step: Step) -> bool:
        """The same for a step that was about to be taken back: whether it was. Raises `Stopped` likewise."""
        if entry.undoing is None:
            raise ValueError(f"item {entry.index} was never about to be taken back")
        flight = self.flying(entry.undoing.at, entry.undoing.deadline)
        facts = self.settled(partial(before, step), settles=0, flight=flight)
        done = before(step, facts)
        if not done and not after(step, facts):
            raise Stopped(drift(step, facts), Reason.DRIFT)
        detail = "found taken back" if done else "found not taken back, and nothing can be in flight"
        self._undone(entry, step, entry.undoing.command_id, ok=done, detail=detail)
        return done

    def _whole(self) -> bool:
        """Whether all of the plan is done, by us or by somebody meanwhile, and what it waits for at its end has come."""
        facts = self.applier.read(self.plan)
        journal = {entry.index: entry for entry in self.ledger.journal(self.run, self.plan.digest)}
        for index, item in enumerate(self.plan.items):
            entry = journal.get(index)
            if isinstance(item, Step) and entry is None and not after(item, facts):
                return False
            if entry is not None and (not entry.result or entry.undoing is not None or entry.undone is not None):
                return False
            if isinstance(item, Wait) and item.closes and not all(guard.holds(facts) for guard in item.until):
                return False
        return True

    def result(self, index: int, command_id: UUID, *, ok: bool, detail: str, how: How) -> None:
        """Write down what became of a step, by its command."""
        step = {"run": self.run, "digest": self.plan.digest}
        self.ledger.result(**step, index=index, command_id=command_id, ok=ok, detail=detail, how=how)

    # ---- taking back -------------------------------------------------------------------------------------------------

    def _take_back(self, entry: Entry, step: Step) -> str:
        """Take one step back if what it did is still there; what could not be taken back, in words, or nothing."""
        try:
            if entry.undo_undecided:
                if self._undo_decided(entry, step):
                    return ""
            elif entry.result is None and not self.decided(entry, step):
                return ""
            if entry.result is False and entry.how != "answered":
                return ""
            facts = self.applier.read(self.plan)
            if before(step, facts):
                if entry.result is not False:
                    self._undone(entry, step, entry.command_id, ok=True, detail="found taken back")
                return ""
            if entry.result is False or not after(step, facts):
                return drift(step, facts)
            if step.undo is None:
                return f"{step.command.text} cannot be undone" if self.plan.reversal is Reversal.IRREVERSIBLE else ""
            # A list that is set whole would lose what somebody added to it since. What opened a bracket is closed all the same.
            guards = () if step.opens else guards_of_undo(self.plan, step, step.host)
            why = unmet(guards, facts)
            return f"{step.undo.text} on {step.host} ({why})" if why else self._undo(entry, step)
        except Stopped as stop:
            return stop.detail

    def _undo(self, entry: Entry, step: Step) -> str:
        """Send what takes a step back; whatever comes back, what the host then shows decides."""
        if step.undo is None:
            raise ValueError(f"{step.command.name} has nothing that takes it back")
        command_id = uuid4()
        record = partial(
            self.ledger.intend_undo,
            run=self.run,
            digest=self.plan.digest,
            index=entry.index,
            command_id=command_id,
            lease=self.lease,
            deadline=step.deadline,
            margin=MARGIN,
        )
        answer = self.send(step.host, step.undo, deadline=step.deadline, command_id=command_id, record=record)
        settles = 0.0 if answer.over else max(step.settles, SHOWS)
        facts = self.settled(partial(before, step), settles=settles, flight=answer.flight)
        if before(step, facts):
            self._undone(entry, step, command_id, ok=True, detail=step.undo.text)
            return ""
        said = answer.said or "the command returned without an error, but the host does not show what was there before"
        if answer.how == "answered" or after(step, facts):
            self._undone(entry, step, command_id, ok=False, detail=said)
        # Else neither is shown and nobody knows why: it stays undecided, so that nothing is sent there again blindly.
        return f"{step.undo.text} on {step.host} ({said})"

    def _undone(self, entry: Entry, step: Step, command_id: UUID, *, ok: bool, detail: str) -> None:
        self.ledger.mark_undone(self.run, self.plan.digest, entry.index, command_id, ok=ok, detail=detail)
        for bracket in self.ledger.open_brackets(self.run) if ok and step.opens else ():
            if (bracket.digest, bracket.name) == (self.plan.digest, step.opens):
                self.ledger.close_bracket(bracket, f"taken back: {detail}")

    # ---- brackets ----------------------------------------------------------------------------------------------------

    def arrived(self, why: str, *waits: Wait) -> None:
        """Close the brackets that end with these waits, or with any of the plan's."""
        closing = {wait.closes for wait in waits or self.plan.waits}
        for bracket in self.ledger.open_brackets(self.run):
            if bracket.name in closing:
                self.ledger.close_bracket(bracket, why)

    def close_brackets(self, why: str) -> list[str]:
        """Send the closing command of every bracket of this run that is open; what could not be closed, in words."""
        found = self.ledger.open_brackets(self.run)
        return [problem for bracket in found if (problem := self._close(bracket, why))]

    def _close(self, bracket: Bracket, why: str) -> str:
        close, closing = bracket.close, bracket.closing

        def closed(facts: Facts) -> bool:
            return bool(close.changes) and all(change.holds_after(facts) for change in close.changes)

        flight = self.flying(closing.at, closing.deadline) if closing is not None else 0.0
        facts = self.settled(closed, settles=0, flight=flight)
        if closed(facts):
            self.ledger.close_bracket(bracket, f"{why}: found closed")
            return ""
        bracket = self._followed(bracket, facts)
        close, told = bracket.close, f"{bracket.close.command.text} on {bracket.close.host}"
        if missing := next((change.fact for change in close.changes if change.fact not in facts), None):
            # Commands go by name: whatever has that name by now may be somebody else's.
            return f"{told} (not sent: {missing} cannot be read, or is not there any more)"
        command_id = uuid4()
        record = partial(
            self.ledger.intend_close, bracket, command_id=command_id, lease=self.lease, deadline=CLOSE_DEADLINE, margin=MARGIN
        )
        try:
            answer = self.send(close.host, close.command, deadline=CLOSE_DEADLINE, command_id=command_id, record=record)
        except Stopped as stop:
            return f"{told} ({stop.detail})"
        done = not answer.over and not answer.flight and answer.error is None
        if not done:
            done = closed(self.settled(closed, settles=0, flight=answer.flight))
        if done:
            self.ledger.close_bracket(bracket, f"{why}: sent {close.command.text}")
            return ""
        self.ledger.close_failed(bracket, answer.said)
        return f"{told} ({answer.said})"

    def _followed(self, bracket: Bracket, facts: Facts) -> Bracket:
        """The bracket, closed by another node of the cluster where what it is about is found there: its own may be down."""
        seen = [facts[change.fact].to_json() for change in bracket.close.changes if change.fact in facts]
        here, host = self.applier.site.cluster_of(bracket.close.host), bracket.close.host
        found = next((place for each in seen if (place := each.get("host") or each.get("seen_from"))), host)
        if (
            here is None
            or self.applier.site.cluster_of(found) is not here
            or bracket.close.command.contract.module == "Hyper-V"
        ):
            return bracket
        return bracket.model_copy(update={"close": bracket.close.model_copy(update={"host": found})})
