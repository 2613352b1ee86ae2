"""Reads: each statement gets its own answer, a lost one is asked again as a whole, half an answer never passes for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from remediations.lab.cmdlet import Call, CommandError
from remediations.lab.protocol import Fault
from remediations.model.command import command
from remediations.remoting import DeadlinePassed, EndpointRefused, Unreachable
from remediations.remoting.replies import MISSING_MARKER

GET = command("Get-VM", Name="VM42")
MISSING = command("Get-VM", Name="missing")


def names(reply: Any) -> list[str]:
    return [each["Name"] for each in reply.objects]


def ids(reply: Any) -> list[str]:
    return [error.error_id for error in reply.errors]


def test_outputs_errors_and_warnings_belong_to_their_statements(rig: Any) -> None:
    replies = rig.read(
        GET,
        MISSING,
        command("Get-VM", Name=("a", "missing", "b")),
        command("Get-VM", Name="broken"),
        command("Get-VM", Name="noisy"),
        MISSING,
        GET,
    )
    assert [names(reply) for reply in replies] == [["VM42"], [], ["a", "b"], [], ["noisy"], [], ["VM42"]]
    assert [ids(reply) for reply in replies] == [
        [],
        ["InvalidParameter"],
        ["InvalidParameter"],
        ["OperationFailed"],
        [],
        ["InvalidParameter"],
        [],
    ]
    assert [reply.warnings for reply in replies][4] == ("the virtual machine is being noisy",)


def test_an_error_record_keeps_what_diagnosis_needs(rig: Any) -> None:
    (error,) = rig.read(MISSING)[0].errors
    assert error.model_dump() == {
        "message": 'Hyper-V was unable to find a virtual machine with name "missing".',
        "error_id": "InvalidParameter",
        "category": "InvalidArgument",
        "exception": "Microsoft.HyperV.PowerShell.VirtualizationException",
        "hresult": -2147467259,
        "target": "missing",
    }
    assert error.code == "0x80004005"


def test_a_command_that_does_not_exist_is_the_error_of_its_statement_only(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(surface={"visible": frozenset({"Get-VM"})})
    replies = rig.read(GET, command("Get-VMHost"), GET)
    assert [ids(reply) for reply in replies] == [[], ["CommandNotFoundException"], []]


def test_statements_after_one_that_stopped_the_pipeline_are_not_taken_for_empty(rig: Any) -> None:
    stopping = command("Get-VM", Name="missing", ErrorAction="Stop")
    replies = rig.read(GET, stopping, GET)
    assert [ids(reply) for reply in replies] == [[], ["InvalidParameter", MISSING_MARKER], [MISSING_MARKER]]


def test_a_missing_marker_spoils_the_answers_on_both_sides_of_it(make_rig: Callable[..., Any]) -> None:
    written: list[str] = []

    async def forgetful(call: Call) -> None:
        written.extend(call.parameters["InputObject"])
        if len(written) != 2:
            call.output(written[-1])

    rig = make_rig(extra={"Write-Output": forgetful})
    replies = rig.read(GET, GET, GET, GET)
    assert [ids(reply) for reply in replies] == [[], [MISSING_MARKER], [MISSING_MARKER], []]


def test_an_endpoint_without_write_output_is_refused_with_what_to_add(make_rig: Callable[..., Any]) -> None:
    async def absent(call: Call) -> None:
        raise CommandError("not recognized", "CommandNotFoundException", "ObjectNotFound", target="Write-Output")

    rig = make_rig(extra={"Write-Output": absent})
    with pytest.raises(EndpointRefused, match="Add Write-Output to VisibleCmdlets"):
        rig.read(GET, GET)


def test_nothing_but_reads_is_read(rig: Any) -> None:
    with pytest.raises(ValueError, match="Set-VMHost does not only read"):
        rig.read(GET, command("Set-VMHost", MaximumVirtualMachineMigrations=4))
    with pytest.raises(ValueError, match="Get-VM changes nothing"):
        rig.change(GET)
    assert len(rig.lab.journal) == 0


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), 1e9])
def test_a_deadline_is_seconds_from_now(rig: Any, deadline: float) -> None:
    with pytest.raises(ValueError, match="seconds from now"):
        rig.read(GET, deadline=deadline)


def test_no_commands_no_requests(rig: Any) -> None:
    assert rig.read() == []
    assert rig.cost() == {}


LOST = [
    Fault(action="Command", kind="reset"),
    Fault(action="Command", kind="reset", moment="after"),
    Fault(action="Command", kind="garbage"),
    Fault(action="Command", kind="http", value=503),
    Fault(action="Command", kind="wsman", value=2150858843),
    Fault(action="Receive", kind="reset"),
    Fault(action="Receive", kind="reset", moment="after"),
    Fault(action="Receive", kind="garbage", moment="after"),
    Fault(action="Receive", kind="garbage", moment="after", value=""),
    Fault(action="Receive", kind="http", value=500, moment="after"),
    Fault(action="Receive", kind="wsman", value=2150858843),
    Fault(action="Receive", kind="unauthorized"),
    Fault(action="Get", kind="reset"),
]


@pytest.mark.parametrize("transport", ["https", "http"])
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.action}-{fault.kind}-{fault.moment}-{fault.value}")
def test_a_lost_answer_is_asked_for_once_more(make_rig: Callable[..., Any], fault: Fault, transport: str) -> None:
    rig = make_rig(transport=transport)
    rig.read(GET)
    rig.lab.faults.add(fault)
    replies = rig.read(GET, MISSING)
    assert names(replies[0]) == ["VM42"]
    assert ids(replies[1]) == ["InvalidParameter"]
    assert len(rig.lab.shells("HV01")) == 1, "a session that was given up is closed"


@pytest.mark.parametrize("kind", ["reset", "garbage", "http"])
def test_an_answer_lost_twice_is_an_error_that_says_what_happened(rig: Any, kind: str) -> None:
    rig.read(GET)
    rig.lab.faults.add(Fault(action="Receive", kind=kind, count=None, command="Get-VM"))
    with pytest.raises(Unreachable, match=r"HV01: .*\n  command: Get-VM -Name VM42 \(and 1 more reads\)\n  "):
        rig.read(GET, GET)
    assert len(rig.lab.journal.executed("Get-VM")) == 1 + 2 * 2


@pytest.mark.parametrize("fault", [Fault(action="Receive", nth=2, moment="after", command="Get-VM", kind="reset")])
def test_a_list_that_lost_its_middle_is_read_anew(rig: Any, fault: Fault) -> None:
    rig.read(GET)
    rig.lab.faults.add(fault)
    replies = rig.read(command("Get-VM", Name="many"), GET)
    assert rig.lab.faults.fired, "the list must not fit into one answer"
    assert names(replies[0]) == [f"vm{number}" for number in range(400)]


def test_a_read_that_takes_too_long_is_stopped_and_the_session_goes_on(rig: Any) -> None:
    with pytest.raises(DeadlinePassed, match="not finished in time") as caught:
        rig.read(command("Get-VM", Name="slow"), deadline=1)
    assert not caught.value.may_have_run
    assert [entry.outcome for entry in rig.lab.journal if entry.name == "Get-VM"] == ["stopped"]
    assert rig.read(GET)[0].ok


def test_a_host_that_does_not_answer_is_given_up_at_the_deadline(rig: Any) -> None:
    rig.read(GET)
    rig.lab.faults.add(Fault(kind="hang", count=None))
    with pytest.raises(DeadlinePassed):
        rig.read(GET, deadline=1)
    rig.lab.faults.clear()
    rig.lab.faults.release()


def test_a_read_that_waits_behind_another_is_given_up_without_being_sent(rig: Any) -> None:
    first = rig.remoting.submit("HV01", [command("Get-VM", Name="slow")], deadline=1)
    with pytest.raises(DeadlinePassed, match="busy with earlier commands"):
        rig.read(command("Get-VM", Name="never"), deadline=0.3)
    with pytest.raises(DeadlinePassed):
        first.result()
    rig.read(GET)
    assert [entry.parameters["Name"] for entry in rig.lab.journal.executed("Get-VM")] == [["slow"], ["VM42"]]
