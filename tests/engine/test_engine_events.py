"""Whose event it is: a name counts as a whole, whatever stands beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from remediations.engine.propose import _concerns
from remediations.facts.events import Event
from remediations.model.incident import Incident, What

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MOVE = Incident(what=What.MIGRATION, vm="VM4", source="HV01", destination="HV02")
DRAIN = Incident(what=What.DRAIN, source="HV01")


@pytest.mark.parametrize(
    ("incident", "event", "message", "concerned"),
    [
        (MOVE, 21024, "Virtual machine migration for 'VM4' failed", True),
        (MOVE, 21024, "Live migration of 'Virtual Machine vm4' failed.", True),
        (MOVE, 21024, "The machine is VM4.", True),
        (MOVE, 21024, "仮想マシンVM4の移行に失敗しました", True),
        (MOVE, 21024, "Virtual machine migration for 'VM42' failed", False),
        (MOVE, 21024, "Virtual machine migration for 'VM4-old' failed", False),
        (MOVE, 21024, "Virtual machine migration for 'VM4.old' failed", False),
        (MOVE, 21024, "Virtual machine migration for 'OLD.VM4' failed", False),
        (MOVE, 20406, "failed to connect to host 'hv02.contoso.com'", True),
        (MOVE, 20406, "failed to connect to host 'HV021'", False),
        (DRAIN, 1, "The drain of hv01.contoso.com failed", True),
        (DRAIN, 1, "The drain of HV012 failed", False),
    ],
)
def test_an_event_is_of_whom_it_names(incident: Incident, event: int, message: str, *, concerned: bool) -> None:
    told = Event(id=event, channel="Microsoft-Windows-Hyper-V-VMMS-Admin", provider="VMMS", time=NOW, message=message)
    assert _concerns(told, incident) is concerned
