"""Shells and pipelines over their life: adoption, stopping, disconnecting, dying, ending."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from protocol_client import PASSWORD, USER, answer, one, opened, pipeline, wsman
from pypsrp.complex_objects import PSInvocationState, RunspacePoolState
from pypsrp.exceptions import WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pytest_mock import MockerFixture

from remediations.lab.cmdlet import Call, Surface
from remediations.lab.protocol import Fault, LabServer

UNKNOWN = 2150858843
MOVE: dict[str, Any] = {"Name": "VM42", "DestinationHost": "HV02"}


def adopt(pool: RunspacePool, command_id: str) -> PowerShell:
    """Ask for a command whose answer was lost, by the id that the client had chosen for it."""
    shell = PowerShell(pool)
    shell.id = shell._command_id = command_id
    shell.state = PSInvocationState.RUNNING
    pool.pipelines[command_id] = shell
    shell.end_invoke()
    return shell


@pytest.mark.parametrize(("moment", "executed"), [("before", 0), ("after", 1)])
def test_adoption_by_command_id_tells_whether_it_was_executed(fresh: LabServer, moment: Any, executed: int) -> None:
    session = opened(fresh)
    fresh.faults.add(Fault(action="Command", kind="reset", moment=moment))
    lost = pipeline(session, ("Get-VM", {"Name": ["slow0", "gone"]}))
    with pytest.raises(requests.ConnectionError):
        lost.begin_invoke()
    if executed:
        found = answer(adopt(session, lost.id))
        assert (found.output, len(found.errors)) == (["slow0"], 1)
    else:
        with pytest.raises(WSManFaultError) as unknown:
            adopt(session, lost.id)
        assert unknown.value.code == UNKNOWN
    assert len(fresh.journal.executed("Get-VM")) == executed


def test_receive_after_done_is_unknown(lab: LabServer, pool: RunspacePool) -> None:
    done = pipeline(pool, ("Get-VM", {}))
    done.invoke()
    with pytest.raises(WSManFaultError, match="Either the command has completed execution") as unknown:
        adopt(pool, done.id)
    assert unknown.value.code == UNKNOWN


def test_answer_lost_after_the_last_data_is_lost(fresh: LabServer) -> None:
    session = opened(fresh)
    fresh.faults.add(Fault(action="Receive", kind="reset", moment="after"))
    lost = pipeline(session, ("Get-VM", {}))
    lost.begin_invoke()
    with pytest.raises(requests.ConnectionError):
        lost.end_invoke()
    with pytest.raises(WSManFaultError) as unknown:
        lost.end_invoke()
    assert unknown.value.code == UNKNOWN


def test_data_waits_for_a_client_that_hung_up(fresh: LabServer) -> None:
    """A Receive whose connection died does not swallow what comes later."""
    with opened(fresh, read_timeout=0.1) as session:
        one(session, "Get-VM")
        fresh.requests.clear()
        assert one(session, "Get-VM", Name="slow0.3").output == ["slow0.3"]
    assert fresh.requests.count("HV01", "Receive") > 1


def test_operation_timeout_is_polled_over(fresh: LabServer) -> None:
    with opened(fresh, operation_timeout=1) as session:
        one(session, "Get-VM")
        fresh.requests.clear()
        assert one(session, "Get-VM", Name="slow1.2").output == ["slow1.2"]
    assert fresh.requests.count("HV01", "Receive") == 2
    assert fresh.requests.count(action="Command") == 1


@pytest.mark.parametrize("how", ["stop", "close"])
def test_signal_stops_the_handler(lab: LabServer, how: str) -> None:
    lab.journal.clear()
    with opened(lab) as session:
        shell = pipeline(session, ("Get-VM", {"Name": "wait"}), ("Move-VM", MOVE))
        shell.begin_invoke()
        if how == "stop":
            shell.stop()
            assert shell.state == PSInvocationState.STOPPED
        else:
            session.close()
        lab.settle()
    assert [(each.name, each.outcome) for each in lab.journal] == [("Get-VM", "stopped")]


def test_parallel_pipelines_in_one_pool(lab: LabServer) -> None:
    session = RunspacePool(wsman(lab), max_runspaces=2)
    with session:
        waiting = pipeline(session, ("Get-VM", {"Name": "wait"}))
        waiting.begin_invoke()
        assert one(session, "Get-VM", Name="slow0").output == ["slow0"]
        waiting.stop()


def test_between_two_pipelines_every_host_answers() -> None:
    """They are one loop's: none falls silent because others are at work."""
    rounds = 0
    begun: list[int] = []

    async def get_vm(call: Call) -> None:
        begun.append(rounds)

    async def others() -> None:
        nonlocal rounds
        lab.faults.release()
        while len(begun) < 3:
            rounds += 1
            await asyncio.sleep(0)

    hosts = [Surface(f"HV0{number}", "Microsoft.PowerShell", {"Get-VM": get_vm}) for number in (1, 2, 3)]
    with LabServer(hosts, {USER: PASSWORD}) as lab, ThreadPoolExecutor(3) as clients:
        sessions = [opened(lab, each.host) for each in hosts]
        lab.faults.add(Fault(action="Command", kind="delay", count=3))
        asked = [clients.submit(one, session, "Get-VM") for session in sessions]
        while len(lab.faults.fired) < 3:
            time.sleep(0.005)
        lab.run(others())
        assert all(each.result().completed for each in asked)
    assert len(set(begun)) == 3, begun


