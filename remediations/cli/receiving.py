"""The alert receiver's socket and server: as a part of `remediate serve`, and alone as `remediate receive`."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from remediations.cli.children import Child, ChildFailed, until_told
from remediations.cli.console import Exit, err, fail
from remediations.settings import Configuration, Settings, config_directory, load

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from remediations.alerts import Ended
    from remediations.alerts.taking import Settle
    from remediations.ledger import OpenIncident
    from remediations.model.incident import Incident

log = structlog.get_logger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

AGAIN_SECONDS = 5.0
"""After which a receiver process that ended is started again."""

Take = Callable[[Sequence["Incident"]], "Sequence[OpenIncident]"]
"""Writes incidents to the ledger, all or none."""


def application(found: Settings, configuration: Configuration, take_in: Take, settle: Settle | None = None) -> FastAPI:
    """The receiver over a ledger and a site's inventory."""
    from remediations.alerts import Accepted, Limits, Report, known_to, receiver
    from remediations.alerts.taking import starts_nothing
    from remediations.engine.propose import canonical

    known = known_to(configuration.site)

    def check(report: Report) -> Incident:
        return canonical(known(report), configuration.site)

    def intake(incidents: Sequence[Incident]) -> list[Accepted]:
        return [Accepted(incident_id=each.id, joined=each.joined) for each in take_in(incidents)]

    return receiver(
        intake,
        token=found.receiver_token,
        secret=found.receiver_secret,
        check=check,
        settle=settle or starts_nothing,
        limits=Limits(per_second=found.receiver_rate, burst=max(1, int(2 * found.receiver_rate))),
    )


def listener(found: Settings) -> socket.socket:
    """The socket it listens on. Raises `ChildFailed` if it must not, or cannot, listen there."""
    address, port = found.receiver_address, found.receiver_port
    if address not in LOOPBACK:
        _refuse_open(found)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=2048, reuse_port=False)
    except OSError as error:
        detail = "is another `remediate serve` or `receive` running? REMEDIATE_RECEIVER_PORT sets another port"
        raise ChildFailed(f"the receiver cannot listen on {address}:{port} ({error.strerror}): {detail}") from error


def _refuse_open(found: Settings) -> None:
    """Off loopback, senders prove who they are, and nobody on the way reads how."""
    where = found.receiver_address
    if found.receiver_token is None and found.receiver_secret is None:
        detail = "set REMEDIATE_RECEIVER_TOKEN_FILE or _TOKEN_ENV, or REMEDIATE_RECEIVER_SECRET_FILE or _SECRET_ENV"
        raise ChildFailed(
            f"the receiver would let everybody in at {where} without a token or a signature: {detail}, or listen on 127.0.0.1"
        )
    if found.receiver_certificate is None and found.receiver_proxy is None:
        detail = "set REMEDIATE_RECEIVER_CERTIFICATE and _KEY, or REMEDIATE_RECEIVER_PROXY if a reverse proxy does TLS"
        raise ChildFailed(
            f"the receiver would take tokens and alerts in the clear at {where}: {detail}, or listen on 127.0.0.1"
        )


def server(found: Settings, app: FastAPI) -> uvicorn.Server:
    """The server over the application, with TLS if there is a certificate. Raises `ChildFailed` if that cannot be used."""
    import uvicorn

    options: dict[str, Any] = {}
    if found.receiver_certificate is not None and found.receiver_key is not None:
        options |= {"ssl_certfile": _readable(found.receiver_certificate), "ssl_keyfile": _readable(found.receiver_key)}
    # Only what a named proxy says of its client's address counts, for the rate limit.
    proxies: dict[str, Any] = {"proxy_headers": False}
    if found.receiver_proxy is not None:
        proxies = {"proxy_headers": True, "forwarded_allow_ips": found.receiver_proxy}
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5, **proxies, **options
    )
    try:
        config.load()
    except (ssl.SSLError, OSError) as error:
        files = f"{found.receiver_certificate} and {found.receiver_key}"
        raise ChildFailed(
            f"the receiver cannot use {files} ({error}): they must be a certificate and its key, in PEM"
        ) from error
    return uvicorn.Server(config)


