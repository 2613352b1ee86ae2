"""Prometheus Alertmanager's webhook, version 4 (prometheus.io/docs/alerting/latest/configuration/#webhook_config)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from remediations.alerts.labelled import Group, found
from remediations.alerts.report import Found
from remediations.alerts.shape import shaped


class Webhook(Group):
    """A group of alerts. Fields that are not named here are Alertmanager's own and are left alone."""

    version: Literal["4"] = Field(description="Version of Alertmanager's format")


def read(value: Any, headers: Mapping[str, str]) -> Found:
    """The incidents of a webhook. Raises `BadAlert` if it is none."""
    del headers
    return found(shaped(Webhook, value), sender="Alertmanager", more="raise max_alerts in its webhook_config")
