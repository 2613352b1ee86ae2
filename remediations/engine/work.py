"""Carry out an approved plan: exactly its commands, once, each recorded before it is sent; or take back what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from remediations.ledger import Entry, How, Lease, Sealed
from remediations.model.command import Command
from remediations.model.fact import Fact, predict
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Step, Wait
from remediations.model.reply import HostError, Reply
from remediations.model.tier import Reversal
from remediations.remoting import AnswerLost, CommandFailed, RemotingError

if TYPE_CHECKING:
    from remediations.engine.apply import Applier

MARGIN = 15.0
"""Seconds of the lease that must be left beyond a command's deadline before it is sent (DESIGN, leases)."""


class Stopped(Exception):
    """A plan could not be carried to its end. `reason` is of the closed list, or None for a host's own failure."""

    def __init__(self, detail: str, reason: Reason | None = None, error: HostError | None = None) -> None:
        super().__init__(detail)
        self.detail, self.reason, self.error = detail, reason, error


class Overtaken(Refused):
    """Another process goes on with this very run: what is left of this one touches nothing, and ends nothing."""


@dataclass(frozen=True)
class Applied:
    """What became of a plan: `ok`, or why not and whether everything was taken back."""

    ok: bool
    detail: str = ""
    reason: Reason | None = None
    undone: bool = False
    """Whether nothing of the plan is left, because nothing was done or all of it was taken back."""
    done: tuple[int, ...] = ()
    """Items carried out, by their index in the plan."""
    error: HostError | None = None


