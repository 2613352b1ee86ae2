"""Changes: sent exactly once whatever goes wrong, and never called undone when they may have been done."""

from __future__ import annotations

import contextvars
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from pypsrp.encryption import WinRMEncryption
from spnego.exceptions import BadMICError

from remediations.lab.protocol import Fault
from remediations.model.command import Command, command
from remediations.model.contract import Secret
from remediations.remoting import (
    AnswerLost,
    CommandFailed,
    CredentialsRefused,
    DeadlinePassed,
    EndpointRefused,
    RemotingError,
    StoppedAtDeadline,
    Unreachable,
)

GET = command("Get-VM", Name="VM42")


def limit(value: int) -> Any:
    return command("Set-VMHost", MaximumVirtualMachineMigrations=value)


# What strikes, on the connection of which transport; the error, how often the handler ran, and whether `outcome` finds its end.
CASES: list[tuple[Fault, str, type[RemotingError] | None, int, bool]] = [
    (Fault(action="Command", kind="reset"), "https", AnswerLost, 0, False),
    (Fault(action="Command", kind="reset", moment="after"), "https", AnswerLost, 1, True),
    (Fault(action="Command", kind="reset", moment="after"), "http", AnswerLost, 1, True),
    (Fault(action="Command", kind="garbage"), "https", AnswerLost, 0, False),
    (Fault(action="Command", kind="garbage", moment="after"), "https", AnswerLost, 1, True),
    (Fault(action="Command", kind="garbage", moment="after", value=""), "https", AnswerLost, 1, True),
    (Fault(action="Command", kind="http", value=503), "https", AnswerLost, 0, False),
    (Fault(action="Command", kind="http", value=500, moment="after"), "https", AnswerLost, 1, True),
    (Fault(action="Command", kind="http", value=400), "http", Unreachable, 0, False),
    (Fault(action="Command", kind="http", value=400), "https", AnswerLost, 0, False),
    (Fault(action="Command", kind="late", value=0.15), "https", AnswerLost, 1, True),
    (Fault(action="Command", kind="wsman", value=5), "https", EndpointRefused, 0, False),
    (Fault(action="Command", kind="wsman", value=2150858843), "https", Unreachable, 0, False),
    (Fault(action="Command", kind="wsman", value=2150858778, moment="after"), "https", AnswerLost, 1, True),
    (Fault(action="Command", kind="unauthorized"), "https", None, 1, False),
    (Fault(action="Command", kind="unauthorized"), "http", Unreachable, 0, False),
    (Fault(action="Command", kind="die", moment="after"), "https", AnswerLost, 1, False),
    (Fault(action="Receive", kind="reset"), "https", None, 1, False),
    (Fault(action="Receive", kind="reset"), "http", None, 1, False),
    (Fault(action="Receive", kind="http", value=500), "https", None, 1, False),
    (Fault(action="Receive", kind="garbage"), "https", None, 1, False),
    (Fault(action="Receive", kind="reset", moment="after"), "https", AnswerLost, 1, False),
    (Fault(action="Receive", kind="garbage", moment="after"), "https", AnswerLost, 1, False),
    (Fault(action="Receive", kind="reset", count=2), "https", AnswerLost, 1, True),
    (Fault(action="Receive", kind="wsman", value=2150858843), "https", AnswerLost, 1, True),
    (Fault(action="Receive", kind="die"), "https", AnswerLost, 1, False),
    (Fault(action="Get", kind="reset"), "https", None, 1, False),
    (Fault(action="Get", kind="reset", count=2), "https", None, 1, False),
    (Fault(action="Get", kind="wsman", value=2150858843), "https", None, 1, False),
    (Fault(action="Get", kind="http", value=400), "http", None, 1, False),
]


def _name(case: Any) -> str | None:
    return f"{case.action}-{case.kind}-{case.moment}-{case.value}-{case.count}" if isinstance(case, Fault) else None


@pytest.mark.parametrize(("fault", "transport", "expected", "executed", "found"), CASES, ids=_name)
def test_a_change_is_sent_once_whatever_happens(  # noqa: PLR0917 - the columns of the table
    make_rig: Callable[..., Any],
    fault: Fault,
    transport: str,
    expected: type[RemotingError] | None,
    executed: int,
    found: bool,
) -> None:
    rig = make_rig(transport=transport)
    rig.read(GET)
    rig.lab.faults.add(fault)
    called: list[str] = []
    command_id = uuid4()
    rig.cost()
    if expected is None:
        assert rig.change(command_id=command_id, before=lambda: called.append("sent")).objects == ("done",)
    else:
        with pytest.raises(expected) as caught:
            rig.change(command_id=command_id, before=lambda: called.append("sent"))
        assert type(caught.value) is expected
        assert caught.value.may_have_run is (expected is AnswerLost)
        assert str(caught.value).startswith("HV01: ")
        assert "Set-VMHost -MaximumVirtualMachineMigrations 4" in str(caught.value)
    assert rig.lab.faults.fired
    assert called == ["sent"]
    answer = rig.remoting.outcome("HV01", command_id, deadline=8)
    rig.lab.settle()
    if fault.kind != "unauthorized":  # the lab counts what it answers with 401 as well
        assert rig.cost().get("Command", 0) <= 1, "the command went out once at the most"
    assert rig.executed == executed
    assert (answer is not None) is found
    if answer is not None:
        assert answer.ok
        assert {entry.command_id for entry in rig.lab.journal.executed("Set-VMHost")} == {str(command_id).upper()}
    if fault.kind != "die":
        assert rig.read(GET)[0].ok
        assert rig.executed == executed


