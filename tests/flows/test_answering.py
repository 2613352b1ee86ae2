"""Answers at the receiver: each needs its own code, and what others gave before counts as policy says. No Prefect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import gated
import pyotp
import pytest
from cryptography.fernet import Fernet
from prefect.client.schemas.objects import State
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Cancelled, Paused, Running, Scheduled
from pytest_mock import MockerFixture
from served_prefect import answered

from flows.answering import Desk, hearing
from flows.approvals import NotTaken, wake, wake_answered
from flows.gate import Approval
from remediations.alerts.approvals import Heard, Said
from remediations.codes import Codes
from remediations.engine import Answer
from remediations.engine.judging import Judging
from remediations.engine.ports import no_switches
from remediations.ledger import Ledger, Sealed
from remediations.model.names import same_person
from remediations.model.outcome import AnswerRefused
from remediations.model.policy import Gate, Gates, Policy
from remediations.settings import load_site, packaged

PLAN = gated.plan()
RUN = str(uuid4())
TWICE = Policy(gates=Gates(remediations={PLAN.remediation: Gate.APPROVE_TWICE}))
"""Two people, and a name is enough."""


@dataclass
class Receiver:
    """What the receiver answers by, with a question that waits."""

    desk: Desk
    sealed: Sealed
    bert: pyotp.TOTP
    decide: Callable[[str, Said], Heard]

    def say(self, decision: str = "approve", code: str = "") -> Heard:
        given = {"approver": "Bert Clay", "decision": decision, "code": code or self.bert.at(datetime.now(UTC))}
        return self.decide(PLAN.digest[:8], Said.model_validate(given))

    def wrong(self) -> str:
        return f"{(int(self.bert.at(datetime.now(UTC))) + 1) % 1_000_000:06}"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    key = Fernet.generate_key().decode()
    codes = Codes(lambda: key)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        uri, secret = codes.enrol("Bert Clay")
        ledger.add_approver("Bert Clay", secret, by="root")
        authenticator = pyotp.parse_uri(uri)
        assert isinstance(authenticator, pyotp.TOTP)
        ledger.start_run(RUN, kind="test", incident_id=None, requested_by="carla")
        until = datetime.now(UTC) + timedelta(hours=1)
        sealed = ledger.seal(RUN, round=1, part="repair", plan=PLAN, expires_at=until)
        judging = Judging(load_site(packaged("site.yaml")), TWICE, ledger, lambda: datetime.now(UTC), no_switches)
        desk = Desk(judging, codes.step, None)
        yield Receiver(desk, sealed, authenticator, hearing(desk))


def test_a_name_that_policy_takes_counts_beside_a_code_given_at_the_receiver(receiver: Receiver) -> None:
    named = Answer(decision="approve", approver="Anna Berg")
    assert receiver.desk.take(receiver.desk.question(PLAN.digest), named).missing == 1
    assert receiver.say().missing == 0
    decided = receiver.desk.judging.ledger.decision(receiver.sealed)
    assert decided is not None
    assert [(each.approver, each.proof) for each in decided.approvals] == [("Anna Berg", "name"), ("Bert Clay", "code")]


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_a_wrong_code_counts_for_nothing_also_where_policy_takes_a_name(receiver: Receiver, decision: str) -> None:
    with pytest.raises(AnswerRefused, match="the code is not Bert Clay's"):
        receiver.say(decision, receiver.wrong())
    ledger = receiver.desk.judging.ledger
    assert (ledger.approvals(receiver.sealed), ledger.decision(receiver.sealed)) == ([], None)


def test_who_is_not_enrolled_is_not_heard_whatever_the_code(receiver: Receiver) -> None:
    said = Said(approver="Anna Berg", decision="reject", code=receiver.bert.at(datetime.now(UTC)))
    with pytest.raises(AnswerRefused, match="is no approver"):
        receiver.decide(PLAN.digest[:8], said)


def test_a_code_is_used_up_at_the_receiver(receiver: Receiver) -> None:
    code = receiver.bert.at(datetime.now(UTC))
    assert receiver.say(code=code).missing == 1
    with pytest.raises(AnswerRefused, match="used before"):
        receiver.say("reject", code)


def test_a_form_takes_the_name_of_whoever_its_run_is_woken_for(mocker: MockerFixture) -> None:
    client = mocker.Mock()
    client.resume_flow_run.return_value.status = SetStateStatus.ACCEPT
    asked = mocker.Mock(fields=tuple(Approval.model_fields), digest=PLAN.digest, typed="")
    wake(client, asked, "approve", " Anna  Berg ")
    given = Approval.model_validate(client.resume_flow_run.call_args.kwargs["run_input"])
    assert same_person(given.approver, "Anna Berg")


@pytest.mark.parametrize("refused", [NotTaken("rejected"), answered(409)], ids=["not taken", "an error"])
def test_a_run_that_cannot_be_woken_keeps_no_other_asleep(tmp_path: Path, mocker: MockerFixture, refused: Exception) -> None:
    runs = [uuid4(), uuid4()]
    until = datetime.now(UTC) + timedelta(hours=1)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        for each in runs:
            ledger.start_run(str(each), kind="test", incident_id=None, requested_by="carla")
            sealed = ledger.seal(str(each), round=1, part="repair", plan=PLAN, expires_at=until)
            ledger.decide(sealed, decision="approve", approver="Bert Clay", comment="", proof="name")
        asked = [mocker.Mock(run=each, digest=PLAN.digest, approved_by=()) for each in runs]
        mocker.patch("flows.approvals.waiting", return_value=asked)
        tried = mocker.patch("flows.approvals.wake", side_effect=[refused, None])
        assert [each.run for each in wake_answered(mocker.Mock(), ledger)] == runs[1:]
    assert tried.call_count == 2


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (Scheduled(), "its run goes on"),
        (Running(), "its run goes on"),
        (Paused(), "it could not be woken now"),
        (Cancelled(), "it could not be woken now"),
    ],
    ids=lambda each: each.name if isinstance(each, State) else "",
)
def test_a_run_that_the_sweep_has_woken_meanwhile_goes_on(
    receiver: Receiver, mocker: MockerFixture, state: State, told: str
) -> None:
    client = mocker.MagicMock()
    client.__enter__.return_value = client
    client.read_flow_runs.return_value = []
    client.read_flow_run.return_value.state = state
    mocker.patch("flows.answering.client_for", return_value=client)
    heard = hearing(replace(receiver.desk, api="http://127.0.0.1:9/api"))
    said = Said(approver="Bert Clay", decision="approve", code=receiver.bert.at(datetime.now(UTC)))
    assert heard(PLAN.digest[:8], said).woken.startswith(told)
