"""Prometheus Alertmanager's webhook, version 4 (prometheus.io/docs/alerting/latest/configuration/#webhook_config).

Labels that are read: `vm` (the virtual machine that would not move) or `node` (the node whose drain failed; only looked at
where there is no `vm`, since many rules carry it for other ends), `source`, `destination`, `cluster`, `event_id`,
`channel`, `provider`. The message is the annotation `message`, else `description`, else `summary`. Other labels are left
alone. An alert that is not firing starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from remediations.alerts.report import BadAlert, Found, Ignored, Mistake, Report, report
from remediations.alerts.shape import path, shaped


class Alert(BaseModel):
    """One alert of the group."""

    status: Literal["firing", "resolved"] = Field(description="Only a firing alert reports an incident")
    labels: dict[str, str] = Field(
        description="vm, or node for a drain; source, destination, cluster, event_id, channel, provider"
    )
    annotations: dict[str, str] = Field(default={}, description="message, description or summary: the event's text")
    startsAt: AwareDatetime | None = Field(default=None, description="When it began to fire")  # noqa: N815 (Alertmanager's name)


class Webhook(BaseModel):
    """A group of alerts. Fields that are not named here are Alertmanager's own and are left alone."""

    version: Literal["4"] = Field(description="Version of Alertmanager's format")
    receiver: str = Field(default="", max_length=150, description="Alertmanager's name for this receiver")
    truncatedAlerts: int = Field(default=0, ge=0, description="Alerts that max_alerts left out")  # noqa: N815 (as above)
    alerts: list[Alert] = Field(min_length=1, description="Taken all together, or not at all")


def read(value: Any, headers: Mapping[str, str]) -> Found:
    """The incidents of a webhook. Raises `BadAlert` with what is wrong with any of its alerts."""
    del headers
    webhook = shaped(Webhook, value)
    reports: list[Report] = []
    ignored: list[Ignored] = []
    mistakes: list[Mistake] = []
    for index, alert in enumerate(webhook.alerts):
        at = path("alerts", index)
        if alert.status != "firing":
            ignored.append(Ignored(at, f"it is {alert.status}; only a firing alert starts a run"))
            continue
        try:
            reports.append(_report(at, alert, webhook.receiver))
        except BadAlert as bad:
            mistakes += bad.mistakes
    if mistakes:
        raise BadAlert(mistakes)
    if webhook.truncatedAlerts:
        why = f"{webhook.truncatedAlerts} more alerts were left out by the sender; raise max_alerts in its webhook_config"
        ignored.append(Ignored("truncatedAlerts", why))
    return Found(tuple(reports), tuple(ignored))


_LABELS = ("vm", "source", "destination", "cluster", "event_id", "channel", "provider")


def _report(at: str, alert: Alert, receiver: str) -> Report:
    labels, annotations = alert.labels, alert.annotations
    values: dict[str, Any] = {name: labels.get(name) for name in _LABELS}
    fields = {name: path(at, "labels", name) for name in _LABELS} | {"occurred_at": path(at, "startsAt")}
    if not labels.get("vm") and labels.get("node"):
        values |= {"what": "drain", "source": labels["node"]}
        fields["source"] = path(at, "labels", "node")
    text = next((name for name in ("message", "description", "summary") if annotations.get(name)), "message")
    values |= {
        "message": annotations.get(text),
        "occurred_at": alert.startsAt,
        "reported_by": f"Alertmanager ({receiver})" if receiver else "Alertmanager",
    }
    return report(at, values, fields | {"message": path(at, "annotations", text), "reported_by": "receiver"})