def _readable(path: Path) -> str:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ChildFailed(
            f"the receiver cannot read {path} ({error.strerror}): name a PEM file that this user may read"
        ) from error
    return str(path)


def url(found: Settings, listening: socket.socket) -> str:
    """Where alerts go."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'http' if found.receiver_certificate is None else 'https'}://{shown}:{port}/alerts"


@contextlib.contextmanager
def in_background(found: Settings, app: FastAPI) -> Iterator[str]:
    """The receiver in a thread of its own; its URL. Raises `ChildFailed` if it cannot be had."""
    with contextlib.closing(listener(found)) as listening:
        serving = server(found, app)
        thread = threading.Thread(target=serving.run, args=([listening],), name="receiver", daemon=True)
        thread.start()
        try:
            yield url(found, listening)
        finally:
            serving.should_exit = True
            thread.join(timeout=10)


def receive(*, workers: int, inherited: int | None) -> int:
    """Receive alerts until told to end; the exit code. With several workers this process only keeps them running."""
    from remediations import logs
    from remediations.catalogue import CATALOGUE

    logs.configure(stream=sys.stderr)
    found = Settings.load()
    site = load(config_directory(), {each.id: each.tier for each in CATALOGUE.values()})  # not the flows' own: no Prefect here
    found.make_state()
    try:
        if workers > 1:
            return _keep(found, workers)
        listening = listener(found) if inherited is None else socket.socket(fileno=inherited)
        with contextlib.closing(listening):
            return _one(found, site, listening)
    except ChildFailed as error:
        fail(str(error), Exit.FAILED)


def _one(found: Settings, site: Configuration, listening: socket.socket) -> int:
    from remediations.alerts.taking import over
    from remediations.ledger import Ledger

    with Ledger(found.ledger_url) as ledger:

        def settle(incident: Incident, ended: Ended) -> str:
            return over(ledger.over(incident.key, ended.how, ended.words(incident)), ended)

        serving = server(found, application(found, site, ledger.take_in, settle))
        with contextlib.suppress(KeyboardInterrupt), until_told():
            err.print(f"alerts to  {url(found, listening)}", markup=False)
            serving.run([listening])
    return Exit.DONE


def _keep(found: Settings, workers: int) -> int:
    """Workers on one socket: what waits to be accepted is nobody's, so a worker that dies loses none of it."""
    from fastapi import FastAPI

    with contextlib.closing(listener(found)) as listening:
        server(found, FastAPI())  # a certificate that cannot be used is said here, not by each worker again and again
        listening.set_inheritable(True)
        started: list[_Worker] = []
        try:
            with until_told():
                started.extend(_Worker(number, found, listening) for number in range(1, workers + 1))
                err.print(
                    f"alerts to  {url(found, listening)}\n{workers} processes, logs in {found.state / 'logs'}", markup=False
                )
                while True:
                    for each in started:
                        each.keep()
                    time.sleep(0.5)
        except KeyboardInterrupt:
            return Exit.DONE
        finally:
            for each in started:
                each.child.stop()


class _Worker:
    """One receiver process, started again when it ends."""

    def __init__(self, number: int, found: Settings, listening: socket.socket) -> None:
        self._number, self._found, self._listening = number, found, listening
        self.child = self._start()
        self._again = time.monotonic() + AGAIN_SECONDS

    def keep(self) -> None:
        """Start it again if it ended."""
        if not self.child.running and time.monotonic() >= self._again:
            log.warning("a receiver process ended and is started again", log=str(self.child.log))
            self.child = self._start()
            self._again = time.monotonic() + AGAIN_SECONDS

    def _start(self) -> Child:
        inherited = self._listening.fileno()
        return Child(
            f"receiver process {self._number}",
            [sys.executable, "-m", "remediations.cli", "receive", "--inherited", str(inherited)],
            env=os.environ,
            log=self._found.state / "logs" / f"receiver-{self._number}.log",
            keep_open=(inherited,),
        )
