"""Whose event it is: a name counts as a whole, whatever stands beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from remediations.engine.whose import Neighbours, concerns
from remediations.facts.events import Event
from remediations.facts.host import Guests
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
    assert concerns(told, incident, Neighbours()) is concerned


WEB, WEB_2 = "49fb1d3f-1709-408c-bf32-564099a49401", "f2726aea-8ce7-4d2e-8898-a2b42e99d48c"
THERE = Guests(subject="HV01", names=("Web", "Web 2", "Old Web"), ids={WEB: "Web", WEB_2: "Web 2"})


@pytest.mark.parametrize(
    ("message", "concerned"),
    [
        ("Live migration of 'Virtual Machine Web' failed.", True),
        ("Live migration of 'Virtual Machine Web 2' failed.", False),
        ("Live migration of 'Old Web' failed.", False),
        ("'Web 2' and 'Web' are both on HV01.", True),
        (f"Migration of 'Web' failed. (Virtual machine ID {WEB.upper()})", True),
        (f"Migration of 'Web' failed. (Virtual machine ID {WEB_2.upper()})", False),
        (f"Fehler bei der Migration, ID des virtuellen Computers: {WEB}", True),
        ("Migration of 'Web' failed. (Virtual machine ID 00000000-0000-0000-0000-00000000000a)", True),
    ],
)
def test_one_whose_name_stands_in_another_ones_is_told_apart_by_what_its_hosts_have(message: str, *, concerned: bool) -> None:
    told = Event(id=21502, channel="Microsoft-Windows-Hyper-V-VMMS-Admin", provider="VMMS", time=NOW, message=message)
    assert concerns(told, MOVE.model_copy(update={"vm": "Web"}), Neighbours([THERE])) is concerned
