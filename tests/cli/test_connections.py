"""Who is slow, or one of too many, is hung up on; who sends is not."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from fastapi import FastAPI, Request

from remediations.cli import pace
from remediations.cli.receiving import in_background
from remediations.settings import Settings

HEAD = b"POST /echo HTTP/1.1\r\nHost: r\r\nContent-Type: application/json\r\n"


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(pace, "SECONDS", 0.3)
    monkeypatch.setattr(pace, "CONNECTIONS", 4)
    app = FastAPI()

    @app.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    with served(app) as where:
        yield where


@contextmanager
def served(app: FastAPI, **settings: Any) -> Iterator[tuple[str, int]]:
    """Where a receiver's application listens meanwhile."""
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    with in_background(Settings(receiver_rate=500, **settings), app, listening):
        yield host, port


def hung_up_on(connection: socket.socket) -> None:
    """Returns once the other side has closed the connection. Raises `TimeoutError` if it does not."""
    with suppress(ConnectionResetError):
        while connection.recv(65_536):
            pass


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /echo HTTP/1.1\r\nHost: r\r\n",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        HEAD + b"Content-Length: 2\r\n\r\n{}" + b"POST /echo HTTP/1.1\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "chunks without end", "half a second request"],
)
def test_a_connection_without_a_whole_request_is_closed(address: tuple[str, int], sent: bytes) -> None:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(sent)
        hung_up_on(connection)


def test_a_body_that_trickles_is_not_waited_for_either(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=0.05) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        for _ in range(400):
            with suppress(TimeoutError):
                hung_up_on(connection)
                return
            with suppress(ConnectionError):
                connection.sendall(b" ")
    pytest.fail("it was waited for")


def test_who_sends_again_and_again_on_one_connection_is_served(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        for _ in range(12):
            answer = client.post("/echo", json={})
            assert (answer.status_code, answer.json()) == (200, 2)
            time.sleep(0.1)


def test_one_too_many_is_hung_up_on_and_the_others_go_on(address: tuple[str, int]) -> None:
    with httpx.Client(base_url=f"http://{address[0]}:{address[1]}") as client:
        assert client.post("/echo", json={}).status_code == 200
        idle = [socket.create_connection(address, timeout=20) for _ in range(4)]
        hung_up_on(idle[-1])
        assert client.post("/echo", json={}).status_code == 200
        for each in idle:
            each.close()


def test_with_tls_one_too_many_is_hung_up_on_before_hands_are_shaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For that everybody has a minute: so many would take every file that the process may open."""
    monkeypatch.setattr(pace, "CONNECTIONS", 4)
    authority = trustme.CA()
    mine = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(each.bytes() for each in mine.cert_chain_pems))
    mine.private_key_pem.write_to_path(key)
    trusts = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    with served(FastAPI(), receiver_certificate=chain, receiver_key=key) as address:
        with httpx.Client(base_url=f"https://{address[0]}:{address[1]}", verify=trusts) as client:
            assert client.get("/").status_code == 404
            before = len(os.listdir("/proc/self/fd"))
            silent = [socket.create_connection(address, timeout=20) for _ in range(20)]
            for each in silent[3:]:
                hung_up_on(each)
            assert len(os.listdir("/proc/self/fd")) - before <= len(silent) + 3
            assert client.get("/").status_code == 404, "who was there before goes on"
            for each in silent:
                each.close()
        deadline = time.monotonic() + 20
        with httpx.Client(base_url=f"https://{address[0]}:{address[1]}", verify=trusts) as client:
            while time.monotonic() < deadline:
                with suppress(httpx.TransportError):
                    assert client.get("/").status_code == 404
                    return
        pytest.fail("nobody else was let in once they had left")
