"""Prometheus Alertmanager's webhook, version 4 (prometheus.io/docs/alerting/latest/configuration/#webhook_config).

Labels: `vm` (the virtual machine that would not move) or `node` (the node whose drain failed; only looked at where there
is no `vm`), `source`, `destination`, `cluster`, `event_id`, `channel`, `provider`, `computer`, `code`. The message is the
annotation `message`, else `description`, else `summary`. An alert that is not firing starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from remediations.alerts.labelled import Alert, found
from remediations.alerts.report import Found
from remediations.alerts.shape import shaped


class Webhook(BaseModel):
    """A group of alerts. Fields that are not named here are Alertmanager's own and are left alone."""

    version: Literal["4"] = Field(description="Version of Alertmanager's format")
    receiver: str = Field(default="", max_length=150, description="Alertmanager's name for this receiver")
    truncatedAlerts: int = Field(default=0, ge=0, description="Alerts that max_alerts left out")  # noqa: N815 (its name)
    alerts: list[Alert] = Field(min_length=1, description="Taken all together, or not at all")


def read(value: Any, headers: Mapping[str, str]) -> Found:
    """The incidents of a webhook. Raises `BadAlert` with what is wrong with any of its alerts."""
    del headers
    webhook = shaped(Webhook, value)
    return found(
        webhook.alerts,
        sender=f"Alertmanager ({webhook.receiver})" if webhook.receiver else "Alertmanager",
        truncated=webhook.truncatedAlerts,
        more="raise max_alerts in its webhook_config",
    )
