"""Reading reports: event XML, the JSON of the common shippers, Event Viewer and PowerShell text, job errors, pasted text.

`parse_reports` takes what was pasted, piped or read from a file and gives every event in it. It never raises for
malformed input: what is no JSON, no XML and no list of properties is plain text, as a person would read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

from remediations.diagnosis.decode import decode
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.text import considered

_MOST = 10_000  # events of one input
_FIELDS = 200  # values of one event
_DEEP = 8  # levels of nested data

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
_KNOWN = {name for names in _NAMES.values() for name in names}

# Labels of Event Viewer's "copy as text" and of `Get-WinEvent | Format-List`, by field.
_LABELS: dict[str, str] = {
    label: name
    for name, labels in {
        "channel": "log name|logname|protokollname|nom du journal|nombre de registro|nome registro|nome do log|ログの名前|"
        "日志名称|記錄檔名稱",
        "provider": "source|providername|provider name|quelle|origen|origine|fonte|ソース|来源|來源",
        "time": "date|timecreated|datum|fecha|data|日付|日期",
        "event_id": "event id|eventid|id|ereignis-id|id de l'événement|id. del evento|id evento|identificação do evento|"
        "イベント id|事件 id|事件識別碼",
        "computer": "computer|machinename|ordinateur|equipo|computador|コンピューター|计算机|電腦",
        "text": "description|message|beschreibung|descripción|descrizione|descrição|説明|描述",
    }.items()
    for label in labels.split("|")
}
_PROPERTY = re.compile(r"^ {0,8}([^\s:：][^:：\n]{0,39}?)[ \t]{0,30}[:：][ \t]?(.*)$")
_CMDLET = re.compile(r"\s{0,8}([A-Z][A-Za-z]{1,20}-[A-Z][A-Za-z]{1,40}) ?: ")
_NET_DATE = re.compile(r"/Date\((-?\d{1,15})\)/")


def parse_reports(raw: str | bytes) -> list[ReportedEvent]:
    """Every event in `raw`: at least one, at most 10,000. Never raises; see the module for the forms that it knows."""
    text = decode(raw) if isinstance(raw, bytes) else _writable(raw.removeprefix("\ufeff"))
    head = text.lstrip()[:1]
    found: list[ReportedEvent] = []
    if head in ("{", "["):
        found = list(_from_json(text))
    elif head == "<":
        found = list(_from_xml(text))
    elif _labelled(text):
        found = list(_from_labels(text))
    return found[:_MOST] or [_plain(text)]


def parse_text(text: str) -> ReportedEvent:
    """One event from pasted text: the first one in it, with the others beside it."""
    first, *others = parse_reports(text)
    return first.model_copy(update={"related": (*first.related, *others[:20])}) if others else first


def _plain(text: str) -> ReportedEvent:
    text = considered(text)
    cmdlet = _CMDLET.match(text)
    return ReportedEvent(text=text, provider=cmdlet[1] if cmdlet else None)


# --- JSON -------------------------------------------------------------------------------------------------------------


def _from_json(text: str) -> Iterator[ReportedEvent]:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if whole is not None:
        yield from _each(whole)
        return
    for line in text.splitlines()[:_MOST]:  # one object a line
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        yield from _each(value)


def _each(value: Any, depth: int = 0) -> Iterator[ReportedEvent]:
    """Events of a list, of Loki's streams, or of one object."""
    if depth > _DEEP:
        return
    if isinstance(value, list):
        for each in value[:_MOST]:
            yield from _each(each, depth + 1)
    elif isinstance(value, Mapping):
        streams = value.get("streams") or (value["data"].get("result") if isinstance(value.get("data"), Mapping) else None)
        if isinstance(streams, list):
            for stream in streams[:_MOST]:
                yield from _loki(stream)
        elif isinstance(value.get("Events"), list) or isinstance(value.get("events"), list):
            yield from _each(value.get("Events") or value.get("events"), depth + 1)
        else:
            yield from_mapping(value)


