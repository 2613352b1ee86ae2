"""What is attached to a virtual machine: how it is shown, changed, and what it keeps from moving."""

from __future__ import annotations

import pytest
from world_probe import Ask

from remediations.lab.world.world import World


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("D:\\iso\\setup.iso", 0x80070003),
        ("E:", 0x80070003),
        ("C:\\ClusterStorage\\Volume1\\iso\\setup.iso", 0),
        ("\\\\fs01.contoso.com\\iso\\setup.iso", 0),
    ],
)
def test_only_what_lies_on_one_host_keeps_a_machine_there(world: World, path: str, code: int) -> None:
    world.machine("VM44").media[0, 1] = path
    move = world.move("VM44", "HV02")
    world.wait(lambda: move.over)
    assert (move.refusal.code if move.refusal else 0) == code


def test_a_drive_shows_its_medium_and_gives_it_back(world: World, ask: Ask) -> None:
    where = {"VMName": "VM44", "ControllerNumber": 0, "ControllerLocation": 1}
    assert ask("HV01", "Get-VMDvdDrive", VMName=["VM44"]).only["Path"] is None
    assert not ask("HV01", "Set-VMDvdDrive", **where, Path="D:\\iso\\setup.iso").errors
    shown = ask("HV01", "Get-VMDvdDrive", VMName=["VM44"]).only
    assert (shown["Path"], shown["DvdMediaType"], shown["ControllerLocation"]) == ("D:\\iso\\setup.iso", "ISO", 1)
    assert world.state()["machines"]["VM44"]["media"] == {"0:1": "D:\\iso\\setup.iso"}
    assert not ask("HV01", "Set-VMDvdDrive", **where, Path=None).errors
    assert ask("HV01", "Get-VMDvdDrive", VMName=["VM44"]).only["Path"] is None


def test_there_is_no_drive_where_none_was_added(ask: Ask) -> None:
    where = {"VMName": "VM44", "ControllerNumber": 1, "ControllerLocation": 3}
    assert ask("HV01", "Set-VMDvdDrive", **where, Path=None).ids == ["InvalidParameter"]
