"""The real thing: a metric, Prometheus' rule, Alertmanager, the receiver, the ledger, with the example configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from alert_examples import TOKEN
from real_stack import EXAMPLES, Stack, eventually, free_port, needed

from remediations.alerts.labelled import Alert
from remediations.alerts.taking import over
from remediations.cli.receiving import application, in_background, listener
from remediations.diagnosis import diagnose
from remediations.ledger import Ledger
from remediations.settings import Settings, load, packaged

LABELS = {
    "vm": "VM42",
    "source": "HV01",
    "destination": "HV02",
    "computer": "HV01.contoso.com",
    "event_id": "21024",
    "code": "0x8009030E",
    "channel": "Microsoft-Windows-Hyper-V-VMMS-Admin",
}


def test_an_alert_outlives_the_receiver_s_absence_joins_when_it_is_sent_again_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed()
    port = free_port()
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path))
    monkeypatch.setenv("REMEDIATE_RECEIVER_PORT", str(port))
    monkeypatch.setenv("REMEDIATE_RECEIVER_TOKEN_FILE", str(tmp_path / "token"))
    found, site = Settings.load(), load(packaged("site.yaml").parent, {})
    stack = Stack(tmp_path / "stack", f"http://127.0.0.1:{port}/alerts", TOKEN, window="15s", resolves=True)
    with Ledger(found.ledger_url) as ledger, stack.running():
        stack.fail(LABELS)
        eventually(stack.active, "the alert in Alertmanager", stack.told)

        app = application(
            found,
            site,
            ledger.take_in,
            lambda incident, ended: over(
                ledger.over(incident.key, ended.how, ended.words(incident), began=incident.occurred_at), ended
            ),
        )
        # Nobody listened before: Alertmanager has kept the alert.
        with closing(listener(found)) as listening, in_background(found, app, listening):
            opened, *others = eventually(ledger.open_incidents, "the incident", stack.told)
            assert others == []
            incident = opened.incident
            assert (incident.vm, incident.source, incident.destination) == ("VM42", "HV01", "HV02")
            assert (incident.cluster, incident.event_id) == ("CLUSTER1", 21024)
            assert incident.channel == "Microsoft-Windows-Hyper-V-VMMS-Admin"
            assert incident.message.endswith("(0x8009030E)"), "the code is evidence"
            assert incident.reported_by == "Alertmanager (remediation)"
            eventually(lambda: ledger.incident(opened.id).reports > 1, "the alert sent again", stack.told)
            stack.stop_failing()
            closed = eventually(lambda: ledger.incident(opened.id).closed_at, "the resolved alert", stack.told)
    with Ledger(found.ledger_url) as ledger:
        assert ledger.incident(opened.id).closed_at == closed
        assert ledger.open_incidents() == [], "one incident, however often it was sent"


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.xdist_group("prefect of its own")
@pytest.mark.timeout(600)
def test_from_the_metric_to_a_machine_that_moves(tmp_path: Path) -> None:
    needed()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("REMEDIATE_", "PREFECT_"))}
    (tmp_path / "tmp").mkdir()
    env = kept | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "COLUMNS": "120"}
    script = Path(__file__).parent / "metric_to_mended.py"
    ended = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=560, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "MENDED" in ended.stdout


# ---- the examples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["promtool", "check", "rules", "prometheus-rules.yml"],
        ["promtool", "check", "config", "prometheus.yml"],
        ["amtool", "check-config", "alertmanager.yml"],
    ],
)
def test_their_own_tools_take_the_examples(command: list[str]) -> None:
    needed()
    checked = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_labels_are_what_the_receiver_reads() -> None:
    document = yaml.safe_load((EXAMPLES / "prometheus-rules.yml").read_text())
    rules = {each["alert"]: each for group in document["groups"] for each in group["rules"]}
    ours = [name for name, rule in rules.items() if rule["labels"].get("remediate") == "true"]
    assert ours == ["LiveMigrationFailed", "NodeDrainFailed"]
    read = str(Alert.model_fields["labels"].description)
    for name in ours:
        for label in re.findall(r"\$labels\.(\w+)", str(rules[name]["annotations"])):
            assert label in read, f"{name} speaks of {label}"


SAMPLES = [
    (
        "Virtual machine migration operation for 'VM42' failed at migration source 'HV01'. (Virtual machine ID 6D5A3C1E)\n\n"
        "The Virtual Machine Management Service failed to establish a connection for a Virtual machine migration with host "
        "'HV02': No credentials are available in the security package (0x8009030E).",
        {"vm": "VM42", "source": "HV01", "destination": "HV02", "code": "0x8009030E"},
    ),
    ("Live migration of 'Virtual Machine SQL 01' failed.", {"vm": "SQL 01"}),
    ('Fehler bei der Livemigration von "SQL 01".', {}),
    ("Node drain failed on cluster node HV02.", {"node": "HV02"}),
]


@pytest.mark.parametrize(("message", "labels"), SAMPLES)
def test_alloy_s_expressions_find_the_names_in_an_event(message: str, labels: dict[str, str]) -> None:
    text = (EXAMPLES / "config.alloy").read_text()
    expressions = [json.loads(f'"{each}"') for each in re.findall(r'expression = "((?:[^"\\]|\\.)*)"', text)]
    assert len(expressions) == 5
    found: dict[str, str] = {}
    for each in expressions:
        match = re.search(each, message)
        found |= match.groupdict() if match else {}
    assert found == labels
    if "vm" in labels:
        told = diagnose(message).incident
        assert told is not None
        assert told.vm == labels["vm"], "the receiver reads the same"


def test_alloy_s_components_are_closed_and_known_to_each_other() -> None:
    text = re.sub(r"//[^\n]*", "", (EXAMPLES / "config.alloy").read_text().replace("https://", "https:"))
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert all(bare.count(opening) == bare.count(closing) for opening, closing in ("{}", "[]", "()"))
    components = set(re.findall(r'^(loki\.[a-z.]+) "(\w+)" \{', text, re.MULTILINE))
    used = set(re.findall(r"(loki\.[a-z]+)\.(\w+)\.receiver", text))
    assert used <= components
    assert {name for name, _ in components} == {"loki.source.windowsevent", "loki.process", "loki.write"}


def test_that_no_more_events_come_does_not_end_what_waits_for_approval() -> None:
    """Each example's alert counts events of some minutes: its end is no news of the machine."""
    (hook,) = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())["receivers"][0]["webhook_configs"]
    assert hook["send_resolved"] is False
    (point,) = yaml.safe_load((EXAMPLES / "grafana.yaml").read_text())["contactPoints"][0]["receivers"]
    assert point["disableResolveMessage"] is True
    _, rule = json.loads((EXAMPLES / "azure-monitor.json").read_text())["resources"]
    assert rule["properties"]["autoMitigate"] is False


