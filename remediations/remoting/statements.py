"""The statements of a pipeline as CLIXML ([MS-PSRP] 2.2.3.11 and 2.2.3.12), byte for byte what pypsrp makes of them.

pypsrp copies each command twice, makes a dozen objects of it and compares each with all before it, and ElementTree makes an
object of each element: for two hundred statements that is most of what reading a host costs. This writes the text at once. It
touches pypsrp's private names (`_get_obj_id`, `_create_tn`, `_serialize_string`; 0.9.x, pinned); a test holds it to pypsrp's
own bytes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from xml.sax.saxutils import escape

from pypsrp.complex_objects import ObjectMeta
from pypsrp.serializer import Serializer, TaggedValue

_LIST = [
    "System.Collections.Generic.List`1[[System.Management.Automation.PSObject, System.Management.Automation, "
    "Version=1.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]",
    "System.Object",
]
_RESULT = ["System.Management.Automation.Runspaces.PipelineResultTypes", "System.Enum", "System.ValueType", "System.Object"]
_BEFORE = ("MergeMyResult", "MergeToResult", "MergePreviousResults")
_AFTER = ("MergeError", "MergeWarning", "MergeVerbose", "MergeDebug")
_SINCE_2_3 = ("MergeInformation",)


@dataclass(frozen=True)
class Statement:
    """One command with its parameters, as pypsrp takes their values."""

    cmd: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Statements:
    """Statements that run one after the other in one pipeline."""

    each: Sequence[Statement]
    protocol: str
    """The version that the host speaks, as 2.3."""


def text_of(given: Statements, serializer: Serializer) -> str:
    """The element of such a pipeline, as the part `PowerShell` of its message. Its references go on from the serializer's."""
    return _Writer(given.protocol, serializer).pipeline(given.each)


class _Writer:
    """Writes elements, each with its reference in the order in which they begin."""

    def __init__(self, protocol: str, serializer: Serializer) -> None:
        version = tuple(int(part) for part in protocol.split("."))
        self.merges = (_AFTER if version >= (2, 2) else ()) + (_SINCE_2_3 if version >= (2, 3) else ())
        self._serializer = serializer
        self._reference = serializer._get_obj_id
        self._known: dict[str, str] = {}

    def pipeline(self, statements: Sequence[Statement]) -> str:
        """All of it: the first one stands there once more, for hosts that know no further statements."""
        start = f'<Obj RefId="{self._reference()}" N="PowerShell"><MS><B N="IsNested">false</B>'
        if len(statements) > 1:
            extra = self._list("ExtraCmds", [partial(self._commands, each) for each in statements])
        else:
            extra = '<Nil N="ExtraCmds" />'
        first = self._commands(statements[0])
        return f'{start}{extra}{first}<Nil N="History" /><B N="RedirectShellErrorOutputPipe">false</B></MS></Obj>'

    def _commands(self, statement: Statement) -> str:
        """A list of one command."""
        return self._list("Cmds", [partial(self._command, statement)])

    def _command(self, statement: Statement) -> str:
        pairs = [partial(self._argument, name, value) for name, value in statement.arguments.items()]
        return (
            f'<S N="Cmd">{self._string(statement.cmd)}</S><B N="IsScript">false</B><Nil N="UseLocalScope" />'
            f"{self._merged(_BEFORE)}{self._list('Args', pairs)}{self._merged(self.merges)}"
        )

    def _argument(self, name: str, value: Any) -> str:
        return f'<S N="N">{self._string(name)}</S>{self._value(value)}'

    def _list(self, name: str, objects: Sequence[Callable[[], str]]) -> str:
        """A list of objects with these properties, each written once those before it have their references."""
        start = f'<Obj RefId="{self._reference()}" N="{name}">{self._types(_LIST)}'
        each = [f'<Obj RefId="{self._reference()}"><MS>{write()}</MS></Obj>' for write in objects]
        return f"{start}<LST>{''.join(each)}</LST></Obj>" if each else f"{start}<LST /></Obj>"

    def _merged(self, names: Sequence[str]) -> str:
        """That a stream goes where it always goes."""
        each = [
            f'<Obj RefId="{self._reference()}" N="{name}">{self._types(_RESULT)}<ToString>None</ToString><I32>0</I32></Obj>'
            for name in names
        ]
        return "".join(each)

    def _value(self, value: Any) -> str:
        if isinstance(value, str):
            return f'<S N="V">{self._string(value)}</S>'
        if isinstance(value, TaggedValue) and isinstance(value.value, int):
            return f'<{value.tag} N="V">{str(value.value).lower()}</{value.tag}>'
        element = self._serializer.serialize(value, metadata=ObjectMeta(name="V"), clear=False)
        return ET.tostring(element, encoding="unicode") if element is not None else ""

    def _string(self, value: str) -> str:
        return escape(self._serializer._serialize_string(value) or "")

    def _types(self, names: list[str]) -> str:
        """The names of types; from the second time on, where they stand."""
        known = self._known.get(names[0])
        if known is None:
            parent = ET.Element("Obj")
            self._serializer._create_tn(parent, names)
            self._known[names[0]] = f'<TNRef RefId="{parent[0].get("RefId")}" />'
            return ET.tostring(parent[0], encoding="unicode")
        return known
