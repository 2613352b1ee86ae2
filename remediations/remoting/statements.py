"""The statements of a pipeline as CLIXML ([MS-PSRP] 2.2.3.11 and 2.2.3.12), byte for byte what pypsrp makes of them.

pypsrp copies each command twice, makes a dozen objects of it and compares each with all before it: for two hundred statements
that is most of what reading a host costs. This writes the same elements once. It touches pypsrp's private names
(`_get_obj_id`, `_create_tn`, `_serialize_string`; 0.9.x, pinned); a test holds it to pypsrp's own bytes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pypsrp.complex_objects import ObjectMeta
from pypsrp.serializer import Serializer

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


def pipeline(given: Statements, serializer: Serializer) -> ET.Element:
    """The element of such a pipeline."""
    statements = given.each
    version = tuple(int(part) for part in given.protocol.split("."))
    merges = (_AFTER if version >= (2, 2) else ()) + (_SINCE_2_3 if version >= (2, 3) else ())
    whole = ET.Element("Obj", RefId=serializer._get_obj_id())
    parts = ET.SubElement(whole, "MS")
    ET.SubElement(parts, "B", N="IsNested").text = "false"
    if len(statements) > 1:
        several = _listed(parts, "ExtraCmds", serializer)
        for each in statements:
            one = ET.SubElement(ET.SubElement(several, "Obj", RefId=serializer._get_obj_id()), "MS")
            _command(_listed(one, "Cmds", serializer), each, serializer, merges)
    else:
        ET.SubElement(parts, "Nil", N="ExtraCmds")
    # The first one once more, for hosts that know no further statements.
    _command(_listed(parts, "Cmds", serializer), statements[0], serializer, merges)
    ET.SubElement(parts, "Nil", N="History")
    ET.SubElement(parts, "B", N="RedirectShellErrorOutputPipe").text = "false"
    return whole


def _listed(parent: ET.Element, name: str, serializer: Serializer) -> ET.Element:
    whole = ET.SubElement(parent, "Obj", RefId=serializer._get_obj_id(), N=name)
    serializer._create_tn(whole, _LIST)
    return ET.SubElement(whole, "LST")


def _command(parent: ET.Element, statement: Statement, serializer: Serializer, merges: Sequence[str]) -> None:
    parts = ET.SubElement(ET.SubElement(parent, "Obj", RefId=serializer._get_obj_id()), "MS")
    ET.SubElement(parts, "S", N="Cmd").text = serializer._serialize_string(statement.cmd)
    ET.SubElement(parts, "B", N="IsScript").text = "false"
    ET.SubElement(parts, "Nil", N="UseLocalScope")
    _merged(parts, _BEFORE, serializer)
    arguments = _listed(parts, "Args", serializer)
    for name, value in statement.arguments.items():
        pair = ET.SubElement(ET.SubElement(arguments, "Obj", RefId=serializer._get_obj_id()), "MS")
        ET.SubElement(pair, "S", N="N").text = serializer._serialize_string(name)
        if isinstance(value, str):
            ET.SubElement(pair, "S", N="V").text = serializer._serialize_string(value)
        else:
            serializer.serialize(value, metadata=ObjectMeta(name="V"), parent=pair, clear=False)
    _merged(parts, merges, serializer)


def _merged(parts: ET.Element, names: Sequence[str], serializer: Serializer) -> None:
    """That a stream goes where it always goes."""
    for name in names:
        whole = ET.SubElement(parts, "Obj", RefId=serializer._get_obj_id(), N=name)
        serializer._create_tn(whole, _RESULT)
        ET.SubElement(whole, "ToString").text = "None"
        ET.SubElement(whole, "I32").text = "0"
