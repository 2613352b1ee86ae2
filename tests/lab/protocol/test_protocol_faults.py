"""Each kind of fault: what the client sees, and how often the command was executed in the end."""

from __future__ import annotations

import threading
from typing import Any
from xml.etree.ElementTree import ParseError

import pytest
import requests
from protocol_client import one, opened, pipeline
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.powershell import RunspacePool

from remediations.lab.protocol import Fault, LabServer

MOVE: dict[str, Any] = {"Name": "VM42", "DestinationHost": "HV02"}
UNKNOWN = 2150858843


def move(pool: RunspacePool) -> None:
    pipeline(pool, ("Move-VM", MOVE)).invoke()


@pytest.mark.parametrize(
    ("fault", "error", "executed"),
    [
        (Fault(action="Command", kind="reset"), requests.ConnectionError, 0),
        (Fault(action="Command", kind="reset", moment="after"), requests.ConnectionError, 1),
        (Fault(action="Receive", kind="reset"), requests.ConnectionError, 1),
        (Fault(action="Receive", kind="reset", moment="after"), requests.ConnectionError, 1),
        (Fault(action="Command", kind="http"), WinRMTransportError, 0),
        (Fault(action="Command", kind="http", value=503, moment="after"), WinRMTransportError, 1),
        (Fault(action="Command", kind="wsman", value=2150859046), WSManFaultError, 0),
        (Fault(action="Command", kind="wsman", moment="after"), WSManFaultError, 1),
        (Fault(action="Command", kind="garbage"), ParseError, 0),
        (Fault(action="Command", kind="garbage", value=b"", moment="after"), ParseError, 1),
        (Fault(action="Command", kind="die"), requests.ConnectionError, 0),
        (Fault(action="Command", kind="die", moment="after"), requests.ConnectionError, 1),
        (Fault(command="move-vm", kind="reset"), requests.ConnectionError, 0),
        (Fault(host="hv01", action="Command", kind="reset", nth=2), None, 1),
        (Fault(host="HV02", kind="reset"), None, 1),
        (Fault(command="Stop-VM", kind="reset"), None, 1),
        (Fault(action="Command", kind="delay", value=0.01), None, 1),
        (Fault(action="Receive", kind="delay", value=0.01, moment="after"), None, 1),
        (Fault(action="Command", kind="unauthorized"), None, 1),
        (Fault(action="Receive", kind="unauthorized"), None, 1),
    ],
    ids=str,
)
def test_fault(fresh: LabServer, fault: Fault, error: type[Exception] | None, executed: int) -> None:
    session = opened(fresh)
    fresh.faults.add(fault)
    if error is None:
        move(session)
        session.close()
    else:
        with pytest.raises(error):
            move(session)
        assert [each.fault for each in fresh.faults.fired] == [fault]
    fresh.settle()
    assert len(fresh.journal.executed("Move-VM", "HV01")) == executed


@pytest.mark.parametrize(("kind", "value", "status"), [("http", None, 500), ("http", 400, 400), ("http", 503, 503)])
def test_http_status(fresh: LabServer, kind: Any, value: int | None, status: int) -> None:
    fresh.faults.add(Fault(action="Create", kind=kind, value=value))
    with pytest.raises(WinRMTransportError) as refused:
        opened(fresh)
    assert refused.value.code == status


def test_wsman_code(fresh: LabServer) -> None:
    fresh.faults.add(Fault(action="Create", kind="wsman", value=2150859046))
    with pytest.raises(WSManFaultError) as refused:
        opened(fresh)
    assert (refused.value.code, refused.value.machine) == (2150859046, "HV01")


def test_unauthorized_over_http_spoils_the_encryption(fresh: LabServer) -> None:
    session = opened(fresh, http=True)
    fresh.faults.add(Fault(action="Command", kind="unauthorized"))
    with pytest.raises((WinRMTransportError, AuthenticationError)):
        move(session)
    assert not fresh.journal.executed("Move-VM")


