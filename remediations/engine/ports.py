"""What the engine asks of its surroundings, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from remediations.engine.chronicle import Span
from remediations.ledger import ONE
from remediations.model.base import Frozen
from remediations.model.command import Command
from remediations.model.diagnosis import Hypothesis
from remediations.model.outcome import Outcome
from remediations.model.plan import Carried, Plan, Verdict
from remediations.model.policy import Needed
from remediations.model.reply import Reply

T = TypeVar("T")


class Observe(Protocol):
    """Runs one piece of work under a name that people see: a flow makes it a task, the terminal shows progress."""

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        """Do `work` and return what it returns."""


def quietly(name: str, work: Callable[[], T]) -> T:
    """Do the work and show nothing."""
    del name
    return work()


class Reading(Protocol):
    """How hosts are read: the real ones, or a recording of what they said. Host names are the inventory's."""

    def submit(self, host: str, commands: Sequence[Command], *, deadline: float) -> Future[list[Reply]]:
        """Send reading commands, `deadline` in seconds; one reply a command, in order."""

    def collect(self, host: str, command: Command, *, deadline: float) -> Future[list[Reply]]:
        """Send a command that leaves evidence on the host for a moment, as a log file, and removes it again."""

    def identity(self, host: str) -> str:
        """As whom we act on a host."""


class Hosts(Reading, Protocol):
    """How commands reach hosts, changes too; `remediations.remoting.Remoting` is the real one."""

    def change(
        self,
        host: str,
        command: Command,
        *,
        deadline: float,
        command_id: UUID,
        before_send: Callable[[], None],
        carries: Sequence[Carried] = (),
    ) -> Reply:
        """Send one change, once, with the secrets it carries; `before_send` is called right before it leaves."""

    def outcome(self, host: str, command_id: UUID, *, deadline: float) -> Reply | None:
        """What became of a change whose answer was lost; None if the host cannot tell."""


class Ask(Frozen):
    """A plan that waits for a person's decision."""

    run: str
    key: str = Field(description="Names the question: same over re-runs, new for a moved plan, round or approver")
    plan: Plan | None = Field(description="The mend; none if only the retry is asked for")
    retry: Plan | None = Field(description="Part two: the move that had failed, tried again")
    expires_at: AwareDatetime
    why: str = Field(description="Markdown: causes considered, which one the facts prove, what was ruled out")
    page: str = Field(description="Markdown: the whole plan with commands and before → after")
    needed: Needed = Field(default=ONE, description="What its approval takes")
    approved_by: tuple[str, ...] = Field(default=(), description="Who has approved it already: somebody else is asked now")
    refused: str = Field(default="", description="Why the last answer did not count, if there was one")
    lacking: str = Field(default="", description="What to do before anybody can approve it, where nobody can yet")

    @property
    def digest(self) -> str:
        """The digest that a decision is bound to: the plan's, or the retry's where that is all there is."""
        asked = self.plan or self.retry
        if asked is None:
            raise ValueError("a question needs a plan")
        return asked.digest


class Answer(Frozen):
    """What a person decided."""

    decision: Literal["approve", "reject"]
    approver: str = Field(min_length=2, max_length=64, pattern=r"\S.*\S")
    comment: str = Field(default="", max_length=2000)
    retry: bool = Field(default=True, description="Whether part two is approved too")
    digest: str = Field(default="", description="First characters of the digest the person saw, if the form asked for them")
    proof: str = Field(default="name", description="How the approver was asked for their name: name, terminal")
    code: str = Field(default="", repr=False, description="The one-time code that was given")
    target: str = Field(default="", description="The target's name, as it was typed")
    at: AwareDatetime | None = Field(default=None, description="When it was given, by a clock that the answerer cannot set")


IN_LEDGER = "in the ledger"
"""The comment of a form that is filled in only to wake its run: what it stands for is in the ledger already."""

NO_CODE = "000000"
"""What a form gets for a code where none is carried. As a code it is as wrong as any other."""

Gate = Callable[[Ask], Answer | None]
"""Puts a question to a person and waits. In a Prefect flow it suspends the run instead, by an exception of Prefect's.

None: look at the ledger again, where somebody may have answered meanwhile.
"""

StepOf = Callable[[str, str, datetime], int | None]
"""The time step at which an approver's sealed secret gives a code that was given at a time (aware); None if it does not.

Raises `Refused` if the secret cannot be opened.
"""


def no_codes(secret: str, code: str, at: datetime) -> int | None:
    """Takes no code."""
    del secret, code, at
    return None


class Considered(Frozen):
    """One cause that was looked at: what suggested it, and what the facts say."""

    hypothesis: Hypothesis
    verdict: Verdict | None = Field(description="None: no repair of the catalogue can prove or refute it")
    plan: Plan | None = None
    why: str


def without_plan(considered: Considered) -> Considered:
    """The same without the commands."""
    return considered.model_copy(update={"plan": None})


class Sent(Frozen):
    """One command that the run sent, and what became of it."""

    host: str
    command: str
    became: Literal["done", "taken back", "failed", "not known"]
    undo: str = Field(default="", description="What takes it back; empty if nothing can or needs to")


class Companion(Frozen):
    """Another failure of the same group that went with this run."""

    incident_id: str
    title: str
    covered: bool = Field(description="Whether what mends this one mends it too; if not, it is read again on its own")


class Phase(Frozen):
    """How long one part of a run took."""

    name: str
    started_at: AwareDatetime
    seconds: float = Field(ge=0)


class Report(Frozen):
    """How a run ended, for people and for scripts."""

    run: str
    incident_id: str | None
    title: str
    outcome: Outcome
    considered: tuple[Considered, ...] = ()
    also_seen: tuple[Plan, ...] = Field(default=(), description="Faults by state that nothing points to: listed, not planned")
    plan: Plan | None = None
    retry: Plan | None = None
    sent: tuple[Sent, ...] = Field(default=(), description="Every command of every round, in order")
    decided: tuple[str, ...] = Field(default=(), description="Who said what to which plan, and how they were proven")
    verified: bool = Field(default=False, description="The plan, made again on facts read after it, finds nothing left to do")
    retried: bool = Field(default=False, description="What had failed was tried again and succeeded")
    phases: tuple[Phase, ...] = ()
    spans: tuple[Span, ...] = Field(default=(), description="The whole run, earlier processes and waiting for people included")
    companions: tuple[Companion, ...] = Field(default=(), description="Failures of the same group that went with this run")
    expected: str = Field(default="", description="Markdown: what was to be expected of moving everything off a host")
    stuck: str = Field(default="", description="Markdown: what kept a drain from its end")
    progress: str = Field(default="", description="Markdown: of a roll, where each node stands")
    evidence: str = Field(default="", description="File that keeps what was read before anything was changed, and its SHA-256")
    trail: str = Field(default="", description="The audit trail's newest row when it was written, for `audit verify --against`")
    page: str = Field(default="", description="File that shows this report as one page")
    markdown: str = ""


Switches = Callable[[], Mapping[str, str | None]]
"""The pause switches outside of the ledger, read now: by name, why each pauses, or None if it does not.

Called before anything begins and before each step, so it must be quick; one that cannot be read pauses, and says so.
"""


def no_switches() -> Mapping[str, str | None]:
    """Nothing pauses but the policy that was given and the ledger."""
    return {}


Clock = Callable[[], datetime]
"""The time now, aware, in UTC."""
