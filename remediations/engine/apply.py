"""Carry out an approved plan: exactly its commands, once, each recorded before it is sent; or take back what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from remediations.engine.gather import facts_in, read_for
from remediations.engine.parts import fold, parts_of
from remediations.engine.ports import Clock, Hosts, Observe
from remediations.ledger import Entry, How, Lease, Ledger, Sealed
from remediations.model.command import Command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Fact, predict
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Plan, Step, Wait
from remediations.model.policy import Policy
from remediations.model.reply import HostError, Reply
from remediations.model.site import Site
from remediations.model.tier import Reversal, Tier
from remediations.remoting import AnswerLost, CommandFailed, RemotingError

MARGIN = 15.0
"""Seconds of the lease that must be left beyond a command's deadline before it is sent (DESIGN, leases)."""


class Stopped(Exception):
    """A plan could not be carried to its end. `reason` is of the closed list, or None for a host's own failure."""

    def __init__(self, detail: str, reason: Reason | None = None, error: HostError | None = None) -> None:
        super().__init__(detail)
        self.detail, self.reason, self.error = detail, reason, error


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


@dataclass
class Applier:
    """Applies plans. One instance a run; safe to make again after a crash, it goes on from the journal."""

    site: Site
    policy: Policy
    ledger: Ledger
    hosts: Hosts
    clock: Clock
    pause: Callable[[float], None]
    observe: Observe
    evidence: Evidence = field(default_factory=Evidence)

    # ---- the whole ---------------------------------------------------------------------------------------------------

    def apply(self, run: str, sealed: Sealed) -> Applied:
        """Carry out a sealed plan whose approval was used. Raises `Refused` if it may not even begin (busy, window, caps)."""
        plan = sealed.plan
        lease = self.ledger.lease(self.resources(plan), holder=run, seconds=self.policy.lease_seconds)
        work = _Work(self, run, sealed, lease)
        try:
            return work.carry_out()
        except BaseException:
            # Cancelled, or a defect of ours: whatever it was, a bracket must not stay open while anyone is left to close it.
            work.close_brackets("the run was ended")
            raise
        finally:
            self.ledger.release(work.lease)

    def finish(self, run: str, sealed: Sealed, why: str) -> Applied:
        """Finish a plan of a run that is over: leave it if it was carried out whole, else close its brackets and undo it."""
        lease = self.ledger.lease(self.resources(sealed.plan), holder=run, seconds=self.policy.lease_seconds)
        work = _Work(self, run, sealed, lease)
        try:
            return work.finish(why)
        finally:
            self.ledger.release(work.lease)

    def close(self, run: str, sealed: Sealed, why: str) -> list[str]:
        """Close the brackets that a run of this plan left open; what could not be closed, in words."""
        lease = self.ledger.lease(self.resources(sealed.plan), holder=run, seconds=self.policy.lease_seconds)
        work = _Work(self, run, sealed, lease)
        try:
            return work.close_brackets(why)
        finally:
            self.ledger.release(work.lease)

    def take_back(self, run: str, sealed: Sealed, why: str) -> Applied:
        """Undo what a run did of a plan, newest step first: only what the journal says we did and what is still so."""
        lease = self.ledger.lease(self.resources(sealed.plan), holder=run, seconds=self.policy.lease_seconds)
        work = _Work(self, run, sealed, lease)
        try:
            return work.give_up(Stopped(why))
        finally:
            self.ledger.release(work.lease)

    def wait_out(self, plan: Plan, wait: Wait) -> None:
        """Wait for a condition that comes by itself; nothing is changed, nothing is held. Raises `Refused` if it does not."""
        try:
            self.until(plan, wait, lambda: None)
        except Stopped as stop:
            raise Refused(Reason.GUARD_FAILED, stop.detail) from stop

    def until(self, plan: Plan, wait: Wait, keep: Callable[[], None]) -> None:
        """Read the facts until `wait` is over, calling `keep` each time. Raises `Stopped` if it stalls or takes too long."""
        end = self.clock() + timedelta(seconds=wait.at_most)
        last, moved = "", self.clock()
        while True:
            facts = self.read(plan)
            if all(guard.holds(facts) for guard in wait.until):
                return
            stalled = [guard.text for guard in wait.stalls if guard.holds(facts)]
            if stalled:
                raise Stopped(f"{wait.why}: it stalled, {stalled[0]}", Reason.GUARD_FAILED)
            shown = "; ".join(guard.seen(facts) for guard in wait.until)
            if shown != last:
                last, moved = shown, self.clock()
            elif wait.patience and self.clock() - moved >= timedelta(seconds=wait.patience):
                raise Stopped(f"{wait.why}: nothing moved for {wait.patience:g} s ({shown})", Reason.GUARD_FAILED)
            if self.clock() >= end:
                raise Stopped(f"{wait.why}: not within {wait.at_most:g} s", Reason.GUARD_FAILED)
            keep()
            self.pause(wait.poll)

    def again(self, plan: Plan) -> Plan:
        """The plan made again, on facts read now: the same digest means no drift, verdict absent means mended."""
        parts = parts_of(plan)
        fresh = fold(parts, read_for(self.hosts, self.site, self.evidence, parts))
        return fresh.model_copy(update={"attempt": plan.attempt})

    def resources(self, plan: Plan) -> list[str]:
        """What must be ours alone while the plan runs: its hosts, its targets, and the cluster for disruptive changes."""
        found = {f"host:{step.host.casefold()}" for step in plan.steps}
        found |= {f"{step.target.kind}:{step.target.id.casefold()}" for step in plan.steps}
        if plan.tier >= Tier.WORKLOAD:
            clusters = (self.site.cluster_of(step.host) for step in plan.steps)
            found |= {f"cluster:{cluster.name.casefold()}" for cluster in clusters if cluster is not None}
        return sorted(found)

    def read(self, plan: Plan) -> dict[str, Fact]:
        """The facts that a plan stands on, read now, by key."""
        found: dict[str, Fact] = {}
        for inputs in read_for(self.hosts, self.site, self.evidence, parts_of(plan)):
            found |= facts_in(inputs)
        return found


