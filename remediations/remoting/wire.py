"""pypsrp, with what it lacks: a deadline for every request, typed output, and outputs and errors in the order they came.

The only module that touches pypsrp's private names (`_receive`, `_get_shell`, `_serializer`, `_fragmenter`, `_command_id`,
`_selector_set`, `_deserialize_secure_string`, `_invoke`; 0.9.x, pinned).
A RunspacePool and its WSMan belong to one thread: shared, they return other callers' objects.
"""

from __future__ import annotations

import logging
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from math import ceil
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from pypsrp.complex_objects import ComplexObject, ObjectMeta, PSInvocationState, RunspacePoolState
from pypsrp.exceptions import WSManFaultError
from pypsrp.messages import CreatePipeline, MessageType
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.serializer import Serializer
from pypsrp.shell import SignalCode
from pypsrp.wsman import NAMESPACES, OptionSet, SelectorSet, WSMan, WSManAction

from remediations.model.command import Command
from remediations.remoting.clixml import decode
from remediations.remoting.encode import encode
from remediations.remoting.statements import Statement, Statements, text_of

# It logs whole messages, and a traceback for each failure that we turn into an error of our own.
logging.getLogger("pypsrp").setLevel(logging.CRITICAL)

OPERATION_TIMEOUT = 2150858793
"""ERROR_WSMAN_OPERATION_TIMEDOUT: no output yet."""
NO_SUCH = 2150858843
"""ERROR_WSMAN_UNEXPECTED_SELECTORS: the shell or the command is not there (never was, or is over and done with)."""

_NEWEST = "2.3"
"""The protocol's version where a host has named none."""

_STATEMENTS = "Statements"
"""The element that holds the place of statements in their message."""

_CONSTRUCTING = threading.Lock()


class Late(Exception):
    """The deadline passed before the next request was sent."""


class Garbled(Exception):
    """The host says that the command is done, but how it ended never came."""


class Connection(WSMan):
    """WS-Management over HTTP(S), each request bounded by `until`.

    Never re-sends a request by itself. (urllib3's `Retry` would: its `total` also counts TLS errors in the middle of an
    answer, for POST too, so a change could go out twice; so it is switched off.) The one exception is `receive_again`: a
    Receive that timed out is repeated with the same MessageID, to which WinRM gives the same data.
    """

    def __init__(self, *, clock: Callable[[], float], operation: int, poll: int, slack: int, connect: int, **how: Any) -> None:
        with _CONSTRUCTING:  # it registers XML namespaces in a global table
            super().__init__(reconnection_retries=0, reconnection_backoff=0.2, no_proxy=True, **how)
        self.clock, self.operation, self.poll, self.slack, self.connecting = clock, operation, poll, slack, connect
        self.until = 0.0
        self.receive_again = False
        self.done = False
        self.got_data = False

    @property
    def encrypted(self) -> bool:
        """Whether messages are encrypted by us (HTTP), in a context that dies with its TCP connection."""
        return bool(self.transport.wrap_required)

    def reset(self) -> None:
        """Drop the TCP connection and its security context; the next request authenticates anew, the shell stays."""
        self.transport.encryption = None
        self.transport.close()

    def invoke(  # noqa: PLR0917 - pypsrp's signature
        self,
        action: str,
        resource_uri: str,
        resource: ET.Element | None,
        option_set: OptionSet | None = None,
        selector_set: SelectorSet | None = None,
        timeout: int | None = None,
        *,
        retries_on_read_timeout: int = 0,
    ) -> ET.Element:
        """One request, given no more time than is left. Raises `Late` instead of sending when none is."""
        left = self.until - self.clock()
        if left <= 0:
            raise Late
        longest = self.poll if action == WSManAction.RECEIVE else self.operation
        self.operation_timeout = max(1, min(longest, int(left)))
        self.transport.connection_timeout = max(1, min(self.connecting, ceil(left)))
        self.transport.read_timeout = self.operation_timeout + max(1, min(self.slack, ceil(left) - self.operation_timeout))
        again = int(self.receive_again and action == WSManAction.RECEIVE and left > 2 * self.transport.read_timeout)
        answer = super().invoke(action, resource_uri, resource, option_set, selector_set, None, retries_on_read_timeout=again)
        if self.transport.session is not None:
            self.transport.session.max_redirects = 0  # a redirect would carry a command elsewhere
            # pypsrp has taken what it takes from the environment; with every request it would be searched for proxies again.
            self.transport.session.trust_env = False
        return answer

    def receive(self, *args: Any, **named: Any) -> ET.Element:
        """As pypsrp's, noting what it ignores: whether data came, and whether the command is said to be done."""
        body: ET.Element = super().receive(*args, **named)
        state = body.find("rsp:ReceiveResponse/rsp:CommandState", NAMESPACES)
        self.done = state is not None and state.get("State", "").endswith("/Done")
        self.got_data = any(each.text for each in body.iterfind("rsp:ReceiveResponse/rsp:Stream", NAMESPACES))
        return body


