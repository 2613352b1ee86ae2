"""What the reported text suggests, before any host was asked."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from remediations.model.base import Frozen
from remediations.model.causes import Cause
from remediations.model.incident import Incident, Told


class TextVerdict(StrEnum):
    """What a reported text is."""

    CAUSES = "causes"
    UNKNOWN = "unknown"
    NOT_A_MIGRATION_FAILURE = "not_a_migration_failure"


class Hypothesis(Frozen):
    """A cause that the evidence points to, and how strongly. A hypothesis alone never changes anything."""

    cause: Cause
    score: float = Field(ge=0, le=1, description="0 to 1; the best hypothesis comes first")
    evidence: tuple[str, ...] = Field(description="What speaks for it, quoted for people")
    against: tuple[str, ...] = ()
    weak: bool = Field(
        default=False, description="Whether only words point to it: facts may be read for it, nothing is planned"
    )


class Diagnosis(Frozen):
    """Ranked hypotheses for one incident, best first; empty unless `verdict` is `causes`."""

    verdict: TextVerdict
    hypotheses: tuple[Hypothesis, ...] = ()
    weak: tuple[Hypothesis, ...] = Field(
        default=(),
        description="Causes that words alone point to, best first; only beside `unknown`, and nothing is planned on them",
    )
    incident: Incident | None = None
    told: Told | None = Field(default=None, description="What the report tells, also where it is too little for an incident")
    codes: frozenset[int] = Field(default=frozenset(), description="Known error codes in it, as unsigned 32-bit numbers")

    @property
    def named(self) -> tuple[Hypothesis, ...]:
        """Every cause that is named, best first: those that it points to, else those that only words point to."""
        return self.hypotheses or self.weak


class Sighting(Frozen):
    """A condition that was seen again and again, as policy counts it (`waits`): waiting once more is no answer to it."""

    cause: Cause
    subject: str
    first_seen: AwareDatetime
    times: int = Field(ge=1, description="Separate incidents of it within policy's look-back")


class Evidence(Frozen):
    """What is known of an incident before facts are read: the incident, what its text suggests, what was seen before."""

    incident: Incident | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    weak: tuple[Hypothesis, ...] = Field(
        default=(), description="Causes that only words point to, where nothing points to any: looked at, never planned"
    )
    sightings: tuple[Sighting, ...] = ()
    succeeded: str = Field(default="", description="Which event says that what had failed has succeeded since; empty if none")

    not_found: str = Field(default="", description="Why the host that it is on was not found; empty if it was, or was named")
    logs: tuple[str, ...] = Field(default=(), description="Hosts whose event logs were read")
    unread: tuple[str, ...] = Field(default=(), description="Why event logs could not be read, for each such host")

    @property
    def looked_into(self) -> str:
        """What there was to find a cause in, for people: "the report", "the report or the event logs of HV01 and HV02"."""
        if not self.logs:
            return "the report"
        return f"the report or the event log{'s' if len(self.logs) > 1 else ''} of {' and '.join(self.logs)}"

    @property
    def not_looked_into(self) -> str:
        """Which logs may say more, and why they were not read; empty if all of the known hosts' were."""
        if self.unread:
            first_lines = (each.partition("\n")[0] for each in self.unread)
            return f"Event logs that could not be read may say more: {'; '.join(first_lines)}"
        return "" if self.logs else self.not_found or "No host's event log was read: no host of it is known"

    def points_to(self, cause: Cause) -> bool:
        """Whether the report or the hosts' logs suggest this cause at all."""
        return any(hypothesis.cause is cause for hypothesis in self.hypotheses)
