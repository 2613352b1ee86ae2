"""What cannot be undone is shown whole, and is done on two people's proven word only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from law_approvers import Two
from law_bench import Bench, comparable, incident_of, never, planned_changes
from law_faults import IRREVERSIBLE

from remediations.catalogue.upgrade_vm_version import UpgradeVmVersion
from remediations.engine import Answer, Ask
from remediations.lab.world.machines import Snapshot
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Gate, Gates, Policy
from remediations.model.tier import Reversal, Tier

AS_IT_IS = Policy(windows={})
SHOWN = Policy(windows={}, gates=Gates(tiers={Tier.IRREVERSIBLE: Gate.PROPOSE}))
KEYS = "vtpm_key_protector"
UPGRADE = UpgradeVmVersion(vm="VM42", host="HV01")


@pytest.mark.parametrize("cause", IRREVERSIBLE)
def test_it_is_done_once_two_people_approved_it_and_shown_whole_before(
    bench: Bench, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    failure, gate = bench.lab.fail(cause), Two(bench, "Anna Berg", "Bert Clay")
    report = bench.mend(failure, policy=AS_IT_IS, gate=gate)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert "approved by Anna Berg (code)" in report.markdown
    assert "approved by Anna Berg and Bert Clay (code)" in report.markdown
    told = [report.model_dump_json(), caplog.text, *(each.model_dump_json() for each in bench.asked)]
    told += [path.read_bytes().decode("latin-1") for path in bench.path.rglob("*") if path.is_file()]
    assert not [each for each in gate.approvers.authenticators.values() if any(each.secret in text for text in told)]
    assert report.plan is not None
    keys = cause == KEYS
    assert (report.plan.tier, report.plan.reversal) == (Tier.IRREVERSIBLE, Reversal.EXACT if keys else Reversal.IRREVERSIBLE)
    first, second = bench.asked
    assert (first.approved_by, second.approved_by) == ((), ("Anna Berg",))
    assert first.key != second.key
    assert (first.digest, first.needed.typed) == (second.digest, failure.destination if keys else failure.vm)
    assert all(step.command.text in first.page for step in report.plan.steps)
    if not keys:  # their law compares what carries them
        assert comparable(bench.changes()) == comparable(planned_changes(report.plan, report.retry))


def test_the_upgrade_that_guidance_names_is_done_once_two_approved_it_and_lets_the_machine_move(bench: Bench) -> None:
    failure = bench.lab.fail("config_version_mismatch")
    guided = bench.engine().remediate("run-1", incident_of(failure), dry_run=False, gate=never, requested_by="alerting")
    told = "\n".join(line for item in (guided.plan.manuals if guided.plan else ()) for line in item.instructions)
    assert "remediate apply upgrade-vm-version --vm VM42 --host HV01" in told
    gate = Two(bench, "Anna Berg", "Bert Clay")
    report = bench.engine(AS_IT_IS).carry_out("run-2", UPGRADE, dry_run=False, gate=gate, requested_by="Anna Berg")
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert comparable(bench.changes()) == comparable(planned_changes(report.plan))
    machine = bench.lab.world.machine(failure.vm)
    assert (machine.version, machine.state) == ("9.0", "Running")
    assert bench.lab.move(failure.vm, failure.destination).refusal is None


def test_a_checkpoint_that_was_taken_while_they_decided_is_another_one_whatever_its_name(bench: Bench) -> None:
    failure, gate = bench.lab.fail("checkpoint_problem"), Two(bench, "Anna Berg", "Bert Clay")
    machine = bench.lab.world.machine(failure.vm)

    def taken_again(ask: Ask) -> Answer:
        machine.snapshots = [replace(each, created=bench.lab.world.now) for each in machine.snapshots]
        return gate(ask)

    report = bench.mend(failure, policy=AS_IT_IS, gate=taken_again)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.DRIFT), report.outcome
    assert bench.changes() == []
    assert len(machine.snapshots) == 1


def test_one_that_is_taken_while_another_is_merged_is_not_removed_with_its_namesake(bench: Bench) -> None:
    """Merging the first takes hours; meanwhile somebody takes a new one, and calls it what the second is called."""
    failure, gate = bench.lab.fail("checkpoint_problem"), Two(bench, "Anna Berg", "Bert Clay")
    machine, world = bench.lab.world.machine(failure.vm), bench.lab.world
    second = Snapshot("pre-update", world.now - timedelta(days=2))
    machine.snapshots.append(second)
    engine = bench.engine(AS_IT_IS)
    shown = engine.observe

    def observe(name: str, work: Callable[[], object]) -> object:
        if name.startswith("wait: the disk of 'before update'"):
            machine.snapshots.append(Snapshot("pre-update", world.now))
        return shown(name, work)

    engine.observe = observe
    report = engine.remediate("run-1", incident_of(failure), dry_run=False, gate=gate, requested_by="alerting")
    assert [each.name for each in machine.snapshots] == ["pre-update", "pre-update"], report.markdown
    assert "a command takes all of a name, new ones too" in report.outcome.summary


@pytest.mark.parametrize(
    ("names", "other"),
    [
        (("Anna Berg", "Anna Berg", "Anna Berg", "Anna Berg"), {}),
        (("Bert Clay", "Anna Berg", "Anna Berg", "Anna Berg"), {}),
        (("Bert Clay", "Carla Dorn", "Carla Dorn"), {"code": ""}),
        (("Bert Clay", "Carla Dorn", "Carla Dorn"), {"target": "VM43"}),
    ],
    ids=["one person twice", "the second is who asked", "names only", "another target"],
)
def test_it_is_not_done_otherwise(bench: Bench, names: tuple[str, ...], other: dict[str, object]) -> None:
    bench.lab.fail("config_version_mismatch")
    before = bench.lab.world.state_hash()
    gate = Two(bench, *names, **other)
    report = bench.engine(AS_IT_IS).carry_out("run-2", UPGRADE, dry_run=False, gate=gate, requested_by="Anna Berg")
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.APPROVAL_INVALID), report.outcome
    assert bench.changes() == []
    assert bench.lab.world.state_hash() == before


@pytest.mark.parametrize("cause", IRREVERSIBLE)
def test_where_policy_proposes_only_nobody_is_asked(bench: Bench, cause: str) -> None:
    failure = bench.lab.fail(cause)
    before = bench.lab.world.state_hash()
    report = bench.mend(failure, policy=SHOWN, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.PROPOSED, None), report.outcome
    assert report.plan is not None
    assert all(step.command.text in report.markdown for step in report.plan.steps)
    assert bench.changes() == []
    assert bench.lab.world.state_hash() == before
