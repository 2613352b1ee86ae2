"""What an alert's text says where its fields are silent. A text proves nothing here: it only says who is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remediations.diagnosis import ReportedEvent, diagnose
from remediations.model.incident import Incident, What
from remediations.model.site import Site


def told(values: Mapping[str, Any], computer: str | None = None) -> Incident | None:
    """The incident that the text of these values tells of; None if it names neither a virtual machine nor a drained node.

    `values` are by `Incident`'s fields; `computer` is who logged the event, where the sender says so. Never raises.
    """
    if not values.get("message"):
        return None
    number = str(values.get("event_id") or "")
    event = ReportedEvent(
        text=str(values["message"]),
        event_id=int(number) if number.isascii() and number.isdigit() and len(number) < 6 else None,
        channel=_text(values.get("channel")),
        provider=_text(values.get("provider")),
        computer=_text(computer),
    )
    return diagnose(event).incident


def subject(said: Incident | None) -> dict[str, Any]:
    """The virtual machine, or the node whose drain failed, as `Incident`'s fields; empty if the text names none."""
    if said is None:
        return {}
    return {"what": What.DRAIN, "source": said.source} if said.what is What.DRAIN else {"vm": said.vm}


def located(incident: Incident, said: Incident | None, site: Site) -> Incident:
    """The incident with the hosts that it left out, as far as its text names some that the site has.

    A name that the site does not know is left out: a text holds many names, and only a field is worth a refusal.
    """
    if said is None or said.what is not incident.what or incident.what is What.DRAIN:
        return incident
    known = {field: site.find(name) for field in _ENDS if (name := getattr(incident, field))}
    found: dict[str, str] = {}
    for field in _ENDS:
        name = getattr(said, field)
        host = site.find(name) if name and field not in known else None
        if host is not None and host not in known.values() and host.name not in found.values():
            found[field] = host.name
    return incident.model_copy(update=found) if found else incident


_ENDS = ("source", "destination")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
