"""Whose it is: what has our machine's name or its id and is not our machine is neither read as it nor changed."""

from __future__ import annotations

from dataclasses import replace

from law_bench import Bench

from remediations.catalogue.enable_processor_compatibility import EnableProcessorCompatibility
from remediations.model.outcome import Ending


def copied(bench: Bench, host: str, replication: str) -> None:
    """VM51 is on HV03, and `host` shows one of the same name and the same id, off."""
    world = bench.lab.world
    ours = world.machine("VM51")
    other = replace(ours, host=host, state="Off", features=frozenset(), vendor="", replication=replication, guid=ours.id)
    world.machines["another"] = other
    ours.replication = "Primary" if replication == "Replica" else "None"


def compatible(bench: Bench) -> EnableProcessorCompatibility:
    world = bench.lab.world
    world.host("HV04").cpu = replace(world.host("HV04").cpu, name="Intel(R) Xeon(R) Gold 5118", stepping=4)
    return EnableProcessorCompatibility(vm="VM51", source="HV03", destination="HV04")


def test_what_a_replica_shows_decides_nothing_about_the_machine_that_it_is_of(bench: Bench) -> None:
    """By the replica, which is off, the shutdown would be done before it was sent, and the setting never show."""
    copied(bench, "HV04", "Replica")
    request = compatible(bench)
    report = bench.engine().carry_out("run-1", request, dry_run=False, gate=bench.approving, requested_by="ben")
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert [(host, name) for host, name, _ in bench.changes()] == [
        ("HV03", "Stop-VM"),
        ("HV03", "Set-VMProcessor"),
        ("HV03", "Start-VM"),
    ]
    assert (bench.lab.world.machine("VM51").compatible, bench.lab.world.machines["another"].compatible) == (True, False)


def test_the_other_way_round_the_machine_is_found_where_it_is(bench: Bench) -> None:
    copied(bench, "HV04", "Replica")
    request = compatible(bench).model_copy(update={"source": "HV04", "destination": "HV03"})
    report = bench.engine().carry_out("run-1", request, dry_run=True, gate=bench.approving, requested_by="ben")
    assert report.plan is not None
    assert {step.host for step in report.plan.steps} == {"HV03"}, report.markdown


def test_of_two_that_have_the_same_id_nobody_knows_which_is_meant(bench: Bench) -> None:
    copied(bench, "HV04", "None")
    report = bench.engine().carry_out("run-1", compatible(bench), dry_run=False, gate=bench.approving, requested_by="ben")
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert "HV03 and HV04 both have it, by the same id" in report.outcome.summary
    assert (bench.asked, bench.changes()) == ([], [])