def test_an_answer_that_cannot_be_decrypted_does_not_say_that_nothing_was_done(
    make_rig: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that somebody on the way has changed: the command has gone out all the same."""
    rig, unwrap = make_rig(transport="http"), WinRMEncryption.unwrap_message
    changed: list[str] = []

    def spoilt(self: WinRMEncryption, message: bytes, boundary: str) -> bytes:
        if changed == ["sent"]:
            changed.append("changed")
            raise BadMICError(context_msg="the message was changed")
        return bytes(unwrap(self, message, boundary))

    monkeypatch.setattr(WinRMEncryption, "unwrap_message", spoilt)
    command_id = uuid4()
    with pytest.raises(AnswerLost) as caught:
        rig.change(command_id=command_id, before=lambda: changed.append("sent"))
    assert caught.value.may_have_run
    answer = rig.remoting.outcome("HV01", command_id, deadline=8)
    assert answer is not None
    assert answer.ok
    assert (changed, rig.executed) == (["sent", "changed"], 1)


def test_an_outcome_tells_of_a_failure_as_well(rig: Any) -> None:
    rig.lab.faults.add(Fault(action="Command", kind="reset", moment="after"))
    command_id = uuid4()
    with pytest.raises(AnswerLost) as caught:
        rig.change(limit(13), command_id=command_id)
    assert caught.value.command_id == command_id
    answer = rig.remoting.outcome("HV01", command_id, deadline=5)
    assert [error.error_id for error in answer.errors] == ["AccessDenied"]


def test_an_outcome_waits_for_a_change_that_still_runs(rig: Any) -> None:
    rig.lab.faults.add(Fault(action="Receive", kind="reset", count=2, command="Set-VMHost"))
    command_id = uuid4()
    with pytest.raises(AnswerLost):
        rig.change(limit(60), command_id=command_id)
    assert rig.remoting.outcome("HV01", command_id, deadline=1) is None
    assert rig.read(GET)[0].ok, "the host is not blocked by it"

    async def go_on() -> None:
        rig.world.release.set()

    rig.lab.run(go_on())
    assert rig.remoting.outcome("HV01", command_id, deadline=5).objects == ("done",)
    assert rig.remoting.outcome("HV01", command_id, deadline=5) is None, "it is told once"


def test_nobody_knows_the_outcome_of_what_was_never_sent(rig: Any) -> None:
    assert rig.remoting.outcome("HV01", uuid4(), deadline=5) is None


def test_a_change_whose_time_is_over_is_stopped_and_unknown(rig: Any) -> None:
    command_id = uuid4()
    with pytest.raises(StoppedAtDeadline) as caught:
        rig.change(limit(60), command_id=command_id, deadline=1)
    assert isinstance(caught.value, AnswerLost)
    assert isinstance(caught.value, DeadlinePassed)
    assert caught.value.may_have_run
    assert [entry.outcome for entry in rig.lab.journal.executed("Set-VMHost")] == ["stopped"]
    assert rig.remoting.outcome("HV01", command_id, deadline=2) is None
    assert rig.read(GET)[0].ok


def test_a_change_that_cannot_be_sent_in_time_is_never_sent(rig: Any) -> None:
    first = rig.remoting.submit("HV01", [command("Get-VM", Name="slow")], deadline=1)
    with pytest.raises(DeadlinePassed) as caught:
        rig.change(deadline=0.3)
    assert not caught.value.may_have_run
    with pytest.raises(DeadlinePassed):
        first.result()
    rig.read(GET)
    assert rig.executed == 0


def test_a_change_that_waits_is_not_sent_after_its_caller_was_interrupted(rig: Any) -> None:
    first = rig.remoting.submit("HV01", [command("Get-VM", Name="slow")], deadline=1)
    main = threading.main_thread().ident
    threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        rig.change()
    with pytest.raises(DeadlinePassed):
        first.result()
    rig.read(GET)
    assert rig.executed == 0


def test_before_send_comes_last_before_the_command_on_a_session_proven_alive(rig: Any) -> None:
    seen: list[dict[str, int]] = []
    rig.read(GET)
    rig.cost()
    rig.change(before=lambda: seen.append(rig.lab.requests.of("HV01")))
    assert seen == [{"Get": 1}]
    assert rig.cost() == {"Get": 1, "Command": 1, "Receive": 1}


def test_nothing_is_sent_when_before_send_fails(rig: Any) -> None:
    class LedgerDown(Exception):
        pass

    def fail() -> None:
        raise LedgerDown

    with pytest.raises(LedgerDown):
        rig.change(before=fail)
    assert len(rig.lab.journal) == 0
    rig.change()
    assert rig.executed == 1


def test_nothing_is_sent_when_before_send_took_all_the_time(rig: Any) -> None:
    rig.read(GET)
    with pytest.raises(DeadlinePassed) as caught:
        rig.change(before=lambda: time.sleep(0.3), deadline=0.2)
    assert not caught.value.may_have_run
    assert rig.read(GET)[0].ok
    assert rig.executed == 0


@pytest.mark.parametrize("host_said_no", [False, True])
def test_a_change_that_ends_right_when_its_caller_s_patience_does_is_told_as_it_ended(
    rig: Any, monkeypatch: pytest.MonkeyPatch, host_said_no: bool
) -> None:
    class Ended(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            if timeout is None:
                return super().result()
            self.exception()  # it ends between the end of the wait and the next look at it
            raise TimeoutError

    monkeypatch.setattr("remediations.remoting.worker.Future", Ended)
    if host_said_no:
        with pytest.raises(CommandFailed):
            rig.change(limit(13))
    else:
        assert rig.change().ok
    assert rig.executed == 1


def test_before_send_runs_in_the_callers_context(rig: Any) -> None:
    run = contextvars.ContextVar("run", default="none")
    run.set("run-7")
    seen: list[str] = []
    rig.change(before=lambda: seen.append(run.get()))
    assert seen == ["run-7"]


def test_a_change_is_never_begun_when_the_host_cannot_be_reached(rig: Any) -> None:
    rig.lab.stop_host("HV01")
    called: list[str] = []
    with pytest.raises(Unreachable):
        rig.change(before=lambda: called.append("sent"))
    assert called == []


def test_the_hosts_own_error_is_handed_on(rig: Any) -> None:
    with pytest.raises(CommandFailed, match=r"HV01: Zugriff verweigert \(0x80070005\)") as caught:
        rig.change(limit(13))
    assert caught.value.may_have_run
    assert caught.value.error.model_dump() == {
        "message": "Zugriff verweigert",
        "error_id": "AccessDenied",
        "category": "PermissionDenied",
        "exception": "Microsoft.HyperV.PowerShell.VirtualizationException",
        "hresult": -2147024891,
        "target": "HV01",
    }


def test_a_command_that_the_endpoint_does_not_offer_has_not_run(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(surface={"visible": frozenset({"Get-VM"})})
    with pytest.raises(EndpointRefused, match="does not offer the command") as caught:
        rig.change()
    assert not caught.value.may_have_run
    assert rig.executed == 0


def test_a_second_change_is_not_held_up_by_one_that_was_lost(rig: Any) -> None:
    rig.lab.faults.add(Fault(action="Receive", kind="reset", count=2, command="Set-VMHost"))
    with pytest.raises(AnswerLost):
        rig.change(limit(60))
    assert rig.change(limit(8)).ok


def test_closing_leaves_a_running_change_to_its_host(rig: Any) -> None:
    entered = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(rig.change, limit(60), before=entered.set)
        entered.wait(5)
        while not rig.executed:
            pass
        rig.remoting.close()
        with pytest.raises(AnswerLost, match="this program ended"):
            running.result()

    async def go_on() -> None:
        rig.world.release.set()

    rig.lab.run(go_on())
    rig.lab.settle()
    assert [entry.outcome for entry in rig.lab.journal.executed("Set-VMHost")] == ["completed"]


def test_closing_cancels_what_waits(rig: Any) -> None:
    first = rig.remoting.submit("HV01", [command("Get-VM", Name="slow")], deadline=8)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(rig.change)
        while not len(rig.lab.journal):
            pass
        rig.remoting.close()
        with pytest.raises(Unreachable, match="this program is ending"):
            waiting.result()
    with pytest.raises(Unreachable, match="this program is ending"):
        first.result()
    assert rig.executed == 0
    assert rig.lab.shells("HV01") == ()


def test_a_secret_that_cannot_be_read_stops_the_change(rig: Any) -> None:
    wanted = Command.model_construct(
        name="Set-VMHost", parameters={"MaximumVirtualMachineMigrations": Secret(secret="unknown"), "ErrorAction": "Stop"}
    )
    with pytest.raises(CredentialsRefused, match="the secret unknown could not be read"):
        rig.change(wanted)
    assert rig.executed == 0
