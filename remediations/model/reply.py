"""What a host answered to one command: plain values, no PowerShell or pypsrp types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from remediations.model.base import Frozen

Value: TypeAlias = Any
"""None, bool, int, float, str, bytes, datetime (aware), timedelta, UUID, list of values, or `Record`."""

Record: TypeAlias = Mapping[str, Any]
"""One object's properties by name, in the host's spelling; enumerations are their name, nested objects may be text."""


class HostError(Frozen):
    """A PowerShell error record, from a host's error stream."""

    message: str
    error_id: str = ""
    """FullyQualifiedErrorId up to its first comma: language-neutral, match on this."""
    category: str = ""
    """ErrorCategory by name, as `ObjectNotFound`."""
    exception: str = ""
    """.NET type name of the exception."""
    hresult: int | None = None
    """Signed 32-bit HRESULT of the exception, where sent."""
    target: str = ""
    """What the command was working on, as text."""

    @property
    def code(self) -> str:
        """The HRESULT as people write it, `0x8009030E`, or nothing."""
        return "" if self.hresult is None else f"0x{self.hresult & 0xFFFFFFFF:08X}"


class Reply(Frozen):
    """Everything one command sent back. `errors` decides whether it worked, never an exit flag (PowerShell has none)."""

    objects: tuple[Value, ...] = ()
    errors: tuple[HostError, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no error came back."""
        return not self.errors
