"""Prints how many alerts a second one receiver process takes on one core, and that none that was answered 202 is lost.

    python tests/benchmarks/intake.py [seconds] [ledger URL]

`remediate receive` runs as in production, on a core of its own as far as the machine has two: real sockets, a bearer token,
an SQLite ledger on disk (or the one at the URL). Senders are other processes on the other cores. Each alert is another
virtual machine, so each opens an incident; that is the dearest case. Processor time is what counts on a machine that has
other work: it says how many a whole core would take.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

T = TypeVar("T")

TOKEN = "t0ken-of-the-benchmark"
CONFIGS = Path(__file__).parents[2] / "configs"
MESSAGE = (
    "Virtual machine migration operation for '{vm}' failed at migration source 'HV01'. (Virtual machine ID "
    "6D5A3C1E-0A4B-4C7D-9E2F-1B3C5D7E9F10)\n\nThe Virtual Machine Management Service failed to establish a connection for a "
    "Virtual machine migration with host 'HV02': No credentials are available in the security package (0x8009030E)."
)


def main(seconds: float, ledger_url: str | None) -> None:
    """Send for so long, in groups of several sizes, and look into the ledger afterwards."""
    from remediations.ledger import Ledger

    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        shutil.copytree(CONFIGS, home / "configs")
        url = ledger_url or f"sqlite:///{home / 'ledger.db'}"
        (home / "token").write_text(TOKEN)
        (home / "token").chmod(0o600)
        for group, senders, named in ((1, 16, True), (1, 64, True), (1, 64, False), (10, 16, True), (100, 4, True)):
            process, address = started(home, url)
            try:
                sent(address, group, senders, 1, named)  # it has read its signatures and compiled its statements then
                before = cpu(process.pid)
                began = time.monotonic()
                answered = sent(address, group, senders, seconds, named)
                took, used = time.monotonic() - began, cpu(process.pid) - before
            finally:
                process.terminate()
                process.wait(30)
            with Ledger(url) as ledger:
                there = {each.incident.vm for each in ledger.open_incidents()}
            lost = len(answered - there)
            each = 1000 * used / len(answered)
            what = "names in fields" if named else "names in the text only"
            print(f"{group:>4} alerts a request, {senders:>3} connections, {what}: ", end="")
            print(f"{each:.2f} ms of core each ({1000 / each:.0f}/s on a whole core), lost: {lost}; ", end="")
            print(f"by the clock {len(answered) / took:.0f} alerts/s answered 202, load {os.getloadavg()[0]:.1f}", flush=True)


def started(home: Path, url: str, *, workers: int = 1) -> tuple[subprocess.Popen[bytes], str]:
    """`remediate receive`, and where it listens; a single process gets core 0 for itself."""
    env = os.environ | {
        "REMEDIATE_CONFIG": str(home / "configs"),
        "REMEDIATE_STATE": str(home / "state"),
        "REMEDIATE_LEDGER": url,
        "REMEDIATE_RECEIVER_PORT": "0",
        "REMEDIATE_RECEIVER_RATE": "100000",
        "REMEDIATE_RECEIVER_TOKEN_FILE": str(home / "token"),
    }
    log = home / "receiver.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "remediations.cli", "receive", "--workers", str(workers)]
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    if workers == 1:
        on_core_0(process.pid)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text().splitlines():
            if line.startswith("alerts to"):
                address = line.split()[-1]
                try:
                    httpx.get(address.removesuffix("/alerts") + "/health").raise_for_status()
                except httpx.HTTPError:
                    break
                return process, address
        time.sleep(0.1)
    raise SystemExit(log.read_text())


def on_core_0(pid: int) -> None:
    """One core for the receiver, if there is another for who sends."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(pid, {min(os.sched_getaffinity(0))})


def cpu(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sent(address: str, group: int, senders: int, seconds: float, named: bool = True) -> set[str]:
    """Virtual machines whose alerts were answered 202."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(send, (address, group, senders, seconds, named))


def send(address: str, group: int, senders: int, seconds: float, named: bool) -> set[str]:
    """In a process of its own: so many connections at once, each with the next request as soon as one is answered."""
    answered: set[str] = set()
    end = time.monotonic() + seconds
    mark = f"{time.time_ns():x}"[-8:]

    def bodies(number: int) -> Iterator[tuple[bytes, list[str]]]:
        round_ = 0
        while time.monotonic() < end:
            round_ += 1
            names = [f"{mark}-{number}-{round_}-{each}" for each in range(group)]
            yield json.dumps(webhook(names, named)).encode(), names

    async def sender(number: int) -> None:
        async for status, names in posted(address, bodies(number)):
            if status == 202:
                answered.update(names)

    async def all_of_them() -> None:
        await asyncio.gather(*(sender(number) for number in range(senders)))

    asyncio.run(all_of_them())
    return answered


async def posted(address: str, bodies: Iterable[tuple[bytes, T]]) -> AsyncIterator[tuple[int, T]]:
    """Post these one after another on one connection: each answer's status, and what the body was given with."""
    where = urlsplit(address)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    for body, mark in bodies:
        head = f"POST {where.path}/alertmanager HTTP/1.1\r\nHost: r\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(answer.partition("content-length:")[2].split()[0]))
        yield int(answer.split()[1]), mark
    writer.close()


def webhook(names: list[str], named: bool = True) -> dict[str, Any]:
    """Alertmanager's body with a firing alert for each virtual machine, which labels name, or only the event's text."""
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "x", "event_id": "21024"}
            | ({"vm": vm, "source": "HV01", "destination": "HV02"} if named else {}),
            "annotations": {"message": MESSAGE.format(vm=vm)},
            "startsAt": "2026-11-02T21:14:07.123456789Z",
        }
        for vm in names
    ]
    return {"version": "4", "receiver": "benchmark", "alerts": alerts}


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10, sys.argv[2] if len(sys.argv) > 2 else None)
