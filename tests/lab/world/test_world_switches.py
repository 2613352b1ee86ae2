"""The lab's switches: what moves need of them, and what their commands do and refuse."""

from __future__ import annotations

import pytest
from world_probe import Ask

from remediations.lab.world.events import HIGH_AVAILABILITY
from remediations.lab.world.switches import Switch
from remediations.lab.world.world import World


def refusal(world: World) -> str:
    move = world.move("VM42", "HV02")
    world.wait(lambda: move.over)
    return move.refusal.sentences[-1].key if move.refusal else ""


@pytest.mark.parametrize(
    ("host", "changes", "key", "event"),
    [
        ("HV01", {"kind": "Private"}, "ha.switch_bound", 21158),
        ("HV02", {"kind": "Internal"}, "ha.switch_disconnected", 21145),
        ("HV02", {"linked": False}, "ha.switch_disconnected", 21145),
        ("HV02", {"embedded": False}, "", 0),
    ],
)
def test_a_cluster_tells_what_is_wrong_with_a_switch(
    world: World, host: str, changes: dict[str, object], key: str, event: int
) -> None:
    vars(world.host(host).switches["Compute"]).update(changes)
    assert refusal(world) == key
    told = {each.kind.id for each in world.host("HV01").log.events if each.kind.channel == HIGH_AVAILABILITY}
    assert told >= ({event, 21502} if event else set())
    assert bool(told & {21145, 21158, 21159}) == bool(event)


def test_a_machine_without_a_switch_needs_none(world: World) -> None:
    world.machine("VM42").switch = ""
    world.host("HV02").switches.clear()
    assert refusal(world) == ""


def test_a_rename_keeps_the_id_and_who_is_connected(world: World, ask: Ask) -> None:
    before = ask("HV02", "Get-VMSwitch", Name="Compute").only
    assert not ask("HV02", "Rename-VMSwitch", Name="Compute", NewName="Other").errors
    after = ask("HV02", "Get-VMSwitch", Name="Other").only
    assert (after["Id"], after["Name"]) == (before["Id"], "Other")
    adapter = ask("HV02", "Get-VMNetworkAdapter", VMName=["VM43"]).only
    assert (adapter["SwitchName"], adapter["SwitchId"]) == ("Other", before["Id"])
    assert ask("HV02", "Rename-VMSwitch", Name="Compute", NewName="X").ids == ["InvalidParameter"]


def test_a_switch_without_adapter_can_be_made_and_an_external_one_cannot(world: World, ask: Ask) -> None:
    assert not ask("HV04", "New-VMSwitch", Name="Lab", SwitchType="Private").errors
    assert ask("HV04", "Get-VMSwitch", Name="Lab").only["SwitchType"] == "Private"
    assert ask("HV04", "New-VMSwitch", Name="Lab2", SwitchType="External").ids == ["CannotConvertArgumentNoMessage"]
    assert not ask("HV04", "Remove-VMSwitch", Name=["Lab"]).errors
    assert list(world.host("HV04").switches) == ["Compute"]


def test_compare_says_33012_of_a_switch_that_is_not_there(world: World, ask: Ask) -> None:
    world.host("HV04").switches["Compute"] = Switch("Compute", "x")
    assert ask("HV03", "Compare-RemediationVM", Name="VM51", DestinationHost="HV04").all == []
    del world.host("HV04").switches["Compute"]
    (found,) = ask("HV03", "Compare-RemediationVM", Name="VM51", DestinationHost="HV04").all
    assert (found["MessageId"], "Compute" in found["Message"]) == (33012, True)


def test_only_a_host_with_network_atc_knows_its_command(world: World, ask: Ask) -> None:
    with pytest.raises(KeyError):
        ask("HV01", "Get-NetIntent")
    world.host("HV01").intents = {"converged": ("Slot 3 Port 1",)}
    assert ask("HV01", "Get-NetIntent").only["IntentName"] == "converged"
