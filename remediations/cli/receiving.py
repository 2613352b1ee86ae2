"""The alert receiver's socket and server: as a part of `remediate serve`, and alone as `remediate receive`."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from remediations.cli.children import Child, until_told
from remediations.cli.console import Exit, err
from remediations.cli.pace import Doorway, paced
from remediations.settings import ConfigError, Configuration, Problem, SecretUnavailable, Settings, this_machine

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
        tokens=found.receiver_tokens,
        secrets=found.receiver_secrets,
        check=check,
        settle=settle or starts_nothing,
        limits=Limits(per_second=found.receiver_rate, burst=max(1, int(2 * found.receiver_rate))),
    )


def listener(found: Settings) -> socket.socket:
    """The socket it listens on; what is sent there waits until somebody takes it.

    Raises `ConfigError`, before anything has started, if it must not or cannot listen there: what a setting names is open to
    everybody, cannot be read, or is taken.
    """
    address, port = found.receiver_address, found.receiver_port
    if address not in LOOPBACK:
        _refuse_open(found)
    for what in ("TOKEN", "SECRET"):
        _refuse_unreadable(found, what)
    _tls(found)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=2048, reuse_port=False)
    except OSError as error:
        name, right = _OTHERWISE.get(error.errno or 0, ("ADDRESS", "set it to an address of this machine"))
        raise ConfigError([_wrong(name, f"the receiver cannot listen on {address}:{port} ({_short(error)})", right)]) from error


def _short(error: OSError) -> str:
    """Its reason without the address, which `create_server` puts into its words; a name that is not known has no such code."""
    return str(error.strerror) if isinstance(error, socket.gaierror) or error.errno is None else os.strerror(error.errno)


_OTHERWISE = {
    errno.EADDRINUSE: ("PORT", "is another `remediate serve` or `receive` running? Else set it to a port that is free"),
    errno.EACCES: ("PORT", "set it to 1024 or more, or let this account use lower ones"),
}
"""Which setting keeps it from listening, and what to do, by the system's error."""


def _wrong(setting: str, wrong: str, right: str) -> Problem:
    return Problem.of_variable(f"REMEDIATE_RECEIVER_{setting}", wrong, right)


def _refuse_open(found: Settings) -> None:
    """Off loopback, senders prove who they are, and nobody on the way reads how."""
    where = found.receiver_address
    if found.receiver_tokens is None and found.receiver_secrets is None:
        wrong = f"the receiver would let everybody in at {where} without a token or a signature"
        right = "set REMEDIATE_RECEIVER_TOKEN_FILE or _TOKEN_ENV, or REMEDIATE_RECEIVER_SECRET_FILE or _SECRET_ENV"
        raise ConfigError([_wrong("ADDRESS", wrong, f"{right}, or listen on 127.0.0.1")])
    if found.receiver_certificate is None and found.receiver_proxy is None:
        wrong = f"the receiver would take tokens and alerts in the clear at {where}"
        right = "set REMEDIATE_RECEIVER_CERTIFICATE and _KEY, or REMEDIATE_RECEIVER_PROXY if a reverse proxy does TLS"
        raise ConfigError([_wrong("ADDRESS", wrong, f"{right}, or listen on 127.0.0.1")])


def _refuse_unreadable(found: Settings, what: str) -> None:
    """A token or secret that cannot be read now would let nobody in, and say so to the senders only."""
    read = found.receiver_tokens if what == "TOKEN" else found.receiver_secrets
    try:
        if read is not None:
            read()
    except SecretUnavailable as error:
        name = f"{what}_FILE" if getattr(found, f"receiver_{what.lower()}_file") else f"{what}_ENV"
        raise ConfigError(
            [_wrong(name, str(error), "nobody could send an alert: name one that this account can read")]
        ) from None