class _TypedSerializer(Serializer):
    """Statements and pipeline output go through code of ours; the protocol's own messages stay pypsrp's."""

    reveals = False
    _statements = ""

    def serialize(
        self, value: Any, metadata: ObjectMeta | None = None, parent: ET.Element | None = None, clear: bool = True
    ) -> Any:
        """As pypsrp's; a message with statements comes as bytes, which pypsrp's messages take as they are."""
        if isinstance(value, Statements):
            self._statements = text_of(value, self)
            value = ET.Element(_STATEMENTS)
        element = super().serialize(value, metadata, parent, clear)
        if isinstance(value, CreatePipeline) and element is not None:
            whole, statements, self._statements = ET.tostring(element, encoding="unicode"), self._statements, ""
            return whole.replace(f'<{_STATEMENTS} N="PowerShell" />', statements).encode()
        return element

    def deserialize(self, element: ET.Element | str, metadata: ObjectMeta | None = None, clear: bool = True) -> Any:
        if metadata is None and clear and isinstance(element, str):
            return decode(element, self._revealed if self.reveals else None)
        return super().deserialize(element, metadata, clear)

    def _revealed(self, encrypted: str | None) -> SecretStr:
        element = ET.Element("SS")
        element.text = encrypted
        return SecretStr(str(self._deserialize_secure_string(element)))


class Pool(RunspacePool):
    """A runspace pool of one runspace."""

    connection: Connection

    def __init__(self, connection: Connection, configuration: str, idle_timeout: int) -> None:
        super().__init__(connection, configuration_name=configuration, idle_timeout=idle_timeout)
        self._serializer = self._typed = _TypedSerializer()
        self._fragmenter.serializer = self._serializer

    def reveal(self, wanted: bool) -> None:
        """Whether secure strings that come from now on are decrypted, into `SecretStr`; else they are `***`."""
        self._typed.reveals = wanted

    def present(self) -> bool:
        """Whether the host still has the shell: one Get, on a new connection if need be. Raises what the request raises."""
        try:
            return self.shell._get_shell().get("State") != "Disconnected"
        except WSManFaultError as fault:
            if fault.code == NO_SUCH:
                return False
            raise

    def _receive(self, id: str | None = None, timeout: int | None = None) -> list[tuple[int, Any]]:  # noqa: A002 - pypsrp's
        """As pypsrp's; opening and key exchange wait on when there is nothing yet, up to the deadline."""
        while True:
            try:
                answers: list[tuple[int, Any]] = super()._receive(id, timeout)
            except WSManFaultError as fault:
                if fault.code != OPERATION_TIMEOUT or id is not None:
                    raise
            else:
                return answers

    def clear(self, command_id: str) -> None:
        """Let the host forget a finished command."""
        self.shell.signal(SignalCode.TERMINATE, command_id)

    def delete(self) -> None:
        """Close the shell; whatever runs in it is stopped."""
        if self.shell.opened:
            self.shell.close()
        self.state = RunspacePoolState.CLOSED


