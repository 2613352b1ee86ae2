"""One event as JSON, in our own words, plain or as CloudEvents 1.0 (github.com/cloudevents/spec, HTTP binding).

Plain: an object with the fields of `Event`. CloudEvents: structured (`application/cloudevents+json`), binary (`ce-…`
headers) and batched (`application/cloudevents-batch+json`), with such an object as `data`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from remediations.alerts.report import BadAlert, Ended, Found, Ignored, Mistake, Report, report
from remediations.alerts.shape import path, shaped


class Event(BaseModel):
    """A failed migration or drain. A field that is not known is refused: a misspelt name must not lose what it says."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["firing", "resolved", "acknowledged"] = Field(
        default="firing", description="A resolved event, or one that a person has acknowledged, starts nothing"
    )
    vm: str | None = Field(default=None, description="Virtual machine that would not move")
    node: str | None = Field(default=None, description="Node whose drain failed; in the place of vm and source")
    source: str | None = Field(default=None, description="Host the move started from")
    destination: str | None = Field(default=None, description="Host it should have moved to")
    cluster: str | None = Field(default=None, description="Failover cluster of the hosts")
    event_id: int | str | None = Field(default=None, description="Windows event id, as 21502")
    channel: str | None = Field(default=None, description="Event log channel")
    provider: str | None = Field(default=None, description="Event provider (source) name")
    computer: str | None = Field(default=None, description="Computer that logged the event")
    code: str | None = Field(default=None, description="Error code, as 0x8009030E, if the message does not hold it")
    message: str | None = Field(
        default=None, description="The event's text, in any language; read for the vm or node where they are left out"
    )
    occurred_at: AwareDatetime | None = Field(default=None, description="When it failed, with its UTC offset")
    reported_by: str | None = Field(default=None, description="Who or what reports it")


class CloudEvent(BaseModel):
    """The envelope of CloudEvents 1.0; extension attributes are left alone."""

    specversion: Literal["1.0"]
    id: str = Field(min_length=1)
    source: str = Field(min_length=1, description="Who reports it")
    type: str = Field(min_length=1)
    time: AwareDatetime | None = Field(default=None, description="When it failed, where data has no occurred_at")
    data: dict[str, Any] = Field(description="The event, as JSON")


def read(value: Any, headers: Mapping[str, str]) -> Found:
    """The incident of an event, or those of a batch. Raises `BadAlert` if it is none."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/cloudevents-batch+json":
        if not isinstance(value, list) or not value:
            raise BadAlert([Mistake("body", "a batch is a list of at least one event")])
        return _all([(path("", index), each) for index, each in enumerate(value)])
    if kind == "application/cloudevents+json":
        return _all([("", value)])
    if "ce-specversion" in headers:
        envelope = {name.removeprefix("ce-"): unquote(text) for name, text in headers.items() if name.startswith("ce-")}
        return _all([("", {**envelope, "data": value})])
    return _one("", "event", value, None)


def _all(envelopes: list[tuple[str, Any]]) -> Found:
    found: list[Found] = []
    mistakes: list[Mistake] = []
    for at, value in envelopes:
        try:
            envelope = shaped(CloudEvent, value, at)
            found.append(_one(path(at, "data"), at or "event", envelope.data, envelope))
        except BadAlert as bad:
            mistakes += bad.mistakes
    return Found(
        tuple(each for one in found for each in one.reports),
        tuple(each for one in found for each in one.ended),
        tuple(each for one in found for each in one.ignored),
        tuple(mistakes),
    )


def _one(at: str, name: str, value: Any, envelope: CloudEvent | None) -> Found:
    given = shaped(Event, value, at)
    if given.status == "firing":
        return Found(reports=(_report(at, name, given, envelope),))
    try:
        return Found(ended=(Ended(_report(at, name, given, envelope), given.status),))
    except BadAlert:
        return Found(ignored=(Ignored(name, f"it is {given.status}, and names nothing that it could end"),))


def _report(at: str, name: str, given: Event, envelope: CloudEvent | None) -> Report:
    above = at.removesuffix("data").removesuffix(".")
    values = given.model_dump(exclude={"status", "node", "computer", "code"}, exclude_none=True)
    fields = {field: path(at, field) for field in Event.model_fields}
    if given.node and not given.vm:
        if given.source:
            raise BadAlert([Mistake(fields["source"], "a drain has a node and no source; leave it out")])
        values |= {"what": "drain", "source": given.node}
        fields["source"] = fields["node"]
    elif given.node:
        raise BadAlert([Mistake(fields["node"], "either a vm that would not move, or a node whose drain failed, not both")])
    if envelope is not None:
        if given.occurred_at is None:
            values["occurred_at"], fields["occurred_at"] = envelope.time, path(above, "time")
        values.setdefault("reported_by", envelope.source[:200])
    values = {"reported_by": "an event", **values}
    return report(name, values, fields, computer=given.computer, code=given.code)
