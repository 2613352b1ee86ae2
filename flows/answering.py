"""Answering a question in the ledger at once, from a terminal or by the receiver, and waking its run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError

from flows.approvals import NotTaken, NotWaiting, client_for, find, goes_on, wake
from flows.fate import TERMINAL
from flows.runtime import configuration, step_of
from remediations import settings
from remediations.alerts.approvals import Heard, Said
from remediations.engine import Answer
from remediations.engine.deciding import Question, question_of, record
from remediations.engine.judging import Judging
from remediations.engine.ports import StepOf, no_switches
from remediations.ledger import Ledger, NoLedger, Sealed, utc_now


@dataclass(frozen=True)
class Answered:
    """What became of an answer: `missing` people, and what makes the run go on, in words."""

    question: Question
    missing: int
    woken: str


@dataclass(frozen=True)
class Desk:
    """Where answers are taken: the ledger, the policy in force, what judges codes, and Prefect's API if there is one."""

    judging: Judging
    step_of: StepOf
    api: str | None

    def question(self, digest: str, run: str | None = None) -> Question:
        """The question that waits. Raises as `question_of` does."""
        return question_of(self.judging, digest, run)

    def take(self, question: Question, answer: Answer, *, always: bool = False) -> Answered:
        """Write an answer into the ledger, then wake the run. Raises `Refused` if it does not count.

        With `always` a rejection has to be proven by a code too. A run that cannot be woken is woken by the sweep.
        """
        missing = record(self.judging.ledger, question, answer, step_of=self.step_of, clock=self.judging.clock, always=always)
        return Answered(question, missing, self._wake(question, answer))

    def _wake(self, question: Question, answer: Answer) -> str:
        asked = question.asked
        if asked.run.startswith(TERMINAL):
            return "the terminal that asked looks into the ledger every second"
        later = "`remediate serve` wakes it within a minute"
        if self.api is None:
            return f"no Prefect is known here: {later}"
        try:
            with client_for(self.api) as client:
                _woken(client, asked, answer)
        except (NotTaken, NotWaiting, httpx.HTTPError, PrefectHTTPStatusError) as error:
            return f"it could not be woken now ({error}): {later}"
        return "its run goes on"


def _woken(client: SyncPrefectClient, asked: Sealed, answer: Answer) -> None:
    try:
        wake(client, find(client, asked.digest, asked.run), answer.decision, answer.approver)
    except (NotTaken, NotWaiting):
        # The sweep looks into the ledger too, and may have been faster.
        if not goes_on(client, asked.run):
            raise


@contextmanager
def desk(api: str | None) -> Iterator[Desk | None]:
    """The desk of this machine; None where no ledger is."""
    own = settings.Settings.load()
    try:
        there = Ledger(own.ledger_url, make=False)
    except NoLedger:
        yield None
        return
    with there as ledger:
        yield desk_of(own, configuration(), ledger, api)


def desk_of(own: settings.Settings, found: settings.Configuration, ledger: Ledger, api: str | None) -> Desk:
    """The desk of a process that has all it takes. What pauses changes does not pause answers: the run looks at that."""
    return Desk(Judging(found.site, found.policy, ledger, utc_now, no_switches), step_of(own), api)


def hearing(here: Desk) -> Callable[[str, Said], Heard]:
    """What takes answers that come to the receiver. All of them need a code: its token is in the hands of alerting too.

    `Said` has one always, and it is judged always. What an approval takes stays policy's: what others gave by another way
    counts as much as it would there.
    """

    def decide(digest: str, said: Said) -> Heard:
        question = here.question(digest, said.run)
        asked = question.asked
        given = said.model_dump(exclude={"run", "code"}) | {"code": said.code.replace(" ", ""), "digest": asked.digest[:8]}
        answered = here.take(question, Answer.model_validate(given), always=True)
        return Heard(
            digest=asked.digest,
            run=asked.run,
            title=asked.plan.title,
            decision=said.decision,
            missing=answered.missing,
            woken=answered.woken,
        )

    return decide
