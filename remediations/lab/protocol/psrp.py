"""PowerShell Remoting, server side: psrpcore behind a small face.

Every private member of psrpcore that the lab touches is touched here and nowhere else (psrpcore is pinned for that):
properties are looked up without case, a pipeline can fail, ToString is sent for warnings, durations keep their zeros, and a
capability is sent on Connect as Windows does.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psrpcore import PSRPPayload, ServerPipeline, ServerRunspacePool, StreamType
from psrpcore.types import (
    ErrorCategory,
    ErrorCategoryInfo,
    ErrorDetails,
    ErrorRecord,
    InformationalRecord,
    NETException,
    PSCredential,
    PSDateTime,
    PSGuid,
    PSInvocationState,
    PSSecureString,
    PSVersion,
    _serializer,
    add_note_property,
)

from remediations.lab.cmdlet import CommandError, Credential, Object, SecureString
from remediations.lab.protocol.serialize import printable
from remediations.lab.protocol.wsman import UNREADABLE, Fault

FRAGMENT = 32000
"""Bytes in a PSRP fragment, as Windows sends them (32 KB)."""


def _duration(value: timedelta) -> str:
    ticks = (value.days * 86400 + value.seconds) * 10**7 + value.microseconds * 10
    ticks += getattr(value, "nanoseconds", 0) // 100
    sign, ticks = ("-", -ticks) if ticks < 0 else ("", ticks)
    days, ticks = divmod(ticks, 864 * 10**9)
    hours, ticks = divmod(ticks, 36 * 10**9)
    minutes, ticks = divmod(ticks, 6 * 10**8)
    whole, fraction = divmod(ticks, 10**7)
    tail = f".{fraction:07}".rstrip("0") if fraction else ""
    clock = (
        (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "") + (f"{whole}{tail}S" if whole or fraction else "")
    )
    date = f"{days}D" if days else ""
    return f"{sign}P{date}T{clock}" if clock else f"{sign}P{date}" if date else "PT0S"


# psrpcore 0.3.1 strips zeros in front of the decimal point, too (ten seconds become one), and sends no ToString for
# warnings, which Windows does: both are its own serializer's business, so both are mended there.
_serializer._serialize_duration = _duration
setattr(InformationalRecord, "__str__", lambda self: str(self.Message))  # noqa: B010 a type checker lets no method be set


class _Core(ServerRunspacePool):
    """Clients write `CI` where psrpcore looks for `ci`; PowerShell's own properties know no case."""

    def _process_SetMaxRunspaces(self, event: Any) -> None:  # noqa: N802 psrpcore finds it by this name
        _ignore_case(event)
        super()._process_SetMaxRunspaces(event)

    def _process_SetMinRunspaces(self, event: Any) -> None:  # noqa: N802 psrpcore finds it by this name
        _ignore_case(event)
        super()._process_SetMinRunspaces(event)


def _ignore_case(event: Any) -> None:
    if not hasattr(event._ps_object, "ci"):
        add_note_property(event._ps_object, "ci", event._ps_object.CI)


class Pool:
    """One runspace pool."""

    def __init__(self, version: str) -> None:
        self._core = _Core(
            application_private_data={"PSVersionTable": {"PSVersion": PSVersion(version), "PSEdition": "Desktop"}}
        )

    @property
    def size(self) -> int:
        """How many pipelines may run at once."""
        return max(1, int(self._core.max_runspaces))

    def events(self, data: bytes, pipeline: UUID | None = None) -> Iterator[Any]:
        """What the client's data says, as psrpcore's events. Raises `Fault` if it cannot be decoded."""
        self._core.receive_data(PSRPPayload(data, StreamType.default, pipeline))
        while True:
            try:
                event = self._core.next_event()
            except Exception as error:
                if pipeline is not None:
                    self._core.pipeline_table.pop(pipeline, None)
                raise Fault(UNREADABLE, f"The data of the request could not be decoded: {error}") from error
            if event is None:
                return
            yield event

    def fragments(self) -> Iterator[tuple[UUID | None, bytes]]:
        """Everything that waits to be sent: whose it is (None: the pool's) and one PSRP fragment."""
        while (payload := self._core.data_to_send(FRAGMENT)) is not None:
            data = payload.data
            while data:
                length = 21 + int.from_bytes(data[17:21], "big")
                yield payload.pipeline_id, data[:length]
                data = data[length:]

    def available(self, call: int, answer: bool | int) -> None:
        """Answer a question about runspaces."""
        self._core.runspace_availability_response(call, answer)

    def disconnect(self) -> None:
        """The client lets go of the pool."""
        self._core.disconnect()

    def reconnect(self) -> None:
        """The same client takes it up again; Windows sends no state message then, psrpcore would."""
        self._core.reconnect()
        self._core._send_buffer.clear()

    def connect(self) -> None:
        """A client takes up a disconnected pool: Windows starts with its capability, which psrpcore leaves out."""
        self._core.connect()
        self._core.prepare_message(self._core.our_capability)

    def pipeline(self, identity: UUID) -> Pipeline:
        """A new pipeline of this pool."""
        return Pipeline(ServerPipeline(self._core, identity))


