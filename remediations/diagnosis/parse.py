"""Reading reports: event XML, the JSON of the common shippers, Event Viewer and PowerShell text, job errors, pasted text.

`parse_reports` takes what was pasted, piped or read from a file and gives every event in it. It never raises for
malformed input: what is no JSON, no XML and no list of properties is plain text, as a person would read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from remediations.diagnosis.decode import decode
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.shippers import DEEP, FIELDS, from_mapping, number_of, time_of, writable
from remediations.diagnosis.text import considered

_MOST = 10_000  # events of one input
_HOLDERS = ("streams", "values", "events", "Events", "data", "line")  # members that hold events of their own

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


def parse_reports(raw: str | bytes) -> list[ReportedEvent]:
    """Every event in `raw`: at least one, at most 10,000. Never raises; see the module for the forms that it knows."""
    text = decode(raw) if isinstance(raw, bytes) else writable(raw.removeprefix("\ufeff"))
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
    spoke = cmdlet[1] if cmdlet and cmdlet[1].casefold() not in _LABELS else None
    return ReportedEvent(text=text, provider=spoke)


def event_of(value: Mapping[str, Any]) -> ReportedEvent:
    """The event of one JSON object: as a shipper sends it, or the first of what Loki and lists of events hold."""
    if value.keys().isdisjoint(_HOLDERS):
        return from_mapping(value)
    first, *others = [*_each(value)] or [from_mapping(value)]
    return first.model_copy(update={"related": (*first.related, *others[:20])}) if others else first


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
    if depth > DEEP:
        return
    if isinstance(value, list):
        for each in value[:_MOST]:
            yield from _each(each, depth + 1)
    elif isinstance(value, Mapping):
        streams = value.get("streams") or (value["data"].get("result") if isinstance(value.get("data"), Mapping) else None)
        if isinstance(streams, list):
            for stream in streams[:_MOST]:
                yield from _loki(stream)
        elif isinstance(value.get("values"), list) and isinstance(value.get("stream"), Mapping):
            yield from _loki(value)
        elif isinstance(value.get("line"), str) and isinstance(value.get("labels"), Mapping):  # a line of logcli's
            yield from _loki({"stream": value["labels"], "values": [[value.get("timestamp"), value["line"]]]})
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
                        values["event_id"] = number_of(each.text)
                    case "Channel" | "Computer" as tag:
                        values[tag.lower()] = (each.text or "").strip() or None
                    case "TimeCreated":
                        values["time"] = time_of(each.get("SystemTime"))
        elif name == "RenderingInfo":
            values["text"] = considered(next((each.text or "" for each in section if _tag(each) == "Message"), ""))
        else:  # EventData, and UserData whose records are named by their provider, as VmlEventLog
            leaves = [each for each in section.iter() if len(each) == 0 and each.text and each.text.strip()]
            for place, each in enumerate(leaves[:FIELDS]):
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
        event_id=number_of(values.get("event_id")),
        channel=values.get("channel") or None,
        provider=values.get("provider") or None,
        computer=values.get("computer") or None,
        time=time_of(values.get("time")),
    )
