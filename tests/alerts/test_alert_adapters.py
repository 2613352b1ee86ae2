"""Recorded requests become the incidents that stand beside them, and what is wrong is named in the sender's words."""

import json
from pathlib import Path
from typing import Any

import pytest
from alert_examples import Intake, alert, app, post, site, webhook

from remediations.model.incident import Incident

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))


@pytest.mark.parametrize("case", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_request(case: Path) -> None:
    recorded = json.loads(case.read_text())
    intake = Intake()
    known = site()
    hosts = {host.name for host in known.hosts}
    assert all({each["source"], each["destination"]} - {None} <= hosts | {"hv03.contoso.com"} for each in recorded["incidents"])
    answer = post(app(intake), recorded["path"], recorded["body"], recorded["headers"])
    wanted = [Incident.model_validate(each) for each in recorded["incidents"]]
    assert intake.incidents == wanted
    assert answer.status_code == (202 if wanted else 200)
    assert [each["incident"] for each in answer.json()["accepted"]] == [each.key[:8] for each in wanted]
    ignored = [(each["field"], each["why"]) for each in answer.json()["ignored"]]
    assert len(ignored) == len(recorded["ignored"])
    for (field, why), (wanted_field, words) in zip(ignored, recorded["ignored"], strict=True):
        assert field == wanted_field
        assert why.startswith(words)


GOOD = alert(vm="VM1")
LONG = "x" * 500
AM, GRAFANA, AZURE, EVENT = "/alerts/alertmanager", "/alerts/grafana", "/alerts/azure", "/alerts/event"


def azure(*dimensions: tuple[str, Any], condition: str = "Fired", **data: Any) -> dict[str, Any]:
    """A log search alert that is split by these."""
    criteria = [{"dimensions": [{"name": name, "value": value} for name, value in dimensions]}]
    context = {"condition": {"allOf": criteria}}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": {"monitorCondition": condition}, "alertContext": context} | data,
    }


STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (
            AM,
            webhook(GOOD, GOOD, alert(source="HV01")),
            {"alerts[2].labels.vm": "names its virtual machine; this is missing or empty"},
        ),
        (AM, webhook(GOOD, alert(vm="")), {"alerts[1].labels.vm": "missing or empty"}),
        (AM, webhook(alert(vm="*")), {"alerts[0].labels.vm": "could match more than one"}),
        (AM, webhook(alert(vm="all")), {"alerts[0].labels.vm": "could match more than one"}),
        (AM, webhook(alert(vm="VM?")), {"alerts[0].labels.vm": "could match more than one"}),
        (AM, webhook(alert(vm="  ")), {"alerts[0].labels.vm": "is no virtual machine name"}),
        (AM, webhook(alert(vm="VM\n42")), {"alerts[0].labels.vm": "control character U+000A"}),
        (AM, webhook(alert(vm="VM\x9b42")), {"alerts[0].labels.vm": "control character U+009B"}),
        (AM, webhook(alert(vm="V" * 101)), {"alerts[0].labels.vm": "at most 100 characters"}),
        (AM, webhook(alert(node="*")), {"alerts[0].labels.node": "is no host name"}),
        (AM, webhook(alert(node="HV99")), {"alerts[0].labels.node": "HV99 is not one of the Hyper-V hosts in site.yaml"}),
        (AM, webhook(alert(vm="V", source="DC1")), {"alerts[0].labels.source": "DC1 is not one of the Hyper-V hosts"}),
        (AM, webhook(alert(vm="V", source="HV01;whoami")), {"alerts[0].labels.source": "is no host name"}),
        (AM, webhook(alert(vm="V", destination="any")), {"alerts[0].labels.destination": "is no host name"}),
        (AM, webhook(alert(vm="V", cluster="CLUSTER'1")), {"alerts[0].labels.cluster": "is no cluster name"}),
        (
            AM,
            webhook(alert(vm="V", cluster="CLUSTER9")),
            {"alerts[0].labels.cluster": "CLUSTER9 is not one of the clusters in site.yaml"},
        ),
        (AM, webhook(alert(vm="V", event_id="x")), {"alerts[0].labels.event_id": "integer"}),
        (AM, webhook(alert(vm="V", event_id="70000")), {"alerts[0].labels.event_id": "65535"}),
        (AM, webhook(alert(vm="V", channel=LONG)), {"alerts[0].labels.channel": "at most 200 characters"}),
        (
            AM,
            webhook(alert(vm="*", source="no name"), alert(vm=7)),
            {"alerts[0].labels.vm": "match", "alerts[0].labels.source": "host name", "alerts[1].labels.vm": "valid string"},
        ),
        (
            AM,
            webhook(alert(vm="*", source="no name", event_id="x"), GOOD, alert()),
            {
                "alerts[0].labels.vm": "match",
                "alerts[0].labels.source": "host name",
                "alerts[0].labels.event_id": "integer",
                "alerts[2].labels.vm": "missing",
            },
        ),
        (
            AM,
            webhook(alert(vm="V", source="HV88"), alert(vm="W", destination="HV99")),
            {"alerts[0].labels.source": "HV88", "alerts[1].labels.destination": "HV99"},
        ),
        (AM, webhook({**GOOD, "startsAt": "yesterday"}), {"alerts[0].startsAt": "datetime"}),
        (AM, webhook({**GOOD, "startsAt": "2026-11-02T21:14:07"}), {"alerts[0].startsAt": "timezone"}),
        (AM, webhook({**GOOD, "startsAt": "0001-01-01T00:00:00+23:59"}), {"alerts[0].startsAt": "no time at which"}),
        (AM, webhook({**GOOD, "status": "pending"}), {"alerts[0].status": "'firing' or 'resolved'"}),
        (AM, webhook({"status": "firing"}), {"alerts[0].labels": "this field is missing"}),
        (AM, webhook("VM42"), {"alerts[0]": "a JSON object is needed"}),
        (AM, webhook(), {"alerts": "at least 1 item"}),
        (AM, webhook(GOOD, version="5"), {"version": "'4'"}),
        (AM, {"alerts": [GOOD]}, {"version": "this field is missing"}),
        (AM, [GOOD], {"body": "a JSON object is needed"}),
        (AM, None, {"body": "a JSON object is needed"}),
        (GRAFANA, webhook(alert(source="HV01")), {"alerts[0].labels.vm": "missing or empty, and its text names none"}),
        (
            GRAFANA,
            webhook(GOOD, alert(vm="V", computer="HV01", node="HV02", source="HV77")),
            {"alerts[1].labels.source": "HV77"},
        ),
        (GRAFANA, {"alerts": []}, {"alerts": "at least 1 item"}),
        (GRAFANA, {"evalMatches": [], "state": "alerting"}, {"alerts": "this field is missing"}),  # before Grafana 9
        (AZURE, azure(), {"data.customProperties.vm": "missing or empty, and its text names none"}),
        (
            AZURE,
            azure(("computer", "HV01"), ("VM", "*")),
            {"data.alertContext.condition.allOf[0].dimensions[1].value": "could match more than one"},
        ),
        (AZURE, azure(("vm", "V")) | {"schemaId": "AzureMonitorMetricAlert"}, {"schemaId": "azureMonitorCommonAlertSchema"}),
        (AZURE, azure(("vm", "V"), condition="Acknowledged"), {"data.essentials.monitorCondition": "'Fired' or 'Resolved'"}),
        (AZURE, azure(customProperties={"vm": "V", "Source": "HV77"}), {"data.customProperties.Source": "HV77 is not one of"}),
        (
            AZURE,
            azure(("node", "HV03"), ("event id", "none")),
            {"data.alertContext.condition.allOf[0].dimensions[1].value": "integer"},
        ),
        (AZURE, azure(("vm", {"a": 1})), {"data.alertContext.condition.allOf[0].dimensions[0].value": "valid"}),
        (AZURE, {"schemaId": "azureMonitorCommonAlertSchema"}, {"data": "this field is missing"}),
        (EVENT, {"vm": "V", "status": "silenced"}, {"status": "'firing', 'resolved' or 'acknowledged'"}),
        (EVENT, {}, {"vm": "missing or empty"}),
        (EVENT, {"vm": ["VM1", "VM2"]}, {"vm": "valid string"}),
        (EVENT, {"vm": "VM1", "vmname": "x"}, {"vmname": "this field is not known; known are channel, cluster"}),
        (EVENT, {"vm": "VM1", "node": "HV01"}, {"node": "not both"}),
        (EVENT, {"node": "HV01", "source": "HV02"}, {"source": "a drain has a node and no source"}),
        (EVENT, {"node": "HV77"}, {"node": "HV77 is not one of"}),
        (EVENT, {"vm": "VM1", "reported_by": "a\u001bb"}, {"reported_by": "control character U+001B"}),
        (EVENT, [{"vm": "VM1"}], {"body": "a JSON object is needed"}),
        (
            (EVENT, STRUCTURED),
            {"vm": "VM1"},
            {"specversion": "missing", "id": "missing", "source": "missing", "type": "missing", "data": "missing"},
        ),
        ((EVENT, STRUCTURED), CLOUD | {"specversion": "0.3", "data": {}}, {"specversion": "'1.0'"}),
        ((EVENT, STRUCTURED), CLOUD | {"data_base64": "e30="}, {"data": "this field is missing"}),
        ((EVENT, STRUCTURED), CLOUD | {"data": {"vm": "*"}}, {"data.vm": "match"}),
        ((EVENT, STRUCTURED), CLOUD | {"time": "1970-01-01T00:00:00Z", "data": {"vm": "V"}}, {"time": "no time at which"}),
        ((EVENT, STRUCTURED), CLOUD | {"data": {"vm": "V", "source": "HV77"}}, {"data.source": "HV77"}),
        ((EVENT, BATCH), [CLOUD | {"data": {"vm": "V"}}, CLOUD | {"data": {}}, 7], {"[1].data.vm": "missing", "[2]": "object"}),
        ((EVENT, BATCH), [], {"body": "at least one event"}),
        ((EVENT, BATCH), {}, {"body": "at least one event"}),
    ],
)
def test_what_is_bad_is_named_field_by_field_and_not_taken(path: Any, body: Any, fields: dict[str, str]) -> None:
    intake = Intake()
    to, headers = path if isinstance(path, tuple) else (path, None)
    answer = post(app(intake), to, body, headers)
    assert answer.status_code == 400
    mistakes = {each["field"]: each["wrong"] for each in answer.json()["mistakes"]}
    assert list(mistakes) == list(fields)
    assert all(words in mistakes[field] for field, words in fields.items())
    first = answer.json()["mistakes"][0]
    assert answer.json()["error"] == f"{first['field']}: {first['wrong']}"
    taken = [each["field"] for each in answer.json()["accepted"]]
    assert len(intake.incidents) == len(taken)
    assert [field for field in fields if field.startswith(tuple(taken))] == []