def test_is_alive_and_killed_shells(fresh: LabServer) -> None:
    session = opened(fresh)
    assert session.is_alive()
    fresh.kill_shells("HV01")
    with pytest.raises(WSManFaultError) as gone:
        one(session, "Get-VM")
    assert gone.value.code == UNKNOWN


def test_killed_while_receiving(fresh: LabServer) -> None:
    session = opened(fresh)
    shell = pipeline(session, ("Get-VM", {"Name": "wait"}))
    shell.begin_invoke()
    killing = threading.Timer(0.1, fresh.kill_shells, args=("HV01",))
    killing.start()
    with pytest.raises(WSManFaultError) as gone:
        shell.end_invoke()
    killing.join()
    assert gone.value.code == UNKNOWN
    assert [each.outcome for each in fresh.journal] == ["stopped"]


def test_shell_of_another_account_is_unknown(fresh: LabServer) -> None:
    session, other = opened(fresh), opened(fresh, username=r"CONTOSO\other", password="other")
    assert [each.id for each in RunspacePool.get_runspace_pools(other.connection)] == [other.id]
    other.shell._selector_set = session.shell._selector_set
    assert not other.is_alive()
    assert session.is_alive()


def test_idle_shells_end(fresh: LabServer) -> None:
    session = RunspacePool(wsman(fresh), idle_timeout=120)
    session.open()
    kept = opened(fresh)
    busy = RunspacePool(wsman(fresh), idle_timeout=120)
    busy.open()
    pipeline(busy, ("Get-VM", {"Name": "wait"})).begin_invoke()
    fresh.idle("HV01", 60)
    assert session.is_alive()
    fresh.idle("HV01", 180)
    assert fresh.shells("HV01") == (kept.id, busy.id)


def test_shell_whose_time_has_come_ends_by_itself(lab: LabServer) -> None:
    session = RunspacePool(wsman(lab), idle_timeout=1)
    session.open()
    time.sleep(1.1)  # the client knows whole seconds only
    with pytest.raises(WSManFaultError):
        one(session, "Get-VM")


def test_disconnect_and_connect_with_a_new_client(fresh: LabServer) -> None:
    first = opened(fresh, configuration="Remediation")
    shell = pipeline(first, ("Get-VM", {"Name": "slow0"}))
    shell.begin_invoke()
    first.disconnect()
    (found,) = [each for each in RunspacePool.get_runspace_pools(wsman(fresh)) if each.id == first.id]
    found.shell.resource_uri = "http://schemas.microsoft.com/powershell/Remediation"
    found.connect()
    (taken,) = found.create_disconnected_power_shells()
    assert taken.connect() == ["slow0"]
    assert one(found, "Get-VM", Name="slow0").output == ["slow0"]
    if found.state == RunspacePoolState.DISCONNECTED:  # as captured from Windows: the state comes with a later Receive
        found.connect()
    found.close()
    assert not fresh.shells("HV01")


