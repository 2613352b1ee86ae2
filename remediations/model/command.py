"""A PowerShell command as data: one cmdlet, or one function of our module, with named, typed parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Self
from uuid import UUID

from pydantic import field_serializer, field_validator, model_validator

from remediations.model.base import Frozen, canonical
from remediations.model.contract import COMMON, Contract, Effect, Hop, Secret, contract
from remediations.model.names import same_host

_QUOTES = re.compile("['\u2018\u2019\u201a\u201b]")


class Command(Frozen):
    """One command with its parameters. Building one that its contract does not allow raises `ValidationError`.

    A change always carries `-ErrorAction Stop`, and `-Confirm:$false` where the command could ask: a person who pastes
    `text` into a console gets exactly what the program sends.
    """

    name: str
    parameters: Mapping[str, Any] = {}

    @field_validator("parameters", mode="before")
    @classmethod
    def _freeze(cls, given: Any) -> Any:
        return {key: _plain(value) for key, value in given.items()} if isinstance(given, Mapping) else given

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not isinstance(given.get("parameters", {}), Mapping):
            return given
        known = contract(str(given.get("name")))
        if known.effect is not Effect.CHANGE:
            return given
        added: dict[str, Any] = {"ErrorAction": "Stop"} | ({"Confirm": False} if known.should_process else {})
        return {**given, "parameters": {**given.get("parameters", {}), **added}}

    @model_validator(mode="after")
    def _obeys(self) -> Self:
        self.contract.check(self.parameters)
        return self

    @field_serializer("parameters")
    def _sorted(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {key: _jsonable(parameters[key]) for key in sorted(parameters)}

    @property
    def contract(self) -> Contract:
        """What the reference and our allow-list say of this command."""
        return contract(self.name)

    @property
    def effect(self) -> Effect:
        """Whether it reads, leaves evidence or changes something."""
        return self.contract.effect

    def reaches_beyond(self, host: str) -> bool:
        """Whether, sent to `host`, it makes that host talk to another one as us (a second hop)."""
        if self.contract.hop is Hop.SERVER:
            return not same_host(str(self.parameters.get("Server", "")).partition(":")[0], host)
        return self.contract.hop is Hop.PEER

    @cached_property
    def key(self) -> str:
        """The command as canonical JSON: equal exactly when the commands are."""
        return canonical(self.to_json()).decode()

    @property
    def text(self) -> str:
        """The command as a person would type it in PowerShell; a secret shows as its name."""
        order = (*self.contract.allowed, *COMMON)
        given = sorted(self.parameters, key=order.index)
        return " ".join([self.name, *(_argument(self.contract, key, self.parameters[key]) for key in given)])


def command(name: str, **parameters: Any) -> Command:
    """`Command` by keyword: `command("Get-VM", Name="VM42")`. Commands never change, so equal ones may be one object."""
    try:
        # The spelling too: to Python True is 1, to PowerShell it is not.
        return _made(name, tuple((key, repr(parameters[key]), parameters[key]) for key in sorted(parameters)))
    except TypeError:  # a parameter that cannot be looked up, as a hashtable
        return Command(name=name, parameters=parameters)


@lru_cache(maxsize=4096)
def _made(name: str, parameters: tuple[tuple[str, str, Any], ...]) -> Command:
    return Command(name=name, parameters={key: value for key, _, value in parameters})


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_plain(each) for each in value)
    if isinstance(value, Mapping):
        if set(value) == {"secret"}:
            return Secret.model_validate(value)
        return {str(key): _plain(each) for key, each in value.items()}
    return value


def _jsonable(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_jsonable(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _jsonable(value[key]) for key in sorted(value)}
    if isinstance(value, Secret):
        return {"secret": value.secret}
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _argument(known: Contract, name: str, value: Any) -> str:
    parameter = known.parameters.get(name)
    if parameter is not None and parameter.type == "SwitchParameter":
        return f"-{name}"
    if name == "Confirm":
        return "-Confirm:$false"
    return f"-{name} {_literal(value)}"


def _literal(value: Any) -> str:
    if value is None:
        return "$null"
    if isinstance(value, bool):
        return "$true" if value else "$false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return ",".join(_literal(each) for each in value)
    if isinstance(value, Mapping):
        return "@{" + "; ".join(f"{_key(key)}={_literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Secret):
        return f"$<secret {value.secret}>"
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    bare = text.replace("-", "").replace(".", "").replace("_", "")
    if bare.isalnum() and text.isascii() and not text[0].isdigit() and text[0] != "-":
        return text
    return quoted(text)


def quoted(text: str) -> str:
    """A text as PowerShell reads it between single quotes, of which the typographic ones are some: none in it ends it."""
    return "'" + _QUOTES.sub(r"\g<0>\g<0>", text) + "'"


def _key(key: str) -> str:
    return key if key.isidentifier() else json.dumps(key).replace('"', "'")
