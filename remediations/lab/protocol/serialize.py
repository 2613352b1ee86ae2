"""The lab's values as PowerShell remoting sends them, cut at depth 1 as Windows cuts them.

Depth rule, as seen from Windows hosts: the object itself keeps its properties; a property that is an object arrives as its
ToString text; a property that is a list keeps primitives and enumerations and shows other elements as their text. The rule
per element follows PowerShell's serializer source; it was not captured for every type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from psrpcore.types import (
    PSByteArray,
    PSDateTime,
    PSDouble,
    PSDuration,
    PSEnumBase,
    PSGuid,
    PSInt,
    PSInt64,
    PSListBase,
    PSNoteProperty,
    PSObject,
    PSPropertyInfo,
    PSSecureString,
    PSString,
    PSType,
    PSUInt,
    PSUInt64,
)

from remediations.lab.cmdlet import Enum, Int64, Object, SecureString, UInt32, UInt64

CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")


@PSType(["System.Object[]", "System.Array"], rehydrate=False)
class _Array(PSListBase):
    """An array, as Windows names it."""


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def to_wire(value: Any, depth: int = 1) -> Any:
    """A lab value as psrpcore types; `depth` is how many levels of properties may still be shown.

    Raises `TypeError` for a value that the lab does not know.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Object):
        return _object(value, depth) if depth > 0 else PSString(text(value))
    if isinstance(value, Mapping):
        return {to_wire(key, 0): to_wire(each, depth - 1) for key, each in value.items()} if depth >= 0 else text(value)
    if isinstance(value, (list, tuple)):
        return _Array(to_wire(each, depth - 1) for each in value) if depth >= 0 else PSString(text(value))
    return _primitive(value)


def text(value: Any) -> str:
    """What .NET's ToString shows for a value, as far as the lab needs it."""
    if isinstance(value, Object):
        return printable(value.text or (value.types[0] if value.types else ""))
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        return "System.Collections.Hashtable"
    if isinstance(value, (list, tuple)):
        return "System.Object[]"
    return str(value)


def printable(value: str) -> str:
    """Without the characters that XML cannot hold: psrpcore writes ToString and messages as they are."""
    return _CONTROL.sub("", value)


def _primitive(value: Any) -> Any:
    if isinstance(value, Enum):
        return _enum(value.type, value.number, value.name)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return PSDouble(value)
    if isinstance(value, str):
        return PSString(value)
    if isinstance(value, SecureString):
        return PSSecureString(value.value)
    if isinstance(value, bytes):
        return PSByteArray(value)
    if isinstance(value, datetime):
        return _datetime(value)
    if isinstance(value, timedelta):
        return PSDuration(days=value.days, seconds=value.seconds, microseconds=value.microseconds)
    if isinstance(value, UUID):
        return PSGuid(str(value))
    raise TypeError(f"the lab cannot send a {type(value).__name__}: {value!r}")


def _integer(value: int) -> Any:
    if isinstance(value, UInt32):
        return PSUInt(value)
    if isinstance(value, UInt64):
        return PSUInt64(value)
    if isinstance(value, Int64):
        return PSInt64(value)
    if -(2**31) <= value < 2**31:
        return PSInt(value)
    return PSInt64(value) if -(2**63) <= value < 2**63 else PSUInt64(value)


def _datetime(value: datetime) -> Any:
    """Windows counts in units of 100 ns: a fraction arrives with seven digits, one more than Python's."""
    if value.tzinfo is None:
        raise TypeError(f"the lab sends no time without its UTC offset: {value!r}")
    # The seventh digit is made up, never zero, so that a client which reads only six is found out.
    ticks = 100 * (value.microsecond % 9 + 1) if value.microsecond else 0
    return PSDateTime(value, nanosecond=ticks)


@cache
def _enum(kind: str, number: int, name: str) -> Any:
    """One member of an enumeration that psrpcore writes as Windows does: its number, its name as ToString."""
    base: Any = PSEnumBase  # made by Enum's functional interface, which the stubs do not know
    described: Any = PSType([kind], rehydrate=False)
    return described(base(kind.rpartition(".")[2], {name: number}))(number)


def _object(value: Object, depth: int) -> PSObject:
    made = PSObject()
    names = value.types or CUSTOM
    made.PSObject.type_names = [*names, *(("System.Object",) if names[-1] != "System.Object" else ())]
    properties: list[PSPropertyInfo] = [
        PSNoteProperty(name, value=to_wire(each, depth - 1)) for name, each in value.properties.items()
    ]
    if value.custom:
        made.PSObject.extended_properties = properties
    else:
        made.PSObject.adapted_properties = properties
    made.PSObject.to_string = text(value)
    return made


def listed(value: Any) -> Sequence[Any]:
    """A value as PowerShell's pipeline enumerates it: a list element by element, anything else as one."""
    return value if isinstance(value, (list, tuple)) else (value,)
