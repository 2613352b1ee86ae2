"""What the ledger hands back: frozen records, all times aware and in UTC."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from remediations.model.base import Frozen
from remediations.model.incident import Incident
from remediations.model.outcome import Outcome, Reason, Refused
from remediations.model.plan import Close, Plan, Step
from remediations.model.policy import Proven

Part: TypeAlias = Literal["repair", "retry"]
"""Which half of a round a plan is: the mend, or the move that had failed, tried again."""

How: TypeAlias = Literal["answered", "asked", "read again"]
"""How a result became known: the command's own answer, its command id asked for later, or the host's state read again."""


class OpenIncident(Frozen):
    """One incident of the ledger, open unless `closed_at` says otherwise."""

    id: str = Field(description="Short and readable, as INC-7F3K2A")
    incident: Incident = Field(description="As first reported")
    joined: bool = Field(default=False, description="An incident with this key was open already; the report was added to it")
    run: str | None = Field(default=None, description="The run that owns it; none if none has taken it yet")
    opened_at: AwareDatetime
    reports: int = Field(default=1, ge=1, description="How often it was reported while open")
    closed_at: AwareDatetime | None = None
    outcome: Outcome | None = None


class Standing(StrEnum):
    """Where an open incident stands on its way to a run, or beside one."""

    NEW = "new"  # no dispatcher has looked at it yet
    WAITS = "waits"  # it gets a run of its own once fewer are open than policy allows
    STARTED = "started"  # a run of its own was asked for, or has it
    JOINED = "joined"  # goes with the run of `leader`, which has not sealed its plan yet
    HELD = "held"  # came too late to join: waits for the outcome of `leader`
    AGAIN = "again"  # that outcome is there: its symptom is read again before anything else
    APART = "apart"  # the same, and the mend of `leader` is none for it: a run of its own if it still fails

    @property
    def words(self) -> str:
        """For people."""
        return _STANDING[self]


_STANDING = {
    Standing.NEW: "was just taken in",
    Standing.WAITS: "waits until fewer runs are open",
    Standing.STARTED: "has a run of its own",
    Standing.JOINED: "goes with the run of another",
    Standing.HELD: "waits for the outcome of another",
    Standing.AGAIN: "is read again, to see if it still fails",
    Standing.APART: "is read again, to see if it still fails",
}


class Queued(Frozen):
    """An open incident and where it stands."""

    opened: OpenIncident
    standing: Standing
    leader: str | None = Field(default=None, description="The incident whose run it goes with, or waits for")
    flow_run: str | None = Field(default=None, description="The flow run that was asked for; it may not have begun yet")
    lost: int = Field(default=0, ge=0, description="Flow runs before that one, which had ended before they began")
    since: AwareDatetime
    sealed: tuple[Plan, ...] = Field(default=(), description="Plans that its run has sealed, not void; of one that leads only")

    @property
    def id(self) -> str:
        """The incident's id."""
        return self.opened.id


class Board(Frozen):
    """What is open, at one moment: what a decision about who gets a run is made from."""

    waiting: tuple[Queued, ...] = Field(description="New, and waiting for a run of their own; oldest first")
    leading: tuple[Queued, ...] = Field(description="Those that a run was asked for; oldest first")
    left: tuple[Queued, ...] = Field(description="Those that went with, or waited for, an incident that is closed now")
    running: int = Field(ge=0, description="Runs that are open, and runs that were asked for and have not begun")


class Move(Frozen):
    """Where one incident stands from now on."""

    incident_id: str
    standing: Standing
    leader: str | None = None
    why: str


class Bookmark(Frozen):
    """How far a channel of a host's event logs was read."""

    host: str
    channel: str
    record: int = Field(ge=0, description="Record id of the newest record that was read; 0 for an empty log")
    written_at: AwareDatetime | None = Field(description="When that record was written; none for an empty log")


class RunRecord(Frozen):
    """One run: a Prefect flow run or a call of the command line."""

    run: str
    kind: str
    incident_id: str | None
    requested_by: str
    started_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    outcome: Outcome | None = None


class State(StrEnum):
    """Where a sealed plan stands."""

    WAITING = "waiting"  # shown to people, not decided
    APPROVED = "approved"  # and not used yet
    REJECTED = "rejected"
    USED = "used"  # its approval was used: the plan is, or was, being applied
    EXPIRED = "expired"  # nobody decided, or nobody used the approval, in time
    VOID = "void"  # the facts moved, or the run gave it up


class Void(Frozen):
    """Why a sealed plan counts no more."""

    reason: Reason
    detail: str
    at: AwareDatetime


class Sealed(Frozen):
    """A plan as it is shown to people. An approval is bound to its run and its digest."""

    run: str
    round: int = Field(ge=1)
    part: Part
    plan: Plan
    digest: str
    ask: int = Field(ge=1, description="Number of this question within its run: the n of the gate's key")
    sealed_at: AwareDatetime
    expires_at: AwareDatetime
    state: State
    void: Void | None = None


