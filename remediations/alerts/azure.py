"""Azure Monitor's common alert schema (learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema).

Log search alerts (`Log Alerts V2`) and metric alerts carry no rows, only dimensions: split the rule by them. Read, without
regard to case, spaces, `_` and `-`, from the custom properties, then from the condition's dimensions: `vm` (or `vmname`) or
`node`, `source`, `destination`, `cluster`, `eventid`, `channel` (or `eventlog`), `provider`, `computer`, `code`, `message`
(or `rendereddescription`). Without a message the rule's description is the text. `monitorCondition` `Fired` reports an
incident, `Resolved` starts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from remediations.alerts.report import BadAlert, Ended, Found, Ignored, Report, report
from remediations.alerts.shape import Shown, path, shaped


class Essentials(BaseModel):
    """What every kind of alert says. Fields that are not named here are left alone, here as below."""

    monitorCondition: Literal["Fired", "Resolved"] = Field(description="Only a fired alert reports an incident")  # noqa: N815 (Azure's names)
    alertRule: Shown = Field(default="", description="The rule's name; only shown")  # noqa: N815 (as above)
    firedDateTime: AwareDatetime | None = Field(default=None, description="When it fired")  # noqa: N815 (as above)
    description: str | None = Field(default=None, description="The rule's description: the text, if nothing else is")


class Dimension(BaseModel):
    """One dimension by which the rule is split."""

    name: str = Field(description="vm, or node for a drain; source, destination, cluster, eventid, channel, computer, …")
    value: str | None = Field(default=None, coerce_numbers_to_str=True, description="Its value")


class Criterion(BaseModel):
    """One criterion of the condition."""

    dimensions: list[Dimension] | None = Field(default=None, description="The dimensions by which the rule is split")


class Condition(BaseModel):
    """What was met."""

    allOf: list[Criterion] | None = Field(default=None, description="All of them were met")  # noqa: N815 (as above)


class Context(BaseModel):
    """What depends on the kind of alert."""

    properties: dict[str, Any] | None = Field(default=None, description="Custom properties of a log search or metric alert")
    condition: Condition | None = Field(default=None, description="Of a log search or metric alert")


class Data(BaseModel):
    """The alert."""

    essentials: Essentials
    alertContext: Context | None = None  # noqa: N815 (as above)
    customProperties: dict[str, Any] | None = Field(default=None, description="Custom properties of the rule")  # noqa: N815 (as above)


class Webhook(BaseModel):
    """One alert, as an action group with the common alert schema posts it."""

    schemaId: Literal["azureMonitorCommonAlertSchema"] = Field(  # noqa: N815 (as above)
        description="Enable the common alert schema in the action group"
    )
    data: Data


def read(value: Any, headers: Mapping[str, str]) -> Found:
    """The incident of an alert. Raises `BadAlert` with what is wrong with it."""
    del headers
    webhook = shaped(Webhook, value)
    fired = webhook.data.essentials.monitorCondition == "Fired"
    try:
        made = _report(webhook.data)
    except BadAlert:
        if fired:
            raise
        return Found(ignored=(Ignored("data", "it is resolved, and names nothing that it could end"),))
    return Found(reports=(made,)) if fired else Found(ended=(Ended(made, "resolved"),))


_NAMES = {
    "vm": "vm",
    "vmname": "vm",
    "virtualmachine": "vm",
    "node": "node",
    "source": "source",
    "sourcehost": "source",
    "destination": "destination",
    "destinationhost": "destination",
    "cluster": "cluster",
    "clustername": "cluster",
    "eventid": "event_id",
    "channel": "channel",
    "eventlog": "channel",
    "provider": "provider",
    "computer": "computer",
    "code": "code",
    "message": "message",
    "rendereddescription": "message",
}
"""Spellings, the columns of the Log Analytics tables `Event` and `WindowsEvent` among them. `Source` of `Event` is the
provider and not a host: a rule that is split by it has to rename it."""


def _report(data: Data) -> Report:
    essentials = data.essentials
    values: dict[str, Any] = {}
    fields: dict[str, str] = {"occurred_at": "data.essentials.firedDateTime"}
    for where, name, value in _named(data):
        field = _NAMES.get(re.sub(r"[\s_-]", "", name).casefold())
        if field is not None and value is not None and str(value) != "" and field not in values:
            values[field], fields[field] = str(value), where
    node, computer, code = (values.pop(name, None) for name in ("node", "computer", "code"))
    if node and not values.get("vm"):
        values |= {"what": "drain", "source": node}
        fields["source"] = fields["node"]
    if not values.get("message"):
        values["message"], fields["message"] = essentials.description, "data.essentials.description"
    values |= {"occurred_at": essentials.firedDateTime, "reported_by": f"Azure Monitor ({essentials.alertRule})"}
    return report("data", values, {"vm": "data.customProperties.vm", **fields}, computer=computer, code=code)


def _named(data: Data) -> Iterable[tuple[str, str, Any]]:
    """Where it stands, name and value of everything that may be ours, in the order in which it counts."""
    context = data.alertContext or Context()
    for at, properties in (("customProperties", data.customProperties), ("alertContext.properties", context.properties)):
        for name, value in (properties or {}).items():
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                yield path("data", at, name), name, value
    for index, criterion in enumerate((context.condition.allOf if context.condition else None) or ()):
        for place, dimension in enumerate(criterion.dimensions or ()):
            at = path("data.alertContext.condition.allOf", index, "dimensions", place, "value")
            yield at, dimension.name, dimension.value
