"""What PowerShell refuses to bind is refused with PowerShell's own error ids, before anything is executed."""

from typing import Any
from uuid import UUID

import pytest
from protocol_client import call, one, opened
from pypsrp.complex_objects import PSCredential
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.serializer import TaggedValue

from remediations.lab.cmdlet import Surface
from remediations.lab.protocol import LabServer, implementation
from remediations.model.contract import contracts

GET_VM = "Microsoft.HyperV.PowerShell.Commands.GetVM"
SET_VM_HOST = "Microsoft.HyperV.PowerShell.Commands.SetVMHost"
MOVE_VM = "Microsoft.HyperV.PowerShell.Commands.MoveVM"
SET_COMPUTER = "Microsoft.ActiveDirectory.Management.Commands.SetADComputer"
GET_EVENT = "Microsoft.PowerShell.Commands.GetWinEventCommand"

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("Get-Nothing", {}, "CommandNotFoundException"),
    ("Get-VM; Stop-VM", {}, "CommandNotFoundException"),
    ("Get-VM", {"Nmae": "VM42"}, f"NamedParameterNotFound,{GET_VM}"),
    ("Get-VM", {"Force": True}, f"NamedParameterNotFound,{GET_VM}"),
    ("Get-VM", {"WhatIf": True}, f"NamedParameterNotFound,{GET_VM}"),
    ("Get-VM", {"Name": "VM42", "Id": str(UUID(int=7))}, f"AmbiguousParameterSet,{GET_VM}"),
    ("Get-VM", {"Id": "VM42"}, f"CannotConvertArgumentNoMessage,{GET_VM}"),
    ("Get-VM", {"Name": None}, f"MissingArgument,{GET_VM}"),
    ("Get-VM", {"C": "x"}, f"AmbiguousParameter,{GET_VM}"),
    ("Get-VM", {"ErrorAction": "Never"}, f"CannotConvertArgumentNoMessage,{GET_VM}"),
    ("Move-VM", {"Name": ["a", "b"], "DestinationHost": "HV02"}, f"CannotConvertArgument,{MOVE_VM}"),
    ("Move-VM", {"Name": "a", "DestinationHost": "HV02", "IncludeStorage": "yes"}, f"CannotConvertArgument,{MOVE_VM}"),
    ("Move-VM", {"VM": "a", "DestinationHost": "HV02"}, f"CannotConvertArgumentNoMessage,{MOVE_VM}"),
    ("Move-VM", {"Name": ""}, f"MissingMandatoryParameter,{MOVE_VM}"),
    ("Set-VMHost", {"MaximumVirtualMachineMigrations": -1}, f"CannotConvertArgumentNoMessage,{SET_VM_HOST}"),
    ("Set-VMHost", {"MaximumVirtualMachineMigrations": "many"}, f"CannotConvertArgumentNoMessage,{SET_VM_HOST}"),
    (
        "Set-VMHost",
        {"MaximumVirtualMachineMigrations": TaggedValue("I64", 2**32)},
        f"CannotConvertArgumentNoMessage,{SET_VM_HOST}",
    ),
    ("Set-VMHost", {"UseAnyNetworkForMigration": "true"}, f"CannotConvertArgument,{SET_VM_HOST}"),
    (
        "Set-VMHost",
        {"VirtualMachineMigrationAuthenticationType": "NTLM"},
        f"CannotConvertArgumentNoMessage,{SET_VM_HOST}",
    ),
    ("Set-ADComputer", {"ServicePrincipalNames": {"Add": "a/b"}}, f"MissingMandatoryParameter,{SET_COMPUTER}"),
    (
        "Set-ADComputer",
        {"Identity": "", "Enabled": True},
        f"ParameterArgumentValidationErrorEmptyStringNotAllowed,{SET_COMPUTER}",
    ),
    ("Set-ADComputer", {"Identity": "HV01", "ServicePrincipalNames": "a/b"}, f"CannotConvertArgumentNoMessage,{SET_COMPUTER}"),
    ("Get-WinEvent", {"FilterHashtable": "Id=1"}, f"CannotConvertArgumentNoMessage,{GET_EVENT}"),
    ("Write-Output", {}, "MissingMandatoryParameter,Microsoft.PowerShell.Commands.WriteOutputCommand"),
    ("Set-RemediationClusterLimit", {}, "MissingMandatoryParameter,Set-RemediationClusterLimit"),
    ("Set-RemediationClusterLimit", {"Maximum": "x"}, "ParameterArgumentTransformationError,Set-RemediationClusterLimit"),
    ("Clear-RemediationTicket", {"Force": True}, "NamedParameterNotFound,Clear-RemediationTicket"),
]


