"""What is said to one host, and what becomes of it: reads that may be repeated, changes that never are. One thread only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import NoReturn
from uuid import UUID, uuid4

import structlog
from pydantic import SecretStr
from pypsrp.exceptions import WSManFaultError

from remediations.model.command import Command
from remediations.model.reply import HostError, Reply
from remediations.model.site import Endpoint
from remediations.remoting.check import missing_extra
from remediations.remoting.errors import (
    AnswerLost,
    CommandFailed,
    CredentialsRefused,
    DeadlinePassed,
    EndpointRefused,
    RemotingError,
    StoppedAtDeadline,
    Unreachable,
)
from remediations.remoting.replies import attribute, reply
from remediations.remoting.session import Session
from remediations.remoting.settings import RemotingSettings
from remediations.remoting.trouble import Trouble, trouble, who
from remediations.remoting.wire import NO_SUCH, Connection, Late, Pipeline

log = structlog.get_logger(__name__)

NOT_FOUND = "CommandNotFoundException"
"""Error id of a command that does not exist, or is not visible at a JEA endpoint."""
_REFUSED_THERE = frozenset({NOT_FOUND, "ScriptsNotAllowed"})


@dataclass
class _Lost:
    """A change whose answer was lost, and the session in which the host can be asked for it."""

    session: Session
    pipeline: Pipeline
    at: float


class _Again(Exception):
    """A read whose answer was lost: it may be asked again."""

    def __init__(self, found: Trouble, error: Exception) -> None:
        super().__init__(found.problem)
        self.trouble, self.error = found, error


class Dialogue:
    """One host's session and everything that is said in it. Deadlines (`until`) are moments on the clock."""

    def __init__(  # noqa: PLR0917 - what a dialogue is made of, once
        self,
        host: str,
        endpoint: Endpoint,
        connect: Callable[[], Connection],
        secret: Callable[[str], str],
        settings: RemotingSettings,
        clock: Callable[[], float],
    ) -> None:
        self.host, self.endpoint, self.settings, self.clock = host, endpoint, settings, clock
        self.ending = threading.Event()
        """Set from outside: stop what can be stopped."""
        self._connect, self._secret = connect, secret
        self._session: Session | None = None
        self._lost: dict[UUID, _Lost] = {}

    # ---- reading -----------------------------------------------------------------------------------------------------

    def read(self, commands: Sequence[Command], until: float, *, reveal: bool = False) -> list[Reply]:
        """All commands as statements of one pipeline, a marker after each; once more on a new session if the answer is lost.

        Secure strings come as `***`, or, to `reveal` them, as `SecretStr`.
        """
        text = _summary(commands)
        try:
            return self._read(commands, until, text, reveal)
        except _Again as lost:
            log.info("read again", host=self.host, why=lost.trouble.problem)
        try:
            return self._read(commands, until, text, reveal)
        except _Again as lost:
            self._refuse(lost.trouble, text, lost.error)

    def hand_over(self, command_: Command, until: float) -> SecretStr:
        """The one secure string that a command hands out. Raises `CommandFailed` if the host does not."""
        (answer,) = self.read([command_], until, reveal=True)
        found = self._decided(command_.text, answer).objects
        if len(found) == 1 and isinstance(found[0], SecretStr):
            return found[0]
        raise CommandFailed(self.host, command_.text, HostError(message="it handed out something else than one secure string"))

    def _read(self, commands: Sequence[Command], until: float, text: str, reveal: bool) -> list[Reply]:
        session = self._ready(until, text, idle_for=self.settings.probe_after)
        read = uuid4().hex  # nobody can guess it, so no answer can pretend to be a marker
        markers = [f"{read}{number:04x}" for number in range(len(commands))]
        pipeline = None
        try:
            session.tidy(until, busy=lambda: False, keep=self.settings.leftovers - 1)
            pipeline = session.prepare(commands, partial(self._secret_value, text, {}), until, markers=markers, reveal=reveal)
            session.start(pipeline, until)
            session.finish(pipeline, until, self.ending.is_set, patient=False)
        except Late:
            if pipeline is None or not pipeline.running or not session.stop(pipeline):
                self._drop(session)
            raise self._late(text, "the read was not finished in time") from None
        except RemotingError:
            raise
        except Exception as error:
            self._drop(session)
            found = trouble(error, self.host, self.endpoint)
            if found.sent and self.clock() >= until:
                raise self._late(text, "the host did not answer in time") from error
            if found.again or isinstance(error, WSManFaultError):
                raise _Again(found, error) from error
            self._refuse(found, text, error)
        replies = attribute(pipeline.said, markers)
        if any(error.error_id == NOT_FOUND and error.target == "Write-Output" for each in replies for error in each.errors):
            raise EndpointRefused(
                self.host,
                text,
                f"configuration {self.endpoint.configuration} does not offer Write-Output, which keeps answers apart",
                "Add Write-Output to VisibleCmdlets of the role (configs has the role file).",
            )
        return replies

    # ---- changing ----------------------------------------------------------------------------------------------------

    def change(
        self,
        command_: Command,
        until: float,
        command_id: UUID,
        before_send: Callable[[], None],
        carried: Mapping[str, SecretStr] = MappingProxyType({}),
    ) -> Reply:
        """One change in a pipeline of its own, on a session proven alive, sent once."""
        text = command_.text
        session = self._ready(until, text, idle_for=0)
        try:
            session.tidy(until, busy=lambda: False, keep=self.settings.leftovers - 1)
            pipeline = session.prepare([command_], partial(self._secret_value, text, carried), until, command_id)
        except Late:
            raise self._late(text, "its time was over before it could be sent") from None
        except RemotingError:
            raise
        except Exception as error:
            self._drop(session)
            self._refuse(trouble(error, self.host, self.endpoint), text, error)
        before_send()
        try:
            session.start(pipeline, until)
        except Late:
            self._drop(session)
            raise self._late(text, "its time was over before it was sent whole") from None
        except Exception as error:
            found = trouble(error, self.host, self.endpoint)
            if not found.sent:
                self._drop(session)
                self._refuse(found, text, error)
            session.connection.reset()  # what it encrypts by may be out of step, and the next answer would be lost as well
            self._keep(session, pipeline, command_id)
            raise AnswerLost(self.host, text, found.problem, command_id) from error
        try:
            session.finish(pipeline, until, self.ending.is_set, patient=True)
        except Late:
            self._keep(session, pipeline, command_id)
            if self.ending.is_set():
                raise AnswerLost(self.host, text, "this program ended while the host was at it", command_id) from None
            session.stop(pipeline)
            raise StoppedAtDeadline(self.host, text, "its time was over while it ran", command_id) from None
        except Exception as error:
            self._keep(session, pipeline, command_id)
            raise AnswerLost(self.host, text, trouble(error, self.host, self.endpoint).problem, command_id) from error
        if not (pipeline.completed or pipeline.failed):
            self._keep(session, pipeline, command_id)
            raise AnswerLost(self.host, text, "the host stopped it before it had ended", command_id)
        return self._decided(text, _result(pipeline))

    def _decided(self, text: str, answer: Reply) -> Reply:
        if answer.ok:
            return answer
        error = answer.errors[0]
        if error.error_id in _REFUSED_THERE:
            raise EndpointRefused(
                self.host,
                text,
                f"configuration {self.endpoint.configuration} does not offer the command: {error.message}",
                "Install the module or feature that has it, or add it to the JEA role (configs has the role file).",
            )
        raise CommandFailed(self.host, text, error)

    def outcome(self, command_id: UUID, until: float) -> Reply | None:
        """The reply to a change whose answer was lost; None if the host cannot tell (any more)."""
        lost = self._lost.get(command_id)
        if lost is None:
            return None
        pipeline, patience = lost.pipeline, self.clock() + self.settings.in_flight
        while True:
            pipeline.resume()
            try:
                lost.session.finish(pipeline, until, self.ending.is_set, patient=True)
                break
            except Late:
                return None
            except Exception as error:
                if isinstance(error, WSManFaultError) and error.code == NO_SUCH and pipeline.accepted:
                    break  # its end was told to someone who did not hear it, or the shell is gone
                if self.clock() >= patience or self.ending.wait(0.25):
                    break  # a request still on its way would have arrived by now
        # Whatever may still be on its way is refused once the shell is gone, so that what is read next stays true.
        del self._lost[command_id]
        lost.session.close()
        return _result(pipeline) if pipeline.completed or pipeline.failed else None

    # ---- the session -------------------------------------------------------------------------------------------------

    def _secret_value(self, text: str, carried: Mapping[str, SecretStr], name: str) -> str:
        if name in carried:
            return carried[name].get_secret_value()
        try:
            return self._secret(name)
        except Exception as error:
            problem = f"the secret {name} could not be read: {error}"
            raise CredentialsRefused(self.host, text, problem, "See where the site keeps its secrets.") from error

    def _ready(self, until: float, text: str, *, idle_for: float) -> Session:
        """The warm session, proven alive if it was idle for that long, or a new one."""
        if self.clock() >= until:
            raise self._late(text, "the host was busy with earlier commands for all its time")
        session = self._session
        if session is not None and self.clock() - session.heard_at >= idle_for:
            try:
                alive = session.alive(until)
            except Exception as error:  # the same happens to the new session, which says it better
                log.debug("session not usable", host=self.host, why=str(error))
                alive = False
            if not alive:
                log.info("session made anew", host=self.host, why="the host no longer has it")
                session.connection.reset()
                session = self._session = None
        return session if session is not None else self._open(until, text)

    def _open(self, until: float, text: str) -> Session:
        missing = missing_extra(self.endpoint)
        if missing:
            raise CredentialsRefused(self.host, text, f"no logon as {who(self.endpoint)} is possible", missing)
        try:
            connection = self._connect()
        except Exception as error:
            advice = "See password of this host in site.yaml, and where it points."
            problem = f"the password of {who(self.endpoint)} could not be read: {error}"
            raise CredentialsRefused(self.host, text, problem, advice) from error
        session = Session(connection, self.endpoint.configuration, self.settings)
        try:
            session.open(until)
        except Late:
            session.close()
            raise self._late(text, "the session was not open in time") from None
        except Exception as error:
            session.close()
            found = trouble(error, self.host, self.endpoint)
            if found.sent and self.clock() >= until:
                raise self._late(text, "the session was not open in time") from error
            self._refuse(found, text, error)
        self._session = session
        log.debug("session open", host=self.host, configuration=self.endpoint.configuration)
        return session

    def _drop(self, session: Session) -> None:
        """Close a session that cannot be trusted any more; whatever runs in it is stopped."""
        if self._session is session:
            self._session = None
        session.connection.reset()
        session.close()

    def _keep(self, session: Session, pipeline: Pipeline, command_id: UUID) -> None:
        """Set a session aside so that the host can be asked what became of a change; others get a new one."""
        self._lost[command_id] = _Lost(session, pipeline, self.clock())
        if self._session is session:
            self._session = None
        log.warning("answer lost", host=self.host, command_id=str(command_id))

    def _refuse(self, found: Trouble, text: str, error: Exception) -> NoReturn:
        raise found.error(self.host, text, found.problem, found.advice) from error

    def _late(self, text: str, problem: str) -> RemotingError:
        if self.ending.is_set():
            return Unreachable(self.host, text, "this program is ending", "Nothing is asked of hosts any more.")
        return DeadlinePassed(self.host, text, problem)

    # ---- silence --------------------------------------------------------------------------------------------------------

    def nap(self) -> float | None:
        """Seconds until there is something to tidy, None for nothing."""
        if self._session is None:
            return self.settings.idle_timeout if self._lost else None
        after = self.settings.tidy_after if self._session.finished else self.settings.close_after
        return max(0.01, self._session.heard_at + after - self.clock())

    def idle(self, busy: Callable[[], bool]) -> None:
        """Tidy up after a silence, for as long as nobody is `busy` asking for more."""
        for command_id, lost in list(self._lost.items()):
            if self.clock() - lost.at > self.settings.idle_timeout:  # the host has dropped that shell by now
                lost.session.connection.reset()
                del self._lost[command_id]
        session = self._session
        if session is None:
            return
        quiet = self.clock() - session.heard_at
        if quiet >= self.settings.close_after:
            self._session = None
            session.close()
        elif session.finished and quiet >= self.settings.tidy_after:
            try:
                session.tidy(self.clock() + self.settings.stop, busy)
            except Exception:  # found out and said when the session is used next
                session.finished.clear()
                session.heard_at = self.clock() - self.settings.probe_after

    def close(self) -> None:
        """Close the session. A shell with a lost change in it is left alone: what still runs there would be stopped."""
        if self._session is not None:
            self._session.close()
            self._session = None
        for lost in self._lost.values():
            lost.session.connection.reset()


def _result(pipeline: Pipeline) -> Reply:
    answer = reply(pipeline.said)
    if pipeline.failed and answer.ok:
        return answer.model_copy(update={"errors": (HostError(message="the host says only that it failed"),)})
    return answer


def _summary(commands: Sequence[Command]) -> str:
    first = commands[0].text
    return first if len(commands) == 1 else f"{first} (and {len(commands) - 1} more reads)"
