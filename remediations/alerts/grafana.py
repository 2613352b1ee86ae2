"""Grafana alerting's webhook contact point (grafana.com/docs/grafana/latest/alerting, "Configure webhook notifications").

Its body is Alertmanager's with more beside it. Labels: `vm` (the virtual machine that would not move) or `node` (the node
whose drain failed; only looked at where there is no `vm`), `source`, `destination`, `cluster`, `event_id`, `channel`,
`provider`, `computer`, `code`. The message is the annotation `message`, else `description`, else `summary`. An alert that
is not firing starts nothing, nor does one by which Grafana says that it could not ask its data source.
A contact point with a payload of its own belongs to `/alerts/event`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from remediations.alerts.labelled import Alert, found
from remediations.alerts.report import Found
from remediations.alerts.shape import shaped


class Webhook(BaseModel):
    """A group of alerts. Fields that are not named here are Grafana's own and are left alone."""

    receiver: str = Field(default="", max_length=150, description="The contact point's name")
    orgId: int | None = Field(default=None, description="Grafana's organization")  # noqa: N815 (Grafana's name)
    truncatedAlerts: int | None = Field(default=None, ge=0, description="Alerts that Max Alerts left out")  # noqa: N815 (as above)
    alerts: list[Alert] = Field(min_length=1, description="Taken all together, or not at all")


def read(value: Any, headers: Mapping[str, str]) -> Found:
    """The incidents of a webhook. Raises `BadAlert` with what is wrong with any of its alerts."""
    del headers
    webhook = shaped(Webhook, value)
    return found(
        webhook.alerts,
        sender=f"Grafana ({webhook.receiver})" if webhook.receiver else "Grafana",
        truncated=webhook.truncatedAlerts or 0,
        more="raise Max Alerts of its contact point",
        says_nothing=_says_nothing,
    )


_NO_ANSWER = frozenset({"DatasourceNoData", "DatasourceError"})
"""Names of the alerts that stand for a rule whose query had no data or failed (Grafana: "Stale alert instances, no data
and error states")."""


def _says_nothing(alert: Alert) -> str | None:
    name = alert.labels.get("alertname", "")
    if name in _NO_ANSWER:
        return f"it is {name}: Grafana could not ask its data source, which says nothing of a migration"
    reason = alert.annotations.get("grafana_state_reason", "")
    if alert.status == "resolved" and reason:
        return f"it was resolved because of {reason[:60]!r}, which says nothing of the virtual machine"
    return None