class Approver(Frozen):
    """Somebody who was enrolled to approve with one-time codes. Their secret never leaves the ledger but sealed."""

    name: str
    enrolment: str = Field(description="Names this enrolment: another one of the same person proves nothing of what this did")
    added_at: AwareDatetime
    added_by: str


@dataclass(frozen=True)
class Code:
    """A one-time code as it was given: when, and which time step of an approver's sealed secret it fits, if any."""

    at: datetime
    step: Callable[[str], int | None] = field(repr=False)


class Approval(Frozen):
    """One person's yes to one sealed plan."""

    approver: str
    comment: str
    proof: str = Field(description="How the approver was proven: name, terminal or code")
    enrolment: str | None = Field(default=None, description="The enrolment whose code proved it")
    typed: str = Field(default="", description="The target's name, as the approver typed it")
    at: AwareDatetime

    @property
    def proven(self) -> Proven:
        """What the proof is worth."""
        return Proven.CODE if self.enrolment is not None else Proven.NAME


class Decision(Frozen):
    """What people, or policy, said to one sealed plan."""

    run: str
    ask: int
    digest: str
    decision: Literal["approve", "reject"]
    approver: str
    comment: str
    proof: str = Field(description="How the approver was proven")
    decided_at: AwareDatetime
    used_at: AwareDatetime | None = None
    approvals: tuple[Approval, ...] = Field(default=(), description="Everybody's, in order; none where policy decided")

    @property
    def by(self) -> str:
        """Who decided, for people."""
        return " and ".join(each.approver for each in self.approvals) or self.approver


class Lease(Frozen):
    """Exclusive use of some resources until a time. `tokens` grow each time a resource changes hands."""

    resources: tuple[str, ...]
    holder: str
    tokens: Mapping[str, int]
    until: AwareDatetime


class Result(Frozen):
    """What became of one command, and how that is known."""

    ok: bool
    detail: str
    how: How
    at: AwareDatetime


class Flight(Frozen):
    """A command that was about to be sent, to take a step back or to close a bracket."""

    command_id: UUID
    at: AwareDatetime
    deadline: float = Field(gt=0, description="Seconds that it may take")

    @property
    def lands(self) -> datetime:
        """When nothing of it can be under way any more, by its own deadline."""
        return self.at + timedelta(seconds=self.deadline)


class Undone(Frozen):
    """What became of the last attempt to take a step back."""

    ok: bool
    command_id: UUID
    detail: str
    at: AwareDatetime


class Entry(Frozen):
    """One step in the journal: its intent, written before it was sent, and its result if it is known."""

    index: int = Field(ge=0, description="Where the step stands among the plan's items")
    step: Step
    command_id: UUID
    attempt: int = Field(ge=1, description="Grows when a command that is proven not to have run is sent again")
    intended_at: AwareDatetime
    result: bool | None = Field(description="Whether it worked; none while that is not known")
    how: How | None = None
    detail: str = ""
    undoing: Flight | None = Field(default=None, description="The last intent to take it back")
    undone: Undone | None = None

    @property
    def undo_undecided(self) -> bool:
        """Whether it was about to be taken back, and nobody wrote down what became of that."""
        return self.undoing is not None and (self.undone is None or self.undone.command_id != self.undoing.command_id)


class Bracket(Frozen):
    """Something that must not be left half-way: opened by a step, closed by its closing command."""

    run: str
    digest: str
    name: str
    index: int
    close: Close
    holder: str
    resources: tuple[str, ...]
    opened_at: AwareDatetime
    closing: Flight | None = Field(default=None, description="The last intent to close it")


class Head(Frozen):
    """Where the audit trail ended at some time: its newest row, by number and hash."""

    seq: int = Field(ge=0, description="0 for an empty trail")
    hash: str

    @property
    def words(self) -> str:
        """For reports and pages: what `remediate audit verify --against` takes, and which row it is."""
        return f"audit trail: row {self.seq}, head {self.hash}"


class Note(Frozen):
    """One row of the audit trail."""

    seq: int
    at: AwareDatetime
    run: str | None
    kind: str
    data: dict[str, Any]
    previous: str = Field(description="Hash of the row before")
    hash: str


RecordT = TypeVar("RecordT", bound=BaseModel)


def parsed(record: type[RecordT], value: Any, what: str) -> RecordT:
    """A record from its JSON. Raises `Refused` (LedgerUnavailable) naming `what`, if it is not one: nothing is guessed."""
    try:
        return record.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        detail = (
            f"{what} cannot be read from the ledger ({where}: {first['msg']}): "
            "run the version of this program that wrote it, or finish that run by hand"
        )
        raise Refused(Reason.LEDGER_UNAVAILABLE, detail) from error