@pytest.mark.parametrize(("name", "parameters", "identity"), REFUSED)
def test_refused(lab: LabServer, pool: RunspacePool, name: str, parameters: dict[str, Any], identity: str) -> None:
    lab.journal.clear()
    found = one(pool, name, **parameters)
    assert found.had_errors
    assert found.ids == [identity]
    assert not lab.journal.executed()
    assert [(each.outcome, each.errors) for each in lab.journal] == [("refused", [identity.partition(",")[0]])]


BOUND: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [  # name, sent, bound, common
    ("get-vm", {"NAME": "VM42"}, {"Name": ["VM42"]}, {}),
    ("gvm", {"-Name": ["a", "b"]}, {"Name": ["a", "b"]}, {}),
    ("Hyper-V\\Get-VM", {"Na": "VM42"}, {"Name": ["VM42"]}, {}),
    ("Get-VM", {"VMName": "VM42"}, {"Name": ["VM42"]}, {}),
    ("Get-VM", {"Id": str(UUID(int=7)), "ea": "stop"}, {"Id": UUID(int=7)}, {"ErrorAction": "Stop"}),
    ("Get-VM", {"Name": 42}, {"Name": ["42"]}, {}),
    ("Set-VMHost", {"MaximumVirtualMachineMigrations": 4}, {"MaximumVirtualMachineMigrations": 4}, {}),
    ("Set-VMHost", {"MaximumVirtualMachineMigrations": "4"}, {"MaximumVirtualMachineMigrations": 4}, {}),
    (
        "Set-VMHost",
        {"VirtualMachineMigrationAuthenticationType": "kerberos", "Confirm": False},
        {"VirtualMachineMigrationAuthenticationType": "Kerberos"},
        {"Confirm": False},
    ),
    ("Set-VMHost", {"UseAnyNetworkForMigration": 1}, {"UseAnyNetworkForMigration": True}, {}),
    (
        "Move-VM",
        {"Name": "VM42", "DestinationHost": "HV02", "IncludeStorage": None, "DestinationStoragePath": "C:\\x"},
        {"Name": "VM42", "DestinationHost": "HV02", "IncludeStorage": True, "DestinationStoragePath": "C:\\x"},
        {},
    ),
    (
        "Set-ADComputer",
        {"Identity": UUID(int=7), "ServicePrincipalNames": {"Add": "a/b"}},
        {"Identity": str(UUID(int=7)), "ServicePrincipalNames": {"Add": "a/b"}},
        {},
    ),
]


@pytest.mark.parametrize("case", BOUND, ids=lambda case: str(case[0]))
def test_bound(lab: LabServer, pool: RunspacePool, case: tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]) -> None:
    name, parameters, bound, common = case
    lab.journal.clear()
    assert one(pool, name, **parameters).ids == []
    (entry,) = lab.journal.executed()
    assert (entry.parameters, entry.common, entry.outcome) == (bound, common, "completed")
    assert entry.name in contracts()


def test_what_if_changes_nothing(lab: LabServer, pool: RunspacePool) -> None:
    lab.journal.clear()
    found = one(pool, "Set-VMHost", MaximumVirtualMachineMigrations=4, WhatIf=True)
    assert (found.completed, found.output, found.errors) == (True, [], [])
    assert [each.outcome for each in lab.journal] == ["whatif"]
    assert not lab.journal.executed()


@pytest.mark.parametrize(("host", "ids"), [("HV01", []), ("HV02", ["NamedParameterNotFound"])])
def test_parameter_of_a_later_release_is_unknown(lab: LabServer, host: str, ids: list[str]) -> None:
    with opened(lab, host) as session:
        found = one(session, "Set-VMProcessor", VMName="VM42", CompatibilityForMigrationMode="MinimumFeatureSet")
    assert [each.partition(",")[0] for each in found.ids] == ids


def test_positional_and_repeated_arguments_are_refused(pool: RunspacePool) -> None:
    shell = PowerShell(pool).add_cmdlet("Get-VM").add_argument("VM42")
    shell.invoke()
    assert shell.streams.error[0].fq_error == f"PositionalParameterNotFound,{GET_VM}"
    shell = PowerShell(pool).add_cmdlet("Get-VM").add_parameter("Name", "a").add_parameter("name", "b")
    shell.invoke()
    assert shell.streams.error[0].fq_error == f"ParameterAlreadyBound,{GET_VM}"


