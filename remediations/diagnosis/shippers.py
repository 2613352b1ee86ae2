"""One event from one JSON object, however Winlogbeat, Fluent Bit, Alloy, NXLog or `ConvertTo-Json` name its members."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.text import considered

FIELDS = 200  # values of one event
DEEP = 8  # levels of nested data

# What shippers call things, folded to lower case without separators. Order within a list is preference.
_NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "message", "renderedmessage", "renderedtext", "msg", "description", "eventdescription", "logmessage"),
    "event_id": ("eventid", "id", "eventcode", "eventidentifier"),
    "channel": ("channel", "logname", "log", "eventlog", "eventlogname", "logfile"),
    "provider": ("provider", "providername", "source", "sourcename", "eventsource", "eventsourcename"),
    "computer": ("computer", "computername", "machinename", "hostname", "host", "instance", "agenthostname"),
    "time": (
        "time",
        "timecreated",
        "timestamp",
        "eventtime",
        "timegenerated",
        "systemtime",
        "timewritten",
        "eventreceivedtime",
    ),
}
_DATA = ("data", "eventdata", "userdata", "stringinserts", "eventproperties", "properties")
_FIELD_OF = {name: (field, place) for field, names in _NAMES.items() for place, name in enumerate(names)}
_NESTED = frozenset({"winlog", "event", "system", "host", "log", "agent", "rendered", "renderinginfo"})
_NET_DATE = re.compile(r"/Date\((-?\d{1,15})\)/")


def from_mapping(value: Mapping[str, Any]) -> ReportedEvent:
    """An event from one JSON object of any of the shippers, of `ConvertTo-Json`, or of this program's own lines.

    Unknown members are left out, wrong ones are taken as missing; the innermost object with an event id (`winlog`,
    `Event.System`) counts before what stands around it.
    """
    flat: dict[str, Any] = {}
    data: dict[str, str] = {}
    _flatten(value, flat, data, 0)
    chosen = _chosen(flat)
    return ReportedEvent(
        text=considered(_text(chosen.get("text"))),
        event_id=number_of(chosen.get("event_id")),
        channel=_text(chosen.get("channel")) or None,
        provider=_text(chosen.get("provider")) or None,
        computer=_text(chosen.get("computer")) or None,
        time=time_of(chosen.get("time")),
        data=data,
        related=tuple(from_mapping(each) for each in _list(value.get("related"))[:20] if isinstance(each, Mapping)),
    )


def _flatten(value: Mapping[str, Any], flat: dict[str, Any], data: dict[str, str], depth: int) -> None:
    inner: list[Mapping[str, Any]] = []
    for key, item in list(value.items())[:FIELDS]:
        name = _folded(key[:60])
        if name in _DATA:
            _collect(item, data, str(key), depth)
        elif name in _NESTED and isinstance(item, Mapping):
            inner.append(item)
            if name == "host" and isinstance(item.get("name"), str):
                flat.setdefault("host", item["name"])
        elif name in _FIELD_OF and item is not None:
            flat.setdefault(name, item)
    for each in inner:
        if depth < DEEP:
            found: dict[str, Any] = {}
            _flatten(each, found, data, depth + 1)
            flat.update({name: item for name, item in found.items() if name not in flat or "eventid" in found})


def _collect(item: Any, data: dict[str, str], name: str, depth: int) -> None:
    if depth > DEEP or len(data) >= FIELDS:
        return
    if isinstance(item, Mapping):
        for key, each in list(item.items())[:FIELDS]:
            _collect(each, data, str(key), depth + 1)
    elif isinstance(item, list):
        for place, each in enumerate(item[:FIELDS]):
            _collect(each, data, f"{name}{place}", depth + 1)
    elif item is not None and str(item).strip():
        data.setdefault(writable(name), considered(writable(str(item))))


def _chosen(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Of what was found, each field's value under the name that is preferred; what is empty counts as missing."""
    chosen: dict[str, Any] = {}
    places: dict[str, int] = {}
    for name, value in flat.items():
        field, place = _FIELD_OF[name]
        if value != "" and place < places.get(field, len(_FIELD_OF)):
            chosen[field], places[field] = value, place
    return chosen


@lru_cache(maxsize=4096)
def _folded(key: str) -> str:
    """A member's name without case and separators."""
    return re.sub(r"[^0-9a-z]", "", key.casefold())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, Mapping):
        value = value.get("Name") or value.get("name") or value.get("#text") or value.get("@Name") or ""
    if value is None or isinstance(value, (list, bool)):
        return ""
    return writable(str(value))


def writable(text: str) -> str:
    """The text without halves of characters (lone surrogates), which JSON may hold and no output may."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def number_of(value: Any) -> int | None:
    """An event id; of a classic event's, whose upper half holds its severity, the lower half."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = value.get("#text") or value.get("text") or value.get("id") or value.get("Id") or value.get("value")
    try:
        number = int(str(value)[:20])
    except ValueError:
        return None
    return number & 0xFFFF if number >= 0 else None


def time_of(value: Any) -> datetime | None:
    """A time with its offset, in any of the spellings; without an offset it is taken as UTC. None for anything else."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        value = value.get("value") or value.get("DateTime") or value.get("@SystemTime") or value.get("SystemTime")
    if isinstance(value, bool) or value is None:
        return None
    written = str(value)[:64].strip()
    try:
        if found := _NET_DATE.search(written):
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found[1]))
        if re.fullmatch(r"\d{9,19}(\.\d{1,9})?", written):
            seconds = float(written)
            while seconds > 1e11:  # milliseconds, microseconds or nanoseconds
                seconds /= 1000
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        shortened = re.sub(r"(\.\d{6})\d{1,3}", r"\1", written)  # Windows counts in tenths of microseconds
        when = datetime.fromisoformat(re.sub(r" (?=[+-]\d\d:?\d\d$)", "", shortened))
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
