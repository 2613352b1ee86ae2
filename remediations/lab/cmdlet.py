"""What a simulated command sees of its caller, and what it may say: the seam between the protocol and the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Enum:
    """A .NET enumeration value: sent as its number, shown as its name."""

    type: str
    name: str
    number: int


class Int64(int):
    """A .NET Int64, where the number alone would travel as Int32: a memory size, a tick count."""


class UInt32(int):
    """A .NET UInt32."""


class UInt64(int):
    """A .NET UInt64."""


@dataclass(frozen=True)
class SecureString:
    """A SecureString parameter, decrypted; `repr` does not show it."""

    value: str = field(repr=False)


@dataclass(frozen=True)
class Credential:
    """A PSCredential parameter, decrypted; `repr` does not show the password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Object:
    """A .NET object as PowerShell remoting sends it: type names, properties, and the text that nested copies are cut to.

    Values: None, bool, int (beyond 32 bits it travels as Int64), `Int64`, `UInt32`, `UInt64`, float, str, bytes, datetime
    (aware), timedelta, UUID, list, dict, `Enum`, `Object`. Nested objects below depth 1 arrive as text, as from a real
    Windows host.
    """

    types: tuple[str, ...]
    properties: Mapping[str, Any]
    text: str = ""
    custom: bool = False
    """A PSCustomObject: its properties travel as note properties."""


class CommandError(Exception):
    """A PowerShell error. Raised, it terminates the command; passed to `Call.error`, it does not.

    `error_id` is the part before the comma of FullyQualifiedErrorId; `command_type` the part behind it; `category` a name
    of System.Management.Automation.ErrorCategory.
    """

    def __init__(
        self,
        message: str,
        error_id: str,
        category: str = "NotSpecified",
        *,
        exception: str = "System.Management.Automation.RuntimeException",
        command_type: str = "",
        hresult: int = -2146233087,
        target: str = "",
    ) -> None:
        super().__init__(message)
        self.message, self.error_id, self.category, self.exception = message, error_id, category, exception
        self.command_type, self.hresult, self.target = command_type, hresult, target


class Call(Protocol):
    """One running command, as the world sees it."""

    name: str
    """The command's name in its real spelling."""
    host: str
    """Short name of the host it runs on."""
    configuration: str
    """Session configuration it came through, as `Microsoft.PowerShell`."""
    principal: str
    """Who authenticated, as `CONTOSO\\svc-migrate`."""
    parameters: Mapping[str, Any]
    """Bound parameters by their real names: bool, int, str, list, dict, UUID, datetime, timedelta, `SecureString`,
    `Credential`; common parameters left out."""

    def output(self, value: Any) -> None:
        """Send one object down the pipeline."""

    def error(self, error: CommandError) -> None:
        """Report a non-terminating error; with -ErrorAction Stop it terminates."""

    def warning(self, text: str) -> None:
        """Write to the warning stream."""

    def progress(self, activity: str, status: str, percent: int) -> None:
        """Write to the progress stream."""


Handler = Callable[[Call], Awaitable[None]]
"""Runs one command: `async def get_vm(call: Call) -> None`."""


@dataclass(frozen=True)
class Surface:
    """What one host offers through one session configuration: the commands it knows, by real name."""

    host: str
    configuration: str
    handlers: Mapping[str, Handler]
    visible: frozenset[str] | None = None
    """For JEA: the only names that exist there; None for a plain endpoint, where every handler does."""
    no_language: bool = True
    """Scripts are refused (always so under JEA)."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Command aliases, alias → real name."""
    allowed: frozenset[str] | None = None
    """Accounts that its security descriptor lets in, as `CONTOSO\\svc-migrate`; None: whoever can authenticate."""
    release: int = 2025
    """Windows Server release of the host: parameters documented for later ones only are unknown there."""
