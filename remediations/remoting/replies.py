"""From what a pipeline said to a reply for each of its statements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pypsrp.complex_objects import GenericComplexObject
from pypsrp.messages import ErrorRecordMessage

from remediations.model.reply import HostError, Reply

MISSING_MARKER = "Remediation.MissingMarker"
"""Error id of a reply whose end, or beginning, was not seen: it may be only a part."""

# fmt: off
_CATEGORIES = (
    "NotSpecified", "OpenError", "CloseError", "DeviceError", "DeadlockDetected", "InvalidArgument", "InvalidData",
    "InvalidOperation", "InvalidResult", "InvalidType", "MetadataError", "NotImplemented", "NotInstalled",
    "ObjectNotFound", "OperationStopped", "OperationTimeout", "SyntaxError", "ParserError", "PermissionDenied",
    "ResourceBusy", "ResourceExists", "ResourceUnavailable", "ReadError", "WriteError", "FromStdErr", "SecurityError",
    "ProtocolError", "ConnectionError", "AuthenticationError", "LimitsExceeded", "QuotaExceeded", "NotEnabled",
)
# fmt: on
"""System.Management.Automation.ErrorCategory, by number."""


def host_error(record: ErrorRecordMessage) -> HostError:
    """A pypsrp error record as data."""
    exception = record.exception
    fields: dict[str, Any] = {}
    kind = ""
    if isinstance(exception, GenericComplexObject):
        fields = {**exception.adapted_properties, **exception.extended_properties}
        kind = exception.types[0] if exception.types else ""
    category, hresult = record.category, fields.get("HResult")
    message = record.details_message or fields.get("Message") or str(record)
    return HostError(
        message=str(message).strip() or "the host gave no message",
        error_id=str(record.fq_error or "").partition(",")[0],
        category=_CATEGORIES[category] if isinstance(category, int) and 0 <= category < len(_CATEGORIES) else "",
        exception=kind.removeprefix("Deserialized."),
        hresult=hresult if isinstance(hresult, int) else None,
        target=str(record.target_name or ""),
    )


def reply(said: Sequence[tuple[str, Any]]) -> Reply:
    """Everything that was said, as one reply."""
    return Reply(
        objects=tuple(thing for kind, thing in said if kind == "output"),
        errors=tuple(host_error(thing) for kind, thing in said if kind == "error"),
        warnings=tuple(thing for kind, thing in said if kind == "warning"),
    )


def attribute(said: Sequence[tuple[str, Any]], markers: Sequence[str]) -> list[Reply]:
    """A reply for each statement; `markers[i]` was written right after statement i.

    A statement is only complete if its own marker and the one before it came: between two markers of which the middle one is
    missing, nobody can say what belongs to whom.
    """
    pieces: list[list[tuple[str, Any]]] = [[] for _ in markers]
    whole = [False] * len(markers)
    place = {marker: index for index, marker in enumerate(markers)}
    current = 0
    for kind, thing in said:
        ended = place.get(thing) if kind == "output" and isinstance(thing, str) else None
        if ended is not None:
            whole[ended] = ended == current
            current = ended + 1
        elif current < len(markers):
            pieces[current].append((kind, thing))
    return [reply(piece) if complete else _incomplete(reply(piece)) for piece, complete in zip(pieces, whole, strict=True)]


def _incomplete(part: Reply) -> Reply:
    missing = HostError(
        message="the answer is incomplete: the marker that ends it, or the one before it, did not come",
        error_id=MISSING_MARKER,
        category="InvalidResult",
    )
    return part.model_copy(update={"errors": (*part.errors, missing)})
