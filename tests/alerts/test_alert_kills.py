"""Whatever is killed in the middle of a stream of alerts: what was answered 202 is in the ledger, once."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest
from alert_examples import alert, webhook
from own_postgres import Postgres, own_server, require
from real_stack import eventually, free_port

from remediations.ledger import Ledger
from remediations.model.outcome import Refused

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

CONFIGS = Path(__file__).parents[2] / "configs"
SENDERS, GROUP, PART = 6, 5, 300
"""How many send, alerts of one request, and how many alerts have to be answered between two kills."""


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    require()
    with own_server() as server:
        server.start()
        yield server


class Receiver:
    """`remediate receive` with two processes on one port."""

    def __init__(self, home: Path, url: str) -> None:
        shutil.copytree(CONFIGS, home / "configs")
        self.home, self.port = home, free_port()
        self.env = os.environ | {
            "REMEDIATE_CONFIG": str(home / "configs"),
            "REMEDIATE_STATE": str(home / "state"),
            "REMEDIATE_LEDGER": url,
            "REMEDIATE_RECEIVER_PORT": str(self.port),
            "REMEDIATE_RECEIVER_RATE": "1000000",  # nobody is refused for sending much
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.home / "receive.log").open("ab") as log:
            command = [sys.executable, "-m", "remediations.cli", "receive", "--workers", "2"]
            self._process = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)

    def kill(self) -> None:
        """The keeper and its workers, all at once."""
        assert self._process is not None
        own = self._process.pid
        workers = [int(each) for each in Path(f"/proc/{own}/task/{own}/children").read_text().split()]
        for each in (own, *workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(60) == 0

    def told(self) -> str:
        logs = [self.home / "receive.log", *self.home.glob("state/logs/*")]
        return "\n".join(each.read_text(errors="replace")[-2000:] for each in logs)


class Stream:
    """Senders that send each group again until it is answered 202, as Alertmanager does; then the next, until told to end."""

    def __init__(self, port: int) -> None:
        self.answered: set[str] = set()
        self.refused: list[int] = []
        self.cut_off: list[str] = []
        """Requests that got no answer, by how they ended."""
        self._whole: list[int] = []
        """Senders that sent to the end, and did not die of something else."""
        self._ends = threading.Event()
        self._url = f"http://127.0.0.1:{port}/alerts/alertmanager"
        self._threads = [threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(SENDERS)]

    def start(self) -> None:
        for each in self._threads:
            each.start()

    def end(self) -> None:
        """Send nothing new, and wait until all that was begun is answered."""
        self._ends.set()
        for each in self._threads:
            each.join(240)
            assert not each.is_alive()
        assert sorted(self._whole) == list(range(SENDERS))

    def _send(self, number: int) -> None:
        with httpx.Client(timeout=30) as client:
            for round_ in count():
                if self._ends.is_set():
                    self._whole.append(number)
                    return
                names = [f"VM-{number}-{round_}-{each}" for each in range(GROUP)]
                body = webhook(*(alert(vm=name, source="HV01") for name in names))
                while True:
                    try:
                        answer = client.post(self._url, json=body)
                    except httpx.HTTPError as error:
                        self.cut_off.append(type(error).__name__)
                        time.sleep(0.1)
                        continue
                    if answer.status_code == 202:
                        self.answered.update(names)
                        break
                    self.refused.append(answer.status_code)
                    time.sleep(0.1)


def streamed(receiver: Receiver, url: str, kill: Callable[[Stream], None], times: int) -> None:
    """A stream in which something is killed so often; then everything that was answered is there, once."""
    receiver.start()
    stream = Stream(receiver.port)
    stream.start()
    for _ in range(times):
        part_of(stream, receiver)
        kill_and_look(kill, url, stream, receiver)
    part_of(stream, receiver)
    stream.end()
    receiver.stop()
    assert set(stream.refused) <= {503}, "what cannot be taken now is told so, and nothing else"
    with Ledger(url) as ledger:
        found = [str(each.incident.vm) for each in ledger.open_incidents()]
        ledger.verify()
    assert sorted(found) == sorted(stream.answered), "each once, none lost, none twice"


def part_of(stream: Stream, receiver: Receiver) -> None:
    """Wait until a part of the stream has been answered."""
    before = len(stream.answered)
    eventually(lambda: len(stream.answered) >= before + PART, "the stream", receiver.told)


def kill_and_look(kill: Callable[[Stream], None], url: str, stream: Stream, receiver: Receiver) -> None:
    """What had been answered before is there after it."""
    before = set(stream.answered)
    kill(stream)
    eventually(lambda: _holds(url, before), "a ledger that can be read", receiver.told)


def _holds(url: str, answered: set[str]) -> bool:
    """Whether the ledger has all of these; False while it cannot be read. Raises if one is lost."""
    try:
        with Ledger(url) as ledger:
            found = {str(each.incident.vm) for each in ledger.open_incidents()}
    except Refused:
        return False
    assert answered <= found, f"lost: {sorted(answered - found)[:5]}"
    return True


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_receiver_is_killed_three_times(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}" if kind == "sqlite" else request.getfixturevalue("postgres").url
    receiver = Receiver(tmp_path, url)

    def kill(stream: Stream) -> None:
        before = len(stream.cut_off)
        receiver.kill()
        eventually(lambda: len(stream.cut_off) > before, "a sender that finds nobody", receiver.told)
        receiver.start()

    streamed(receiver, url, kill, times=3)
    assert len(re.findall("alerts to", (tmp_path / "receive.log").read_text())) == 4


def test_the_database_is_killed_three_times(postgres: Postgres, tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, postgres.url)

    def kill(stream: Stream) -> None:
        before = len(stream.refused)
        postgres.kill()
        eventually(lambda: len(stream.refused) > before, "a sender that is told to come again", receiver.told)
        postgres.start()

    streamed(receiver, postgres.url, kill, times=3)
