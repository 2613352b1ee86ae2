"""What the receiver answers, and when."""

import gzip
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from alert_examples import TOKEN, Intake, Limits, alert, app, ask, post, webhook

from remediations.alerts import Accepted, Ended, Report
from remediations.model.incident import Incident
from remediations.model.outcome import Reason, Refused

PATH = "/alerts/alertmanager"
ALL = [PATH, "/alerts/grafana", "/alerts/azure", "/alerts/event"]
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
    application = app(Intake(), tokens=lambda: (tokens[-1],))
    assert post(application, PATH, BODY, token="old-token").status_code == 202
    tokens.append("new-token")
    assert post(application, PATH, BODY, token="old-token").status_code == 401
    assert post(application, PATH, BODY, token="new-token").status_code == 202


def test_blanks_around_a_token_where_it_is_kept_lock_nobody_out() -> None:
    application = app(Intake(), tokens=lambda: (f" {TOKEN}\t",))
    assert post(application, PATH, BODY).status_code == 202
    assert post(application, PATH, BODY, token="").status_code == 401


def test_while_a_token_is_changed_the_new_and_the_old_one_count() -> None:
    application = app(Intake(), tokens=lambda: ("new-token", "old-token"))
    answers = {each: post(application, PATH, BODY, token=each).status_code for each in ("new-token", "old-token", "new-", "")}
    assert answers == {"new-token": 202, "old-token": 202, "new-": 401, "": 401}


@pytest.mark.parametrize("tokens", [lambda: (), lambda: (TOKEN, ""), lambda: (" \t",), lambda: (str(1 / 0),)])
def test_a_token_that_cannot_be_read_lets_nobody_in(tokens: Any) -> None:
    intake = Intake()
    answer = post(app(intake, tokens=tokens), PATH, BODY, token="")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert intake.incidents == []


def test_without_a_token_to_ask_for_everybody_is_let_in() -> None:
    assert post(app(Intake(), tokens=None), PATH, BODY, token=None).status_code == 202


def test_health_is_open_and_says_nothing() -> None:
    answer = ask(app(Intake(), limits=Limits(burst=1, per_second=0.001)), "GET", "/health", token=None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


REFUSALS = [
    LookupError("HV07 is not in the inventory"),
    ValueError("VM1 is no name"),
    Refused(Reason.SELECTOR_REFUSED, "VM1 is a template"),
]
TROUBLES = [
    Refused(Reason.LEDGER_UNAVAILABLE, "the ledger cannot be written"),
    ConnectionError("database is gone"),
    KeyError("a defect of ours"),
    IndexError("a defect of ours"),
    RuntimeError("a defect of ours"),
]


def raises(error: Exception) -> Callable[..., Any]:
    def raising(*_: object) -> Any:
        raise error

    return raising


@pytest.mark.parametrize("error", REFUSALS)
def test_what_the_check_refuses_is_the_sender_s(error: Exception) -> None:
    intake = Intake()
    answer = post(app(intake, check=raises(error)), PATH, BODY)
    assert (answer.status_code, answer.json()["error"]) == (400, f"alerts[0]: {error}")
    assert intake.incidents == []


LATER = [*TROUBLES, LookupError("what the intake cannot find is ours")]


@pytest.mark.parametrize(
    ("where", "error"),
    [*(("check", error) for error in TROUBLES), *((where, error) for where in ("intake", "settle") for error in LATER)],
)
def test_what_we_cannot_do_is_not_the_sender_s(where: str, error: Exception) -> None:
    intake = raises(error) if where == "intake" else Intake()
    options = {} if where == "intake" else {where: raises(error)}
    answer = post(app(intake, **options), PATH, webhook(alert(vm="VM1"), alert(vm="VM2") | {"status": "resolved"}))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert all(word not in answer.text for word in ("defect", "database", "ledger", "ours"))


def test_a_request_is_taken_in_whole_and_may_be_sent_again() -> None:
    intake = Intake(ConnectionError("gone"))
    application, body = app(intake), webhook(alert(vm="VM1"), alert(vm="VM2"), alert(vm="VM1"))
    assert post(application, PATH, body).status_code == 503
    assert intake.incidents == []
    again = post(application, PATH, body)
    assert (again.status_code, [each["joined"] for each in again.json()["accepted"]]) == (202, [False, False, True])


def test_nothing_is_taken_in_before_everything_was_checked() -> None:
    calls: list[str] = []

    def check(report: Report) -> Incident:
        calls.append(f"check {report.incident.vm}")
        return report.incident

    def intake(incidents: Sequence[Incident]) -> list[Accepted]:
        calls.extend(f"take {each.vm}" for each in incidents)
        return [Accepted(incident_id="I", joined=False) for _ in incidents]

    assert post(app(intake, check=check), PATH, webhook(alert(vm="A"), alert(vm="B"))).status_code == 202
    assert calls == ["check A", "check B", "take A", "take B"]


def test_an_alert_that_does_not_fire_is_told_of_after_what_fires_is_safe() -> None:
    calls: list[str] = []

    def intake(incidents: Sequence[Incident]) -> list[Accepted]:
        calls.extend(f"take {each.vm}" for each in incidents)
        return [Accepted(incident_id="I", joined=False) for _ in incidents]

    def settle(incident: Incident, ended: Ended) -> str:
        calls.append(f"settle {incident.vm} {incident.cluster} {ended.how}")
        return f"{incident.vm} is settled"

    over = alert(vm="VM9", cluster="CLUSTER1") | {"status": "resolved"}
    strange = alert(vm="VM9", source="HV99") | {"status": "resolved"}
    answer = post(app(intake, settle=settle), PATH, webhook(over, alert(vm="A"), strange))
    assert answer.status_code == 202
    assert calls == ["take A", "settle VM9 CLUSTER1 resolved"]
    assert [each["why"] for each in answer.json()["ignored"]] == [
        "VM9 is settled",
        "it is resolved; HV99 is not one of the Hyper-V hosts in site.yaml; mend the alert or add the host",
    ]
    event = post(app(Intake(), settle=settle), "/alerts/event", {"vm": "VM7", "status": "acknowledged"})
    assert (event.status_code, calls[-1]) == (200, "settle VM7 None acknowledged")


def test_the_answer_waits_for_the_intake() -> None:
    durable = threading.Event()

    def intake(incidents: Sequence[Incident]) -> list[Accepted]:
        threading.Timer(0.05, durable.set).start()
        assert durable.wait(5)
        return [Accepted(incident_id="I1", joined=False) for _ in incidents]

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
    assert set(document["paths"]) == {*ALL, "/health"}
    in_url = {"type": "apiKey", "in": "query", "name": "token", "description": "For senders that cannot set headers"}
    bearer = {"type": "http", "scheme": "bearer"}
    assert document["components"]["securitySchemes"] == {"Token": bearer, "TokenInUrl": in_url}
    for path in ALL:
        operation = document["paths"][path]["post"]
        assert {"200", "202", "400", "401", "413", "415", "429", "503"} <= set(operation["responses"])
        assert operation["security"] == [{"Token": []}, *([{"TokenInUrl": []}] if path == "/alerts/azure" else [])]
    shape = document["paths"]["/alerts/event"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {"vm", "node", "source", "destination", "occurred_at"} <= set(shape["properties"])
    assert all(field["description"] for field in shape["properties"].values())
    items = document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["alerts"][
        "items"
    ]
    assert "vm" in items["properties"]["labels"]["description"]