class _Work:
    """One plan being carried out under one lease."""

    def __init__(self, applier: Applier, run: str, sealed: Sealed, lease: Lease) -> None:
        self.applier, self.run, self.sealed, self.plan, self.lease = applier, run, sealed, sealed.plan, lease
        self.ledger, self.clock = applier.ledger, applier.clock
        self.done: list[int] = []

    def carry_out(self) -> Applied:
        journal = {entry.index: entry for entry in self.ledger.journal(self.run, self.plan.digest)}
        if any(entry.undone for entry in journal.values()):
            return Applied(ok=False, detail="it was taken back before", undone=True)
        try:
            self._against_drift(journal)
            for index, item in enumerate(self.plan.items):
                if isinstance(item, Step):
                    work: Callable[[], None] = partial(self._step, index, item, journal.get(index))
                    self.applier.observe(f"{item.host}: {item.command.name} ({item.target.name})", work)
                    self.done.append(index)
                elif isinstance(item, Wait):
                    self.applier.observe(f"wait: {item.why}", partial(self._wait, item))
                    self.done.append(index)
        except Stopped as stop:
            return self.give_up(stop)
        return Applied(ok=True, done=tuple(self.done))

    def give_up(self, stop: Stopped) -> Applied:
        """Take back what was done, newest first, and close what must not stay open."""
        left: list[str] = []
        for entry in reversed(self.ledger.journal(self.run, self.plan.digest)):
            step = self.plan.items[entry.index]
            back = entry.undone is not None and entry.undone.ok
            if isinstance(step, Step) and not back and entry.result is not False:
                problem = self.applier.observe(
                    f"take back {step.command.name} on {step.host}", partial(self._undo, entry, step)
                )
                left += [problem] if problem else []
        left += self.close_brackets(stop.detail)
        detail = stop.detail if not left else f"{stop.detail}; could not be taken back: {'; '.join(left)}"
        return Applied(ok=False, detail=detail, reason=stop.reason, undone=not left, done=tuple(self.done), error=stop.error)

    def finish(self, why: str) -> Applied:
        """Decide what is unknown; a plan that was carried out whole stays, a half-done one is taken back."""
        for entry in self.ledger.journal(self.run, self.plan.digest):
            step = self.plan.items[entry.index]
            if entry.result is None and isinstance(step, Step):
                try:
                    self._decided(entry, step)
                except Stopped as stop:
                    return self.give_up(stop)
        journal = self.ledger.journal(self.run, self.plan.digest)
        carried = {entry.index for entry in journal if entry.result and entry.undone is None}
        if carried == {index for index, item in enumerate(self.plan.items) if isinstance(item, Step)}:
            left = self.close_brackets(why)
            return Applied(ok=not left, detail="; ".join(left), undone=False, done=tuple(sorted(carried)))
        return self.give_up(Stopped(why))

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

        error: HostError | None = None
        how: How = "answered"
        said, settles = "", step.settles
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
        except RemotingError as refused:
            if not sent:
                raise Stopped(str(refused)) from refused
            # The host says that it did not run. It is not taken at its word: what it shows decides, as for any other answer.
            said, settles = str(refused), 0.0
        facts = self._settled(step, settles)
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

    def _settled(self, step: Step, settles: float) -> dict[str, Fact]:
        """The facts once the change shows, has plainly failed to, or after `settles` seconds, in which it must."""
        end = self.clock() + timedelta(seconds=settles)
        stalled: datetime | None = None
        while True:
            facts = self.applier.read(self.plan)
            if self.clock() >= end or all(change.holds_after(facts) for change in step.changes):
                return facts
            at_rest = bool(step.stalls) and all(guard.holds(facts) for guard in step.stalls)
            stalled = (stalled or self.clock()) if at_rest else None
            if stalled is not None and self.clock() - stalled >= timedelta(seconds=step.patience):
                return facts
            self._keep()
            self.applier.pause(min(2.0, max(0.1, settles / 20)))

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
        for bracket in self.ledger.open_brackets(self.run):
            if bracket.name == wait.closes:
                self.ledger.close_bracket(bracket, wait.why)

    def _keep(self) -> None:
        self.lease = self.ledger.renew(self.lease, self.applier.policy.lease_seconds)

    def _undo(self, entry: Entry, step: Step) -> str:
        """Take one step back if what it did is still there; what could not be taken back, in words, or nothing."""
        facts = self.applier.read(self.plan)
        if not all(change.holds_after(facts) for change in step.changes):
            return "" if all(change.holds_before(facts) for change in step.changes) else f"{step.target.name} changed meanwhile"
        if step.undo is None:
            return f"{step.command.text} cannot be undone" if self.plan.reversal is Reversal.IRREVERSIBLE else ""
        command_id = uuid4()
        try:
            self._send(step.host, step.undo, deadline=step.deadline, command_id=command_id)
        except RemotingError as error:
            self.ledger.mark_undone(self.run, self.plan.digest, entry.index, command_id, ok=False, detail=str(error))
            return f"{step.undo.text} on {step.host} ({error})"
        self.ledger.mark_undone(self.run, self.plan.digest, entry.index, command_id, ok=True, detail=step.undo.text)
        for bracket in self.ledger.open_brackets(self.run):
            if bracket.name == step.opens and bracket.name:
                self.ledger.close_bracket(bracket, f"taken back: {step.undo.text}")
        return ""

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
