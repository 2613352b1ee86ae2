"""The statements of a pipeline, written by ourselves, are byte for byte what pypsrp would send."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import pytest
from pypsrp.complex_objects import Command as TheirCommand
from pypsrp.complex_objects import CommandParameter, ObjectMeta
from pypsrp.complex_objects import Pipeline as TheirPipeline
from pypsrp.serializer import Serializer, TaggedValue

from remediations.model.command import Command, command
from remediations.remoting.encode import encode
from remediations.remoting.statements import Statement, Statements, text_of

COMMANDS = (
    command("Get-VM", Name="VM <1> & _x0041_ \N{GRINNING FACE}\t"),
    command("Write-Output", InputObject="0123456789abcdef"),
    command("Get-VMHost"),
    command("Resolve-DnsName", Name="hv01", NoHostsFile=True),
    command("Get-RemediationName", Name=("hv01", "hv02")),
    command("Get-WinEvent", FilterHashtable=({"LogName": "System", "ID": 1}, {"ID": 2}), MaxEvents=5),
)


def _no_secret(name: str) -> str:
    raise AssertionError(name)


def _arguments(each: Command) -> dict[str, Any]:
    return encode(each, _no_secret)


def _theirs(commands: Sequence[Command], protocol: str) -> str:
    made = [
        TheirCommand(
            each.name,
            protocol_version=protocol,
            is_script=False,
            args=[CommandParameter(name, value) for name, value in _arguments(each).items()],
            end_of_statement=True,
        )
        for each in commands
    ]
    whole = TheirPipeline(is_nested=False, cmds=made, redirect_err_to_out=False)
    element = Serializer().serialize(whole, metadata=ObjectMeta("Obj", name="PowerShell"))
    assert element is not None
    return ET.tostring(element, encoding="unicode")


def _ours(commands: Sequence[Command], protocol: str) -> str:
    statements = tuple(Statement(each.name, _arguments(each)) for each in commands)
    return text_of(Statements(statements, protocol), Serializer())


@pytest.mark.parametrize("protocol", ["2.1", "2.2", "2.3"])
@pytest.mark.parametrize("commands", [COMMANDS, COMMANDS[:1], COMMANDS[-1:]], ids=["several", "one", "a table"])
def test_statements_are_written_as_pypsrp_writes_them(commands: tuple[Command, ...], protocol: str) -> None:
    assert _ours(commands, protocol) == _theirs(commands, protocol)


def test_a_tagged_value_keeps_its_type() -> None:
    statement = Statement("Set-VMMemory", {"StartupBytes": TaggedValue("I64", 2**40)})
    assert f'<I64 N="V">{2**40}</I64>' in text_of(Statements((statement,), "2.3"), Serializer())