@pytest.mark.parametrize("sender", [AM, GRAFANA])
def test_an_alert_that_is_wrong_keeps_no_other_of_its_group_out(sender: str) -> None:
    """A node that is not in the inventory yet must not keep a whole cluster's alerts from being looked at."""
    intake = Intake()
    over = alert(vm="VM9") | {"status": "resolved"}
    answer = post(
        app(intake), sender, webhook(alert(vm="VM1"), alert(vm="VM2", source="HV77"), alert(vm="*"), over, alert(vm="VM3"))
    )
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["mistakes"]] == ["alerts[2].labels.vm", "alerts[1].labels.source"]
    assert [each["field"] for each in answer.json()["accepted"]] == ["alerts[0]", "alerts[4]"]
    assert [each["field"] for each in answer.json()["ignored"]] == ["alerts[3]"]
    assert [each.vm for each in intake.incidents] == ["VM1", "VM3"]


@pytest.mark.parametrize("sender", [AM, GRAFANA])
def test_nor_does_one_that_is_no_alert_or_of_another_shape(sender: str) -> None:
    intake = Intake()
    over = {"status": "resolved", "labels": None}
    answer = post(app(intake), sender, webhook(GOOD, alert(vm=None), {**GOOD, "startsAt": "yesterday"}, over, 7, GOOD))
    assert answer.status_code == 400
    mistakes = [each["field"] for each in answer.json()["mistakes"]]
    assert mistakes == ["alerts[1].labels.vm", "alerts[2].startsAt", "alerts[4]"]
    assert [each["field"] for each in answer.json()["ignored"]] == ["alerts[3]"]
    assert [each["field"] for each in answer.json()["accepted"]] == ["alerts[0]", "alerts[5]"]


