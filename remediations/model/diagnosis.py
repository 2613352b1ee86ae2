"""What the reported text suggests, before any host was asked."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field

from remediations.model.base import Frozen
from remediations.model.causes import Cause
from remediations.model.incident import Incident


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


class Diagnosis(Frozen):
    """Ranked hypotheses for one incident, best first; empty unless `verdict` is `causes`."""

    verdict: TextVerdict
    hypotheses: tuple[Hypothesis, ...] = ()
    incident: Incident | None = None


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
    sightings: tuple[Sighting, ...] = ()
    succeeded: str = Field(default="", description="Which event says that what had failed has succeeded since; empty if none")

    def points_to(self, cause: Cause) -> bool:
        """Whether the report or the hosts' logs suggest this cause at all."""
        return any(hypothesis.cause is cause for hypothesis in self.hypotheses)
