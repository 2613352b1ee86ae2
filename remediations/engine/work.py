"""Carry out an approved plan: exactly its commands, once, each recorded before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

from remediations.engine.back import Back
from remediations.engine.sending import MARGIN, Applied, Overtaken, Stopped, after, before, drift
from remediations.ledger import Entry, Lease, Sealed
from remediations.model.fact import Fact, predict, unmet
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan, Step, Wait

if TYPE_CHECKING:
    from remediations.engine.apply import Applier

NOT_SHOWN = "the command returned without an error, but the host does not show the change"
"""What is written of a step that nobody says anything against."""

NOT_READ = "the command returned without an error, and what it was to change could not be read after it"
"""What is said of a step whose host was silent from then on: it may well have worked."""


class Work(Back):
    """One plan being carried out under one lease; taken back if it cannot be carried to its end."""

    def __init__(self, applier: Applier, run: str, sealed: Sealed, lease: Lease) -> None:
        super().__init__(applier, run, sealed, lease)
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
        if any(entry.undone or entry.undoing for entry in journal.values()):
            raise Stopped("it was being taken back when its process ended")
        self._against_drift(journal)
        for index, item in enumerate(self.plan.items):
            if isinstance(item, Step):
                work: Callable[[], None] = partial(self._step, index, item, journal.get(index))
                self.applier.observe(f"{item.host}: {item.command.name} ({item.target.name})", work)
                self.done.append(index)
            elif isinstance(item, Wait):
                waited = self.applier.observe(f"wait: {item.why}", partial(self._wait, item))
                if waited and not journal and not self.begun:
                    self._after_waiting()
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

    # ---- one item ----------------------------------------------------------------------------------------------------

    def _against_drift(self, journal: Mapping[int, Entry]) -> None:
        """The facts must be those that were approved, as changed by the steps already done, or nothing is sent."""
        if not journal:
            fresh = self.applier.again(self.plan)
            if fresh.digest != self.plan.digest or not fresh.appliable:
                self._stop_for(fresh)
            return
        self._steps_stand(journal)

    def _after_waiting(self) -> None:
        """Nothing was sent yet, and the wait may have taken hours: what forbids the work now, policy too, stops it.

        Another digest alone does not: what was waited for has come, and a plan that no longer waits for it is another one.
        """
        self.applier.may_begin(self.sealed)
        fresh = self.applier.again(self.plan)
        if fresh.blocks:
            self._stop_for(fresh)
        self._steps_stand({})

    def _stop_for(self, fresh: Plan) -> NoReturn:
        now = "".join(f"; {block.why}" for block in fresh.blocks)
        raise Stopped(f"the facts moved since {self.plan.title!r} was approved{now}", Reason.DRIFT)

    def _steps_stand(self, journal: Mapping[int, Entry]) -> None:
        """Each step that is not in the journal must find what it was approved for, after what the others do."""
        facts: Mapping[str, Fact] = self.applier.read(self.plan)
        for index, item in enumerate(self.plan.items):
            if not isinstance(item, Step):
                continue
            if index not in journal and not before(item, facts):
                if after(item, facts):
                    continue
                raise Stopped(drift(item, facts), Reason.DRIFT)
            facts = predict(facts, item.changes)

    def _step(self, index: int, step: Step, entry: Entry | None) -> None:
        self.begun += [step.command.text] if entry is not None else []
        if entry is not None and entry.result is True:
            return
        if entry is not None and entry.result is False and entry.how == "answered":
            raise Stopped(f"{step.command.text} failed before: {entry.detail}")
        if entry is not None and entry.result is None and self.decided(entry, step):
            return
        if step.closes and not self._opened(step.closes):
            # Somebody else had done meanwhile what opens it, and how it was left is theirs: off stays off, paused stays paused.
            self.ledger.note(self.run, "left as it is", {"digest": self.plan.digest, "command": step.command.text})
            return
        facts = self.applier.read(self.plan)
        if after(step, facts):
            return
        if not before(step, facts):
            raise Stopped(drift(step, facts), Reason.DRIFT)
        if why := unmet(step.guards, facts):
            raise Stopped(why, Reason.GUARD_FAILED)
        if why := self.applier.paused():
            raise Stopped(why, Reason.PAUSED)
        self._change(index, step)

    def _opened(self, name: str) -> bool:
        """Whether a step of ours opened this bracket."""
        journal = self.ledger.journal(self.run, self.plan.digest)
        return any(isinstance(step := self.plan.items[each.index], Step) and step.opens == name for each in journal)

    def _change(self, index: int, step: Step) -> None:
        """Send a step's command once; whatever comes back, what the host then shows decides."""
        command_id = uuid4()

        def record() -> None:
            self.ledger.intend(
                run=self.run,
                digest=self.plan.digest,
                index=index,
                step=step,
                command_id=command_id,
                lease=self.lease,
                deadline=step.deadline,
                margin=MARGIN,
                room=self.applier.room(self.plan),
            )
            self.begun.append(step.command.text)

        answer = self.send(
            step.host, step.command, deadline=step.deadline, command_id=command_id, record=record, carries=step.carries
        )
        facts = self.settled(
            partial(after, step),
            settles=0.0 if answer.over else step.settles,
            flight=answer.flight,
            at_rest=lambda seen: bool(step.stalls) and all(guard.holds(seen) for guard in step.stalls),
            patience=step.patience,
        )
        if after(step, facts):
            self.result(index, command_id, ok=True, detail=answer.said, how=answer.how)
            return
        unread = any(change.fact not in facts for change in step.changes)
        said = answer.said or (NOT_READ if unread else NOT_SHOWN)
        if before(step, facts) or (answer.how == "answered" and not (unread and answer.error is None)):
            self.result(index, command_id, ok=False, detail=said, how=answer.how)
        # Else nobody knows what the host shows, or why it shows neither before nor after: no result, so that nothing is sent
        # there again blindly.
        late = f". {step.late}" if step.late else ""
        raise Stopped(f"{step.command.name} on {step.host}: {said}{late}", error=answer.error)

    def _wait(self, wait: Wait) -> bool:
        waited = self.applier.until(self.plan, wait, self.keep)
        self.arrived(wait.why, wait)
        return waited
