"""Hosts and networks that behave as no good one does: none may make us send a change twice, or ask for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from pytest_mock import MockerFixture

from remediations.lab.protocol import Fault, wsman
from remediations.lab.protocol.endpoint import Endpoint
from remediations.lab.protocol.host import Host
from remediations.model.command import command
from remediations.remoting import AnswerLost, RemotingSettings

GET = command("Get-VM", Name="VM42")
QUICK = RemotingSettings(connect=1, operation=5, poll=1, slack=5, stop=1, probe=2, in_flight=0.4)


class Wire:
    """A cable between us and a host: passes bytes on, and once, when told to, garbles an answer of the host."""

    def __init__(self, ip: str, port: int) -> None:
        self.to = (ip, port)
        self.spoil = threading.Event()
        self.spoilt = False
        self.listener = socket.create_server((ip, 0))
        self.port: int = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.to)
                self.sockets += [near, far]
                threading.Thread(target=self._pass, args=(near, far), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, answers: bool = False) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if answers and self.spoil.is_set():
                    self.spoil.clear()
                    self.spoilt = True
                    data = bytes(len(data))
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@pytest.fixture
def cable() -> Iterator[Callable[[str, int], Wire]]:
    made: list[Wire] = []

    def lay(ip: str, port: int) -> Wire:
        made.append(Wire(ip, port))
        return made[-1]

    yield lay
    for each in made:
        each.close()


def test_a_tls_error_in_the_middle_of_an_answer_does_not_send_the_change_again(
    make_rig: Callable[..., Any], cable: Callable[[str, int], Wire]
) -> None:
    """The HTTP library's own retries would: it counts such an error as one that happened before anything was sent."""
    wires: list[Wire] = []

    def through(lab: Any) -> dict[str, Any]:
        at = lab.address("HV01")
        wires.append(cable(at.ip, at.https_port))
        return {"port": wires[0].port}

    rig = make_rig(endpoint=through)
    rig.read(GET)
    rig.cost()
    with pytest.raises(AnswerLost, match="TLS with"):
        rig.change(before=wires[0].spoil.set)
    assert wires[0].spoilt
    rig.lab.settle()
    assert rig.executed == 1
    assert rig.cost()["Command"] == 1


@pytest.mark.parametrize(("state", "receives"), [("Done", 2), ("Running", 22)])
def test_a_host_that_answers_with_nothing_for_ever_is_given_up(
    rig: Any, mocker: MockerFixture, state: str, receives: int
) -> None:
    """No lab host does this, WinRM under load may: a finished command's Receive answered again and again, empty."""
    real = Endpoint._receive

    async def empty(self: Endpoint, request: Any, principal: str, alive: Any) -> bytes:
        try:
            return await real(self, request, principal, alive)
        except wsman.Fault:
            state_uri = f"{wsman.SHELL}/CommandState/{state}"
            return wsman.answer(request, f'<rsp:ReceiveResponse><rsp:CommandState State="{state_uri}"/></rsp:ReceiveResponse>')

    mocker.patch.object(Endpoint, "_receive", empty)
    rig.read(GET)
    rig.cost()
    rig.lab.faults.add(Fault(action="Receive", kind="reset", moment="after", command="Set-VMHost"))
    with pytest.raises(AnswerLost):
        rig.change()
    assert rig.executed == 1
    assert rig.cost()["Receive"] <= receives


def test_a_redirect_is_not_followed(rig: Any, mocker: MockerFixture) -> None:
    rig.read(GET)
    rig.cost()
    at = rig.lab.address("HV01")

    async def elsewhere(*_: Any, **__: Any) -> web.Response:
        return web.Response(status=307, headers={"Location": f"https://{at.ip}:{at.https_port}/wsman"})

    mocker.patch.object(Host, "_spoil", elsewhere)
    rig.lab.faults.add(Fault(action="Command"))
    with pytest.raises(AnswerLost):
        rig.change()
    assert rig.executed == 0
    assert rig.cost()["Command"] == 1


def test_an_answer_that_hangs_in_the_network_is_asked_for_again(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(settings=QUICK.model_copy(update={"slack": 1}))
    rig.read(GET)
    rig.lab.faults.add(Fault(action="Receive", kind="hang", moment="after", command="Set-VMHost"))
    assert rig.change().objects == ("done",)
    assert rig.executed == 1
    rig.lab.faults.release()


def test_a_command_that_arrives_after_we_gave_it_up_is_found(rig: Any) -> None:
    rig.read(GET)
    rig.lab.faults.add(Fault(action="Command", kind="late", command="Set-VMHost"))
    command_id = uuid4()
    with pytest.raises(AnswerLost):
        rig.change(command_id=command_id, deadline=1)
    assert rig.executed == 0
    threading.Timer(0.1, rig.lab.faults.release).start()
    assert rig.remoting.outcome("HV01", command_id, deadline=5).objects == ("done",)
    assert rig.executed == 1


def test_a_command_that_was_given_up_for_good_cannot_arrive_any_more(rig: Any) -> None:
    rig.read(GET)
    rig.lab.faults.add(Fault(action="Command", kind="late", command="Set-VMHost"))
    command_id = uuid4()
    with pytest.raises(AnswerLost):
        rig.change(command_id=command_id, deadline=1)
    assert rig.remoting.outcome("HV01", command_id, deadline=5) is None
    rig.lab.faults.release()
    rig.lab.settle()
    assert rig.executed == 0, "its shell is gone"
