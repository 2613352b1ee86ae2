"""What each command may be given: Microsoft's cmdlet reference, narrowed to what this program is allowed to send.

`contract.json` is a compact extract of the reference (MicrosoftDocs/windows-powershell-docs and PowerShell-Docs, Windows
Server 2016 to 2025): module, parameters with type and accepted values, parameter sets, ShouldProcess, since which Server.
`commands.yaml` says which of these we send, with which parameters, to what effect and how far they reach.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

import yaml
from pydantic import Field

from remediations.model.base import Frozen


class Effect(StrEnum):
    """What a command does to its host. Declared, never guessed from its verb."""

    READ = "read"
    EVIDENCE = "evidence"
    SECRET = "secret"  # noqa: S105 - an effect
    CHANGE = "change"


class Hop(StrEnum):
    """Whom a command makes its host talk to as us."""

    LOCAL = "local"
    PEER = "peer"
    SERVER = "server"


class Secret(Frozen):
    """A secret parameter: plans and digests hold its name, only the wire holds the value."""

    secret: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Name of the secret in the site's secret references")


class Parameter(Frozen):
    """One documented parameter of a command."""

    type: str
    """The .NET type's short name, as `UInt32`, `String[]`, `SwitchParameter`."""
    values: tuple[str, ...] = ()
    """Accepted values, where the reference lists them."""
    aliases: tuple[str, ...] = ()
    since: int | None = None
    """First Windows Server that has it, where later than its command's."""


class ParameterSet(Frozen):
    """Parameters that go together."""

    mandatory: frozenset[str]
    optional: frozenset[str]


class Contract(Frozen):
    """One command: what the reference says of it and what we allow ourselves of it."""

    name: str
    module: str
    kind: str
    """`cmdlet` or `function`: decides where a JEA role lists it."""
    since: int
    """First Windows Server that documents it."""
    should_process: bool
    parameters: Mapping[str, Parameter]
    sets: tuple[ParameterSet, ...]
    aliases: tuple[str, ...] = ()
    effect: Effect
    hop: Hop
    allowed: tuple[str, ...]
    """What may be passed, in the order in which people read it."""
    refused: Mapping[str, str]
    keys: Mapping[str, tuple[str, ...]] = {}
    """For a table: the only keys that it may have, by parameter."""
    nullable: frozenset[str] = frozenset()
    """Parameters that also take `$null`, sent as None."""
    role: str = "host"
    """JEA role that lists it: `host`, `directory` or `keys`."""

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise `ValueError`, naming command and parameter, unless `given` may be sent."""
        for name, value in given.items():
            if name in COMMON:
                COMMON[name](self, value)
            elif name in self.refused:
                raise ValueError(f"{self.name} -{name} is never sent: it {self.refused[name]}")
            elif name not in self.parameters:
                raise ValueError(f"{self.name} has no parameter -{name}; it has {', '.join(sorted(self.parameters)) or 'none'}")
            elif name not in self.allowed:
                raise ValueError(f"{self.name} -{name} is not on the list of what may be sent (commands.yaml)")
            elif value is not None or name not in self.nullable:
                _check_value(f"{self.name} -{name}", self.parameters[name], value)
                self._check_keys(name, value)
                if self.effect is Effect.CHANGE and name in SELECTORS:
                    _check_single(f"{self.name} -{name}", value)
        own = set(given) - set(COMMON)
        if not any(group.mandatory <= own <= group.mandatory | group.optional for group in self.sets):
            raise ValueError(f"{self.name}: no parameter set takes exactly {', '.join(sorted(own)) or 'no parameter'}")

    def _check_keys(self, name: str, value: Any) -> None:
        wanted = self.keys.get(name)
        for key in value if wanted is not None and isinstance(value, Mapping) else ():
            if key not in (wanted or ()):
                raise ValueError(f"{self.name} -{name} takes {', '.join(wanted or ())}, not {key!r} (commands.yaml, keys)")


def _error_action(contract: Contract, value: Any) -> None:
    if value != "Stop":
        raise ValueError(f"{contract.name} -ErrorAction is Stop or not given, not {value!r}")


def _confirm(contract: Contract, value: Any) -> None:
    if value is not False or not contract.should_process:
        raise ValueError(f"{contract.name} -Confirm is $false where the command supports it, not {value!r}")


SELECTORS = frozenset({"Name", "VMName", "Resource", "Node", "Owners", "Subnet"})
"""Parameters by which a command that changes something finds what it changes: most of Hyper-V's take patterns there."""

