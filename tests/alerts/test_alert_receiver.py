"""What the receiver answers, and when."""

import gzip
import threading
from typing import Any

import pytest
from alert_examples import TOKEN, Intake, Limits, alert, app, ask, post, webhook

from remediations.alerts import Accepted
from remediations.model.incident import Incident
from remediations.model.outcome import Reason, Refused

PATH = "/alerts/alertmanager"
BODY = webhook(alert(vm="VM1", source="HV01", cluster="CLUSTER1"))


def test_an_accepted_alert_is_answered_with_its_incident_and_a_second_one_joins() -> None:
    intake = Intake()
    first = post(app(intake), PATH, BODY)
    assert (first.status_code, first.json()["accepted"][0]["joined"]) == (202, False)
    again = post(app(intake), PATH, webhook(alert(vm="vm1", cluster="cluster1")))
    assert (again.status_code, again.json()["accepted"][0]["joined"]) == (202, True)
    assert first.json()["accepted"][0]["incident"] == again.json()["accepted"][0]["incident"]


@pytest.mark.parametrize("given", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "ä", f"Basic {TOKEN}"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", PATH),
        ("POST", "/alerts/unknown"),
        ("GET", PATH),
        ("GET", "/openapi.json"),
        ("GET", "/"),
        ("DELETE", "/alerts/event"),
    ],
)
def test_without_the_token_every_request_looks_the_same(given: str | None, method: str, path: str) -> None:
    intake = Intake()
    headers: dict[str, str | bytes] = (
        {} if given is None else {"Authorization": (given if " " in given else f"Bearer {given}").encode()}
    )
    answer = ask(app(intake), method, path, token=None, headers=headers, content=b"{ no JSON")
    assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert intake.incidents == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_s_case_does_not_matter(scheme: str) -> None:
    answer = ask(
        app(Intake()),
        "POST",
        PATH,
        token=None,
        headers={"Authorization": f"{scheme} {TOKEN}", "Content-Type": "application/json"},
        json=BODY,
    )
    assert answer.status_code == 202


def test_a_new_token_counts_at_once() -> None:
    tokens = ["old-token"]
    application = app(Intake(), token=lambda: tokens[-1])
    assert post(application, PATH, BODY, token="old-token").status_code == 202
    tokens.append("new-token")
    assert post(application, PATH, BODY, token="old-token").status_code == 401
    assert post(application, PATH, BODY, token="new-token").status_code == 202


@pytest.mark.parametrize("token", [lambda: "", lambda: str(1 / 0)])
def test_a_token_that_cannot_be_read_lets_nobody_in(token: Any) -> None:
    intake = Intake()
    answer = post(app(intake, token=token), PATH, BODY, token="")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert intake.incidents == []


def test_without_a_token_to_ask_for_everybody_is_let_in() -> None:
    assert post(app(Intake(), token=None), PATH, BODY, token=None).status_code == 202


def test_health_is_open_and_says_nothing() -> None:
    answer = ask(app(Intake(), limits=Limits(burst=1, per_second=0.001)), "GET", "/health", token=None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LookupError("HV07 is not in the inventory"), 400),
        (ValueError("VM1 is no name"), 400),
        (Refused(Reason.SELECTOR_REFUSED, "VM1 is a template"), 400),
        (Refused(Reason.LEDGER_UNAVAILABLE, "the ledger cannot be written"), 503),
        (ConnectionError("database is gone"), 503),
        (KeyError("a defect of ours"), 503),
        (IndexError("a defect of ours"), 503),
        (RuntimeError("a defect of ours"), 503),
    ],
)
def test_what_the_intake_refuses_is_the_sender_s_and_what_it_cannot_do_is_not(error: Exception, status: int) -> None:
    answer = post(app(Intake(error)), PATH, BODY)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"] == f"alerts[0]: {error}"
    else:
        assert answer.headers["Retry-After"] == "5"
        assert "defect" not in answer.text
        assert "database" not in answer.text


def test_a_request_that_was_cut_off_half_way_loses_nothing_when_it_is_sent_again() -> None:
    intake = Intake(None, ConnectionError("gone"))
    application, body = app(intake), webhook(alert(vm="VM1"), alert(vm="VM2"), alert(vm="VM3"))
    assert post(application, PATH, body).status_code == 503
    again = post(application, PATH, body)
    assert again.status_code == 202
    assert [each["joined"] for each in again.json()["accepted"]] == [True, False, False]
    assert {incident.vm for incident in intake.incidents} == {"VM1", "VM2", "VM3"}