def test_jea_has_only_what_is_visible(lab: LabServer) -> None:
    lab.journal.clear()
    with opened(lab, configuration="Remediation") as session:
        assert one(session, "Get-VM").completed
        for name in ("Move-VM", "gvm", "Get-NoSuch"):
            assert one(session, name, Name="VM42", DestinationHost="HV02").ids == ["CommandNotFoundException"]
        names = {each.adapted_properties["Name"] for each in one(session, "Get-Command").output}
        assert names == {"Get-VM", "Get-Command", "Write-Output"}
        asked = one(session, "Get-Command", Name=["Move-VM", "get-v*", "No*"])
        assert [each.adapted_properties["Name"] for each in asked.output] == ["Get-VM"]
        assert asked.ids == ["CommandNotFoundException,Microsoft.PowerShell.Commands.GetCommandCommand"]
    assert {each.configuration for each in lab.journal} == {"Remediation"}
    assert not lab.journal.executed("Move-VM")


@pytest.mark.parametrize(
    ("host", "configuration", "identity"),
    [
        ("HV01", "Remediation", "ScriptsNotAllowed"),
        ("HV01", "Microsoft.PowerShell", "ScriptsNotAllowed"),
        ("HV02", "Microsoft.PowerShell", "LabUnsupported"),
    ],
)
def test_scripts_are_refused(lab: LabServer, host: str, configuration: str, identity: str) -> None:
    with opened(lab, host, configuration) as session:
        shell = PowerShell(session).add_script("Get-VM")
        shell.invoke()
    assert shell.had_errors
    assert [each.fq_error for each in shell.streams.error] == [identity]


def test_credential_arrives_and_does_not_show(lab: LabServer, pool: RunspacePool) -> None:
    pool.exchange_keys()
    lab.journal.clear()
    credential = PSCredential(username="CONTOSO\\reader", password="canary-7f")
    found = one(pool, "Get-ADComputer", Identity="HV01", Credential=credential)
    assert found.output == ["CONTOSO\\reader", "canary-7f", "Credential(user='CONTOSO\\\\reader')"]
    assert "canary-7f" not in repr(list(lab.journal))
    refused = one(pool, "Get-ADComputer", Identity="HV01", Credential="CONTOSO\\reader")
    assert [each.partition(",")[0] for each in refused.ids] == ["CannotConvertArgumentNoMessage"]


def test_secure_string_is_no_text(pool: RunspacePool) -> None:
    """A SecureString is refused where text is wanted: it is a type of its own on the wire, and its text stays out of errors."""
    pool.exchange_keys()
    found = one(pool, "Get-VM", Name=TaggedValue("SS", "canary-7f"))
    assert found.ids == [f"CannotConvertArgumentNoMessage,{GET_VM}"]
    assert "canary-7f" not in str(found.errors[0])


def test_a_pipe_is_refused(pool: RunspacePool) -> None:
    shell = PowerShell(pool).add_cmdlet("Get-VM").add_cmdlet("Move-VM")
    shell.invoke()
    assert shell.streams.error[0].fq_error == "LabUnsupported"


def test_input_is_refused(pool: RunspacePool) -> None:
    shell = PowerShell(pool).add_cmdlet("Get-VM")
    shell.invoke(input=["VM42"])
    assert shell.streams.error[0].fq_error == "LabUnsupported"


def test_surface_with_an_undocumented_command_is_refused() -> None:
    async def nothing(_: object) -> None:
        return None

    with pytest.raises(ValueError, match="no reference documents Get-Nothing"):
        LabServer([Surface("HV01", "Microsoft.PowerShell", {"Get-Nothing": nothing})], {})
    with pytest.raises(ValueError, match=r"two surfaces for hv01 and configuration microsoft\.powershell"):
        LabServer([Surface("HV01", "Microsoft.PowerShell", {}), Surface("hv01", "microsoft.powershell", {})], {})


def test_every_documented_command_has_an_implementing_type() -> None:
    for known in contracts().values():
        assert implementation(known) == known.name if known.kind != "cmdlet" else "." in implementation(known)


def test_batch_of_refused_and_good(pool: RunspacePool) -> None:
    found = call(pool, ("Get-VM", {"Nmae": "x"}), ("Write-Output", {"InputObject": "m"}))
    assert (found.completed, found.output, found.ids) == (True, ["m"], [f"NamedParameterNotFound,{GET_VM}"])
