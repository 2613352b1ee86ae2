"""Who is let in: by token, by signature, in time; and that nobody else learns anything."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from alert_examples import TOKEN, Intake, Limits, alert, app, ask, post, webhook
from starlette.datastructures import Headers

from remediations.alerts.senders import SIGNATURE, SKEW, STAMP, Senders

SECRET = "sh4red-with-grafana"
PATH = "/alerts/grafana"
BODY = json.dumps(webhook(alert(vm="VM1"))).encode()
NOW = 1_793_654_047


def sign(body: bytes, stamp: str | None = None, secret: str = SECRET) -> dict[str, str]:
    """As Grafana does."""
    signed = body if stamp is None else stamp.encode() + b":" + body
    made = {SIGNATURE: hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}
    return made if stamp is None else made | {STAMP: stamp}


def senders(**options: Any) -> Senders:
    return Senders(tokens=lambda: (TOKEN,), secrets=lambda: (SECRET,), now=lambda: NOW, **options)


@pytest.mark.parametrize(
    ("headers", "right"),
    [
        (sign(BODY), True),
        (sign(BODY) | {SIGNATURE: sign(BODY)[SIGNATURE].upper()}, True),
        (sign(BODY, str(NOW)), True),
        (sign(BODY, str(NOW - SKEW)), True),
        (sign(BODY, str(NOW + SKEW)), True),
        (sign(BODY, str(NOW - SKEW - 1)), False),
        (sign(BODY, str(NOW + SKEW + 1)), False),
        (sign(BODY, "now"), False),
        (sign(BODY, ""), False),
        (sign(BODY, "9" * 5000), False),
        (sign(BODY) | {STAMP: str(NOW)}, False),  # a time stamp that nobody signed
        ({SIGNATURE: sign(BODY, str(NOW))[SIGNATURE]}, False),  # taken away
        (sign(BODY, str(NOW - 9999)) | {STAMP: str(NOW)}, False),  # renewed
        (sign(BODY, secret="another"), False),
        (sign(BODY, secret=TOKEN), False),
        (sign(BODY + b" "), False),
        ({SIGNATURE: ""}, False),
        ({SIGNATURE: "sha256=" + sign(BODY)[SIGNATURE]}, False),
        ({SIGNATURE: "ä"}, False),
    ],
)
def test_a_signature_covers_the_body_and_its_time(headers: dict[str, str], right: bool) -> None:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    assert senders().signed(Headers(raw=raw), BODY) is right


@pytest.mark.parametrize("secret", ["old-secret", "new-secret"])
def test_while_a_secret_is_changed_the_new_and_the_old_one_sign(secret: str) -> None:
    both = Senders(secrets=lambda: ("new-secret", "old-secret"), now=lambda: NOW)
    assert both.signed(Headers(sign(BODY, str(NOW), secret)), BODY) is True
    assert both.signed(Headers(sign(BODY, str(NOW - SKEW - 1), secret)), BODY) is False
    assert both.signed(Headers(sign(BODY, str(NOW), secret[:-1])), BODY) is False


def test_where_no_secret_is_set_nothing_is_signed() -> None:
    headers = Headers(raw=[(SIGNATURE.lower().encode(), sign(BODY, secret="")[SIGNATURE].encode())])
    assert Senders(tokens=lambda: (TOKEN,)).signed(headers, BODY) is False
    assert Senders(secrets=lambda: (SECRET,)).has_token(PATH, f"token={SECRET}", Headers({"Authorization": "Bearer "})) is False


def test_a_signed_alert_is_taken_with_its_body_whole() -> None:
    intake = Intake()
    application = app(intake, tokens=None, secrets=lambda: (SECRET,))
    assert post(application, PATH, BODY, sign(BODY), token=None).status_code == 202
    assert [each.vm for each in intake.incidents] == ["VM1"]


@pytest.mark.parametrize(
    "headers", [{}, sign(BODY, secret="x"), sign(BODY, "1"), {SIGNATURE: "0" * 64}, {"Authorization": f"Bearer {SECRET}"}]
)
@pytest.mark.parametrize(("method", "path"), [("POST", PATH), ("GET", "/docs"), ("GET", "/openapi.json"), ("PUT", "/nothing")])
def test_without_a_right_signature_every_request_looks_the_same(headers: dict[str, str], method: str, path: str) -> None:
    intake = Intake()
    application = app(intake, tokens=None, secrets=lambda: (SECRET,), limits=Limits(body=len(BODY)))
    for body in (BODY, b"{ no JSON", BODY + b" too much"):
        answer = ask(application, method, path, token=None, headers=headers, content=body)
        assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert intake.incidents == []


def test_either_lets_in_and_a_wrong_signature_is_not_mended_by_a_token() -> None:
    application = app(Intake(), secrets=lambda: (SECRET,))
    assert post(application, PATH, BODY).status_code == 202
    assert post(application, PATH, BODY, sign(BODY), token=None).status_code == 202
    assert post(application, PATH, BODY, sign(BODY, secret="x")).status_code == 401
    assert post(application, PATH, BODY, token="wrong").status_code == 401


def test_a_signature_counts_for_nothing_where_none_is_asked_for() -> None:
    assert post(app(Intake()), PATH, BODY, sign(BODY, secret=""), token=None).status_code == 401


@pytest.mark.parametrize("secrets", [lambda: (), lambda: (SECRET, ""), lambda: (str(1 / 0),)])
def test_a_secret_that_cannot_be_read_lets_nobody_in(secrets: Any) -> None:
    intake = Intake()
    application = app(intake, tokens=None, secrets=secrets)
    answer = post(application, PATH, BODY, sign(BODY, secret=""), token=None)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert intake.incidents == []


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/alerts/azure", f"?token={TOKEN}", 202),
        ("/alerts/azure", f"?token={TOKEN}x", 401),
        ("/alerts/azure", "?token=", 401),
        ("/alerts/azure", "", 401),
        ("/alerts/event", f"?token={TOKEN}", 401),  # whose senders can set headers
    ],
)
def test_only_who_cannot_set_headers_has_the_token_in_its_url(path: str, query: str, status: int) -> None:
    fired = {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": {"monitorCondition": "Fired"}, "customProperties": {"vm": "VM1"}},
    }
    assert post(app(Intake()), path + query, fired, token=None).status_code == status


def test_each_address_has_a_rate_of_its_own_and_the_longest_silent_is_forgotten() -> None:
    from remediations.alerts.edge import Rate

    now = [0.0]
    rate = Rate(Limits(per_second=1, burst=1, addresses=2), lambda: now[0])
    assert [rate.wait("a"), rate.wait("a"), rate.wait("b")] == [0, 1, 0]
    assert [rate.wait("c"), rate.wait("b"), rate.wait("a")] == [0, 1, 0]


def test_openapi_says_how_to_prove_who_sends() -> None:
    document = ask(app(Intake(), secrets=lambda: (SECRET,)), "GET", "/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["Token"] == {"type": "http", "scheme": "bearer"}
    assert (schemes["Signature"]["name"], schemes["Signature"]["in"]) == (SIGNATURE, "header")
    assert document["paths"][PATH]["post"]["security"] == [{"Token": []}, {"Signature": []}]
    assert (schemes["TokenInUrl"]["in"], schemes["TokenInUrl"]["name"]) == ("query", "token")
    azure = document["paths"]["/alerts/azure"]["post"]["security"]
    assert azure == [{"Token": []}, {"TokenInUrl": []}, {"Signature": []}]