class Work:
    """One plan being carried out, or taken back, under one lease."""

    def __init__(self, applier: Applier, run: str, sealed: Sealed, lease: Lease) -> None:
        self.applier, self.run, self.sealed, self.plan, self.lease = applier, run, sealed, sealed.plan, lease
        self.ledger, self.clock = applier.ledger, applier.clock
        self.done: list[int] = []
        self.begun: list[str] = []
        """Commands whose intent is in the journal, in words."""

    def carry_out(self) -> Applied:
        """Every item in order, from where the journal says that it stands; taken back if one of them cannot be done."""
        try:
            self._carry_out()
        except Stopped as stop:
            return self._given_up(stop)
        except Refused as refused:
            # The lease ran out, or the ledger went away, between two steps.
            return self._given_up(Stopped(refused.detail, refused.reason), anew=True)
        return Applied(ok=True, done=tuple(self.done))

    def _carry_out(self) -> None:
        journal = {entry.index: entry for entry in self.ledger.journal(self.run, self.plan.digest)}
        if any(entry.undone for entry in journal.values()):
            raise Stopped("it was being taken back when its process ended")
        self._against_drift(journal)
        for index, item in enumerate(self.plan.items):
            if isinstance(item, Step):
                work: Callable[[], None] = partial(self._step, index, item, journal.get(index))
                self.applier.observe(f"{item.host}: {item.command.name} ({item.target.name})", work)
                self.done.append(index)
            elif isinstance(item, Wait):
                self.applier.observe(f"wait: {item.why}", partial(self._wait, item))
                self.done.append(index)

    def _given_up(self, stop: Stopped, *, anew: bool = False) -> Applied:
        """What was done, taken back, under the lease taken `anew`; or, where that cannot be now, what is left."""
        try:
            if anew:
                self._lease_again(stop)
            return self.give_up(stop)
        except Overtaken:
            raise
        except Refused as refused:
            cut = stop.detail if refused.detail == stop.detail else f"{stop.detail}; taking it back: {refused.detail}"
            return self._left(cut, refused)

    def _lease_again(self, stop: Stopped) -> None:
        """Have a lease that ran out anew. Raises `Overtaken` if somebody had it since, `Refused` if it cannot be had."""
        held = {name: token for lease in self.ledger.held() if lease.holder == self.run for name, token in lease.tokens.items()}
        lost = any(held.get(name) != token for name, token in self.lease.tokens.items())
        if lost or stop.reason is Reason.DUPLICATE_IN_PROGRESS:
            raise Overtaken(Reason.DUPLICATE_IN_PROGRESS, f"run {self.run} went on elsewhere meanwhile: {stop.detail}")
        self.lease = self.ledger.lease(self.lease.resources, holder=self.run, seconds=self.applier.policy.lease_seconds)

    def _left(self, detail: str, refused: Refused) -> Applied:
        """Nothing more can be done or recorded now: what was begun stays until recovery finishes it."""
        if not self.begun:
            return Applied(ok=False, detail=detail, reason=refused.reason, undone=True)
        what = f"{'; '.join(self.begun)} had been sent and stays until recovery (`remediate serve`) finishes it"
        return Applied(ok=False, detail=f"{detail}; {what}", reason=refused.reason, done=tuple(self.done))

    def give_up(self, stop: Stopped) -> Applied:
        """Take back what was done, newest first, and close what must not stay open."""
        left: list[str] = []
        for entry in reversed(self.ledger.journal(self.run, self.plan.digest)):
            step = self.plan.items[entry.index]
            if not isinstance(step, Step) or (entry.undone is not None and entry.undone.ok):
                continue
            problem = self.applier.observe(
                f"take back {step.command.name} on {step.host}", partial(self._take_back, entry, step)
            )
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
        self._arrived(why)
        left = self.close_brackets(why)
        return Applied(ok=not left, detail="; ".join(left))

    def decide(self) -> list[str]:
        """Find out what became of every step that was sent and never answered; what cannot be known, in words."""
        left = []
        for entry in self.ledger.journal(self.run, self.plan.digest):
            step = self.plan.items[entry.index]
            if entry.result is None and entry.undone is None and isinstance(step, Step):
                try:
                    self._decided(entry, step)
                except Stopped as stop:
                    left.append(stop.detail)
        return left

    def _whole(self) -> bool:
        """Whether all of the plan is done, by us or by somebody meanwhile, and what it waits for at its end has come."""
        facts = self.applier.read(self.plan)
        journal = {entry.index: entry for entry in self.ledger.journal(self.run, self.plan.digest)}
        for index, item in enumerate(self.plan.items):
            entry = journal.get(index)
            if isinstance(item, Step) and entry is None and not all(change.holds_after(facts) for change in item.changes):
                return False
            if entry is not None and (not entry.result or entry.undone is not None):
                return False
            if isinstance(item, Wait) and item.closes and not all(guard.holds(facts) for guard in item.until):
                return False
        return True

    def _arrived(self, why: str, *waits: Wait) -> None:
        """Close the brackets that end with these waits, or with any of the plan's."""
        closing = {wait.closes for wait in waits or self.plan.waits}
        for bracket in self.ledger.open_brackets(self.run):
            if bracket.name in closing:
                self.ledger.close_bracket(bracket, why)

    def _result(self, index: int, *, ok: bool, detail: str, how: How) -> None:
        self.ledger.result(run=self.run, digest=self.plan.digest, index=index, ok=ok, detail=detail, how=how)

    def close_brackets(self, why: str) -> list[str]:
        """Send the closing command of every bracket of this run that is open; what could not be closed, in words."""
        left = []
        for bracket in self.ledger.open_brackets(self.run):
            close = bracket.close
            facts = self.applier.read(self.plan)
            if close.changes and all(change.holds_after(facts) for change in close.changes):
                self.ledger.close_bracket(bracket, f"{why}: found closed")
                continue
            try:
                self._send(close.host, close.command, deadline=120.0)
            except RemotingError as error:
                left.append(f"{close.command.text} on {close.host} ({error})")
            else:
                self.ledger.close_bracket(bracket, f"{why}: sent {close.command.text}")
        return left

    # ---- one item ----------------------------------------------------------------------------------------------------

    def _against_drift(self, journal: Mapping[int, Entry]) -> None:
        """The facts must be those that were approved, as changed by the steps already done, or nothing is sent."""
        if not journal:
            fresh = self.applier.again(self.plan)
            if fresh.digest != self.plan.digest or not fresh.appliable:
                raise Stopped(f"the facts moved since {self.plan.title!r} was approved", Reason.DRIFT)
            return
        facts: Mapping[str, Fact] = self.applier.read(self.plan)
        for index, item in enumerate(self.plan.items):
            if not isinstance(item, Step):
                continue
            if index not in journal and not all(change.holds_before(facts) for change in item.changes):
                if all(change.holds_after(facts) for change in item.changes):
                    continue
                raise Stopped(_drift(item, facts), Reason.DRIFT)
            facts = predict(facts, item.changes)

    def _step(self, index: int, step: Step, entry: Entry | None) -> None:
        self.begun += [step.command.text] if entry is not None else []
        if entry is not None and entry.result is True:
            return
        if entry is not None and entry.result is False and entry.how == "answered":
            raise Stopped(f"{step.command.text} failed before: {entry.detail}")
        if entry is not None and entry.result is None and self._decided(entry, step):
            return
        facts = self.applier.read(self.plan)
        if all(change.holds_after(facts) for change in step.changes):
            return
        if not all(change.holds_before(facts) for change in step.changes):
            raise Stopped(_drift(step, facts), Reason.DRIFT)
        for guard in step.guards:
            if not guard.holds(facts):
                raise Stopped(f"{guard.text} does not hold{f': {guard.why}' if guard.why else ''}", Reason.GUARD_FAILED)
        self._change(index, step)

    def _change(self, index: int, step: Step) -> None:
        """Send a step's command once; whatever comes back, what the host then shows decides."""
        self.lease = self.ledger.renew(self.lease, max(self.applier.policy.lease_seconds, step.deadline + 2 * MARGIN))
        command_id, sent = uuid4(), False

        def before_send() -> None:
            nonlocal sent
            self.ledger.intend(
                run=self.run,
                digest=self.plan.digest,
                index=index,
                step=step,
                command_id=command_id,
                lease=self.lease,
                deadline=step.deadline,
                margin=MARGIN,
            )
            sent = True
            self.begun.append(step.command.text)

        error: HostError | None = None
        how: How = "answered"
        said, settles, flight = "", step.settles, 0.0
        try:
            self.applier.hosts.change(
                step.host, step.command, deadline=step.deadline, command_id=command_id, before_send=before_send
            )
        except CommandFailed as failed:
            error, said, settles = failed.error, failed.error.message, 0.0
        except AnswerLost as lost:
            answer = self._ask(step, command_id)
            how, said = "asked" if answer is not None else "read again", str(lost)
            if answer is not None and answer.errors:
                how, error, said = "answered", answer.errors[0], answer.errors[0].message
            elif answer is None:
                # It may still be on its way, or running: what the host shows counts once nothing of it can be in flight.
                flight = step.deadline + MARGIN
        except RemotingError as refused:
            if not sent:
                raise Stopped(str(refused)) from refused
            # The host says that it did not run. It is not taken at its word: what it shows decides, as for any other answer.
            said, settles = str(refused), 0.0
        facts = self._settled(step, settles, flight)
        if all(change.holds_after(facts) for change in step.changes):
            self._result(index, ok=True, detail=said, how=how)
            return
        said = said or "the command returned without an error, but the host does not show the change"
        if how == "answered" or all(change.holds_before(facts) for change in step.changes):
            self._result(index, ok=False, detail=said, how=how)
        # Else neither before nor after holds and nobody knows why: no result, so that nothing is sent there again blindly.
        raise Stopped(f"{step.command.name} on {step.host}: {said}", error=error)

    def _ask(self, step: Step, command_id: UUID) -> Reply | None:
        """What became of a change whose answer was lost, if the host can still tell."""
        try:
            return self.applier.hosts.outcome(step.host, command_id, deadline=step.deadline)
        except RemotingError:
            return None

    def _settled(self, step: Step, settles: float, flight: float) -> dict[str, Fact]:
        """The facts once the change shows, has plainly failed to, or after `settles` seconds, in which it must.

        For `flight` seconds its command may still run, so that nothing is plain before.
        """
        now = self.clock()
        landed, end = now + timedelta(seconds=flight), now + timedelta(seconds=max(settles, flight))
        stalled: datetime | None = None
        while True:
            facts = self.applier.read(self.plan)
            now = self.clock()
            if now >= end or all(change.holds_after(facts) for change in step.changes):
                return facts
            at_rest = now >= landed and bool(step.stalls) and all(guard.holds(facts) for guard in step.stalls)
            stalled = (stalled or now) if at_rest else None
            if stalled is not None and now - stalled >= timedelta(seconds=step.patience):
                return facts
            self._keep()
            self.applier.pause(min(10.0 if now < landed else 2.0, max(0.1, max(settles, flight) / 20)))

    def _decided(self, entry: Entry, step: Step) -> bool:
        """Decide a step that was sent by someone who never learned what became of it: whether it was done.

        Nothing is sent again before nothing of it can be in flight. Raises `Stopped` if neither before nor after is shown.
        """
        end = entry.intended_at + timedelta(seconds=step.deadline + MARGIN)
        while True:
            facts = self.applier.read(self.plan)
            if all(change.holds_after(facts) for change in step.changes):
                self._result(entry.index, ok=True, detail="found done", how="read again")
                return True
            if self.clock() >= end:
                break
            self._keep()
            self.applier.pause(min(2.0, max(0.1, step.deadline / 20)))
        if not all(change.holds_before(facts) for change in step.changes):
            raise Stopped(_drift(step, facts), Reason.DRIFT)
        self._result(entry.index, ok=False, detail="found not done, and nothing can be in flight", how="read again")
        return False

    def _wait(self, wait: Wait) -> None:
        self.applier.until(self.plan, wait, self._keep)
        self._arrived(wait.why, wait)

    def _keep(self) -> None:
        self.lease = self.ledger.renew(self.lease, self.applier.policy.lease_seconds)

    def _take_back(self, entry: Entry, step: Step) -> str:
        """Take one step back if what it did is still there; what could not be taken back, in words, or nothing."""
        if entry.result is None:
            try:
                if not self._decided(entry, step):
                    return ""
            except Stopped as stop:
                return stop.detail
        if entry.result is False and entry.how != "answered":
            return ""
        facts = self.applier.read(self.plan)
        if all(change.holds_before(facts) for change in step.changes):
            if entry.result is not False:
                self._undone(entry, entry.command_id, ok=True, detail="found taken back")
            return ""
        if entry.result is False or not all(change.holds_after(facts) for change in step.changes):
            return _drift(step, facts)
        if step.undo is None:
            return f"{step.command.text} cannot be undone" if self.plan.reversal is Reversal.IRREVERSIBLE else ""
        command_id = uuid4()
        try:
            self._send(step.host, step.undo, deadline=step.deadline, command_id=command_id)
        except RemotingError as error:
            self._undone(entry, command_id, ok=False, detail=str(error))
            return f"{step.undo.text} on {step.host} ({error})"
        self._undone(entry, command_id, ok=True, detail=step.undo.text)
        for bracket in self.ledger.open_brackets(self.run):
            if bracket.name == step.opens and bracket.name:
                self.ledger.close_bracket(bracket, f"taken back: {step.undo.text}")
        return ""

    def _undone(self, entry: Entry, command_id: UUID, *, ok: bool, detail: str) -> None:
        self.ledger.mark_undone(self.run, self.plan.digest, entry.index, command_id, ok=ok, detail=detail)

    def _send(self, host: str, command: Command, *, deadline: float, command_id: UUID | None = None) -> None:
        """Send a command that takes something back; the audit trail has it before it leaves."""
        self.lease = self.ledger.renew(self.lease, max(self.applier.policy.lease_seconds, deadline + 2 * MARGIN))
        note = partial(self.ledger.note, self.run, "take back", {"host": host, "command": command.text})
        self.applier.hosts.change(
            host, command, deadline=deadline, command_id=command_id or uuid4(), before_send=lambda: (note(), None)[1]
        )


def _drift(step: Step, facts: Mapping[str, Fact]) -> str:
    """Which of the step's fields is neither as approved nor as the step leaves it, in words."""
    for change in step.changes:
        fact = facts.get(change.fact)
        if fact is None:
            return f"{change.fact} cannot be read any more, on which {step.command.name} stands"
        if not change.holds_before(facts):
            value = fact.to_json()[change.field]
            wanted = f"as approved ({change.before!r}) nor as wanted ({change.after!r})"
            return f"{change.fact} {change.field} is {value!r}, neither {wanted}"
    return f"{step.target.name} is not as it was approved"
