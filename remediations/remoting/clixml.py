"""What a host sends (CLIXML, [MS-PSRP] 2.2.5) as plain values: one pass over the XML, typed by its tags.

A time is a time because its tag says so, never because a text looks like one. Objects become dictionaries of their
properties, note properties (MS) before adapted ones (Props) of the same name; enumerations become their name; secure strings
become `***`. A `DateTime` without a zone stays naive: that it has no zone is the host's answer.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from remediations.model.reply import Value

_ESCAPED = re.compile(r"_[xX]([0-9A-Fa-f]{4})_")
_STRING = re.compile(r"<S>([^<>&\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*)</S>")
"""A string on its own, without anything that XML has another meaning for, or none."""
_DURATION = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_CONTAINERS = ("LST", "IE", "QUE", "STK")
_DATA = ("Props", "MS")


def decode(xml: str, reveal: Callable[[str | None], Value] | None = None) -> Value:
    """One object as sent in a PIPELINE_OUTPUT message; `reveal` decrypts secure strings. Raises `ValueError` if not CLIXML."""
    if not xml:
        return None
    if (plain := _STRING.fullmatch(xml)) is not None:  # every second answer is a marker: not worth a parser
        return text(plain[1])
    try:
        element = ET.fromstring(xml)  # noqa: S314 - from a host that we authenticated; pypsrp has parsed its envelope already
    except ET.ParseError as error:
        raise ValueError(f"not CLIXML: {error}") from error
    return _Decoder(reveal).value(element)


def text(raw: str | None) -> str:
    """A CLIXML string as text: `_x000A_` and the like are characters, halves of a pair belong together."""
    if raw is None or ("_x" not in raw and "_X" not in raw):
        return raw or ""
    plain = re.sub(_ESCAPED, lambda found: chr(int(found[1], 16)), raw)
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def moment(raw: str | None) -> datetime:
    """A DT element's text; Windows sends seven digits of a second, of which six are kept."""
    return datetime.fromisoformat(raw or "")


def duration(raw: str | None) -> timedelta:
    """A TS element's text, as `P1DT2H3.5S`."""
    found = _DURATION.fullmatch(raw or "")
    if found is None:
        raise ValueError(f"{raw!r} is not a duration")
    sign, days, hours, minutes, seconds = found.groups()
    whole = timedelta(days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0), seconds=float(seconds or 0))
    return -whole if sign else whole


_PRIMITIVES: Mapping[str, Callable[[str | None], Value]] = {
    "Nil": lambda raw: None,
    "S": text,
    "C": lambda raw: chr(int(raw or 0)),
    "B": lambda raw: (raw or "").lower() == "true",
    "DT": moment,
    "TS": duration,
    **dict.fromkeys(("By", "SB", "I16", "U16", "I32", "U32", "I64", "U64"), lambda raw: int(raw or 0)),
    **dict.fromkeys(("Sg", "Db", "D"), lambda raw: float(raw or 0)),
    "BA": lambda raw: base64.b64decode(raw or ""),
    "G": lambda raw: UUID(raw or ""),
    **dict.fromkeys(("Version", "URI", "XD", "SBK", "ToString"), text),
    "SS": lambda raw: "***",
}


class _Decoder:
    """Keeps what later elements of the same object refer back to."""

    def __init__(self, reveal: Callable[[str | None], Value] | None) -> None:
        self.objects: dict[str, Value] = {}
        self.types: dict[str, list[str]] = {}
        self.reveal = reveal

    def value(self, element: ET.Element) -> Value:
        if element.tag == "SS" and self.reveal is not None:
            return self.reveal(element.text)
        if element.tag in _PRIMITIVES:
            return _PRIMITIVES[element.tag](element.text)
        if element.tag == "Ref":
            return self.objects.get(element.get("RefId", ""))
        if element.tag != "Obj":
            raise ValueError(f"<{element.tag}> is not CLIXML")
        return self._object(element)

    def _object(self, element: ET.Element) -> Value:
        properties: dict[str, Any] = {}
        reference = element.get("RefId", "")
        self.objects[reference] = properties  # an object may refer to itself, or to one around it
        types = self._types(element)
        shown: str | None = None
        held: Value = None
        for child in element:
            if child.tag == "ToString":
                shown = text(child.text)
            elif child.tag in _CONTAINERS:
                held = [self.value(each) for each in child]
            elif child.tag == "DCT":
                held = dict(self._entry(each) for each in child)
            elif child.tag == "MS":
                properties.update(self._properties(child))
            elif child.tag == "Props":
                properties.update((name, value) for name, value in self._properties(child).items() if name not in properties)
            elif child.tag not in ("TN", "TNRef"):
                held = self.value(child)
        if held is not None:
            found: Value = shown if shown is not None and "System.Enum" in types else held
        elif not properties and shown is not None and not any(child.tag in _DATA for child in element):
            found = shown
        else:
            found = properties
        self.objects[reference] = found
        return found

    def _types(self, element: ET.Element) -> list[str]:
        names = element.find("TN")
        if names is not None:
            return self.types.setdefault(names.get("RefId", ""), [each.text or "" for each in names])
        known = element.find("TNRef")
        return self.types.get(known.get("RefId", ""), []) if known is not None else []

    def _properties(self, element: ET.Element) -> dict[str, Value]:
        return {text(each.get("N")): self.value(each) for each in element}

    def _entry(self, element: ET.Element) -> tuple[str, Value]:
        parts = {each.get("N"): self.value(each) for each in element}
        return str(parts["Key"]), parts.get("Value")
