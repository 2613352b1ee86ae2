"""The closed list of what can go wrong between us and a host. Each names the host, the command and what to do about it."""

from __future__ import annotations

from uuid import UUID

from remediations.model.reply import HostError


class RemotingError(Exception):
    """A command did not come back with an answer that can be used. Never raised itself: one of the classes below is.

    `may_have_run` is the one question that matters after a change: whether the host may have executed it all the same.
    """

    may_have_run = False

    def __init__(self, host: str, command_text: str, problem: str, advice: str) -> None:
        super().__init__(host, command_text, problem, advice)  # every argument in args: so it survives pickling
        self.host, self.command_text, self.problem, self.advice = host, command_text, problem, advice

    def __str__(self) -> str:
        return f"{self.host}: {self.problem}\n  command: {self.command_text}\n  {self.advice}"


class Unreachable(RemotingError):
    """No conversation with the host's WinRM: refused, name not found, no answer, TLS, or something else answered there."""


class CredentialsRefused(RemotingError):
    """The host would not believe who we are, or we could not say it (no password to be had, an extra not installed)."""


class EndpointRefused(RemotingError):
    """The host knows us and will not: no such session configuration, access denied, a command not visible there."""


class CommandFailed(RemotingError):
    """The host ran the change and reported an error. `error` is its record."""

    may_have_run = True

    def __init__(self, host: str, command_text: str, error: HostError) -> None:
        code = f" ({error.code})" if error.code else ""
        advice = f"The host reported {error.error_id or 'an error'}; see what it says."
        RemotingError.__init__(self, host, command_text, f"{error.message}{code}", advice)
        self.args = (host, command_text, error)
        self.error = error


class AnswerLost(RemotingError):
    """A change was sent and its answer did not come back: whether it ran is unknown. Ask `Remoting.outcome(command_id)`."""

    may_have_run = True

    def __init__(self, host: str, command_text: str, problem: str, command_id: UUID) -> None:
        RemotingError.__init__(
            self,
            host,
            command_text,
            f"the answer was lost: {problem}",
            f"Whether it ran is unknown: ask by its id {command_id}, then read the state; do not send it again blindly.",
        )
        self.args = (host, command_text, problem, command_id)
        self.command_id = command_id


class DeadlinePassed(RemotingError):
    """The time given was over: for a reading command, or for one that was still waiting to be sent (nothing ran then)."""

    def __init__(self, host: str, command_text: str, problem: str) -> None:
        advice = "The host is slow or busy with earlier commands: try again, or allow more time."
        RemotingError.__init__(self, host, command_text, problem, advice)
        self.args = (host, command_text, problem)


class StoppedAtDeadline(AnswerLost, DeadlinePassed):
    """A change was running when its time was over. It was asked to stop, which says nothing of how far it had come."""