def test_nothing_is_taken_in_before_everything_was_checked() -> None:
    calls: list[str] = []

    def check(incident: Incident) -> None:
        calls.append(f"check {incident.vm}")

    def intake(incident: Incident) -> Accepted:
        calls.append(f"take {incident.vm}")
        return Accepted(incident_id="I", joined=False)

    assert post(app(intake, check=check), PATH, webhook(alert(vm="A"), alert(vm="B"))).status_code == 202
    assert calls == ["check A", "check B", "take A", "take B"]


def test_the_answer_waits_for_the_intake() -> None:
    durable = threading.Event()

    def intake(incident: Incident) -> Accepted:
        threading.Timer(0.05, durable.set).start()
        assert durable.wait(5)
        return Accepted(incident_id="I1", joined=False)

    assert post(app(intake), PATH, BODY).status_code == 202
    assert durable.is_set()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/alerts/event", {"vm": "VM1"}, 429), (PATH, BODY, 503)],  # Alertmanager does not come again after a 429
)
def test_more_than_the_rate_is_told_when_to_come_again(path: str, body: Any, status: int) -> None:
    now = [0.0]
    intake = Intake()
    application = app(intake, limits=Limits(per_second=0.5, burst=2), clock=lambda: now[0])
    assert [post(application, path, body).status_code for _ in range(3)] == [202, 202, status]
    assert post(application, path, body).headers["Retry-After"] == "2"
    assert post(application, path, body, token="wrong").status_code == 401, "who has no token does not learn of the rate"
    now[0] += 2
    assert [post(application, path, body).status_code for _ in range(2)] == [202, status]
    assert len(intake.incidents) == 3


def test_a_body_at_the_limit_is_read_and_one_beyond_it_is_not() -> None:
    intake = Intake()
    body = b'{"vm": "VM1"}'
    application = app(intake, limits=Limits(body=len(body)))
    assert post(application, "/alerts/event", body).status_code == 202
    answer = post(application, "/alerts/event", body + b" ")
    assert (answer.status_code, answer.json()) == (413, {"error": "body: more than 13 bytes; send fewer alerts in one request"})
    assert post(application, "/alerts/event", body, {"Content-Length": "huge"}).status_code == 202, "then what comes is counted"
    assert len(intake.incidents) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Type": "application/jsonp"},
        {"Content-Encoding": "gzip"},
    ],
)
def test_only_plain_json_is_read(headers: dict[str, str]) -> None:
    answer = post(app(Intake()), PATH, gzip.compress(b"{}"), headers)
    assert (answer.status_code, answer.json()) == (
        415,
        {"error": "body: send uncompressed JSON with Content-Type: application/json"},
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b'{"vm": "\xff"}',
        b'{"vm": "\\ud800"}',
        b'{"vm": NaN}',
        b"[" * 100_000,
        b"1" * 100_000,
        b"\x00",
        b"vm=VM1",
    ],
)
def test_what_is_no_json_is_named_so(body: bytes) -> None:
    answer = post(app(Intake()), "/alerts/event", body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("body: this is no JSON in UTF-8: ")


def test_a_byte_order_mark_is_left_out() -> None:
    assert post(app(Intake()), "/alerts/event", b'\xef\xbb\xbf{"vm": "VM1"}').status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", PATH, 405), ("POST", "/alerts/unknown", 404), ("GET", "/docs", 404)]
)
def test_what_is_not_there(method: str, path: str, status: int) -> None:
    assert ask(app(Intake()), method, path).status_code == status


def test_openapi_names_every_path_answer_and_field() -> None:
    document = ask(app(Intake()), "GET", "/openapi.json").json()
    assert set(document["paths"]) == {PATH, "/alerts/event", "/health"}
    assert document["components"]["securitySchemes"] == {"HTTPBearer": {"type": "http", "scheme": "bearer"}}
    for path in (PATH, "/alerts/event"):
        operation = document["paths"][path]["post"]
        assert {"200", "202", "400", "401", "413", "415", "429", "503"} <= set(operation["responses"])
        assert operation["security"] == [{"HTTPBearer": []}]
    shape = document["paths"]["/alerts/event"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"vm", "node", "source", "destination", "occurred_at"} <= set(shape["properties"])
    assert all(field["description"] for field in shape["properties"].values())
    items = document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["alerts"][
        "items"
    ]
    assert "vm" in items["properties"]["labels"]["description"]
