"""Alerts with labels and annotations, as Prometheus' Alertmanager and Grafana send them: what is read of them, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, SkipValidation

from remediations.alerts.report import BadAlert, Ended, Found, Ignored, Mistake, Report, report
from remediations.alerts.shape import Shown, path, shaped

READ = """
Labels: `vm` (the virtual machine that would not move) or `node` (the node whose drain failed; only looked at where there
is no `vm`, since many rules carry it for other ends), `source`, `destination`, `cluster`, `event_id`, `channel`,
`provider`, `computer` (who logged the event), `code` (an error code, as 0x8009030E). The message is the annotation
`message`, else `description`, else `summary`; where labels name no virtual machine and no node, it is read for them.
Other labels are left alone. An alert that is not firing starts nothing.
"""
"""What people who set up such a sender have to know."""


class Alert(BaseModel):
    """One alert of the group."""

    status: Literal["firing", "resolved"] = Field(description="Only a firing alert reports an incident")
    labels: dict[str, str] = Field(
        description="vm, or node for a drain; source, destination, cluster, event_id, channel, provider, computer, code"
    )
    annotations: dict[str, str] = Field(default={}, description="message, description or summary: the event's text")
    startsAt: AwareDatetime | None = Field(default=None, description="When it began to fire")  # noqa: N815 (the senders' name)


class Group(BaseModel):
    """A group of alerts. Fields that are not named here are the sender's own and are left alone."""

    receiver: Shown = Field(default="", description="The sender's name for this receiver; only shown")
    truncatedAlerts: int | None = Field(default=None, ge=0, description="Alerts that the sender left out")  # noqa: N815 (as above)
    alerts: list[SkipValidation[Alert]] = Field(
        min_length=1, description="Each is taken by itself: one that is wrong keeps no other out"
    )


def found(
    group: Group,
    *,
    sender: str,
    more: str,
    says_nothing: Callable[[Alert], str | None] = lambda alert: None,
) -> Found:
    """What a group of alerts of such a sender reports, and what is wrong with any that fires.

    `says_nothing` gives the reason for which an alert is no report of ours; `more` is how to get alerts that the sender
    left out. A resolved alert that cannot be read ends nothing and is no mistake: it must not keep the others out.
    """
    reports: list[Report] = []
    ended: list[Ended] = []
    ignored: list[Ignored] = []
    mistakes: list[Mistake] = []
    reporter = f"{sender} ({group.receiver})" if group.receiver else sender
    raw: list[Any] = list(group.alerts)
    for index, given in enumerate(raw):
        at = path("alerts", index)
        try:
            alert = shaped(Alert, given, at)
            why = says_nothing(alert)
            if why is not None:
                ignored.append(Ignored(at, why))
            elif alert.status == "firing":
                reports.append(_report(at, alert, reporter))
            else:
                ended.append(Ended(_report(at, alert, reporter), alert.status))
        except BadAlert as bad:
            if isinstance(given, dict) and given.get("status") == "resolved":
                ignored.append(Ignored(at, "it is resolved, and names nothing that it could end"))
            else:
                mistakes += bad.mistakes
    if group.truncatedAlerts:
        ignored.append(Ignored("truncatedAlerts", f"{group.truncatedAlerts} more alerts were left out by the sender; {more}"))
    return Found(tuple(reports), tuple(ended), tuple(ignored), tuple(mistakes))


_LABELS = ("vm", "source", "destination", "cluster", "event_id", "channel", "provider")
_NOTHING = "<no value>"
"""What both senders' templates make of a label that is not there."""


def _report(at: str, alert: Alert, reporter: str) -> Report:
    both = (alert.labels, alert.annotations)
    labels, annotations = ({name: text for name, text in each.items() if text != _NOTHING} for each in both)
    values: dict[str, Any] = {name: labels.get(name) for name in _LABELS}
    fields = {name: path(at, "labels", name) for name in _LABELS} | {"occurred_at": path(at, "startsAt")}
    if not labels.get("vm") and labels.get("node"):
        values |= {"what": "drain", "source": labels["node"]}
        fields["source"] = path(at, "labels", "node")
    text = next((name for name in ("message", "description", "summary") if annotations.get(name)), "message")
    values |= {"message": annotations.get(text), "occurred_at": alert.startsAt, "reported_by": reporter}
    fields |= {"message": path(at, "annotations", text)}
    return report(at, values, fields, computer=labels.get("computer"), code=labels.get("code"))
