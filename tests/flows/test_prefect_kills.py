"""Prefect's server and worker are killed in the middle of a stream of alerts: all that was answered 202 gets its run, once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import httpx
import pytest
from served_prefect import Served, eventually, serving

from flows.deployments import POOL
from flows.fate import start_lost
from remediations.cli.children import Child
from remediations.cli.prefect_server import free_port, start_server, wait_ready
from remediations.ledger import Ledger, OpenIncident

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("prefect of its own"), pytest.mark.timeout(900)]

CONFIGS = Path(__file__).parents[2] / "configs"
HOSTS = ("P1", "P2", "P3", "P4", "P5")
PAIRS = list(combinations(HOSTS, 2))
"""Each alert is of another pair, so that none goes with the run of another."""

SITE = """
domain: contoso.com
defaults: {endpoint: {address: 127.0.0.1, port: 9, username: CONTOSO\\svc, password: {env: REMEDIATE_PASSWORD}}}
controllers: [{name: DC1}]
hosts: [%s]
""" % ", ".join(f"{{name: {host}}}" for host in HOSTS)  # noqa: UP031 (full of braces)


LOST = timedelta(seconds=45)
"""The sweep waits five minutes before it takes a run for lost; a test that is sure that no process comes need not."""


class Prefect:
    """A Prefect server of our own, apart from `serve`, that can be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home, self.port = home, free_port()
        self.child: Child | None = None
        self.api = ""

    def start(self) -> None:
        """Start it, after whatever end, and wait until it answers."""
        self.child, self.api = start_server(self.home, port=self.port, log=self.home / "server.log")
        wait_ready(self.api, self.child)

    def kill(self) -> None:
        """All of it at once, with no chance to write anything."""
        assert self.child is not None
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.stop()


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[Prefect]:
    server = Prefect(tmp_path / "prefect")
    server.home.mkdir()
    server.start()
    yield server
    assert server.child is not None
    server.child.stop()


@pytest.fixture
def apart(prefect: Prefect, tmp_path: Path) -> Iterator[Served]:
    """`remediate serve` over that server; its hosts refuse every connection, so each run ends soon, in words."""
    shutil.copytree(CONFIGS, tmp_path / "configs")
    (tmp_path / "configs" / "site.yaml").write_text(SITE)
    with serving(tmp_path, PREFECT_API_URL=prefect.api, REMEDIATE_PASSWORD="none-is-asked-for-it") as running:
        yield running
    assert running.process.returncode == 0, running.log.read_text()[-3000:]
    assert running.left == []


def test_all_that_was_answered_gets_its_run_once(prefect: Prefect, apart: Served) -> None:
    with ThreadPoolExecutor(1) as sender, Ledger(f"sqlite:///{apart.state / 'ledger.db'}") as ledger:
        sending = sender.submit(send, apart, range(3))
        eventually(lambda: ledger.not_begun() or started(ledger) or None, 60, "a first run", apart.log.read_text)
        eventually(lambda: starting(apart) or None, 120, "a process for it", lambda: tail(apart))
        prefect.kill()
        sending.result()
        sender.submit(send, apart, range(3, 5)).result()  # with no Prefect at all
        prefect.start()
        eventually(sooner(apart, lambda: started(ledger) or None), 240, "a run that has begun", lambda: tail(apart))
        sending = sender.submit(send, apart, range(5, 8))
        os.kill(apart.worker(), signal.SIGKILL)
        sending.result()
        prefect.kill()
        prefect.start()
        sender.submit(send, apart, range(8, len(PAIRS))).result()

        ended = sooner(apart, lambda: None if ledger.open_incidents() else True)
        eventually(ended, 600, "the end of all", lambda: tail(apart))
        trail = list(ledger.whole_trail())
        opened = [note.data["incident"] for note in trail if note.kind == "incident opened"]
        found = [ledger.incident(each) for each in opened]
        ledger.verify()
    assert sorted(str(each.incident.vm) for each in found) == sorted(map(vm, range(len(PAIRS)))), "each once, none lost"
    assert {each.reports for each in found} == {2}
    took = [(note.data["incident"], note.run) for note in trail if note.kind == "incident taken"]
    assert sorted(took) == sorted((each.id, str(each.run)) for each in found), "each was taken by one run, once"
    for each in found:
        # Which were asked for and ended before they began, as they do where Prefect is killed, were replaced.
        lost = [str(note.run) for note in trail if note.kind == "flow run never began" and note.data["incident"] == each.id]
        assert sorted(runs_of(prefect, each.id)) == sorted([*lost, str(each.run)]), f"{each.id} has one flow run that counts"


def vm(number: int) -> str:
    return f"KILL-{number}"


def send(served: Served, numbers: range) -> None:
    """Each alert twice, as two Alertmanagers would; whatever happens to Prefect, it is taken at the first attempt."""
    for number in numbers:
        source, destination = PAIRS[number]
        for _ in range(2):
            event = {"vm": vm(number), "source": source, "destination": destination}
            answer = httpx.post(f"{served.receiver}/event", json=event, timeout=60)
            assert answer.status_code == 202, answer.text


def started(ledger: Ledger) -> list[OpenIncident]:
    """Open incidents that a run works on."""
    return [each for each in ledger.open_incidents() if each.run is not None]


def starting(served: Served) -> bool:
    """Whether the worker has started a run's process, which has not told Prefect yet that it runs."""
    return "submitted to infrastructure" in (served.state / "logs" / "prefect-worker.log").read_text(errors="replace")


def sooner(served: Served, look: Callable[[], object]) -> Callable[[], object]:
    """What `look` finds; meanwhile runs that a worker lost are started again, by the sweep's function, which waits longer."""

    def look_again() -> object:
        with served.client() as client:
            start_lost(client, POOL, after=LOST)
        time.sleep(1)
        return look()

    return look_again


def runs_of(prefect: Prefect, incident_id: str) -> list[str]:
    body = {"flow_runs": {"tags": {"all_": [incident_id]}}}
    return [each["id"] for each in httpx.post(f"{prefect.api}/flow_runs/filter", json=body, timeout=60).json()]


def tail(served: Served) -> str:
    logs = (served.log, served.state / "logs" / "prefect-worker.log")
    return "\n".join(each.read_text(errors="replace")[-3000:] for each in logs if each.exists())