class Pipeline:
    """What can be said of one pipeline to its client."""

    def __init__(self, core: ServerPipeline) -> None:
        self._core = core

    def start(self) -> None:
        """It runs. Windows says nothing of that to the client (captured), so psrpcore must not either."""
        self._core.state = PSInvocationState.Running

    def complete(self) -> None:
        """It ended; errors that went down the error stream notwithstanding."""
        self._core.complete()

    def fail(self, record: ErrorRecord) -> None:
        """It ended with a terminating error."""
        self._core._change_state(PSInvocationState.Failed, error=record)

    def stop(self) -> None:
        """It was stopped."""
        if self._core.state is PSInvocationState.Running:
            self._core.stop()

    def discard(self) -> None:
        """The client is done with it."""
        self._core.close()

    def output(self, value: Any) -> None:
        """One object, already in wire types."""
        self._core.write_output(value)

    def error(self, record: ErrorRecord) -> None:
        """One record for the error stream."""
        self._core.write_error(
            record.Exception, record.CategoryInfo, record.TargetObject, record.FullyQualifiedErrorId, record.ErrorDetails
        )

    def warning(self, message: str) -> None:
        """One line for the warning stream."""
        self._core.write_warning(printable(message))

    def progress(self, activity: str, status: str, percent: int) -> None:
        """One progress record."""
        self._core.write_progress(activity, 1, status, percent_complete=percent)


def record(error: CommandError, activity: str) -> ErrorRecord:
    """An error record as Windows sends it; `activity` is the command that reports it."""
    message = printable(error.message)
    exception = NETException(Message=message, HResult=error.hresult)
    exception.PSObject.type_names = [error.exception, "System.SystemException", *exception.PSTypeNames]
    reason = error.exception.rpartition(".")[2]
    kind = "String" if error.target else ""
    category = ErrorCategoryInfo(
        Category=ErrorCategory[error.category],
        Activity=activity,
        Reason=reason,
        TargetName=printable(error.target),
        TargetType=kind,
    )
    category.PSObject.to_string = printable(f"{error.category}: ({error.target}:{kind}) [{activity}], {reason}")
    return ErrorRecord(
        Exception=exception,
        CategoryInfo=category,
        TargetObject=printable(error.target) or None,
        FullyQualifiedErrorId=error.error_id + (f",{error.command_type}" if error.command_type else ""),
        ErrorDetails=ErrorDetails(Message=message),
    )


def plain(value: Any) -> Any:
    """A parameter's value as plain Python; an object that is no value (a live .NET object) as `Object`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, PSSecureString):
        return SecureString(str(value.decrypt()))
    if isinstance(value, PSCredential):
        return Credential(str(value.UserName), str(value.Password.decrypt()))
    if isinstance(value, PSGuid):
        return UUID(str(value))
    if isinstance(value, PSDateTime):
        zone = value.tzinfo or UTC
        return datetime(value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond, zone)
    if isinstance(value, timedelta):
        return timedelta(days=value.days, seconds=value.seconds, microseconds=value.microseconds)
    scalars: tuple[type[Any], ...] = (int, float, str, bytes)
    for kind in scalars:
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    names = tuple(str(each).removeprefix("Deserialized.") for each in value.PSTypeNames)
    return Object(names or ("System.Object",), {})


_COMMAND = re.compile(r'<S N="Cmd">([^<]*)</S>')


def command_names(data: bytes) -> tuple[str, ...]:
    """The names in a CREATE_PIPELINE message, read without executing or even decoding it."""
    return tuple(html.unescape(name) for name in _COMMAND.findall(data.decode("utf-8", "replace")))