NAMELESS = "20406"
"""Says why a host could not be reached, and not for which machine."""


def test_an_event_that_names_no_machine_is_refused_so_no_rule_sends_it() -> None:
    from remediations.alerts.grafana import read

    said = "Failed to establish a connection with host 'HV02': No credentials are available (0x8009030E)."
    alert = {"status": "firing", "labels": {"computer": "HV01", "event_id": NAMELESS}, "annotations": {"message": said}}
    (mistake,) = read({"alerts": [alert]}, {}).wrong
    assert "names its virtual machine" in mistake.wrong


def test_grafana_s_rule_gives_what_the_receiver_reads() -> None:
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "grafana.yaml").read_text())
    (point,) = document["contactPoints"][0]["receivers"]
    assert point["settings"]["url"].endswith("/alerts/grafana")
    (rule,) = document["groups"][0]["rules"]
    assert (rule["noDataState"], rule["execErrState"]) == ("OK", "KeepLast"), "neither is a failed migration"
    assert rule["annotations"]["message"] == "{{ $labels.message }}"
    expression = rule["data"][0]["model"]["expr"]
    assert all(label in expression for label in ("computer", "event_id", "channel", "message"))
    jobs = set(re.findall(r'job = "([\w-]+)"', (EXAMPLES / "config.alloy").read_text()))
    assert jobs == {"hyperv-migrations", "hyperv-drains"}
    assert all(job in expression for job in jobs)
    assert rule["condition"] in {each["refId"] for each in rule["data"]}
    assert re.findall(r'event_id != "(\d+)"', expression) == [NAMELESS]


def test_azure_s_rule_is_split_by_what_the_receiver_reads() -> None:
    from remediations.alerts.azure import read

    document = json.loads((EXAMPLES / "azure-monitor.json").read_text())
    group, rule = (each["properties"] for each in document["resources"])
    (hook,) = group["webhookReceivers"]
    assert hook["useCommonAlertSchema"] is True
    assert "'?token='" in hook["serviceUri"]
    (criterion,) = rule["criteria"]["allOf"]
    values = {"Computer": "HV01", "EventLog": "A", "EventID": "21024", "RenderedDescription": SAMPLES[0][0]}
    events = re.findall(r"\b\d{5}\b", criterion["query"])
    assert events == ["21024", "21111", "21502"], f"{NAMELESS} would be refused"
    names = [each["name"] for each in criterion["dimensions"]]
    assert sorted(names) == sorted(values)
    dimensions = [{"name": name, "value": values[name]} for name in names]
    fired = {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {"monitorCondition": "Fired"},
            "alertContext": {"condition": {"allOf": [{"dimensions": dimensions}]}},
        },
    }
    (report,) = read(fired, {}).reports
    assert (report.incident.vm, report.incident.event_id, report.incident.channel) == ("VM42", 21024, "A")
