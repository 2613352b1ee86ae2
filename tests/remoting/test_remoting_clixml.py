"""CLIXML as a real Windows host writes it, and as it never should, to plain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from pypsrp.serializer import Serializer

from remediations.remoting.clixml import decode, text

PRIMITIVES: list[tuple[str, Any]] = [
    ("<Nil />", None),
    ("", None),
    ("<S>a</S>", "a"),
    ("<S />", ""),
    ("<S>2026-03-02T09:00:00Z</S>", "2026-03-02T09:00:00Z"),
    ("<S>line_x000A_two _x005F_x000A_ MY_XBOX _xZZZZ_</S>", "line\ntwo _x000A_ MY_XBOX _xZZZZ_"),
    ("<S>_xD83D__xDCA9_</S>", "\N{PILE OF POO}"),
    ("<S>half _xD83D_</S>", "half \N{REPLACEMENT CHARACTER}"),
    ("<C>97</C>", "a"),
    ("<B>true</B>", True),
    ("<B>False</B>", False),
    ("<I32>-5</I32>", -5),
    ("<U64>18446744073709551615</U64>", 2**64 - 1),
    ("<Db>1.5E-3</Db>", 0.0015),
    ("<Db>-Infinity</Db>", float("-inf")),
    ("<D>12.50</D>", 12.5),
    ("<BA>AP8=</BA>", b"\x00\xff"),
    ("<G>3ecfb316-8594-5ecb-8895-7d30aac9be1a</G>", UUID("3ecfb316-8594-5ecb-8895-7d30aac9be1a")),
    ("<Version>10.0.20348.2849</Version>", "10.0.20348.2849"),
    ("<SS>AAAA</SS>", "***"),
    ("<DT>2026-03-02T09:00:00.1234567Z</DT>", datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)),
    (
        "<DT>2026-03-02T09:00:00.1234567+01:00</DT>",
        datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1))),
    ),
    ("<DT>0001-01-01T00:00:00</DT>", datetime(1, 1, 1)),  # noqa: DTZ001 - DateTime.MinValue has no zone, and is not given one
    ("<TS>P1DT2H3M4.5S</TS>", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
    ("<TS>PT0S</TS>", timedelta()),
    ("<TS>-PT5M</TS>", timedelta(minutes=-5)),
    ("<TS>P10675199DT2H48M5.4775807S</TS>", timedelta(days=10675199, hours=2, minutes=48, seconds=5.477581)),
]

ENUM = (
    '<Obj N="State" RefId="1"><TN RefId="0"><T>Microsoft.HyperV.PowerShell.VMState</T><T>System.Enum</T><T>System.ValueType</T>'
    "<T>System.Object</T></TN><ToString>Running</ToString><I32>2</I32></Obj>"
)
OBJECTS: list[tuple[str, Any]] = [
    (
        f'<Obj RefId="0"><TN RefId="1"><T>X</T></TN><ToString>VM42</ToString><Props><S N="Name">VM42</S>{ENUM}'
        '<S N="Notes">adapted</S></Props><MS><S N="Notes">extended</S></MS></Obj>',
        {"Name": "VM42", "State": "Running", "Notes": "extended"},
    ),
    (
        '<Obj RefId="0"><MS><S N="Notes">extended</S></MS><Props><S N="Notes">adapted</S></Props></Obj>',
        {"Notes": "extended"},
    ),
    (
        f'<Obj RefId="0"><LST>{ENUM}<Obj RefId="2"><TNRef RefId="0" /><ToString>Off</ToString><I32>3</I32></Obj></LST></Obj>',
        ["Running", "Off"],
    ),
    ('<Obj RefId="0"><TN RefId="0"><T>T[]</T></TN><IE><S>a</S><Nil /></IE></Obj>', ["a", None]),
    ('<Obj RefId="0"><QUE /></Obj>', []),
    (
        '<Obj RefId="0"><DCT><En><S N="Key">a</S><I32 N="Value">1</I32></En>'
        '<En><I32 N="Key">2</I32><Nil N="Value" /></En></DCT></Obj>',
        {"a": 1, "2": None},
    ),
    ('<Obj RefId="0"><S>C:\\x.vhdx</S><MS><S N="PSPath">FileSystem::C:\\x.vhdx</S></MS></Obj>', "C:\\x.vhdx"),
    ('<Obj RefId="0"><ToString>only text</ToString></Obj>', "only text"),
    ('<Obj RefId="0"><ToString>empty</ToString><Props /></Obj>', {}),
    (
        '<Obj RefId="0"><Props><Obj N="A" RefId="1"><LST><S>x</S></LST></Obj><Ref N="B" RefId="1" /></Props></Obj>',
        {"A": ["x"], "B": ["x"]},
    ),
    ('<Obj RefId="0"><Props><S N="A_x0020_B">x</S></Props></Obj>', {"A B": "x"}),
]


@pytest.mark.parametrize(("xml", "value"), PRIMITIVES + OBJECTS)
def test_a_value_is_what_its_tag_says(xml: str, value: Any) -> None:
    found = decode(xml)
    assert found == value
    assert type(found) is type(value)


def test_an_object_may_refer_to_itself() -> None:
    found = decode('<Obj RefId="0"><Props><Ref N="Self" RefId="0" /></Props></Obj>')
    assert found["Self"] is found


@pytest.mark.parametrize("xml", ["<S>", "<html/>", "<TS>yesterday</TS>", "<DT>yesterday</DT>", "<I32>x</I32>"])
def test_what_is_not_clixml_is_a_value_error(xml: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(xml)


@given(some.text(some.characters(exclude_categories=["Cs"])))
def test_any_text_survives_the_way_to_the_host_and_back(sent: str) -> None:
    assert text(Serializer()._serialize_string(sent)) == sent


@given(some.text(some.characters(exclude_categories=["Cs"])))
@example("]]>")
@example("a\r\nb")
@example("\ufffe")
def test_a_string_on_its_own_is_read_as_the_parser_reads_it(written: str) -> None:
    assert _read(f"<S>{written}</S>") == _read(f"<S >{written}</S>")  # the blank makes it the parser's


def _read(xml: str) -> tuple[bool, Any]:
    try:
        return True, decode(xml)
    except ValueError:
        return False, None
