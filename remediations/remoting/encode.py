"""Parameter values as the .NET types that the cmdlet's contract names; pypsrp alone guesses some of them wrong.

It sends every int as Int32 (an invalid one above 2^31 - 1), every float as Single, and no time at all.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pypsrp.serializer import TaggedValue

from remediations.model.command import Command
from remediations.model.contract import Secret

_TAGS = {"Boolean": "B", "SwitchParameter": "B", "Int32": "I32", "UInt32": "U32", "Int64": "I64", "UInt64": "U64"}


def encode(command: Command, secret: Callable[[str], str]) -> dict[str, Any]:
    """The command's parameters, in order, as pypsrp puts them on the wire. `secret` gives the value of a secret by name."""
    known = command.contract.parameters
    return {
        name: _typed(value, known[name].type if name in known else "Object", secret)
        for name, value in command.parameters.items()
    }


def has_secret(command: Command) -> bool:
    """Whether the session needs its keys exchanged before this command can be sent."""
    return any(isinstance(value, Secret) for value in command.parameters.values())


def _typed(value: Any, kind: str, secret: Callable[[str], str]) -> Any:
    if isinstance(value, Secret):
        return TaggedValue("SS", secret(value.secret))
    element = "String" if kind == "StringCollection" else kind.removesuffix("[]")
    if isinstance(value, tuple):
        return TaggedValue("LST", [_typed(each, element, secret) for each in value])
    if element in _TAGS:
        return TaggedValue(_TAGS[element], value)
    if element == "Guid":
        return TaggedValue("G", UUID(str(value)))
    if isinstance(value, UUID) and element not in ("Object", "PSObject"):
        return str(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    """A value whose type only its own kind tells: in a Hashtable, or for a parameter that takes any object."""
    if value is None or isinstance(value, (bool, str, bytes, UUID)):
        return value
    if isinstance(value, int):
        return TaggedValue("I32" if -(2**31) <= value < 2**31 else "I64", value)
    if isinstance(value, float):
        return TaggedValue("Db", repr(value))
    if isinstance(value, datetime):
        # With its offset, +00:00 too: a `Z` would arrive as Utc, of which Get-WinEvent takes the digits for local time.
        return _element("DT", value.isoformat())
    if isinstance(value, timedelta):
        return _element("TS", f"{'-' if value < timedelta() else ''}PT{abs(value).total_seconds():f}S")
    if isinstance(value, Mapping):
        return TaggedValue("DCT", {key: _plain(each) for key, each in value.items()})
    if isinstance(value, (tuple, list)):
        return TaggedValue("LST", [_plain(each) for each in value])
    raise TypeError(f"a {type(value).__name__} cannot be sent to a host")


def _element(tag: str, content: str) -> ET.Element:
    # pypsrp's own DT and TS writers fail or write Python's form; an element goes out as it is.
    element = ET.Element(tag)
    element.text = content
    return element
