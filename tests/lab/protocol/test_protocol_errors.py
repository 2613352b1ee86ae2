"""Errors, and what they do to a pipeline: one rule a line, from PowerShell's batch invocation."""

from typing import Any

import pytest
from protocol_client import answer, call, one, pipeline
from pypsrp.complex_objects import PSInvocationState
from pypsrp.powershell import PowerShell, RunspacePool

from remediations.lab.protocol import LabServer

COMPLETED, FAILED = PSInvocationState.COMPLETED, PSInvocationState.FAILED
MARK = ("Write-Output", {"InputObject": "later"})
STUCK: dict[str, Any] = {"Name": "stuck", "DestinationHost": "HV02"}
GONE, STOP = {"Name": "gone"}, {"ErrorAction": "Stop"}


@pytest.mark.parametrize(
    ("statements", "state", "ids", "output"),
    [
        ([("Get-VM", GONE)], COMPLETED, ["InvalidParameter"], []),
        ([("Get-VM", {"Name": ["gone", "slow0"]})], COMPLETED, ["InvalidParameter"], ["slow0"]),
        ([("Get-VM", {"Name": ["gone", "slow0"], **STOP})], FAILED, ["InvalidParameter"], []),
        ([("Get-VM", GONE), MARK], COMPLETED, ["InvalidParameter"], ["later"]),
        ([("Get-VM", {**GONE, "ErrorAction": "SilentlyContinue"}), MARK], COMPLETED, [], ["later"]),
        ([("Get-VM", {**GONE, "ErrorAction": "Ignore"}), MARK], COMPLETED, [], ["later"]),
        ([("Get-VM", {**GONE, **STOP}), MARK], FAILED, ["InvalidParameter"], []),
        ([("Move-VM", STUCK)], FAILED, ["OperationFailed"], []),
        ([MARK, ("Move-VM", STUCK)], FAILED, ["OperationFailed"], ["later"]),
        ([("Move-VM", STUCK), MARK], COMPLETED, ["OperationFailed"], ["later"]),
        ([("Move-VM", {**STUCK, "ErrorAction": "SilentlyContinue"})], FAILED, ["OperationFailed"], []),
        ([("Move-VM", {**STUCK, "Name": "defect"})], FAILED, ["LabDefect"], []),
        ([("Get-Nothing", {}), MARK], COMPLETED, ["CommandNotFoundException"], ["later"]),
        ([("Get-Nothing", STOP), MARK], COMPLETED, ["CommandNotFoundException"], ["later"]),
    ],
)
def test_state_and_streams(
    pool: RunspacePool, statements: list[tuple[str, dict[str, Any]]], state: int, ids: list[str], output: list[str]
) -> None:
    found = call(pool, *statements)
    assert (found.state, found.had_errors) == (state, state == FAILED)
    assert [each.partition(",")[0] for each in found.ids] == ids
    assert found.output == output


def test_error_record(pool: RunspacePool) -> None:
    (error,) = one(pool, "Move-VM", **STUCK).errors
    assert error.fq_error == "OperationFailed,Microsoft.HyperV.PowerShell.Commands.MoveVM"
    assert str(error) == "Virtual machine migration operation for 'stuck' failed at migration source 'HV01'."
    assert (error.category, error.activity, error.reason) == (14, "Move-VM", "VirtualizationException")
    assert (error.target_name, error.target_object) == ("stuck", "stuck")
    assert error.exception.types[0] == "Microsoft.HyperV.PowerShell.VirtualizationException"
    properties = {**error.exception.adapted_properties, **error.exception.extended_properties}
    assert properties["HResult"] == -2146893042


def test_defect_names_command_and_error(lab: LabServer, pool: RunspacePool) -> None:
    lab.journal.clear()
    (error,) = one(pool, "Move-VM", **{**STUCK, "Name": "defect"}).errors
    assert str(error) == "The lab's Move-VM has a defect: RuntimeError(\"a handler's own mistake\")"
    assert [(each.outcome, each.errors) for each in lab.journal] == [("failed", ["LabDefect"])]


def test_journal_tells_the_outcomes(lab: LabServer, pool: RunspacePool) -> None:
    lab.journal.clear()
    call(pool, ("Get-VM", GONE), ("Move-VM", STUCK), ("Get-VM", {**GONE, **STOP}), MARK)
    assert [(each.name, each.outcome, each.errors) for each in lab.journal] == [
        ("Get-VM", "completed", ["InvalidParameter"]),
        ("Move-VM", "failed", ["OperationFailed"]),
        ("Get-VM", "failed", ["InvalidParameter"]),
    ]
    assert len({each.command_id for each in lab.journal}) == 1


def test_warnings_and_progress(pool: RunspacePool) -> None:
    found = one(pool, "Move-VM", Name="VM42", DestinationHost="HV02")
    assert (found.completed, found.warnings) == (True, ["one network less"])
    assert [(each.activity, each.percent_complete) for each in found.progress[-2:]] == [("Moving", 0), ("Moving", 100)]
    assert one(pool, "Move-VM", Name="VM42", DestinationHost="HV02", WarningAction="SilentlyContinue").warnings == []


def test_errors_merged_into_the_output(pool: RunspacePool) -> None:
    shell = PowerShell(pool).add_cmdlet("Get-VM").add_parameter("Name", ["gone", "slow0"])
    shell.merge_error("output")
    shell.invoke()
    assert not shell.streams.error
    assert [str(each) for each in shell.output] == ['Hyper-V was unable to find a virtual machine with name "gone".', "slow0"]


def test_warnings_can_be_shown(pool: RunspacePool) -> None:
    shell = pipeline(pool, ("Move-VM", {"Name": "VM42", "DestinationHost": "HV02"}))
    shell.invoke()
    assert str(shell.streams.warning[0]) == "one network less"
    assert answer(shell).ids == []