def _loki(stream: Any) -> Iterator[ReportedEvent]:
    if not isinstance(stream, Mapping) or not isinstance(stream.get("values"), list):
        return
    named = stream.get("stream")
    labels: Mapping[str, Any] = named if isinstance(named, Mapping) else {}
    for entry in stream["values"][:_MOST]:
        if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[1], str):
            for event in parse_reports(entry[1]) if entry[1].lstrip()[:1] in ("{", "<") else [ReportedEvent(text=entry[1])]:
                known = from_mapping({**labels, "text": event.text})
                missing = {
                    name: getattr(known, name)
                    for name in ("event_id", "channel", "provider", "computer")
                    if getattr(event, name) is None and getattr(known, name) is not None
                }
                yield event.model_copy(update=missing)


def from_mapping(value: Mapping[str, Any]) -> ReportedEvent:
    """An event from one JSON object of any of the shippers, of `ConvertTo-Json`, or of this program's own lines.

    Unknown members are left out, wrong ones are taken as missing; the innermost object with an event id (`winlog`,
    `Event.System`) counts before what stands around it.
    """
    flat: dict[str, Any] = {}
    data: dict[str, str] = {}
    _flatten(value, flat, data, 0)
    event_id = _number(_first(flat, "event_id"))
    text = _text(_first(flat, "text"))
    return ReportedEvent(
        text=considered(text),
        event_id=event_id,
        channel=_text(_first(flat, "channel")) or None,
        provider=_text(_first(flat, "provider")) or None,
        computer=_text(_first(flat, "computer")) or None,
        time=_time(_first(flat, "time")),
        data=data,
        related=tuple(from_mapping(each) for each in _list(value.get("related"))[:20] if isinstance(each, Mapping)),
    )


def _flatten(value: Mapping[str, Any], flat: dict[str, Any], data: dict[str, str], depth: int) -> None:
    inner: list[Mapping[str, Any]] = []
    for key, item in list(value.items())[:_FIELDS]:
        name = re.sub(r"[^0-9a-z]", "", str(key)[:60].casefold())
        if name in _DATA:
            _collect(item, data, str(key), depth)
        elif isinstance(item, Mapping) and name in (
            "winlog",
            "event",
            "system",
            "host",
            "log",
            "agent",
            "rendered",
            "renderinginfo",
        ):
            inner.append(item)
            if name == "host" and isinstance(item.get("name"), str):
                flat.setdefault("host", item["name"])
        elif name in _KNOWN and item is not None:
            flat.setdefault(name, item)
    for each in inner:
        if depth < _DEEP:
            found: dict[str, Any] = {}
            _flatten(each, found, data, depth + 1)
            flat.update({name: item for name, item in found.items() if name not in flat or "eventid" in found})


def _collect(item: Any, data: dict[str, str], name: str, depth: int) -> None:
    if depth > _DEEP or len(data) >= _FIELDS:
        return
    if isinstance(item, Mapping):
        for key, each in list(item.items())[:_FIELDS]:
            _collect(each, data, str(key), depth + 1)
    elif isinstance(item, list):
        for place, each in enumerate(item[:_FIELDS]):
            _collect(each, data, f"{name}{place}", depth + 1)
    elif item is not None and str(item).strip():
        data.setdefault(_writable(name), considered(_writable(str(item))))


def _first(flat: Mapping[str, Any], name: str) -> Any:
    return next((flat[key] for key in _NAMES[name] if flat.get(key) not in (None, "")), None)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("Name") or value.get("name") or value.get("#text") or value.get("@Name") or ""
    if value is None or isinstance(value, (list, bool)):
        return ""
    return _writable(str(value))


def _writable(text: str) -> str:
    """The text without halves of characters (lone surrogates), which JSON may hold and no output may."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _number(value: Any) -> int | None:
    """An event id; of a classic event's, whose upper half holds its severity, the lower half."""
    if isinstance(value, Mapping):
        value = value.get("#text") or value.get("text") or value.get("id") or value.get("Id") or value.get("value")
    try:
        number = int(str(value)[:20])
    except ValueError:
        return None
    return number & 0xFFFF if number >= 0 else None


