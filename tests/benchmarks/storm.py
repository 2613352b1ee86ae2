"""A storm of 10,000 alerts that hold 200 groups, four receivers on one PostgreSQL: how many runs, how dear. Prints only.

    python tests/benchmarks/storm.py [alerts] [groups]

The receivers are `remediate receive --workers 4` as in production: real sockets, a durable PostgreSQL of our own, one alert
a request; every tenth alert comes twice. Two dispatchers work on the same ledger, as two `remediate serve` would. Prefect is
only counted with (one file for each run that it is asked for), and runs read no host: they begin, close what went with them
and end, after the last alert was answered. What a real Prefect makes of kills is in tests/flows/test_prefect_kills.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))
sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))

import intake
import storming
from own_postgres import own_postgres

from remediations.ledger import Ledger
from remediations.model.incident import Incident

RECEIVERS, DISPATCHERS, CONNECTIONS, MOST = 4, 2, 64, 10


def main(alerts: int, groups: int) -> None:
    told = storming.alerts(groups, alerts // groups)
    with tempfile.TemporaryDirectory() as name, own_postgres(durable=True) as url:
        home, runs = Path(name), Path(name) / "runs"
        runs.mkdir()
        made(home, groups)
        process, address = intake.started(home, url, workers=RECEIVERS)
        try:
            with ProcessPoolExecutor(1 + DISPATCHERS, mp_context=multiprocessing.get_context("spawn")) as pool:
                working = [pool.submit(dispatch, url, runs, home / "over") for _ in range(DISPATCHERS)]
                accept(pool.submit(send, address, [*told, *told[::10]]), process.pid)
                arranged(url, working, home / "over")
        finally:
            process.terminate()
            process.wait(60)
        carry_out(url, runs, len(told))


def made(home: Path, groups: int) -> None:
    """A site with a pair of hosts for each group, and the receivers' token."""
    shutil.copytree(intake.CONFIGS, home / "configs")
    hosts = "".join(f"  - name: {end}{group}\n" for group in range(groups) for end in "AB")
    endpoint = "defaults: {endpoint: {username: 'CONTOSO\\svc', password: {env: REMEDIATE_PASSWORD}}}"
    text = f"domain: contoso.com\n{endpoint}\ncontrollers: [{{name: DC1}}]\nhosts:\n{hosts}"
    (home / "configs" / "site.yaml").write_text(text)
    (home / "token").write_text(intake.TOKEN)
    (home / "token").chmod(0o600)


def accept(sending: Future[tuple[int, int, float]], keeper: int) -> None:
    """All alerts are sent; what that cost the receivers."""
    receivers = [int(each) for each in Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()]
    before = sum(map(intake.cpu, receivers))
    answered, again, took = sending.result()
    used = sum(map(intake.cpu, receivers)) - before
    print(f"{answered:,} alerts answered 202 by {len(receivers)} processes, sent again after 429 or 503: {again}")
    print(f"  {1000 * used / answered:.2f} ms of core each; by the clock {answered / took:,.0f} a second, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)


def arranged(url: str, working: Sequence[Future[float]], over: Path) -> None:
    """Wait until the dispatchers have nothing left to decide; what they cost."""
    began = time.monotonic()
    with Ledger(url, patience=60) as ledger:
        while ledger.newcomers(1):
            time.sleep(0.1)
        over.touch()
        used = sum(each.result() for each in working)
        print(f"all were arranged {time.monotonic() - began:.1f} s after the last answer; ", end="")
        print(f"{DISPATCHERS} dispatchers used {used:.1f} s of a core", flush=True)


def carry_out(url: str, runs: Path, alerts: int) -> None:
    """The runs begin and end, until nothing is open; what the ledger then holds."""
    quiet()
    with Ledger(url, patience=60) as ledger:
        there = len(ledger.open_incidents())
        print(f"{there:,} incidents are open, of {alerts:,} that failed: lost {alerts - there}")
        began, used = time.monotonic(), time.process_time()
        executed = storming.finish(url, str(runs), MOST)
        asked, twice = len(storming.CountingPrefect(runs).runs()), sum(each > 1 for each in executed.values())
        print(f"{asked} flow runs, never more than {MOST} at once; {len(executed)} executed, {twice} of them twice")
        print(f"they began and ended, one after another, in {time.monotonic() - began:.1f} s ", end="")
        print(f"({time.process_time() - used:.1f} s of a core)")
        began = time.monotonic()
        ledger.verify()
        print(f"the audit trail holds, read in {time.monotonic() - began:.1f} s; {len(ledger.open_incidents())} open")


def dispatch(url: str, runs: Path, over: Path) -> float:
    """One dispatcher, in a process of its own, until it is over; seconds of processor that it used."""
    quiet()
    imported = time.process_time()
    with Ledger(url, patience=60) as ledger, storming.working(storming.dispatcher(ledger, runs, MOST)):
        while not over.exists():
            time.sleep(0.1)
    return time.process_time() - imported


def send(address: str, told: Sequence[Incident]) -> tuple[int, int, float]:
    """In a process of its own, each alert until it is answered 202: how many were, how many came again, the seconds it took."""
    waiting, counts = iter([body_of(each) for each in told]), {"answered": 0, "again": 0}

    async def sender() -> None:
        left = [next(waiting, None)]

        def own() -> Iterator[tuple[bytes, None]]:
            while left[0] is not None:
                yield left[0], None

        async for status, _ in intake.posted(address, own()):
            if status == 202:
                counts["answered"] += 1
                left[0] = next(waiting, None)
            else:
                counts["again"] += 1
                await asyncio.sleep(0.2)

    async def all_of_them() -> None:
        await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))

    began = time.monotonic()
    asyncio.run(all_of_them())
    return counts["answered"], counts["again"], time.monotonic() - began


def body_of(incident: Incident) -> bytes:
    """The incident as Alertmanager sends it."""
    labels = {"alertname": "x", "vm": incident.vm, "source": incident.source, "destination": incident.destination}
    alert = {"status": "firing", "labels": labels, "annotations": {"message": incident.message}}
    return json.dumps({"version": "4", "receiver": "storm", "alerts": [alert]}).encode()


def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(given[0] if given else 10_000, given[1] if len(given) > 1 else 200)
