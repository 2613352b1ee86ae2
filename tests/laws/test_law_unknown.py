"""Laws 4 and 5: whatever breaks on the wire or kills the process, a step runs once, and nothing stays half-way unsaid."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from law_bench import ANYTIME, Bench, incident_of

from remediations.engine import Over
from remediations.lab.protocol import Fault
from remediations.model.causes import Cause
from remediations.model.outcome import Ending

STEP = {Cause.SPN_MISSING.value: "Set-ADComputer", Cause.CPU_INCOMPATIBLE.value: "Set-VMProcessor"}
KINDS = [(Cause.SPN_MISSING.value, kind) for kind in ("reset", "garbage", "http", "wsman", "unauthorized")]


@pytest.mark.parametrize(("cause", "kind"), [*KINDS, (Cause.CPU_INCOMPATIBLE.value, "reset")])
@pytest.mark.parametrize("action", ["Command", "Receive"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_broken_wire_never_doubles_a_step(bench: Bench, cause: str, kind: str, action: str, moment: str) -> None:
    failure = bench.lab.fail(cause)
    before = bench.lab.world.state_hash()
    fault = Fault(action=action, kind=kind, moment=moment, command=STEP[cause])
    bench.lab.protocol_faults.add(fault)
    report = bench.mend(failure)
    assert bench.lab.protocol_faults.fired, "the fault must strike, or the law shows nothing"
    ran = Counter(
        json.dumps([host, name, parameters], default=str, sort_keys=True) for host, name, parameters in bench.changes()
    )
    assert [command for command, times in ran.items() if times > 1] == []
    match report.outcome.ending:
        case Ending.MENDED:
            assert report.verified
        case Ending.UNDONE | Ending.REFUSED:
            assert bench.lab.world.state_hash() == before, report.outcome
        case _:
            pytest.fail(f"neither mended nor taken back: {report.outcome}")
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.held() == []


def test_a_host_that_dies_with_the_step_leaves_its_bracket_for_recovery(bench: Bench) -> None:
    """HV01 dies while VM42 is off. The run says so; once the host is back, recovery starts the machine."""
    failure = bench.lab.fail(Cause.CPU_INCOMPATIBLE.value)
    bench.lab.protocol_faults.add(Fault(host="HV01", action="Command", kind="die", command="Set-VMProcessor"))
    report = bench.mend(failure)
    assert report.outcome.ending is Ending.FAILED
    assert "Start-ClusterResource" in report.outcome.summary
    assert bench.lab.world.machine("VM42").state == "Off"
    assert [bracket.run for bracket in bench.ledger.open_brackets()] == ["run-1"]

    bench.lab.server.start_host("HV01")
    bench.clock.ahead = timedelta(hours=1)
    (recovered,) = bench.engine().recover(lambda run: Over(reason=None, words="it ended"))
    assert recovered.run == "run-1"
    assert bench.lab.world.machine("VM42").running
    assert bench.ledger.open_brackets() == []


CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from remediations.engine import Answer, Engine
from remediations.ledger import Ledger
from remediations.model.incident import Incident
from remediations.model.policy import Policy, Proven
from remediations.model.tier import Tier
from remediations.remoting import Remoting
from remediations.settings import load_site, resolve

names = dict.fromkeys(Tier, Proven.NAME)
site, ledger, incident = load_site(Path(sys.argv[1])), sys.argv[2], Incident.model_validate_json(sys.argv[3])
with Ledger(ledger) as book, Remoting(site, resolve) as remoting:
    engine = Engine(site=site, policy=Policy(windows={}, proof=names), ledger=book, remoting=remoting)
    gate = lambda ask: Answer(decision="approve", approver="anna")
    report = engine.remediate("run-1", incident, dry_run=False, gate=gate, requested_by="alerting")
    print(report.outcome.model_dump_json())
"""


def started(bench: Bench, failure: object) -> subprocess.Popen[str]:
    """The main runbook in a process of its own, as a worker runs it."""
    site = bench.lab.write_site(bench.path / "site.yaml")
    incident = incident_of(failure).model_dump_json()
    ledger = f"sqlite:///{bench.path / 'ledger.db'}"
    command = [sys.executable, "-c", CHILD, str(site), ledger, incident]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})


def killed_at(child: subprocess.Popen[str], bench: Bench, command: str) -> None:
    """Kill the process as soon as the lab has begun to execute a command."""
    end = time.monotonic() + 60
    while time.monotonic() < end and child.poll() is None:
        if bench.lab.journal.executed(command):
            child.send_signal(signal.SIGKILL)
            child.wait(10)
            return
        time.sleep(0.005)
    child.kill()
    pytest.fail(f"{command} was never executed: {child.communicate()[0]}")


@pytest.mark.parametrize(
    ("cause", "command"),
    [
        (Cause.CPU_INCOMPATIBLE.value, "Stop-VM"),
        (Cause.CPU_INCOMPATIBLE.value, "Set-VMProcessor"),
        (Cause.CPU_INCOMPATIBLE.value, "Start-ClusterResource"),
        (Cause.NODE_DRAIN_FAILED.value, "Suspend-ClusterNode"),
        (Cause.SPN_MISSING.value, "Set-ADComputer"),
    ],
)
def test_a_killed_worker_leaves_no_machine_off_and_no_node_paused(bench: Bench, cause: str, command: str) -> None:
    failure = bench.lab.fail(cause)
    killed_at(started(bench, failure), bench, command)
    bench.clock.ahead = timedelta(hours=2)
    bench.engine().recover(lambda run: Over(reason=None, words="The run crashed"))
    bench.lab.world.wait(lambda: bench.lab.world.machine("VM42").running)
    world = bench.lab.world
    assert world.cluster is not None
    drained = not any(machine.running for machine in world.machines_on("HV01"))
    for node in world.cluster.nodes.values():
        assert node.state == "Up" or (node.name == "HV01" and drained), f"{node.name} was left {node.state}"
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.unfinished_runs() == []
    assert bench.ledger.open_incidents() == []


@pytest.mark.parametrize("command", ["Stop-VM", "Set-VMProcessor", "Start-ClusterResource"])
def test_a_killed_worker_is_followed_by_one_that_goes_on(bench: Bench, command: str) -> None:
    """The same run again, as Prefect starts it after a crash: it goes on from the journal, and no step runs twice."""
    failure = bench.lab.fail(Cause.CPU_INCOMPATIBLE.value)
    killed_at(started(bench, failure), bench, command)
    bench.lab.world.wait(lambda: all(entry.outcome != "running" for entry in bench.lab.journal))
    bench.clock.ahead = timedelta(hours=2)
    report = bench.engine(ANYTIME).remediate(
        "run-1", incident_of(failure), dry_run=False, gate=bench.approving, requested_by="alerting"
    )
    assert report.outcome.ending is Ending.MENDED, report.outcome
    ran = Counter(name for _, name, _ in bench.changes())
    assert {name: ran[name] for name in ("Stop-VM", "Set-VMProcessor", "Start-ClusterResource")} == {
        "Stop-VM": 1,
        "Set-VMProcessor": 1,
        "Start-ClusterResource": 1,
    }
