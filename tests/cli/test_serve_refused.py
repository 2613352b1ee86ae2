"""What keeps `remediate serve` from starting is said before anything has started, with exit code 2 and the setting's name."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remediations.cli import app

pytestmark = pytest.mark.usefixtures("logging_as_it_was")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"REMEDIATE_RECEIVER_ADDRESS": "0.0.0.0"}, "REMEDIATE_RECEIVER_ADDRESS: the receiver would let everybody in"),  # noqa: S104
        (
            {
                "REMEDIATE_RECEIVER_ADDRESS": "192.0.2.1",
                "REMEDIATE_RECEIVER_PROXY": "192.0.2.2",
                "REMEDIATE_RECEIVER_TOKEN_ENV": "PATH",
            },
            "REMEDIATE_RECEIVER_ADDRESS: the receiver cannot listen on 192.0.2.1:0",
        ),
        ({"REMEDIATE_RECEIVER_TOKEN_FILE": "/nowhere"}, "REMEDIATE_RECEIVER_TOKEN_FILE: secret file /nowhere: No such file"),
        ({"PREFECT_API_URL": "foo"}, "PREFECT_API_URL: this is no address of a Prefect API; write it as http"),
        ({"PREFECT_API_URL": "http://[::1"}, "PREFECT_API_URL: this is no address of a Prefect API; write it as http"),
        ({"REMEDIATE_CONFIG": ""}, "REMEDIATE_CONFIG: this is not set, and"),
    ],
)
def test_a_setting(variables: dict[str, str], words: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    refused(["serve"], words, state)


def test_ports_that_are_taken(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(["serve", "--port", port], f"--port: Prefect cannot listen on 127.0.0.1:{port} (Address already in use)", state)
        monkeypatch.setenv("REMEDIATE_RECEIVER_PORT", port)
        refused(["serve"], f"REMEDIATE_RECEIVER_PORT: the receiver cannot listen on 127.0.0.1:{port} (Address already", state)


def test_a_second_one_with_the_same_state(state: Path) -> None:
    with (state / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(["serve"], f"REMEDIATE_STATE: another `remediate serve` runs with {state}; stop it first", state)


def refused(command: list[str], words: str, state: Path) -> None:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert not (state / "prefect").exists(), "nothing was started"
    assert not (state / "ledger.db").exists(), "and no ledger was made"
