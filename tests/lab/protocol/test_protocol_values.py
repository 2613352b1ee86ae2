"""What arrives at the client is what Windows would send: types, widths, and the cut at depth 1."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from protocol_client import call, one
from pypsrp.powershell import RunspacePool

from remediations.lab.protocol import psrp


@pytest.fixture(scope="module")
def vm(pool: RunspacePool) -> dict[str, Any]:
    return one(pool, "Get-VM", Name="VM42").output[0].adapted_properties


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Name", "VM42"),
        ("Id", UUID(int=7)),
        ("Uptime", "P1DT10S"),
        ("CreationTime", "2024-05-06T07:08:09.1234564+02:00"),
        ("Checked", "2024-05-06T07:08:09Z"),
        ("MemoryAssigned", 8),
        ("Flags", 2**32 - 1),
        ("Ticks", 2**64 - 1),
        ("Large", 2**40),
        ("Small", -(2**40)),
        ("Load", 0.1),
        ("Key", b"\x00\xff"),
        ("Notes", None),
        ("IsClustered", True),
        ("Tags", ["a", 1]),
        ("Adapters", ["VMNetworkAdapter (Name = 'NIC')"] * 2),
        ("Host", "HV01"),
        ("Rows", ["System.Object[]", "System.Collections.Hashtable"]),
        ("Table", {"k": "VMNetworkAdapter (Name = 'NIC')", "n": 1}),
        ("Text", "Ü \x07\r\n<&>_x0041_ 😀"),
    ],
)
def test_property(vm: dict[str, Any], name: str, value: Any) -> None:
    assert vm[name] == value
    assert type(vm[name]) is type(value)


def test_object_and_enumeration(pool: RunspacePool) -> None:
    found = one(pool, "Get-VM").output[0]
    assert found.types[:2] == [
        "Microsoft.HyperV.PowerShell.VirtualMachine",
        "Microsoft.HyperV.PowerShell.VirtualizationObject",
    ]
    assert found.types[-1] == "System.Object"
    assert str(found) == "VM VM42"
    state = found.adapted_properties["State"]
    assert (str(state), state.property_sets, state.types[0]) == ("Running", [2], "Microsoft.HyperV.PowerShell.VMState")


def test_write_output_marks_between_statements(pool: RunspacePool) -> None:
    found = call(pool, ("Write-Output", {"InputObject": "q1"}), ("Get-VM", {}), ("Write-Output", {"InputObject": ["a", "b"]}))
    assert [each if isinstance(each, str) else "object" for each in found.output] == ["q1", "object", "a", "b"]


def test_more_than_one_envelope(pool: RunspacePool) -> None:
    found = one(pool, "Get-WinEvent", LogName="System", MaxEvents=100)
    assert [each.adapted_properties["Id"] for each in found.output] == list(range(100))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(seconds=10), "PT10S"),
        (timedelta(seconds=100, milliseconds=500), "PT1M40.5S"),
        (timedelta(hours=20), "PT20H"),
        (timedelta(days=3), "P3D"),
        (-timedelta(seconds=1), "-PT1S"),
        (timedelta(microseconds=1), "PT0.000001S"),
    ],
)
def test_duration_keeps_its_zeros(value: timedelta, text: str) -> None:
    assert psrp._duration(value) == text


def test_dates_read_back_by_python(vm: dict[str, Any]) -> None:
    assert datetime.fromisoformat(vm["CreationTime"]).astimezone(UTC) == datetime(2024, 5, 6, 5, 8, 9, 123456, UTC)
