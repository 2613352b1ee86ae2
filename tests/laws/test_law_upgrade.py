"""The upgrade that guidance names: it is not done on one person's word, and what it would do lets the move succeed."""

from __future__ import annotations

from uuid import uuid4

from law_bench import Bench, incident_of, never

from remediations.catalogue.upgrade_vm_version import UpgradeVmVersion
from remediations.model.outcome import Ending

REQUEST = UpgradeVmVersion(vm="VM42", host="HV01")


def test_guidance_names_the_upgrade_which_takes_two_people(bench: Bench) -> None:
    failure = bench.lab.fail("config_version_mismatch")
    guided = bench.engine().remediate("run-1", incident_of(failure), dry_run=False, gate=never, requested_by="alerting")
    told = "\n".join(line for item in (guided.plan.manuals if guided.plan else ()) for line in item.instructions)
    assert "remediate apply upgrade-vm-version --vm VM42 --host HV01" in told
    report = bench.engine().carry_out("run-2", REQUEST, dry_run=False, gate=never, requested_by="anna")
    assert (report.outcome.ending, report.outcome.reason) == (Ending.PROPOSED, None)
    assert bench.changes() == []


def test_what_the_upgrade_would_do_lets_the_machine_move(bench: Bench) -> None:
    failure = bench.lab.fail("config_version_mismatch")
    plan = bench.engine().carry_out("dry", REQUEST, dry_run=True, gate=never, requested_by="anna").plan
    assert plan is not None
    machine = bench.lab.world.machine(failure.vm)
    for step in plan.steps:
        bench.remoting.change(step.host, step.command, deadline=20, command_id=uuid4(), before_send=lambda: None)
    assert (machine.version, machine.state) == ("9.0", "Running")
    assert bench.lab.move(failure.vm, failure.destination).refusal is None