def test_late_executes_behind_the_clients_back(fresh: LabServer) -> None:
    session = opened(fresh, read_timeout=0.2)
    fresh.faults.add(Fault(action="Command", kind="late"))
    with pytest.raises(requests.ReadTimeout):
        move(session)
    assert not fresh.journal.executed()
    fresh.faults.release()
    fresh.settle()
    assert len(fresh.journal.executed("Move-VM")) == 1


def test_late_with_a_time_of_its_own(fresh: LabServer) -> None:
    session = opened(fresh, read_timeout=0.1)
    fresh.faults.add(Fault(action="Command", kind="late", value=0.2))
    with pytest.raises(requests.ReadTimeout):
        move(session)
    assert not fresh.journal.executed()
    fresh.settle()
    assert len(fresh.journal.executed("Move-VM")) == 1


@pytest.mark.parametrize(("moment", "executed"), [("before", 0), ("after", 1)])
def test_hang(fresh: LabServer, moment: Any, executed: int) -> None:
    session = opened(fresh, read_timeout=0.2)
    fresh.faults.add(Fault(action="Command", kind="hang", moment=moment))
    with pytest.raises(requests.ReadTimeout):
        move(session)
    fresh.settle()
    assert len(fresh.journal.executed("Move-VM")) == executed


def test_delay_until_released(fresh: LabServer) -> None:
    with opened(fresh) as session:
        fresh.faults.add(Fault(action="Command", kind="delay"))
        moving = threading.Thread(target=move, args=(session,))
        moving.start()
        moving.join(0.1)
        assert moving.is_alive()
        assert not fresh.journal.executed()
        fresh.faults.release()
        moving.join(10)
        assert len(fresh.journal.executed("Move-VM")) == 1


def test_receive_sent_again_after_a_timeout_gets_the_same(fresh: LabServer) -> None:
    """The first answer to the Receive is lost; pypsrp sends it again, and the replay loses and doubles nothing."""
    with opened(fresh, read_timeout=0.2) as session:
        fresh.faults.add(Fault(action="Receive", kind="hang", moment="after"))
        found = one(session, "Get-VM", Name=["slow0", "slow0"])
    assert found.output == ["slow0", "slow0"]
    assert len(fresh.journal.executed("Get-VM")) == 1


def test_count_and_nth(fresh: LabServer) -> None:
    fresh.faults.add(Fault(action="Create", kind="http", nth=2, count=2))
    opened(fresh).close()
    for _ in range(2):
        with pytest.raises(WinRMTransportError):
            opened(fresh)
    opened(fresh).close()
    assert [(each.host, each.action) for each in fresh.faults.fired] == [("HV01", "Create")] * 2
    fresh.faults.add(Fault(action="Create", kind="http", count=None))
    for _ in range(3):
        with pytest.raises(WinRMTransportError):
            opened(fresh)
    fresh.faults.clear()
    opened(fresh).close()
    assert not fresh.faults.fired


def test_dead_host_comes_back_without_its_shells(fresh: LabServer) -> None:
    session = opened(fresh)
    fresh.faults.add(Fault(action="Command", kind="die"))
    with pytest.raises(requests.ConnectionError):
        move(session)
    with pytest.raises(requests.ConnectionError, match="refused"):
        move(session)
    fresh.start_host("HV01")
    with pytest.raises(WSManFaultError) as gone:
        move(session)
    assert gone.value.code == UNKNOWN
    with opened(fresh) as again:
        move(again)
    assert len(fresh.journal.executed("Move-VM")) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "explode"}, "kind is one of"),
        ({"action": "Invoke"}, "action is one of"),
        ({"moment": "during"}, "moment is one of"),
        ({"nth": 0}, "from the first request on"),
        ({"count": 0}, "from the first request on"),
        ({"kind": "late", "moment": "after"}, "use moment='before'"),
        ({"kind": "http", "value": "x"}, "kind http does not take the value 'x'"),
        ({"kind": "reset", "value": 1}, "kind reset does not take the value 1"),
    ],
)
def test_impossible_fault(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**settings)
