"""Hosts that are listened to, and hosts that answer from what was heard: a reading that can be played again later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future

from remediations.engine.gather import PATIENCE
from remediations.engine.ports import Reading
from remediations.model.base import Frozen, Json, digest
from remediations.model.command import Command
from remediations.model.reply import HostError, Reply
from remediations.remoting import RemotingError

NOT_READ = "NotInBundle"
"""Error id of the answer to a command that nobody asked when the recording was made."""


class Spoken(Frozen):
    """One command and what came back."""

    command: Json
    """The command's own JSON: `name`, `parameters`."""
    text: str
    """The command as a person would type it."""
    reply: Reply | None = None
    trouble: str = ""
    """Why the host gave no reply at all."""


class HostSilent(RemotingError):
    """The recording says that the host did not answer; in the words of then."""

    def __init__(self, host: str, words: str) -> None:
        super().__init__(host, "", words, "")
        self.args = (host, words)

    def __str__(self) -> str:
        return self.problem


class Recording:
    """Listens to what is read of hosts."""

    def __init__(self, hosts: Reading) -> None:
        self._hosts = hosts
        self._asked: list[tuple[str, tuple[Command, ...], Future[list[Reply]]]] = []

    def submit(self, host: str, commands: Sequence[Command], *, deadline: float) -> Future[list[Reply]]:
        """As `Hosts.submit`."""
        answer = self._hosts.submit(host, commands, deadline=deadline)
        self._asked.append((host, tuple(commands), answer))
        return answer

    def collect(self, host: str, command: Command, *, deadline: float) -> Future[list[Reply]]:
        """As `Hosts.collect`; what it brings is kept as a file, not as something said."""
        return self._hosts.collect(host, command, deadline=deadline)

    def identity(self, host: str) -> str:
        """As `Hosts.identity`."""
        return self._hosts.identity(host)

    def heard(self, patience: float = PATIENCE) -> dict[str, list[Spoken]]:
        """What was said so far, by host, in order; waits up to `patience` seconds for what is still on its way."""
        said: dict[str, list[Spoken]] = defaultdict(list)
        for host, commands, answer in self._asked:
            try:
                replies = answer.result(patience)
            except (RemotingError, TimeoutError) as error:
                silent = str(error) or f"{host} did not answer within {patience:g} s"
                said[host] += [Spoken(command=each.to_json(), text=each.text, trouble=silent) for each in commands]
            else:
                pairs = zip(commands, replies, strict=True)
                said[host] += [Spoken(command=each.to_json(), text=each.text, reply=reply) for each, reply in pairs]
        return dict(said)


class Replay:
    """Hosts that answer from a recording. What is asked that nobody asked then is answered by an error that says so."""

    def __init__(self, said: Mapping[str, Iterable[Spoken]], identities: Mapping[str, str]) -> None:
        self._answers: dict[tuple[str, str], list[Spoken]] = defaultdict(list)
        for host, each in ((host, each) for host, spoken in said.items() for each in spoken):
            self._answers[host.casefold(), digest(each.command)].append(each)
        self._identities = {host.casefold(): identity for host, identity in identities.items()}

    def submit(self, host: str, commands: Sequence[Command], *, deadline: float) -> Future[list[Reply]]:
        """The answers of then, in the order in which they came."""
        del deadline
        answer: Future[list[Reply]] = Future()
        found = [self._next(host, each) for each in commands]
        silent = [each.trouble for each in found if each is not None and each.trouble]
        if silent and len(silent) == len([each for each in found if each is not None]):
            answer.set_exception(HostSilent(host, silent[0]))
        else:
            answer.set_result([_reply(each, command) for each, command in zip(found, commands, strict=True)])
        return answer

    def collect(self, host: str, command: Command, *, deadline: float) -> Future[list[Reply]]:
        """Nothing: what was collected then is in the bundle's files."""
        del host, command, deadline
        nothing: Future[list[Reply]] = Future()
        nothing.set_result([])
        return nothing

    def identity(self, host: str) -> str:
        """As whom the host was read then."""
        return self._identities.get(host.casefold(), "not asked")

    def _next(self, host: str, command: Command) -> Spoken | None:
        """The next answer to this command; the last one again where it is asked more often than then."""
        answers = self._answers.get((host.casefold(), digest(command.to_json())))
        if not answers:
            return None
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _reply(spoken: Spoken | None, command: Command) -> Reply:
    if spoken is not None and spoken.reply is not None:
        return spoken.reply
    words = spoken.trouble if spoken is not None else f"{command.text} was not read when this bundle was made"
    return Reply(errors=(HostError(message=words, error_id=NOT_READ),))
