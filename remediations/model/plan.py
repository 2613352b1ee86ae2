"""Plans: for each thing a remediation looked at, one item that says what is so and what is to be done."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from remediations.model.base import Frozen, digest
from remediations.model.command import Command
from remediations.model.contract import Effect, Secret
from remediations.model.fact import Change, Guard
from remediations.model.names import HostName
from remediations.model.tier import Proof, Reversal, Tier


class Target(Frozen):
    """What a step changes, by an identity that a rename or a new object of the same name cannot take over."""

    kind: Literal["host", "computer account", "virtual machine", "cluster", "cluster node", "cluster role", "cluster volume"]
    name: str = Field(min_length=1, description="What people call it")
    id: str = Field(min_length=1, description="Its stable identity: GUID, or a cluster node's name and id")


class Close(Frozen):
    """The command that must follow, whatever happens, once a bracket was opened (power the VM on, resume the node)."""

    host: HostName
    command: Command
    changes: tuple[Change, ...] = ()


class Carried(Frozen):
    """A secret that a step takes from one host to another: asked for right before the step is sent, and in memory only.

    Nothing of it is ever part of a plan, a digest, a journal, a report or a log: these name where it comes from.
    """

    secret: str = Field(description="Name of the command's secret parameter, as in `Secret`")
    host: HostName = Field(description="Host that hands it out")
    command: Command = Field(description="What it is asked for with")

    @model_validator(mode="after")
    def _is_handed_out(self) -> Self:
        if self.command.effect is not Effect.SECRET:
            raise ValueError(f"{self.command.name} hands out no secret")
        return self


class Step(Frozen):
    """One change: where, by which command, why, and what it does to which facts."""

    item: Literal["step"] = "step"
    target: Target
    host: HostName = Field(description="Host whose endpoint the command is sent to")
    command: Command
    carries: tuple[Carried, ...] = Field(default=(), description="Secrets of the command that another host hands out")
    why: str = Field(min_length=1)
    changes: tuple[Change, ...] = Field(min_length=1, description="Before and after, as facts show them")
    undo: Command | None = Field(default=None, description="Restores what was there before; none if nothing can or needs to")
    guards: tuple[Guard, ...] = Field(default=(), description="Tested right before the command is sent")
    undo_guards: tuple[Guard, ...] = Field(
        default=(), description="What must hold besides before its undo is sent: nothing of others stands on what it did"
    )
    opens: str = Field(default="", description="Name of the bracket that this step opens")
    close: Close | None = Field(default=None, description="What closes the bracket if the plan does not get to it")
    closes: str = Field(default="", description="Name of the bracket that this step closes")
    settles: float = Field(default=0, ge=0, description="Seconds within which the change must show after the command returned")
    deadline: float = Field(default=120, gt=0, description="Seconds the command may take")
    stalls: tuple[Guard, ...] = Field(
        default=(), description="While it settles: if all of these hold for `patience` seconds, nothing is under way any more"
    )
    patience: float = Field(default=0, ge=0, description="Seconds that `stalls` must hold for")
    late: str = Field(default="", description="What may still come of it where it did not show in its time, for people")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.command.effect is not Effect.CHANGE:
            raise ValueError(f"{self.command.name} changes nothing: it is no step")
        if self.undo is not None and self.undo.effect is not Effect.CHANGE:
            raise ValueError(f"{self.undo.name} changes nothing: it undoes nothing")
        if bool(self.opens) != (self.close is not None):
            raise ValueError("a step that opens a bracket says what closes it")
        wanted = {each.secret for each in self.command.parameters.values() if isinstance(each, Secret)}
        if strange := {each.secret for each in self.carries} - wanted:
            raise ValueError(f"{self.command.name} takes no secret {', '.join(sorted(strange))}")
        return self

    @property
    def commands(self) -> tuple[Command, ...]:
        """Everything that may be sent for it: what hands out its secrets, the command, its undo, what closes its bracket."""
        closing = self.close.command if self.close is not None else None
        handed = (each.command for each in self.carries)
        return tuple(each for each in (*handed, self.command, self.undo, closing) if each is not None)


class Satisfied(Frozen):
    """Nothing to do here, and why."""

    item: Literal["satisfied"] = "satisfied"
    why: str = Field(min_length=1)


class Wait(Frozen):
    """A condition that comes by itself, or by the step before: looked at every `poll` seconds, for `at_most` seconds."""

    item: Literal["wait"] = "wait"
    until: tuple[Guard, ...] = Field(min_length=1)
    poll: float = Field(gt=0)
    at_most: float = Field(gt=0)
    why: str = Field(min_length=1)
    closes: str = Field(default="", description="Name of the bracket that is closed once the condition holds")
    stalls: tuple[Guard, ...] = Field(
        default=(), description="If one of these holds, waiting is pointless: the wait fails at once"
    )
    patience: float = Field(
        default=0, ge=0, description="Seconds without any change in the facts waited for after which it has stalled; 0: none"
    )


class Obstacle(StrEnum):
    """Why a plan cannot be applied."""

    CONFLICT = "conflict"  # something else holds what is needed: a person decides
    PRECONDITION = "precondition"  # the state does not allow it now
    MANAGED_ELSEWHERE = "managed elsewhere"  # another system owns the setting and would revert it
    ENDPOINT_LACKS = "endpoint lacks"  # the endpoint cannot do it: module absent, no second hop
    UNKNOWN = "unknown"  # a needed fact could not be read


class Blocked(Frozen):
    """Must not be done as things are, and why."""

    item: Literal["blocked"] = "blocked"
    obstacle: Obstacle
    why: str = Field(min_length=1)


class Manual(Frozen):
    """Only a person can or should do this: exact instructions."""

    item: Literal["manual"] = "manual"
    why: str = Field(min_length=1)
    instructions: tuple[str, ...] = Field(min_length=1, description="Steps for the person, in order; commands whole")


Item = Annotated[Step | Satisfied | Wait | Blocked | Manual, Field(discriminator="item")]


class Verdict(StrEnum):
    """What a plan says of the fault it mends."""

    PRESENT = "present"
    UNKNOWN = "unknown"
    ABSENT = "absent"


class Plan(Frozen):
    """What one remediation would do for one request, on the facts that were read."""

    remediation: str = Field(description="Its id in the catalogue")
    request: dict[str, Any] = Field(description="The typed request, as JSON")
    title: str = Field(min_length=1, description="One line for people")
    tier: Tier
    reversal: Reversal
    proof: Proof | None = Field(description="How it proves its cause; none for an operation")
    attempt: int = Field(default=1, ge=1, description="Round of its run: what is tried again is asked for and recorded anew")
    items: tuple[Item, ...] = Field(min_length=1, description="Never empty: a plan does not stay silent")

    @property
    def steps(self) -> tuple[Step, ...]:
        """The changes, in order."""
        return tuple(item for item in self.items if isinstance(item, Step))

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What is waited for."""
        return tuple(item for item in self.items if isinstance(item, Wait))

    @property
    def blocks(self) -> tuple[Blocked, ...]:
        """What stands in the way."""
        return tuple(item for item in self.items if isinstance(item, Blocked))

    @property
    def manuals(self) -> tuple[Manual, ...]:
        """What a person has to do."""
        return tuple(item for item in self.items if isinstance(item, Manual))

    @property
    def verdict(self) -> Verdict:
        """Present, unknown or absent: computed from the items, never stated (DESIGN: everything is `plan()`)."""
        if any(not isinstance(item, (Satisfied, Blocked)) for item in self.items):
            return Verdict.PRESENT
        if any(block.obstacle is not Obstacle.UNKNOWN for block in self.blocks):
            return Verdict.PRESENT
        return Verdict.UNKNOWN if self.blocks else Verdict.ABSENT

    @property
    def appliable(self) -> bool:
        """Whether it may be applied: it has steps and nothing blocks. Never in part."""
        return bool(self.steps) and not self.blocks

    @property
    def by_hand(self) -> bool:
        """Whether a person does all of it, and the plan knows what then shows."""
        return bool(self.manuals and self.waits) and not self.steps and not self.blocks

    @property
    def comes_by_itself(self) -> bool:
        """Whether it has nothing but what is waited for: no step, nothing in the way, nothing for a person."""
        return bool(self.waits) and not self.steps and not self.blocks and not self.manuals

    @property
    def changes(self) -> tuple[Change, ...]:
        """Everything the steps do to facts, in order."""
        return tuple(change for step in self.steps for change in step.changes)

    @property
    def aim(self) -> str:
        """What it is aimed at, as people call it: the virtual machines that it changes, else all that it changes."""
        targets = {step.target for step in self.steps}
        machines = {each for each in targets if each.kind == "virtual machine"}
        return ", ".join(sorted({each.name for each in machines or targets}))

    @property
    def digest(self) -> str:
        """SHA-256 of what is approved: request, targets, and for each step command, before, after, undo and guards.

        Explanations, `Satisfied` items and measurements are left out, so they may change without making the plan another.
        """
        return digest(
            {
                "remediation": self.remediation,
                "request": self.request,
                "tier": int(self.tier),
                "steps": [_approved(step) for step in self.steps],
                "waits": [[_bound(each) for each in wait.until] for wait in self.waits],
            }
            | ({"attempt": self.attempt} if self.attempt > 1 else {})
        )


def _approved(step: Step) -> dict[str, Any]:
    # When to give up watching is no part of what is approved, as with waits.
    # Nor is what can only keep an undo from being sent: it may be measured by what others have meanwhile.
    told = {"item", "why", "guards", "undo_guards", "stalls", "patience", "late", "target"}
    whole = step.model_dump(mode="json", exclude=told) | {"target": step.target.model_dump(exclude={"name"})}
    made = [each | ({"before": None} if each["fading"] else {}) for each in whole["changes"]]
    return {**whole, "changes": made, "guards": [_bound(each) for each in step.guards]}


def _bound(guard: Guard) -> dict[str, Any]:
    return guard.model_dump(mode="json", exclude={"why"})
