from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from protocol_client import PASSWORD, USER, opened
from pypsrp.powershell import RunspacePool

from remediations.lab.cmdlet import Call, CommandError, Enum, Int64, Object, Surface, UInt32, UInt64
from remediations.lab.protocol import Account, LabServer

VM = ("Microsoft.HyperV.PowerShell.VirtualMachine", "Microsoft.HyperV.PowerShell.VirtualizationObject", "System.Object")
ADAPTER = Object(("Microsoft.HyperV.PowerShell.VMNetworkAdapter",), {"Name": "NIC"}, text="VMNetworkAdapter (Name = 'NIC')")


def missing(name: str) -> CommandError:
    return CommandError(
        f'Hyper-V was unable to find a virtual machine with name "{name}".',
        "InvalidParameter",
        "InvalidArgument",
        exception="Microsoft.HyperV.PowerShell.VirtualizationException",
        command_type="Microsoft.HyperV.PowerShell.Commands.GetVM",
        hresult=-2147024894,
        target=name,
    )


async def get_vm(call: Call) -> None:
    """Known machines are all but `gone…`; `wait…` takes until it is stopped."""
    for name in call.parameters.get("Name", ["VM42"]):
        if name.startswith("gone"):
            call.error(missing(name))
        elif name.startswith("wait"):
            await asyncio.Event().wait()
        elif name.startswith("slow"):
            await asyncio.sleep(float(name.removeprefix("slow")))
            call.output(name)
        else:
            call.output(wide(name))


def wide(name: str) -> Object:
    return Object(
        VM,
        {
            "Name": name,
            "Id": UUID(int=7),
            "State": Enum("Microsoft.HyperV.PowerShell.VMState", "Running", 2),
            "Uptime": timedelta(days=1, seconds=10),
            "CreationTime": datetime(2024, 5, 6, 7, 8, 9, 123456, timezone(timedelta(hours=2))),
            "Checked": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
            "MemoryAssigned": Int64(8),
            "Flags": UInt32(2**32 - 1),
            "Ticks": UInt64(2**64 - 1),
            "Large": 2**40,
            "Small": -(2**40),
            "Load": 0.1,
            "Key": b"\x00\xff",
            "Notes": None,
            "IsClustered": True,
            "Tags": ["a", 1],
            "Adapters": [ADAPTER, ADAPTER],
            "Host": Object(("Microsoft.HyperV.PowerShell.VMHost",), {"Name": "HV01"}, text="HV01"),
            "Rows": [["a"], {"b": 1}],
            "Table": {"k": ADAPTER, "n": 1},
            "Text": "Ü \x07\r\n<&>_x0041_ 😀",
        },
        text=f"VM {name}\x07",
    )


async def move_vm(call: Call) -> None:
    call.progress("Moving", "0%", 0)
    call.warning("one network less")
    name = call.parameters["Name"]
    if name == "stuck":
        raise CommandError(
            "Virtual machine migration operation for 'stuck' failed at migration source 'HV01'.",
            "OperationFailed",
            "OperationStopped",
            exception="Microsoft.HyperV.PowerShell.VirtualizationException",
            command_type="Microsoft.HyperV.PowerShell.Commands.MoveVM",
            hresult=-2146893042,
            target=str(name),
        )
    if name == "defect":
        raise RuntimeError("a handler's own mistake")
    call.progress("Moving", "100%", 100)


async def set_vm_host(call: Call) -> None:
    call.output(dict(call.parameters))


async def set_ad_computer(call: Call) -> None:
    call.output(call.parameters["Identity"])


async def get_ad_computer(call: Call) -> None:
    call.output(call.parameters["Credential"].user)
    call.output(call.parameters["Credential"].password)
    call.output(repr(call.parameters["Credential"]))


async def get_win_event(call: Call) -> None:
    for number in range(int(call.parameters["MaxEvents"])):
        call.output(Object(("E",), {"Id": number, "Message": "x" * 20_000}))


HANDLERS = {
    "Get-VM": get_vm,
    "Move-VM": move_vm,
    "Set-VMHost": set_vm_host,
    "Set-VMProcessor": set_vm_host,
    "Set-ADComputer": set_ad_computer,
    "Get-ADComputer": get_ad_computer,
    "Get-WinEvent": get_win_event,
    "Clear-RemediationTicket": set_vm_host,
    "Set-RemediationClusterLimit": set_vm_host,
}


def surfaces() -> list[Surface]:
    return [
        Surface("HV01", "Microsoft.PowerShell", HANDLERS, aliases={"gvm": "Get-VM"}),
        Surface("HV01", "Remediation", HANDLERS, visible=frozenset({"Get-VM"})),
        Surface("HV01", "Restricted", HANDLERS, allowed=frozenset({r"contoso\Other"})),
        Surface("HV02", "Microsoft.PowerShell", HANDLERS, no_language=False, release=2022),
        Surface("HV03", "Microsoft.PowerShell", HANDLERS),
    ]


ACCOUNTS = {USER: PASSWORD, r"CONTOSO\other": "other", "local": Account("basic-pw", basic=True)}


@pytest.fixture(scope="module")
def lab() -> Iterator[LabServer]:
    """One lab for the tests of a module, which leave no fault and no stopped host behind."""
    with LabServer(surfaces(), ACCOUNTS, http={"HV01"}, basic_only={"HV03"}) as server:
        yield server


@pytest.fixture
def fresh() -> Iterator[LabServer]:
    """A lab of its own."""
    with LabServer(surfaces(), ACCOUNTS, http={"HV01"}) as server:
        yield server


@pytest.fixture(scope="module")
def pool(lab: LabServer) -> Iterator[RunspacePool]:
    """A session to HV01's plain endpoint."""
    with opened(lab) as session:
        yield session
