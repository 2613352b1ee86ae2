"""One event or error as it was reported: what every reader makes and what diagnosis starts from."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AliasChoices, AwareDatetime, Field

from remediations.model.base import Frozen


class ReportedEvent(Frozen):
    """What Windows, a log shipper or a person said. Everything may be missing; `channel` may be given as `log`."""

    text: str = Field(default="", description="The rendered message, in any language")
    event_id: int | None = Field(default=None, ge=0, description="Windows event id, as 21502")
    channel: str | None = Field(
        default=None, validation_alias=AliasChoices("channel", "log"), description="Event log channel it came from"
    )
    provider: str | None = Field(default=None, description="Event provider, or the cmdlet or program that spoke")
    computer: str | None = Field(default=None, description="Computer that logged it")
    time: AwareDatetime | None = Field(default=None, description="When it was logged")
    data: Mapping[str, str] = Field(default={}, description="Unrendered event data by name, as Parameter0 or VmName")
    related: tuple[ReportedEvent, ...] = Field(default=(), description="Other events of the same failure, of either node")

    @property
    def whole(self) -> str:
        """The text, and the unrendered values that a shipper may have sent instead of it."""
        if not self.data:
            return self.text
        return "\n".join((self.text, *(value for value in self.data.values() if value not in self.text)))