class Pipeline(PowerShell):
    """Statements for one CommandId, and what came back: `said` holds (kind, thing) in the host's order.

    Kinds: `output` (a plain value), `error` (pypsrp's ErrorRecordMessage), `warning` (text).
    """

    runspace_pool: Pool

    def __init__(self, pool: Pool, command_id: UUID | None = None) -> None:
        super().__init__(pool)
        if command_id is not None:
            self.id = str(command_id).upper()
        self.statements: list[Statement] = []
        self.said: list[tuple[str, Any]] = []
        self.accepted = False
        self._errors = self._warnings = 0

    def add(self, command: Command, secret: Callable[[str], str]) -> None:
        """Append one statement."""
        self.statements.append(Statement(command.name, encode(command, secret)))

    def mark(self, marker: str) -> None:
        """Append the statement that writes a marker. It is always the same, and no command of a plan."""
        self.statements.append(Statement("Write-Output", {"InputObject": marker}))

    def start(self) -> None:
        """Send it: one Command request (and a Send for each further envelope that it fills)."""
        try:
            self.add_cmdlet(self.statements[0].cmd)  # pypsrp wants one before it begins; ours are what goes out
            # Without invocation info: error records are smaller, and bound parameters do not travel back.
            self.begin_invoke(remote_stream_options=0)
        finally:
            self.statements.clear()  # a secret lives until it has been sent, and a pipeline whose answer was lost is kept
        self.accepted = True

    def _invoke(self, msg: ComplexObject) -> None:
        if isinstance(msg, CreatePipeline):
            # pypsrp has made all of the message's other parts; those of the statements it would make far more slowly.
            protocol = self.runspace_pool.protocol_version or _NEWEST
            msg.pipeline = Statements(tuple(self.statements), protocol)  # type: ignore[assignment] # our serializer knows it
        super()._invoke(msg)

    def resume(self) -> None:
        """Listen to a command that was started, or may have been, and whose answers were lost."""
        self._command_id = self.id
        self.state = PSInvocationState.RUNNING
        self.runspace_pool.pipelines[self.id] = self

    def forget(self) -> None:
        """Drop it on our side (pypsrp keeps every pipeline until its Signal)."""
        self.runspace_pool.pipelines.pop(self.id, None)

    @property
    def running(self) -> bool:
        """Whether its end has not been heard of."""
        return self.state == PSInvocationState.RUNNING

    @property
    def completed(self) -> bool:
        """Whether it ran to its end, without a terminating error in the last statement."""
        return self.state == PSInvocationState.COMPLETED

    @property
    def failed(self) -> bool:
        """Whether a terminating error ended it."""
        return self.state == PSInvocationState.FAILED

    def poll(self) -> None:
        """One Receive. Raises `Garbled` when the host calls the command done but its final state did not come."""
        try:
            responses = self.runspace_pool._receive(self.id)
        except WSManFaultError as fault:
            if fault.code == OPERATION_TIMEOUT:
                return
            raise
        errors, warnings = iter(self.streams.error[self._errors :]), iter(self.streams.warning[self._warnings :])
        self._errors, self._warnings = len(self.streams.error), len(self.streams.warning)
        # pypsrp has sorted the batch into streams by now; the responses still tell in which order they came.
        for kind, message in responses:
            if kind == MessageType.PIPELINE_OUTPUT:
                self.said.append(("output", message.data.data))
            elif kind == MessageType.ERROR_RECORD:
                self.said.append(("error", next(errors)))
            elif kind == MessageType.WARNING_RECORD:
                self.said.append(("warning", str(next(warnings).message)))
        self.said.extend(("error", error) for error in errors)  # what ended the pipeline comes with its final state
        if self.running and self.runspace_pool.connection.done:
            raise Garbled("the host said that the command was done, but its result had been lost")