def test_an_event_that_is_wrong_keeps_no_other_of_its_batch_out() -> None:
    intake = Intake()
    answer = post(app(intake), EVENT, [CLOUD | {"data": {"vm": "V"}}, CLOUD | {"data": {}}, 7], BATCH)
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["accepted"]] == ["[0]"]
    assert [each.vm for each in intake.incidents] == ["V"]


def test_a_message_keeps_its_lines_and_no_other_control_characters() -> None:
    intake = Intake()
    assert post(app(intake), EVENT, {"vm": "VM1", "message": "a\r\n\tb\x00\x1b[2J\x85"}).status_code == 202
    assert intake.incidents[0].message == "a\r\n\tb\\u0000\\u001b[2J\\u0085"


def test_an_endless_message_is_cut_and_says_so() -> None:
    intake = Intake()
    assert post(app(intake), EVENT, {"vm": "VM1", "message": "ä" * 100_000}).status_code == 202
    message = intake.incidents[0].message
    assert len(message) == 20_000
    assert message.endswith("ä … (cut, 100000 characters came)")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("on-call", " (on-call)"),
        ("x" * 1000, f" ({'x' * 149}…)"),
        ("on\x1b[2Jcall\n", " (on\\u001b[2Jcall\\u000a)"),
        ("on\u2028call", " (on\\u2028call)"),
        (None, ""),
        (7, ""),
    ],
    ids=["name", "long", "control", "line separator", "null", "number"],
)
@pytest.mark.parametrize("sender", [AM, GRAFANA, AZURE], ids=str)
def test_what_the_sender_calls_itself_refuses_nothing(sender: Any, name: Any, shown: str) -> None:
    body: Any = webhook(GOOD, receiver=name)
    if sender == AZURE:
        body = azure(("vm", "V"))
        body["data"]["essentials"]["alertRule"] = name
        shown = shown or " ()"
    intake = Intake()
    answer = post(app(intake), sender, body)
    assert answer.status_code == 202, answer.text
    assert intake.incidents[0].reported_by.endswith(shown)
    assert ("(" in intake.incidents[0].reported_by) == bool(shown)


def test_a_quote_in_a_virtual_machine_s_name_is_a_name() -> None:
    intake = Intake()
    assert post(app(intake), AM, webhook(alert(vm="O'Brien's \"VM\""))).status_code == 202
    assert intake.incidents[0].vm == "O'Brien's \"VM\""


def test_an_answer_never_sends_a_huge_value_back() -> None:
    answer = post(app(Intake()), AM, webhook(alert(vm="*" * 100_000)))
    assert answer.status_code == 400
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"vm": "VM1", "source": "HV03", "destination": "HV04"}, ("VM1", "HV03", "HV04")),
        ({"vm": "VM1", "source": "HV03"}, ("VM1", "HV03", "HV02")),
        ({"vm": "VM1"}, ("VM1", "HV01", "HV02")),
        ({"source": "HV03", "destination": "HV04"}, ("VM42", "HV03", "HV04")),
        ({}, ("VM42", "HV01", "HV02")),
    ],
)
def test_a_text_is_read_for_whom_the_fields_leave_out_and_for_nobody_else(
    fields: dict[str, str], read: tuple[str, ...]
) -> None:
    intake = Intake()
    text = (
        "Virtual machine migration operation for 'VM42' failed at migration source 'HV01'. The Virtual Machine Management "
        "Service failed to establish a connection for a Virtual machine migration with host 'HV02': (0x8009030E)."
    )
    assert post(app(intake), EVENT, {**fields, "message": text}).status_code == 202
    (taken,) = intake.incidents
    assert (taken.vm, taken.source, taken.destination) == read