def test_same_client_reconnects(lab: LabServer) -> None:
    with opened(lab) as session:
        session.disconnect()
        session.connect()
        assert one(session, "Get-VM").completed


def test_connecting_to_a_connected_shell_is_refused(lab: LabServer) -> None:
    with opened(lab) as session:
        (found,) = [each for each in RunspacePool.get_runspace_pools(wsman(lab)) if each.id == session.id]
        with pytest.raises(WSManFaultError, match="already connected"):
            found.connect()


def test_first_pipeline_prepares_modules(lab: LabServer) -> None:
    with opened(lab) as session:
        assert [each.activity for each in one(session, "Get-VM").progress] == ["Preparing modules for first use."]
        assert one(session, "Get-VM").progress == []


def test_stopped_host_refuses_and_comes_back_at_its_address(fresh: LabServer) -> None:
    before = fresh.address("HV01")
    fresh.stop_host("HV01")
    with pytest.raises(requests.ConnectionError, match="refused"):
        opened(fresh)
    opened(fresh, "HV02").close()
    fresh.start_host("HV01")
    assert fresh.address("hv01.contoso.com") == before
    opened(fresh).close()


def test_unknown_host(lab: LabServer) -> None:
    with pytest.raises(KeyError, match="the lab has no host HV09; it has HV01, HV02, HV03"):
        lab.address("HV09")


def test_request_counts(fresh: LabServer) -> None:
    with opened(fresh, "HV02") as session:
        assert one(session, "Get-VM").completed
        fresh.requests.clear()
        for _ in range(3):
            one(session, "Get-VM")
        assert fresh.requests.of("HV02") == {"Command": 3, "Receive": 3}
    assert fresh.requests.count("HV02") == 7
    assert fresh.requests.count("HV01") == 0


def test_two_labs_know_only_their_own_accounts(lab: LabServer) -> None:
    before = os.environ.get("NTLM_USER_FILE", "")
    surface = Surface("HV01", "Microsoft.PowerShell", {})
    with LabServer([surface], {USER: "another password"}) as other:
        with opened(other, password="another password") as there, opened(lab) as here:
            assert one(there, "Write-Output", InputObject="there").output == ["there"]
            assert one(here, "Write-Output", InputObject="here").output == ["here"]
        for wrong, password in ((other, PASSWORD), (lab, "another password")):
            with pytest.raises(Exception, match="Failed to authenticate"):
                opened(wrong, password=password)
        assert len(other.journal) == 1
    assert os.environ["NTLM_USER_FILE"] == before


def test_no_variable_vanishes_while_clients_of_the_same_process_go_through_them_all(
    lab: LabServer, mocker: MockerFixture
) -> None:
    removed = mocker.spy(os, "unsetenv")
    with opened(lab) as session:
        assert one(session, "Get-VM").completed
    removed.assert_not_called()


def test_nothing_is_left_behind() -> None:
    def open_sockets() -> set[str]:
        targets = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        return {os.readlink(each) for each in targets if os.path.lexists(each) and "socket" in os.readlink(each)}

    threads, sockets = set(threading.enumerate()), open_sockets()
    with LabServer([Surface("HV01", "Microsoft.PowerShell", {})], {USER: PASSWORD}) as lab:
        session = opened(lab)
        files = lab.authority.parent
        assert one(session, "Write-Output", InputObject="x").output == ["x"]
        session.connection.close()
    assert set(threading.enumerate()) == threads
    assert open_sockets() <= sockets  # those of earlier tests may have gone meanwhile
    assert not files.exists()


def test_lab_ends_at_once_while_everything_waits() -> None:
    lab = LabServer([Surface("HV01", "Microsoft.PowerShell", {})], {USER: PASSWORD})
    with lab:
        session = opened(lab)
        lab.faults.add(Fault(action="Command", kind="hang"), Fault(action="Get", kind="delay"))

        def wait() -> None:
            with pytest.raises(requests.ConnectionError):
                one(session, "Write-Output", InputObject="x")

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not lab.faults.fired:
            time.sleep(0.005)
    waiting.join(5)
    assert not waiting.is_alive()
    with pytest.raises(RuntimeError, match="the lab has not been started"):
        LabServer([], {}).authority  # noqa: B018 asking is what is tried
