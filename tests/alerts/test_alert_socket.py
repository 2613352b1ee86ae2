"""The receiver on a real socket, as `remediate serve` runs it."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import uvicorn
from alert_examples import TOKEN, Intake, Limits, alert, app, webhook

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
INTAKE = Intake()


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app(INTAKE, limits=Limits(body=100_000)), log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        host, port = listener.getsockname()
        yield host, port
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def head(length: int, *fields: str) -> bytes:
    """The head of a request for one event, whose body is said to have `length` bytes."""
    lines = ["POST /alerts/event HTTP/1.1", "Host: r", "Content-Type: application/json", f"Content-Length: {length}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


BEARER = f"Authorization: Bearer {TOKEN}"


def exchanged(address: tuple[str, int], sent: bytes) -> bytes:
    """What comes back first."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(sent)
        return connection.recv(65_536)


def test_many_senders_at_once_lose_nothing(address: tuple[str, int]) -> None:
    with (
        httpx.Client(base_url=f"http://{address[0]}:{address[1]}", headers=HEADERS) as client,
        ThreadPoolExecutor(8) as senders,
    ):
        bodies = [webhook(alert(vm=f"VM{number}"), alert(vm=f"VM{number}b")) for number in range(40)]
        answers = list(senders.map(lambda body: client.post("/alerts/alertmanager", json=body), bodies))
    assert {answer.status_code for answer in answers} == {202}
    assert {incident.vm for incident in INTAKE.incidents} >= {f"VM{number}{b}" for number in range(40) for b in ("", "b")}


def test_a_sender_without_the_token_is_answered_before_its_body_comes(address: tuple[str, int]) -> None:
    assert exchanged(address, head(90_000)).startswith(b"HTTP/1.1 401 ")


def test_a_body_that_is_announced_too_large_is_answered_before_it_comes(address: tuple[str, int]) -> None:
    assert exchanged(address, head(100_001, BEARER)).startswith(b"HTTP/1.1 413 ")


def test_a_body_in_chunks_is_counted_as_it_comes(address: tuple[str, int]) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(11):
            yield b" " * 10_000

    answer = httpx.post(f"http://{address[0]}:{address[1]}/alerts/event", headers=HEADERS, content=chunks())
    assert answer.status_code == 413


def test_a_sender_that_goes_away_half_way_leaves_nothing_behind(address: tuple[str, int]) -> None:
    before = len(INTAKE.incidents)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(head(100, BEARER) + b'{"vm": "VM-half"}')
    time.sleep(0.05)
    assert httpx.get(f"http://{address[0]}:{address[1]}/health").status_code == 200
    assert len(INTAKE.incidents) == before
