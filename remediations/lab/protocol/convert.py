"""Parameter values to .NET types, as PowerShell converts them when it binds.

Rules and error ids follow PowerShell's ParameterBinderBase and LanguagePrimitives (source); texts are English, as on a host
whose display language is English. What only a live object of the host could be (a VirtualMachine) cannot be made from text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from remediations.lab.cmdlet import Credential, Object, SecureString

INTEGERS = {
    "Byte": (0, 2**8 - 1),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
}
_LIVE = {"VirtualMachine", "VirtualMachineBase", "VMSnapshot", "VMProcessor", "VMCompatibilityReport", "CimInstance"}
"""Objects of the host: over remoting they arrive as dead copies, which these parameters do not take."""
_TIME = re.compile(r"(-)?(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?$")


class Unconvertible(Exception):
    """A value that does not become the parameter's type. `text` says why, as Windows says it.

    `collection` is true where a list met a parameter that takes one value, or text met a switch: PowerShell reports these
    under another id.
    """

    def __init__(self, text: str, collection: bool = False) -> None:
        super().__init__(text)
        self.text, self.collection = text, collection


def convert(value: Any, kind: str, values: tuple[str, ...] = ()) -> Any:
    """`value` as the .NET type `kind` (short name); `values` are the names of an enumeration. Raises `Unconvertible`."""
    if kind.endswith("[]") or kind == "StringCollection":
        element = "String" if kind == "StringCollection" else kind[:-2]
        given = value if isinstance(value, list) else [value]
        return [None if each is None else convert(each, element, values) for each in given]
    if kind in ("Object", "PSObject"):
        return value
    if isinstance(value, list):
        raise Unconvertible(
            f"Cannot convert 'System.Object[]' to the type '{full(kind)}'. Specified method is not supported.", True
        )
    if kind in ("SwitchParameter", "Boolean"):
        return _boolean(value, kind)
    if kind in INTEGERS:
        return _integer(value, kind)
    if kind in _LIVE:
        raise Unconvertible(_cannot(value, kind))
    if values and kind != "String":
        return _member(value, kind, values)
    return _OTHERS.get(kind, _text)(value, kind)


def full(kind: str) -> str:
    """The type's name as error texts show it; types outside System keep their short name."""
    system = {*INTEGERS, "String", "Boolean", "Guid", "DateTime", "TimeSpan", "Uri", "Object"}
    named = {
        "SwitchParameter": "System.Management.Automation.SwitchParameter",
        "Hashtable": "System.Collections.Hashtable",
        "SecureString": "System.Security.SecureString",
        "PSCredential": "System.Management.Automation.PSCredential",
        "ActionPreference": "System.Management.Automation.ActionPreference",
    }
    base = kind.removesuffix("[]")
    return named.get(base, f"System.{base}" if base in system else base) + ("[]" if kind.endswith("[]") else "")


def dotnet(value: Any) -> str:
    """The .NET type name of a value that arrived."""
    if isinstance(value, Object):
        return value.types[0] if value.types else "System.Object"
    for kind, name in _NAMES:
        if isinstance(value, kind):
            return name
    return "System.Object"


_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "System.Boolean"),
    (int, "System.Int32"),
    (float, "System.Double"),
    (str, "System.String"),
    (bytes, "System.Byte[]"),
    (UUID, "System.Guid"),
    (datetime, "System.DateTime"),
    (timedelta, "System.TimeSpan"),
    (dict, "System.Collections.Hashtable"),
    (list, "System.Object[]"),
    (SecureString, "System.Security.SecureString"),
    (Credential, "System.Management.Automation.PSCredential"),
)


def _cannot(value: Any, kind: str, why: str = "") -> str:
    shown = value if isinstance(value, (str, int, float)) else dotnet(value)
    return f'Cannot convert value "{shown}" to type "{full(kind)}".' + (f' Error: "{why}"' if why else "")


def _boolean(value: Any, kind: str) -> bool:
    if isinstance(value, (bool, int, float)):
        return bool(value)
    raise Unconvertible(f"Cannot convert '{dotnet(value)}' to the type '{full(kind)}'.", True)


def _integer(value: Any, kind: str) -> int:
    low, high = INTEGERS[kind]
    if isinstance(value, (bool, int, float)):
        number = round(value)
    elif isinstance(value, str):
        try:
            number = round(float(value)) if "." in value else int(value.strip() or "0", 0)
        except ValueError:
            raise Unconvertible(_cannot(value, kind, "Input string was not in a correct format.")) from None
    else:
        raise Unconvertible(_cannot(value, kind))
    if not low <= number <= high:
        raise Unconvertible(
            _cannot(value, kind, f"Value was either too large or too small for {'an' if kind[0] == 'I' else 'a'} {kind}.")
        )
    return number


def _member(value: Any, kind: str, values: tuple[str, ...]) -> str:
    found = [name for name in values if isinstance(value, str) and name.casefold() == value.strip().casefold()]
    if not found:
        listed = ", ".join(values)
        why = (
            f"Unable to match the identifier name {value} to a valid enumerator name. "
            f"Specify one of the following enumerator names and try again:\n{listed}"
        )
        raise Unconvertible(_cannot(value, kind, why))
    return found[0]


def _text(value: Any, kind: str) -> str:
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (str, int, float, UUID)):
        return str(value)
    raise Unconvertible(_cannot(value, kind))


def _guid(value: Any, kind: str) -> UUID:
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        why = "Guid should contain 32 digits with 4 dashes (xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx)."
        raise Unconvertible(_cannot(value, kind, why)) from None


def _moment(value: Any, kind: str) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise Unconvertible(_cannot(value, kind, "String was not recognized as a valid DateTime.")) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _span(value: Any, kind: str) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return timedelta(microseconds=value / 10)  # a bare number is ticks of 100 ns
    found = _TIME.match(str(value))
    if found is None:
        raise Unconvertible(_cannot(value, kind, "String was not recognized as a valid TimeSpan."))
    sign, days, hours, minutes, seconds, fraction = found.groups()
    span = timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "").ljust(7, "0")) / 10,
    )
    return -span if sign else span


def _table(value: Any, kind: str) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise Unconvertible(_cannot(value, kind))


def _secret(value: Any, kind: str) -> SecureString:
    if isinstance(value, SecureString):
        return value
    raise Unconvertible(f'Cannot convert the value of type "{dotnet(value)}" to type "{full(kind)}".')


def _credential(value: Any, kind: str) -> Credential:
    if isinstance(value, Credential):
        return value
    raise Unconvertible(f'Cannot convert the value of type "{dotnet(value)}" to type "{full(kind)}".')


_OTHERS = {
    "Guid": _guid,
    "DateTime": _moment,
    "TimeSpan": _span,
    "Hashtable": _table,
    "SecureString": _secret,
    "PSCredential": _credential,
}
