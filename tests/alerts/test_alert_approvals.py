"""Approving by the receiver: behind its token, each mistake named, nothing taken that was not decided."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from remediations.alerts import Heard, Said, approvals, receiver
from remediations.model.outcome import AnswerRefused, Reason, Refused

GOOD = {"approver": "Anna Berg", "decision": "approve", "code": "123 456"}
TOKEN = {"Authorization": "Bearer right"}


class Desk:
    """Notes what it was told, and answers as a test wants it."""

    def __init__(self, ends: Exception | None = None) -> None:
        self.heard: list[tuple[str, Said]] = []
        self.ends = ends

    def __call__(self, digest: str, said: Said) -> Heard:
        self.heard.append((digest, said))
        if self.ends is not None:
            raise self.ends
        return Heard(digest=digest, run="run-1", title="x", decision=said.decision, missing=1, woken="its run goes on")


def client(desk: Desk) -> TestClient:
    app = receiver(lambda incidents: [], tokens=lambda: ("right",))
    app.include_router(approvals(desk))
    return TestClient(app, headers=TOKEN)


def test_what_is_said_arrives_and_what_became_of_it_is_told() -> None:
    desk = Desk()
    answer = client(desk).post("/approvals/3f9a41c0", json={**GOOD, "comment": "CHG1", "retry": False, "target": "VM42"})
    assert answer.status_code == 200
    assert answer.json() | {"title": ""} == {
        "digest": "3f9a41c0", "run": "run-1", "title": "", "decision": "approve", "missing": 1, "woken": "its run goes on",
    }  # fmt: skip
    (heard,) = desk.heard
    assert heard == ("3f9a41c0", Said(**GOOD, comment="CHG1", retry=False, target="VM42"))
    assert "123 456" not in repr(heard)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"approver": "A"}, "approver"),
        ({"approver": "  "}, "approver"),
        ({"approver": " Anna Berg"}, "approver"),
        ({"decision": "perhaps"}, "decision"),
        ({"code": ""}, "code"),
        ({"code": "12345"}, "code"),
        ({"code": None}, "code"),
        ({"digest": "x"}, "digest"),
        ({"comment": "x" * 2001}, "comment"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_decided(given: dict[str, Any], field: str) -> None:
    desk = Desk()
    answer = client(desk).post("/approvals/3f9a41c0", json={**GOOD, **given})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{field}: ")
    assert GOOD["code"] not in answer.text
    assert desk.heard == []


@pytest.mark.parametrize(
    ("ends", "status", "says"),
    [
        (AnswerRefused("the code is wrong"), 409, "ApprovalInvalid"),
        (Refused(Reason.APPROVAL_EXPIRED, "too late"), 409, "ApprovalExpired"),
        (Refused(Reason.LEDGER_UNAVAILABLE, "gone"), 503, "come again"),
        (LookupError("no plan waits"), 404, "no plan waits"),
    ],
)
def test_a_refusal_says_why(ends: Exception, status: int, says: str) -> None:
    answer = client(Desk(ends)).post("/approvals/3f9a41c0", json=GOOD)
    assert answer.status_code == status
    assert says in answer.text


def test_without_the_token_or_as_a_browsers_form_nothing_is_heard() -> None:
    desk = Desk()
    with client(desk) as known:
        assert known.post("/approvals/3f9a41c0", json=GOOD, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert known.post("/approvals/3f9a41c0", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
        assert known.post("/approvals/3f9a41c0", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
        big = b'{"comment": "' + b"x" * 2_000_000 + b'"}'
        assert known.post("/approvals/3f9a41c0", content=big, headers={"Content-Type": "application/json"}).status_code == 413
    assert desk.heard == []