def _tls(found: Settings) -> dict[str, str]:
    """What the server needs for TLS; nothing if a proxy does it. Raises `ConfigError` if the two files cannot be used."""
    if found.receiver_certificate is None or found.receiver_key is None:
        return {}
    files = {"CERTIFICATE": found.receiver_certificate, "KEY": found.receiver_key}
    for name, path in files.items():
        try:
            path.open("rb").close()
        except OSError as error:
            wrong = f"{path} cannot be read ({error.strerror})"
            raise ConfigError([_wrong(name, wrong, "name a PEM file that this account may read")]) from error
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            files["CERTIFICATE"], files["KEY"], password=""
        )  # a key that has one is refused, and nobody is asked
    except (ssl.SSLError, OSError) as error:
        wrong = f"{found.receiver_certificate} and {found.receiver_key} cannot be used ({error})"
        raise ConfigError(
            [_wrong("CERTIFICATE", wrong, "both in PEM, a certificate and its own key, without a password")]
        ) from error
    return {"ssl_certfile": str(found.receiver_certificate), "ssl_keyfile": str(found.receiver_key)}


def server(found: Settings, app: FastAPI) -> uvicorn.Server:
    """The server over the application, with TLS if there is a certificate. Raises `ConfigError` if that cannot be used."""
    import uvicorn

    # Only what a named proxy says of its client's address counts, for the rate limit.
    proxies: dict[str, Any] = {"proxy_headers": False}
    if found.receiver_proxy is not None:
        proxies = {"proxy_headers": True, "forwarded_allow_ips": found.receiver_proxy}
    options: dict[str, Any] = {**proxies, **_tls(found)}
    if "ssl_certfile" in options:
        options["loop"] = "asyncio"  # see `Doorway`
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5, ws="none", **options
    )
    config.load()
    config.http_protocol_class = paced(config.http_protocol_class)
    return uvicorn.Server(config)


def run(serving: uvicorn.Server, listening: socket.socket) -> None:
    """Serve at a socket until told to end; the socket is closed then."""
    serving.run([Doorway(listening) if serving.config.is_ssl else listening])


def url(found: Settings, listening: socket.socket) -> str:
    """Where alerts go."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    return f"{'http' if found.receiver_certificate is None else 'https'}://{shown}:{port}/alerts"


@contextlib.contextmanager
def in_background(found: Settings, app: FastAPI, listening: socket.socket) -> Iterator[str]:
    """The receiver in a thread of its own, on a socket that `listener` made; its URL."""
    serving, where = server(found, app), url(found, listening)
    thread = threading.Thread(target=run, args=(serving, listening), name="receiver", daemon=True)
    thread.start()
    try:
        yield where
    finally:
        serving.should_exit = True
        thread.join(timeout=10)


def receive(*, workers: int, inherited: int | None) -> int:
    """Receive alerts until told to end; the exit code. With several workers this process only keeps them running."""
    from remediations import logs
    from remediations.catalogue import CATALOGUE

    logs.configure(stream=sys.stderr)
    os.umask(0o077)  # as for `serve`: its logs are for this account alone
    found = Settings.load()
    site = this_machine({each.id: each.tier for each in CATALOGUE.values()})  # not the flows' own: no Prefect here
    found.make_state()
    if workers > 1:
        return _keep(found, workers)
    listening = listener(found) if inherited is None else socket.socket(fileno=inherited)
    with contextlib.closing(listening):
        return _one(found, site, listening)


def _one(found: Settings, site: Configuration, listening: socket.socket) -> int:
    from remediations.alerts.taking import over
    from remediations.ledger import Ledger

    with Ledger(found.ledger_url) as ledger:

        def settle(incident: Incident, ended: Ended) -> str:
            return over(ledger.over(incident.key, ended.how, ended.words(incident), began=incident.occurred_at), ended)

        serving = server(found, application(found, site, ledger.take_in, settle))
        with contextlib.suppress(KeyboardInterrupt), until_told():
            err.print(f"alerts to  {url(found, listening)}", markup=False)
            run(serving, listening)
    return Exit.DONE


def _keep(found: Settings, workers: int) -> int:
    """Workers on one socket: what waits to be accepted is nobody's, so a worker that dies loses none of it."""
    with contextlib.closing(listener(found)) as listening:
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