def _time(value: Any) -> datetime | None:
    """A time with its offset, in any of the spellings; without an offset it is taken as UTC. None for anything else."""
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


# --- XML --------------------------------------------------------------------------------------------------------------


def _from_xml(text: str) -> Iterator[ReportedEvent]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # events have neither; entities could grow without bound
        return
    try:
        root = ElementTree.fromstring(_without_controls(text))  # noqa: S314 - document types are refused above
    except ElementTree.ParseError:
        try:
            root = ElementTree.fromstring(f"<Events>{_without_controls(text)}</Events>")  # noqa: S314 - as above
        except ElementTree.ParseError:
            return
    events = [root] if _tag(root) == "Event" else [each for each in root.iter() if _tag(each) == "Event"]
    for event in events[:_MOST]:
        yield _xml_event(event)


def _without_controls(text: str) -> str:
    declared = text.lstrip()
    if declared.startswith("<?xml"):
        declared = declared.partition("?>")[2]
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", declared)


def _xml_event(event: ElementTree.Element) -> ReportedEvent:
    values: dict[str, Any] = {}
    data: dict[str, str] = {}
    for section in event:
        name = _tag(section)
        if name == "System":
            for each in section:
                match _tag(each):
                    case "Provider":
                        values["provider"] = each.get("Name") or each.get("EventSourceName")
                    case "EventID":
                        values["event_id"] = _number(each.text)
                    case "Channel" | "Computer" as tag:
                        values[tag.lower()] = (each.text or "").strip() or None
                    case "TimeCreated":
                        values["time"] = _time(each.get("SystemTime"))
        elif name == "RenderingInfo":
            values["text"] = considered(next((each.text or "" for each in section if _tag(each) == "Message"), ""))
        else:  # EventData, and UserData whose records are named by their provider, as VmlEventLog
            leaves = [each for each in section.iter() if len(each) == 0 and each.text and each.text.strip()]
            for place, each in enumerate(leaves[:_FIELDS]):
                key = each.get("Name") or (_tag(each) if _tag(each) != "Data" else f"Data{place}")
                data.setdefault(key, considered((each.text or "").strip()))
    return ReportedEvent(**values, data=data)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


# --- labelled text ----------------------------------------------------------------------------------------------------


def _labelled(text: str) -> bool:
    """Whether it begins as Event Viewer's copy or a list of properties does: two known labels within its first lines."""
    labels = set()
    for line in text[:4000].splitlines()[:12]:
        found = _PROPERTY.match(line)
        if found and (name := _LABELS.get(found[1].strip().casefold().replace("’", "'").replace("\u00a0", " "))):
            labels.add(name)
    return len(labels) >= 2 and ("event_id" in labels or "channel" in labels)


def _from_labels(text: str) -> Iterator[ReportedEvent]:
    values: dict[str, str] = {}
    message: list[str] | None = None
    for line in text.splitlines():
        found = _PROPERTY.match(line)
        name = _LABELS.get(found[1].strip().casefold().replace("’", "'").replace("\u00a0", " ")) if found else None
        if (
            found
            and name
            and (message is None or (name in values and name in ("channel", "time") and not line.startswith(" ")))
        ):
            if message is not None:
                yield _labelled_event(values, message)
                values, message = {}, None
            if name == "text":
                message = [found[2]]
            elif name not in values:
                values[name] = found[2].strip()
        elif message is not None:
            message.append(line.strip())
    yield _labelled_event(values, message or [])


def _labelled_event(values: Mapping[str, str], message: list[str]) -> ReportedEvent:
    return ReportedEvent(
        text=considered("\n".join(message).partition("Event Xml:\n<")[0].strip()),
        event_id=_number(values.get("event_id")),
        channel=values.get("channel") or None,
        provider=values.get("provider") or None,
        computer=values.get("computer") or None,
        time=_time(values.get("time")),
    )
