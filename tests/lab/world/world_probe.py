"""Runs the lab's commands without the protocol, and shows what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from remediations.lab.cmdlet import CommandError, Enum, Object
from remediations.lab.protocol.bind import bind
from remediations.lab.world.contoso import OPERATOR
from remediations.lab.world.handlers import CONTROLLERS_RELEASE, Commands
from remediations.lab.world.hosts import Module
from remediations.lab.world.world import World
from remediations.model.contract import contracts

CURRENT = Module("1.0.0", "AB" * 32)


@dataclass
class Heard:
    """A running command as the protocol would hold it, and all that it said."""

    name: str
    host: str
    parameters: dict[str, Any]
    principal: str = OPERATOR
    configuration: str = "Microsoft.PowerShell"
    objects: list[Any] = field(default_factory=list)
    errors: list[CommandError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    percents: list[int] = field(default_factory=list)

    def output(self, value: Any) -> None:
        self.objects.append(value)

    def error(self, error: CommandError) -> None:
        self.errors.append(error)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def progress(self, activity: str, status: str, percent: int) -> None:
        self.percents.append(percent)

    @property
    def ids(self) -> list[str]:
        return [error.error_id for error in self.errors]

    @property
    def only(self) -> dict[str, Any]:
        """The properties of the one object that came, enumerations by name and nested objects as the text they arrive as."""
        assert len(self.objects) == 1, self.objects
        return shown(self.objects[0])

    @property
    def all(self) -> list[dict[str, Any]]:
        return [shown(each) for each in self.objects]


def shown(value: Object) -> dict[str, Any]:
    return {name: _plain(each) for name, each in value.properties.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Object):
        return value.text
    return [_plain(each) for each in value] if isinstance(value, list) else value


Ask = Callable[..., Heard]


def run(world: World, host: str, name: str, *, principal: str = OPERATOR, **parameters: Any) -> Heard:
    """Run a command of a host, its parameters bound as PowerShell binds them. Raises `KeyError` if the host lacks it."""
    call = Heard(name, host, {}, principal)
    release = world.host(host).edition.year if host in world.hosts else CONTROLLERS_RELEASE
    try:
        call.parameters = dict(bind(contracts()[name], list(parameters.items()), release).parameters)
        asyncio.run(_handle(world, call))
    except CommandError as error:
        call.errors.append(error)
    return call


async def _handle(world: World, call: Heard) -> None:
    await Commands(world, call.host)[call.name](call)
