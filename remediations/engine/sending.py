"""Sending one command that changes something: recorded first, sent once, and decided by what the host then shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from remediations.ledger import How, Lease, Sealed
from remediations.model.command import Command
from remediations.model.fact import Change, Fact, in_words
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Carried, Step
from remediations.model.reply import HostError, Reply
from remediations.remoting import AnswerLost, CommandFailed, RemotingError

if TYPE_CHECKING:
    from remediations.engine.apply import Applier

MARGIN = 15.0
"""Seconds of the lease that must be left beyond a command's deadline before it is sent (DESIGN, leases)."""

SHOWS = 30.0
"""Seconds within which what took a step back must show, where the step itself needed none."""

Facts = Mapping[str, Fact]


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


@dataclass(frozen=True)
class Answered:
    """What is known of a command after it was sent, before anybody has looked at the host."""

    how: How = "answered"
    said: str = ""
    error: HostError | None = None
    over: bool = False
    """Whether it has ended without doing it, by the host's own word: there is nothing to wait for."""
    flight: float = 0.0
    """Seconds for which it may still be on its way, or running."""


class Sending:
    """One plan under one lease, and how its commands reach hosts."""

    def __init__(self, applier: Applier, run: str, sealed: Sealed, lease: Lease) -> None:
        self.applier, self.run, self.sealed, self.plan, self.lease = applier, run, sealed, sealed.plan, lease
        self.ledger, self.clock = applier.ledger, applier.clock
        self.done: list[int] = []
        """Items carried out, by their index in the plan."""

    def send(
        self,
        host: str,
        command: Command,
        *,
        deadline: float,
        command_id: UUID,
        record: Callable[[], None],
        carries: Sequence[Carried] = (),
    ) -> Answered:
        """Send a change once, after `record` has written down that it is about to be. `deadline` in seconds.

        The audit trail has which host is asked for a secret that it carries, and for whom, before it is.

        Raises `Stopped` if it could not be sent at all, and whatever `record` raises.
        """
        self.lease = self.ledger.renew(self.lease, max(self.applier.policy.lease_seconds, deadline + 2 * MARGIN))
        sent = False

        def before_send() -> None:
            nonlocal sent
            record()
            self.applier.publish()
            sent = True

        for each in carries:
            self.ledger.note(self.run, "carry", {"from": each.host, "to": host, "command": each.command.text})
        try:
            self.applier.hosts.change(
                host, command, deadline=deadline, command_id=command_id, before_send=before_send, carries=carries
            )
        except CommandFailed as failed:
            if not sent:
                raise Stopped(str(failed), error=failed.error) from failed
            return Answered(said=failed.error.message, error=failed.error, over=True)
        except AnswerLost as lost:
            answer = self._ask(host, command_id, deadline)
            if answer is None:
                # It may still be on its way, or running: what the host shows counts once nothing of it can be in flight.
                return Answered(how="read again", said=str(lost), flight=deadline + MARGIN)
            if answer.errors:
                return Answered(said=answer.errors[0].message, error=answer.errors[0], over=True)
            return Answered(how="asked", said=str(lost))
        except RemotingError as refused:
            if not sent:
                raise Stopped(str(refused)) from refused
            # The host says that it did not run. It is not taken at its word: what it shows decides, as for any other answer.
            return Answered(said=str(refused), over=True)
        return Answered()

    def _ask(self, host: str, command_id: UUID, deadline: float) -> Reply | None:
        """What became of a change whose answer was lost, if the host can still tell."""
        try:
            return self.applier.hosts.outcome(host, command_id, deadline=deadline)
        except RemotingError:
            return None

    def settled(
        self,
        shown: Callable[[Facts], bool],
        *,
        settles: float,
        flight: float,
        at_rest: Callable[[Facts], bool] = lambda facts: False,
        patience: float = 0.0,
    ) -> Facts:
        """The facts once they are as `shown` wants them, have plainly failed to be, or after `settles` seconds.

        For `flight` seconds a command may still run, so that nothing is plain before. Later, `at_rest` for `patience` seconds
        says that nothing is under way any more.
        """
        now = self.clock()
        landed, end = now + timedelta(seconds=flight), now + timedelta(seconds=max(settles, flight))
        stalled: datetime | None = None
        while True:
            now = self.clock()
            facts = self.applier.read(self.plan)
            if now >= end or shown(facts):
                return facts
            stalled = (stalled or now) if now >= landed and at_rest(facts) else None
            if stalled is not None and now - stalled >= timedelta(seconds=patience):
                return facts
            self.keep()
            self.applier.pause(min(10.0 if now < landed else 2.0, max(0.1, max(settles, flight) / 20)))

    def flying(self, sent_at: datetime, deadline: float) -> float:
        """Seconds for which a command that was sent then may still be in flight, with a margin for clocks."""
        return max(0.0, (sent_at - self.clock()).total_seconds() + deadline + MARGIN)

    def keep(self) -> None:
        """Keep the lease while there is something to wait for. Raises `Refused` if it is lost."""
        self.lease = self.ledger.renew(self.lease, self.applier.policy.lease_seconds)


def before(step: Step, facts: Facts) -> bool:
    """Whether all that a step changes is as it was before it."""
    return all(change.holds_before(facts) for change in step.changes)


def after(step: Step, facts: Facts) -> bool:
    """Whether all that a step changes is as it leaves it."""
    return all(change.holds_after(facts) for change in step.changes)


def drift(step: Step, facts: Facts) -> str:
    """Which of the step's fields is neither as approved nor as the step leaves it, in words."""
    for change in step.changes:
        if change.fact not in facts:
            return f"{change.fact} cannot be read any more, on which {step.command.name} stands"
        if not change.holds_before(facts):
            return _neither(change, facts[change.fact])
    return f"{step.target.name} is not as it was approved"


def _neither(change: Change, fact: Fact) -> str:
    is_now, approved, wanted = map(in_words, (fact.to_json()[change.field], change.before, change.after))
    return f"{change.field.replace('_', ' ')} of {change.fact} is {is_now}; approved is its change from {approved} to {wanted}"
