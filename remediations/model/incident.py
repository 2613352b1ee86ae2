"""One failed migration (or drain), as it was reported."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from remediations.model.base import Frozen, digest
from remediations.model.names import ClusterName, HostName, VmName


class What(StrEnum):
    """What failed."""

    MIGRATION = "migration"
    DRAIN = "drain"


class Told(Frozen):
    """What a report tells of who would not move, from where and to where; anything may be missing. Names are as reported."""

    what: What = Field(default=What.MIGRATION, description="What failed: a migration, or the drain of a node")
    vm: VmName | None = Field(default=None, description="Virtual machine that would not move; empty for a drain")
    source: HostName | None = Field(default=None, description="Host the move started from, or the node that was drained")
    destination: HostName | None = Field(default=None, description="Host it should have moved to; empty if any would do")
    cluster: ClusterName | None = Field(default=None, description="Failover cluster of the hosts; empty for standalone hosts")
    event_id: int | None = Field(default=None, ge=0, le=65535, description="Windows event id, as 21502")
    channel: str | None = Field(default=None, max_length=200, description="Event log channel the event came from")
    provider: str | None = Field(default=None, max_length=200, description="Event provider (source) name")
    message: str = Field(default="", max_length=20_000, description="The event's or error's text, in any language")
    occurred_at: AwareDatetime | None = Field(default=None, description="When it failed, with its UTC offset; now, if left out")
    reported_by: str = Field(default="a person", max_length=200, description="Who or what reported it")


class Incident(Told):
    """A failure to move a virtual machine, or to drain a node, as an alert, an event or a person reported it.

    Either `vm` or, for a drain, only `source` is known for certain; everything else may be missing and is then read from
    the hosts. `source` and `destination` become the inventory's spelling when the incident is opened.
    """

    @model_validator(mode="after")
    def _names_its_subject(self) -> Self:
        if self.what is What.MIGRATION and self.vm is None:
            raise ValueError("vm: a failed migration names its virtual machine")
        if self.what is What.DRAIN and self.source is None:
            raise ValueError("source: a failed drain names its node")
        return self

    @property
    def key(self) -> str:
        """What makes two reports the same open incident: kind, virtual machine (or node) and cluster, without case."""
        subject = self.vm if self.what is What.MIGRATION else self.source
        return digest([self.what, (subject or "").casefold(), (self.cluster or "").casefold()])[:32]

    @property
    def seen_on(self) -> str:
        """What history remembers it by: a virtual machine's (or node's) name is its own within its cluster only."""
        subject = (self.vm if self.what is What.MIGRATION else self.source) or ""
        return f"{subject} in {self.cluster}" if self.cluster else subject

    @property
    def title(self) -> str:
        """One line for people: what would not move, from where, to where."""
        if self.what is What.DRAIN:
            return f"drain of {self.source} failed"
        way = f" {self.source or '?'} → {self.destination or 'any'}" if self.source or self.destination else ""
        return f"{self.vm} would not move{way}"
