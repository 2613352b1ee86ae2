"""One conversation with one host: a connection, a runspace pool, and the pipelines in it. Used by one thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from itertools import zip_longest
from uuid import UUID

import structlog
from pypsrp.exceptions import AuthenticationError, WSManFaultError

from remediations.model.command import Command
from remediations.model.site import Endpoint, SecretRef
from remediations.remoting.encode import has_secret
from remediations.remoting.settings import RemotingSettings
from remediations.remoting.wire import Connection, Late, Pipeline, Pool

log = structlog.get_logger(__name__)

_SPIN = 20
"""Answers without any content, one right after the other, that end the patience with a host."""


def connect(
    endpoint: Endpoint, fqdn: str, secrets: Callable[[SecretRef], str], settings: RemotingSettings, clock: Callable[[], float]
) -> Connection:
    """A connection to `endpoint`, not yet open. Raises what `secrets` raises."""
    try:
        ip_address(endpoint.address)
    except ValueError:
        spn_host = None
    else:
        spn_host = fqdn  # Kerberos knows no addresses
    return Connection(
        clock=clock,
        poll=settings.poll,
        operation=settings.operation,
        slack=settings.slack,
        connect=settings.connect,
        server=endpoint.address,
        port=endpoint.port,
        path=endpoint.path,
        ssl=endpoint.transport == "https",
        encryption="auto" if endpoint.transport == "https" else "always",
        auth=endpoint.authentication.value,
        username=endpoint.username,
        password=secrets(endpoint.password) if endpoint.password else None,
        cert_validation=str(endpoint.authority) if endpoint.authority else True,
        certificate_pem=str(endpoint.certificate) if endpoint.certificate else None,
        certificate_key_pem=str(endpoint.certificate_key) if endpoint.certificate_key else None,
        negotiate_hostname_override=spn_host,
    )


class Session:
    """An open session. Every method takes a deadline on the clock; they raise what pypsrp and requests raise, and `Late`.

    Cost in requests: open 3 (and those of the logon); a pipeline 2 (Command, Receive), one more for each further envelope of
    its commands and for each `poll` seconds that it takes; proving that it is alive 1.

    A finished pipeline stays on the host until it is cleared (Signal, 1 request). That is kept off the hot path: finished
    commands are cleared when the session has been idle for a moment, and at the latest when `leftovers` of them are there,
    which bounds the host's memory (tens of KB each; a WinRM shell takes 1,000 commands). So a
    warm read costs two requests, also after many.
    """

    def __init__(self, connection: Connection, configuration: str, settings: RemotingSettings) -> None:
        self.connection, self.settings = connection, settings
        self.clock = connection.clock
        self.pool = Pool(connection, configuration, settings.idle_timeout)
        self.finished: list[str] = []
        self.heard_at = self.clock()

    def open(self, until: float) -> None:
        """Open the shell and its runspace pool."""
        self.connection.until = until
        self.pool.open()
        self.heard_at = self.clock()

    def alive(self, until: float) -> bool:
        """Whether the host still has our shell, on a connection that works; makes a new connection if the old one is dead.

        An encrypted session's security context dies with its TCP connection, and a request on it is refused (HTTP 400). So
        this, not a change, is what finds it dead.
        """
        for _ in range(2):
            self.connection.until = min(until, self.clock() + self.settings.probe)
            try:
                present = self.pool.present()
            except (AuthenticationError, Late):
                raise
            except Exception as error:  # whatever broke, the connection is made anew and asked again
                if isinstance(error, WSManFaultError) and error.code is not None:
                    raise
                self.connection.reset()
            else:
                self.heard_at = self.clock()
                return present
        return False

    def prepare(
        self,
        commands: Sequence[Command],
        secret: Callable[[str], str],
        until: float,
        command_id: UUID | None = None,
        *,
        markers: Sequence[str] = (),
        reveal: bool = False,
    ) -> Pipeline:
        """A pipeline with these statements, not yet sent; each marker is written after the one that it ends.

        Exchanges keys first if a secret goes with it, or comes back.
        """
        self.connection.until = until
        if reveal or any(has_secret(command) for command in commands):
            self.pool.exchange_keys()
        self.pool.reveal(reveal)
        pipeline = Pipeline(self.pool, command_id)
        for command, marker in zip_longest(commands, markers):
            pipeline.add(command, secret)
            if marker:
                pipeline.mark(marker)
        return pipeline

    def start(self, pipeline: Pipeline, until: float) -> None:
        """Send it. Once; whatever is raised, it is never sent again from here."""
        self.connection.until = until
        pipeline.start()
        self.heard_at = self.clock()

    def finish(self, pipeline: Pipeline, until: float, stop: Callable[[], bool], *, patient: bool) -> None:
        """Poll until it ends. Raises `Late` at the deadline, or when `stop` says so; the pipeline is left running then.

        `patient`: a Receive whose answer was lost is asked again, once; output that went with it is lost, the final state is
        not. That is what a change needs. A read asks everything anew instead: half a list must not pass for the whole.
        """
        self.connection.until = until
        self.connection.receive_again = patient
        lost, idle = 0, 0
        while pipeline.running:
            if stop():
                raise Late
            began = self.clock()
            try:
                pipeline.poll()
            except (AuthenticationError, Late):
                raise
            except Exception as error:
                lost += 1
                refused = isinstance(error, WSManFaultError) and error.code is not None
                if not patient or lost > 1 or refused:
                    raise
                self.connection.reset()
                continue
            self.heard_at = self.clock()
            idle = idle + 1 if not self.connection.got_data and self.heard_at - began < 0.05 else 0
            if idle >= _SPIN:
                raise ConnectionAbortedError("the host keeps answering at once with nothing")
        self.finished.append(pipeline.id)
        pipeline.forget()

    def stop(self, pipeline: Pipeline) -> bool:
        """Ask the host to stop it; whether the host said yes."""
        self.connection.until = self.clock() + self.settings.stop
        try:
            pipeline.stop()
        except Exception:  # it is late already; what matters is only whether it was stopped
            return False
        self.finished.append(pipeline.id)
        return True

    def tidy(self, until: float, busy: Callable[[], bool], keep: int = 0) -> None:
        """Clear finished commands on the host until `keep` are left or there is something better to do."""
        self.connection.until = until
        while len(self.finished) > keep and not busy():
            self.pool.clear(self.finished.pop(0))
            self.heard_at = self.clock()

    def close(self) -> None:
        """Close the shell if the host answers soon, else leave it to its idle timeout. Never raises."""
        self.connection.until = self.clock() + self.settings.stop
        try:
            self.pool.delete()
        except Exception as error:  # nothing more is wanted of it
            log.debug("shell left to its idle timeout", why=str(error))
        finally:
            self.connection.reset()
