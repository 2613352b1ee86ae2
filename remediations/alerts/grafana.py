"""Grafana alerting's webhook contact point (grafana.com/docs/grafana/latest/alerting, "Configure webhook notifications").

Its body is Alertmanager's with more beside it. An alert by which Grafana says that it could not ask its data source starts
nothing. A contact point with a payload of its own belongs to `/alerts/event`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from remediations.alerts.labelled import Alert, Group, found
from remediations.alerts.report import Found
from remediations.alerts.shape import shaped


class Webhook(Group):
    """A group of alerts. Fields that are not named here are Grafana's own and are left alone."""

    orgId: int | None = Field(default=None, description="Grafana's organization")  # noqa: N815 (Grafana's name)


def read(value: Any, headers: Mapping[str, str]) -> Found:
    """The incidents of a webhook. Raises `BadAlert` if it is none."""
    del headers
    more = "raise Max Alerts of its contact point"
    return found(shaped(Webhook, value), sender="Grafana", more=more, says_nothing=_says_nothing)


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
