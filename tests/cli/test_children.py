"""Children end with us: politely, within a bound, and with everything that they started."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from remediations.cli.children import AGAIN_SECONDS, Child, ChildFailed, until_told
from remediations.cli.prefect_server import OFFLINE, client_environment, free_port, start_server, wait_ready

STUBBORN = """
import os, signal, subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"])
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(grandchild.pid, flush=True)
time.sleep(600)
"""


def child(tmp_path: Path, code: str) -> Child:
    return Child("the child", [sys.executable, "-c", code], env=dict(os.environ), log=tmp_path / "logs" / "child.log")


def alive(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped by whoever adopted it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_that_does_not_want_to_end_is_ended_with_its_own_children(tmp_path: Path) -> None:
    stubborn = child(tmp_path, STUBBORN)
    while not stubborn.tail().strip():
        stubborn.check()
        time.sleep(0.05)
    grandchild = int(stubborn.tail())
    assert alive(grandchild)
    stubborn.stop(0.2)
    assert not stubborn.running
    deadline = time.monotonic() + 10
    while alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(grandchild)
    stubborn.stop()


def test_one_that_ended_by_itself_is_told_with_its_log(tmp_path: Path) -> None:
    short = child(tmp_path, "print('the reason'); raise SystemExit(3)")
    short._process.wait(10)
    with pytest.raises(ChildFailed, match="exit code 3") as failed:
        short.check()
    assert str(short.log) in str(failed.value)
    assert "the reason" in str(failed.value)


def test_of_a_log_only_its_end_is_read(tmp_path: Path) -> None:
    log = tmp_path / "huge.log"
    with log.open("wb") as file:
        file.truncate(256 * 1024**2)
    talker = Child("the talker", [sys.executable, "-c", "print('\\nthe first\\nthe last')"], env=dict(os.environ), log=log)
    talker._process.wait(10)
    tracemalloc.start()
    try:
        assert talker.tail(2) == "the first\nthe last"
        assert tracemalloc.get_traced_memory()[1] < 10 * 1024**2
    finally:
        tracemalloc.stop()


def test_an_api_that_never_answers_is_told_with_its_address(tmp_path: Path) -> None:
    api = f"http://127.0.0.1:{free_port()}/api"
    with pytest.raises(ChildFailed, match=api):
        wait_ready(api, None, seconds=0.5)


def test_a_server_that_cannot_start_is_told_at_once(tmp_path: Path) -> None:
    home = tmp_path / "prefect"
    (home / "prefect.db").mkdir(parents=True)
    server, api = start_server(home, port=None, log=tmp_path / "server.log")
    try:
        with pytest.raises(ChildFailed, match=r"server\.log"):
            wait_ready(api, server, seconds=60)
    finally:
        server.stop()


def test_nothing_of_another_prefect_gets_in_and_nothing_goes_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "true")
    monkeypatch.setenv("PREFECT_API_URL", "https://api.prefect.cloud")
    monkeypatch.setenv("PREFECT_PROFILE", "another")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "us:er")
    monkeypatch.setenv("PREFECT_UI_URL", "https://prefect.contoso.com")
    env = client_environment("http://127.0.0.1:4200/api", tmp_path)
    assert env.items() >= OFFLINE.items()
    assert env["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert "PREFECT_PROFILE" not in env
    assert env["PREFECT_API_AUTH_STRING"] == "us:er", "credentials for an existing server are kept"
    assert env["PREFECT_UI_URL"] == "https://prefect.contoso.com", "workers put it into links (docs/runs.md)"


class Destructor:
    """Told to end in the one moment in which Python loses it."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def ended_while_a_destructor_ran() -> None:
    with until_told():
        Destructor()
        gc.collect()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.01)
    pytest.fail("it was never told")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_in_a_destructor_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt):
        ended_while_a_destructor_ran()


def ended(stop: Callable[[], object]) -> None:
    with until_told(), contextlib.ExitStack() as stack:
        stack.callback(stop)
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM])
def test_stopping_is_not_disturbed(again: signal.Signals) -> None:
    stopped = []

    def stop() -> None:
        try:
            int("what goes wrong while it stops")
        except ValueError:
            signal.raise_signal(again)
        signal.raise_signal(again)
        time.sleep(AGAIN_SECONDS + 0.2)
        stopped.append(again)

    with pytest.raises(KeyboardInterrupt):
        ended(stop)
    assert stopped == [again]


def test_handlers_are_as_before() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        ended(lambda: None)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
