"""The door to the hosts: commands in, replies or one of a closed list of errors out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from pydantic import SecretStr

from remediations.model.command import Command
from remediations.model.contract import Effect
from remediations.model.plan import Carried
from remediations.model.reply import Reply
from remediations.model.site import CARRIES_KEYS, Authentication, Host, SecretRef, Site
from remediations.remoting.dialogue import Dialogue
from remediations.remoting.errors import DeadlinePassed, EndpointRefused, Unreachable
from remediations.remoting.session import connect
from remediations.remoting.settings import RemotingSettings
from remediations.remoting.wire import Connection
from remediations.remoting.worker import Worker

T = TypeVar("T")

_LONGEST = 24 * 3600.0


def _no_secret(name: str) -> str:
    raise LookupError(f"no secret named {name} is known here")


class Remoting:
    """Sessions to the hosts of a site. One for a process; safe to use from many threads; a context manager.

    `secrets` gives the value that a `SecretRef` points to, `secret_values` that of a command's `Secret` by its name; both are
    asked when a connection or command is about to use it, never kept, and raise `LookupError` or `OSError` for what is not
    there. Hosts are named as in the inventory; `LookupError` for one that is not in it. Deadlines are seconds from the call and
    include waiting for earlier commands to the same host.
    """

    def __init__(
        self,
        site: Site,
        secrets: Callable[[SecretRef], str],
        *,
        settings: RemotingSettings | None = None,
        secret_values: Callable[[str], str] = _no_secret,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site, self._secrets, self._secret_values = site, secrets, secret_values
        self._settings, self._clock = settings or RemotingSettings(), clock
        self._workers: dict[str, Worker] = {}
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def read(self, host: str, commands: Sequence[Command], *, deadline: float) -> list[Reply]:
        """Send reading commands; one reply for each, in order. A `Reply` holds the errors of its own command only.

        Raises `ValueError` for a command that does not only read, and `Unreachable`, `CredentialsRefused`, `EndpointRefused` or
        `DeadlinePassed` when there is no reply at all. Asked once more if the answer is lost: a read is safe twice.
        """
        return self._wait(host, self.submit(host, commands, deadline=deadline), _text(commands), deadline)

    def submit(self, host: str, commands: Sequence[Command], *, deadline: float) -> Future[list[Reply]]:
        """As `read`, without waiting: for many hosts at the same time. Raises what the call itself got wrong at once."""
        for each in commands:
            if each.effect is not Effect.READ:
                raise ValueError(f"{each.name} does not only read ({each.effect}): it is not sent by a reading session")
        worker, until = self._worker(host), self._until(deadline)
        if not commands:
            nothing: Future[list[Reply]] = Future()
            nothing.set_result([])
            return nothing
        return worker.submit(lambda: worker.dialogue.read(tuple(commands), until))

    def collect(self, host: str, command: Command, *, deadline: float) -> Future[list[Reply]]:
        """Send a command that leaves evidence and removes it again, as a read; twice does no harm, so a lost answer asks again.

        Raises `ValueError` for a command of any other effect.
        """
        if command.effect is not Effect.EVIDENCE:
            raise ValueError(f"{command.name} collects no evidence ({command.effect}): it is sent as what it is")
        worker, until = self._worker(host), self._until(deadline)
        return worker.submit(lambda: worker.dialogue.read((command,), until))

    def change(
        self,
        host: str,
        command: Command,
        *,
        deadline: float,
        command_id: UUID,
        before_send: Callable[[], None],
        carries: Sequence[Carried] = (),
    ) -> Reply:
        """Send one command that changes something, exactly once, whatever happens.

        The secrets that it `carries` are asked of their hosts first, and only over endpoints that may carry keys; they live in
        this process's memory until the command has been sent.

        `before_send` is called (on the host's thread, in the caller's context) when the session is proven alive and the command
        is ready to go, right before it goes; what it raises is raised here, and nothing is sent. Raises `CommandFailed` if the
        host reported an error; `AnswerLost` (`StoppedAtDeadline` among them) if it may have run and nobody knows; any other
        `RemotingError` means that it did not run.
        """
        if command.effect in (Effect.READ, Effect.SECRET):
            raise ValueError(f"{command.name} changes nothing ({command.effect}): it is not sent as a change")
        worker, until = self._worker(host), self._until(deadline)
        carried = {each.secret: self._handed(each, host, until) for each in carries}
        future = worker.submit(lambda: worker.dialogue.change(command, until, command_id, before_send, carried))
        return self._wait(host, future, command.text, max(0.01, until - self._clock()))

    def _handed(self, carried: Carried, to: str, until: float) -> SecretStr:
        """What one host hands out for another."""
        for name in (carried.host, to):
            if not self._site.host(name).endpoint.carries_keys:
                problem = f"its endpoint may carry no private key ({CARRIES_KEYS})"
                raise EndpointRefused(name, carried.command.text, problem, "See transport and authentication in site.yaml.")
        worker = self._worker(carried.host)
        future = worker.submit(lambda: worker.dialogue.hand_over(carried.command, until))
        return self._wait(carried.host, future, carried.command.text, max(0.01, until - self._clock()))

    def outcome(self, host: str, command_id: UUID, *, deadline: float) -> Reply | None:
        """What became of a change whose answer was lost: its reply, with its errors, or None if it cannot be known.

        Asks by the command's id in the shell that it was sent to, so only this process, and only as long as that shell lives.
        Output that had been on its way when the connection broke is missing; how the command ended is not. None never means
        that it did not run.
        """
        worker, until = self._worker(host), self._until(deadline)
        return self._wait(
            host, worker.submit(lambda: worker.dialogue.outcome(command_id, until)), f"(outcome of {command_id})", deadline
        )

    def identity(self, host: str) -> str:
        r"""As whom we act there, as `CONTOSO\svc-migrate at HV01, configuration Microsoft.PowerShell`."""
        known = self._site.host(host)
        endpoint = known.endpoint
        name = endpoint.username or "owner of the Kerberos ticket"
        if endpoint.authentication is Authentication.CERTIFICATE:
            name = f"holder of certificate {endpoint.certificate}"
        return f"{name} at {known.name}, configuration {endpoint.configuration}"

    def close(self) -> None:
        """Close all sessions. Cancels what waits, stops running reads; a running change is left to its host: `AnswerLost`."""
        with self._lock:
            self._closed = True
            workers = list(self._workers.values())
        for worker in workers:
            worker.close()
        until = time.monotonic() + self._settings.poll + 5
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))

    # ---- inside ------------------------------------------------------------------------------------------------------

    def _worker(self, name: str) -> Worker:
        host = self._site.host(name)
        with self._lock:
            if self._closed:
                raise RuntimeError("this Remoting is closed")
            key = host.name.casefold()
            if key not in self._workers:
                self._workers[key] = self._hire(host)
            return self._workers[key]

    def _hire(self, host: Host) -> Worker:
        def connection() -> Connection:
            return connect(host.endpoint, self._site.fqdn(host.name), self._secrets, self._settings, self._clock)

        return Worker(Dialogue(host.name, host.endpoint, connection, self._secret_values, self._settings, self._clock))

    def _until(self, deadline: float) -> float:
        if not 0 < deadline <= _LONGEST:
            raise ValueError(f"a deadline is seconds from now, more than 0 and at most a day, not {deadline}")
        return self._clock() + deadline

    def _wait(self, host: str, future: Future[T], text: str, deadline: float) -> T:
        try:
            return future.result(timeout=deadline)
        except CancelledError:
            raise Unreachable(host, text, "this program is ending", "Nothing is asked of hosts any more.") from None
        except TimeoutError:
            if future.cancel():
                raise DeadlinePassed(host, text, "the host was busy with earlier commands for all its time") from None
            return future.result()  # it is in hand, and knows its deadline; or has just ended, perhaps by such an error itself
        except BaseException:
            future.cancel()  # whoever interrupts the caller must not have the command sent later
            raise


def _text(commands: Sequence[Command]) -> str:
    return "; ".join(each.text for each in commands[:2]) + (" …" if len(commands) > 2 else "")
