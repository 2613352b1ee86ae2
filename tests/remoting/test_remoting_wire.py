"""What goes over the wire has the .NET types that the cmdlets take; secrets travel encrypted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import psrpcore.types
import pytest
from pypsrp.serializer import Serializer

from remediations.lab.cmdlet import Int64, Object, SecureString, UInt32
from remediations.model.command import Command, command
from remediations.model.contract import Secret
from remediations.remoting.encode import encode
from remediations.remoting.replies import _CATEGORIES

WHEN = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
BEHIND = "-ü\N{PILE OF POO}\n_x000A_ $(Get-Date) `\"';"

SENT = [
    (command("Set-VMHost", MaximumVirtualMachineMigrations=2**32 - 1), "MaximumVirtualMachineMigrations", "U32", 2**32 - 1),
    (
        command("Get-VM", Id="3ECFB316-8594-5ECB-8895-7D30AAC9BE1A"),
        "Id",
        "G",
        UUID("3ecfb316-8594-5ecb-8895-7d30aac9be1a"),
    ),
    (command("Get-VM", Name="VM42"), "Name", "S", ["VM42"]),
    (command("Get-VM", Name=("VM42", BEHIND)), "Name", "Obj", ["VM42", BEHIND]),
    (command("Suspend-ClusterNode", Name="HV01", Drain=True), "Drain", "B", True),
    (
        command("Set-ADComputer", Identity="HV01", ServicePrincipalNames={"Add": "a/b"}),
        "ServicePrincipalNames",
        "Obj",
        {"Add": "a/b"},
    ),
    (
        command("Get-WinEvent", FilterHashtable=({"LogName": "System", "ID": 1, "StartTime": WHEN, "Level": 2**40}, {"ID": 2})),
        "FilterHashtable",
        "Obj",
        [{"LogName": "System", "ID": 1, "StartTime": WHEN, "Level": 2**40}, {"ID": 2}],
    ),
    (command("Get-WinEvent", FilterHashtable={"LogName": "x"}, MaxEvents=5), "MaxEvents", "I64", 5),
]


@pytest.mark.parametrize(("wanted", "parameter", "tag", "bound"), SENT, ids=lambda value: getattr(value, "name", None))
def test_parameters_arrive_as_what_they_are(rig: Any, wanted: Command, parameter: str, tag: str, bound: Any) -> None:
    value = encode(wanted, str)[parameter]
    assert (Serializer().serialize(value)).tag == tag
    reply = rig.change(wanted) if wanted.effect == "change" else rig.read(wanted)[0]
    assert reply.ok
    entry = rig.lab.journal.executed(wanted.name)[0]
    assert entry.parameters[parameter] == bound
    assert entry.common == ({"ErrorAction": "Stop", "Confirm": False} if wanted.effect == "change" else {})


def test_a_secret_parameter_arrives_decrypted_and_comes_back_as_stars(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    telling = Command.model_construct(name="Write-Output", parameters={"InputObject": Secret(secret="pfx")})
    replies = rig.read(telling, telling)
    (first, *_) = rig.lab.journal.executed("Write-Output")
    assert first.parameters["InputObject"] == [SecureString("canary-pfx-never-shown")]
    assert "canary" not in repr(replies)


def test_values_come_back_typed_by_their_tags(make_rig: Callable[..., Any]) -> None:
    properties = {
        "Text": "2026-03-02T09:00:00Z",
        "Odd": BEHIND,
        "When": datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC),
        "Uptime": timedelta(days=1, hours=2, seconds=3.5),
        "Memory": Int64(8 << 30),
        "Limit": UInt32(4),
        "Id": UUID("3ecfb316-8594-5ecb-8895-7d30aac9be1a"),
        "Names": ["a", "b"],
        "Bytes": b"\x00\xff",
        "Nothing": None,
        "On": True,
        "Ratio": 0.1,
        "Table": {"a": 1},
    }

    async def told(call: Any) -> None:
        call.output(Object(("X",), properties, text="X"))
        call.output(Object(("X",), properties, text="X", custom=True))
        call.output("plain")
        call.output(None)

    rig = make_rig(extra={"Get-VMHost": told})
    objects = rig.read(command("Get-VMHost"))[0].objects
    assert objects == (properties, properties, "plain", None)
    assert {name: type(value) for name, value in objects[0].items() if name in ("When", "Uptime", "Id", "Memory")} == {
        "When": datetime,
        "Uptime": timedelta,
        "Id": UUID,
        "Memory": int,
    }


def test_error_categories_have_powershells_names() -> None:
    assert dict(enumerate(_CATEGORIES)) == {each.value: each.name for each in psrpcore.types.ErrorCategory}
