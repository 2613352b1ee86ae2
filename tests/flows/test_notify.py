"""What people are told, and of what: text from outside stays text, and whoever cannot be told stops nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from gated import ask
from hypothesis import given
from hypothesis import strategies as st
from inbox import inbox_of
from pytest_mock import MockerFixture
from served_prefect import Served, eventually

from flows import notify
from flows.approvals import answer, waiting
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.site import Moment, Notify


@pytest.mark.parametrize(
    ("ending", "reason", "told"),
    [
        (Ending.MENDED, None, Moment.MENDED),
        (Ending.MENDED, Reason.NOT_APPROVED, None),
        (Ending.NEEDS_PERSON, None, Moment.NEEDS_PERSON),
        (Ending.NEEDS_PERSON, Reason.INEFFECTIVE, Moment.NEEDS_PERSON),
        (Ending.PROPOSED, None, Moment.NEEDS_PERSON),
        (Ending.REFUSED, Reason.APPROVAL_EXPIRED, Moment.NEEDS_PERSON),
        (Ending.REFUSED, Reason.CAP_REACHED, Moment.NEEDS_PERSON),
        (Ending.REFUSED, Reason.NOT_APPROVED, None),  # somebody has just said so
        (Ending.REFUSED, Reason.DUPLICATE_IN_PROGRESS, None),  # the other run tells
        (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE, None),
        (Ending.UNDONE, None, Moment.FAILED),
        (Ending.FAILED, Reason.LEDGER_UNAVAILABLE, Moment.FAILED),
    ],
)
def test_what_is_told_of_an_outcome(ending: Ending, reason: Reason | None, told: Moment | None) -> None:
    assert notify.moment_of(Outcome(ending=ending, reason=reason, summary="So it is.")) is told


@pytest.mark.parametrize(
    "text",
    [
        "[approve](http://203.0.113.9/x)",
        "<http://203.0.113.9|approve>",
        "<!channel> @everyone",
        "![x](https://203.0.113.9/y)\n# Heading",
        "www.example.org `code` *bold*",
        "a\u202egnp.exe\x1b[31m",
    ],
)
def test_text_from_outside_is_no_link_no_mention_and_no_markup(text: str) -> None:
    made = notify.inert(text)
    assert not set(made) & set("<>[]`@|*_~\n\u202e\x1b")
    assert "://" not in made
    assert "www." not in made
    assert any(char.isalnum() for char in made), "it can still be read"


@given(st.text(max_size=2000))
def test_no_text_gets_through(text: str) -> None:
    made = notify.inert(text)
    assert len(made) <= notify.LONGEST
    assert not set(made) & set("<>[]`@|*_~\n\r")
    assert "://" not in made


def test_only_who_wants_to_know_is_told_and_one_that_fails_keeps_nothing_from_the_next(mocker: MockerFixture) -> None:
    """The edge is Prefect's block: here one that cannot be loaded, and one that hangs."""
    sent: list[str] = []

    class Block:
        def __init__(self, name: str) -> None:
            self.name = name

        def notify(self, body: str, subject: str) -> None:
            if self.name == "custom-webhook/hangs":
                threading.Event().wait(30)
            sent.append(f"{self.name}: {subject}")

    def load(name: str) -> Block:
        if name == "custom-webhook/gone":
            raise ValueError("https://hooks.example.org/secret is unknown")
        return Block(name)

    mocker.patch.object(notify, "_load", load)
    mocker.patch.object(notify, "PATIENCE", 2.0)
    warned = mocker.spy(notify.log, "warning")
    targets = [
        Notify(block="custom-webhook/gone"),
        Notify(block="custom-webhook/hangs"),
        Notify(block="custom-webhook/other", on=(Moment.FAILED,)),
        Notify(block="custom-webhook/ops", on=(Moment.MENDED,)),
    ]
    notify.tell(targets, Moment.MENDED, "VM42", "It moves.", "cli:here:1:0-1:abc")
    assert sent == ["custom-webhook/ops: Hyper-V remediation, mended: VM42"]
    assert [each.kwargs["block"] for each in warned.call_args_list] == ["custom-webhook/gone", "custom-webhook/hangs"]
    assert "secret" not in str(warned.call_args_list)


def test_prefect_that_does_not_answer_stops_nothing(mocker: MockerFixture) -> None:
    mocker.patch.object(notify, "_asked_before", side_effect=OSError("gone"))
    mocker.patch.object(notify.flow_run, "get_id", return_value=str(uuid4()))
    logged = mocker.spy(notify.log, "exception")
    notify.tell_asked([Notify(block="custom-webhook/ops")], ask(datetime.now(UTC) + timedelta(hours=1)))
    assert logged.call_count == 1


# ---- with a real Prefect and a real web server -------------------------------------------------------------------------


@pytest.fixture
def inbox(served: Served) -> Iterator[list[dict[str, str]]]:
    """What a custom webhook block `gated`, which the gated flow tells, has received."""
    with inbox_of(served, "gated") as got:
        yield got


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.xdist_group("prefect")
@pytest.mark.timeout(300)
def test_people_are_told_once_that_they_are_asked_and_once_how_it_ended(
    served: Served, gated_deployment: UUID, inbox: list[dict[str, str]]
) -> None:
    run = served.gated(gated_deployment, datetime.now(UTC) + timedelta(hours=1), f"HV{uuid4().hex[:6]}")
    served.until(run.id, "Suspended")
    (asked,) = inbox
    assert asked["subject"].startswith("Hyper-V remediation, approval needed: Register the migration service's SPNs: HV02")
    assert asked["body"].splitlines()[-1].endswith(f"/runs/flow-run/{run.id}")
    with served.client() as client:
        (mine,) = [each for each in waiting(client) if each.run == run.id]
        answer(client, mine, "approve", approver="anna")
    served.until(run.id, "Completed")
    ended = eventually(lambda: inbox[1:] or None, 20, "the second message")
    assert [each["subject"] for each in ended] == ["Hyper-V remediation, mended: VM42 (INC-7F3K2A)"]
