"""Whatever is sent, the answer is 2xx or a named 4xx: never 500, and never half a request taken."""

import json
from typing import Any

from alert_examples import Intake, alert, app, post, webhook
from hypothesis import given, settings
from hypothesis import strategies as st

INTAKE = Intake()
APP = app(INTAKE, clock=iter(range(10**9)).__next__)
TEXT = st.text(max_size=60) | st.sampled_from(
    [
        "",
        "*",
        "VM1",
        "HV01",
        "hv02.contoso.com",
        "all",
        "HV'01",
        '"; Remove-VM *',
        "a\x00b",
        "\u202e",
        "\ud800",
        "0x15",
        "21502",
        "-1",
        "9" * 30,
        "x" * 30_000,
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
LABELS = st.sampled_from(["vm", "node", "source", "destination", "cluster", "event_id", "channel", "provider", "other"])
TIMES = st.datetimes().map(lambda at: at.isoformat() + "Z") | st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
ALERT = st.fixed_dictionaries(
    {"status": st.sampled_from(["firing", "resolved"]), "labels": st.dictionaries(LABELS, TEXT)},
    optional={"annotations": st.dictionaries(st.sampled_from(["message", "summary"]), TEXT), "startsAt": TIMES | JSON},
)
EVENT = st.dictionaries(LABELS | st.sampled_from(["message", "occurred_at", "reported_by", "status"]), TEXT | TIMES | JSON)
LIKELY = st.fixed_dictionaries(
    {"vm": st.sampled_from(["VM1", "O'Brien's VM", "ВМ-7"])},
    optional={
        "source": st.sampled_from(["HV01", "hv03.contoso.com", ""]) | TEXT,
        "cluster": st.sampled_from(["CLUSTER1", "", None]),
        "event_id": st.integers(0, 70_000) | st.integers(0, 70_000).map(str),
        "message": TEXT,
        "occurred_at": TIMES,
        "reported_by": TEXT,
    },
)
EVENT = LIKELY | EVENT
CLOUD = st.fixed_dictionaries(
    {"specversion": st.just("1.0"), "id": TEXT, "source": TEXT, "type": TEXT, "data": EVENT},
    optional={"time": TIMES | JSON},
)
PATHS = st.sampled_from(["/alerts/alertmanager", "/alerts/grafana", "/alerts/azure", "/alerts/event"])
TYPES = st.sampled_from(["application/json", "application/cloudevents+json", "application/cloudevents-batch+json"])


def wrong_and_taken(told: dict[str, Any]) -> list[str]:
    """Fields that are named as wrong although the part of the request that they stand in was taken."""
    taken = [each["field"] for each in told["accepted"]]
    return [each["field"] for each in told["mistakes"] for place in taken if f"{each['field']}.".startswith(f"{place}.")]


def judged(path: str, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
    before = len(INTAKE.incidents)
    answer = post(APP, path, body, {"Content-Type": kind} | (headers or {}))
    taken = len(INTAKE.incidents) - before
    if answer.status_code in (200, 202):
        assert taken == len(answer.json()["accepted"])
        assert bool(taken) == (answer.status_code == 202)
    else:
        assert answer.status_code == 400
        told = answer.json()
        assert taken == len(told["accepted"])
        assert wrong_and_taken(told) == []
        assert all(each["field"] and each["wrong"] for each in answer.json()["mistakes"])
        assert len(answer.content) < 120_000
    for incident in INTAKE.incidents[before:]:
        assert "\x00" not in incident.model_dump_json()
        incident.model_dump_json().encode()


@settings(max_examples=150)
@given(path=PATHS, body=st.binary(max_size=300), kind=TYPES)
def test_any_bytes(path: str, body: bytes, kind: str) -> None:
    judged(path, body, kind)


@settings(max_examples=150)
@given(path=PATHS, value=JSON, kind=TYPES)
def test_any_json(path: str, value: Any, kind: str) -> None:
    judged(path, json.dumps(value).encode(), kind)


@settings(max_examples=200)
@given(alerts=st.lists(ALERT | st.just(alert(vm="VM1")), min_size=1, max_size=4), truncated=st.just(0) | JSON)
def test_any_webhook(alerts: list[Any], truncated: Any) -> None:
    for path in ("/alerts/alertmanager", "/alerts/grafana"):
        judged(path, json.dumps(webhook(*alerts, truncatedAlerts=truncated)).encode(), "application/json")


PROPERTIES = st.none() | JSON | st.dictionaries(LABELS | TEXT, TEXT | JSON, max_size=5)
AZURE = st.fixed_dictionaries(
    {"essentials": st.fixed_dictionaries({"monitorCondition": st.sampled_from(["Fired", "Resolved"]), "description": TEXT})},
    optional={
        "customProperties": PROPERTIES,
        "alertContext": st.fixed_dictionaries(
            {
                "properties": PROPERTIES,
                "condition": st.none()
                | st.fixed_dictionaries(
                    {
                        "allOf": st.lists(
                            st.fixed_dictionaries(
                                {"dimensions": st.lists(st.fixed_dictionaries({"name": LABELS | TEXT, "value": TEXT | JSON}))}
                            ),
                            max_size=2,
                        )
                    }
                ),
            }
        ),
    },
)


@settings(max_examples=100)
@given(data=AZURE | JSON)
def test_any_azure_alert(data: Any) -> None:
    judged(
        "/alerts/azure", json.dumps({"schemaId": "azureMonitorCommonAlertSchema", "data": data}).encode(), "application/json"
    )


@settings(max_examples=200)
@given(value=EVENT | CLOUD | st.lists(CLOUD, max_size=3), kind=TYPES)
def test_any_event(value: Any, kind: str) -> None:
    judged("/alerts/event", json.dumps(value).encode(), kind)


HEADER = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)


@settings(max_examples=60)
@given(value=EVENT, headers=st.dictionaries(st.sampled_from(["ce-source", "ce-time", "ce-x"]), HEADER, max_size=1))
def test_any_binary_cloud_event(value: Any, headers: dict[str, str]) -> None:
    envelope = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    judged("/alerts/event", json.dumps(value).encode(), "application/json", envelope | headers)