_PATTERN = frozenset("*?[]`")
"""What PowerShell's wildcards are made of (about_Wildcards)."""


def is_pattern(name: str) -> bool:
    """Whether a name could be read as a pattern, which others may match as well, or instead."""
    return bool(_PATTERN & set(name))


def _check_single(where: str, value: Any) -> None:
    for each in value if isinstance(value, tuple) else (value,):
        if is_pattern(str(each)):
            raise ValueError(f"{where} could match more than one thing, or another: {each!r} has one of * ? [ ] ` in it")


COMMON = {"ErrorAction": _error_action, "Confirm": _confirm}

_INTEGERS = {
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
}


def _check_value(where: str, parameter: Parameter, value: Any) -> None:
    kind = parameter.type
    if kind.endswith("[]") or kind == "StringCollection":
        element = "String" if kind == "StringCollection" else kind[:-2]
        for each in value if isinstance(value, tuple) else (value,):
            _check_value(where, parameter.model_copy(update={"type": element}), each)
        return
    if kind == "SwitchParameter":
        good, wants = value is True, "to be given as true or left out (it is a switch)"
    elif kind == "Boolean":
        good, wants = isinstance(value, bool), "true or false"
    elif kind in _INTEGERS:
        low, high = _INTEGERS[kind]
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        wants = f"a whole number from {low} to {high}"
    elif kind == "Hashtable":
        # A list in one arrives as an ArrayList: no array, which is what commands look for (ADFactory, Get-WinEvent).
        good = isinstance(value, Mapping) and bool(value) and not any(isinstance(each, tuple) for each in value.values())
        wants = "a table with at least one entry, and no list in it"
    elif kind == "DateTime":
        good, wants = isinstance(value, datetime) and value.tzinfo is not None, "a time with its UTC offset"
    elif kind == "Guid":
        good, wants = isinstance(value, (UUID, str)) and _is_guid(value), "a GUID"
    elif kind == "SecureString":
        good, wants = isinstance(value, Secret), "the name of a secret"
    elif kind in ("Object", "PSObject"):
        good, wants = isinstance(value, (str, int, UUID)), "text or a number"
    else:
        good, wants = isinstance(value, (str, UUID)) and str(value).strip() not in ("", "*"), f"one {kind}, not empty and not *"
    if not good:
        raise ValueError(f"{where} wants {wants}, not {value!r}")
    if parameter.values and isinstance(value, str) and value not in parameter.values:
        raise ValueError(f"{where} is one of {', '.join(parameter.values)}, not {value!r}")


def _is_guid(value: UUID | str) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


@cache
def contracts() -> Mapping[str, Contract]:
    """Every command that may be sent, by its name. Raises `ValueError` if the two data files disagree."""
    here = files(__package__)
    reference = json.loads(here.joinpath("contract.json").read_text("utf-8"))
    allowed = yaml.safe_load(here.joinpath("commands.yaml").read_text("utf-8"))
    return {name: _join(name, ours, reference.get(name)) for name, ours in allowed.items()}


def _join(name: str, ours: dict[str, Any], documented: dict[str, Any] | None) -> Contract:
    if "declares" in ours:
        mandatory = ours.get("mandatory", [])
        documented = {
            "module": ours["module"],
            "kind": "function",
            "since": 2016,
            "should_process": False,
            "sets": [{"mandatory": mandatory, "optional": sorted(set(ours["declares"]) - set(mandatory))}],
            "parameters": {key: {"type": kind} for key, kind in ours["declares"].items()},
        }
        ours = {**ours, "parameters": list(ours["declares"])}
    if documented is None:
        raise ValueError(f"commands.yaml lists {name}, which contract.json does not document")
    return Contract(
        name=name,
        effect=ours["effect"],
        hop=ours["hop"],
        role=ours.get("role", "directory" if documented["module"] == "ActiveDirectory" else "host"),
        allowed=tuple(ours["parameters"]),
        refused=ours.get("refuse", {}),
        keys=ours.get("keys", {}),
        nullable=frozenset(ours.get("nullable", ())),
        **documented,
    )


def contract(name: str) -> Contract:
    """The contract of one command. Raises `ValueError` if it is not one that may be sent."""
    try:
        return contracts()[name]
    except KeyError:
        raise ValueError(f"{name!r} is not a command that this program may send (commands.yaml)") from None
