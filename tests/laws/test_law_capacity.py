"""A drain that would leave less than policy wants is not begun: when it is planned, and when it is about to be sent."""

from __future__ import annotations

import pytest
from law_bench import ANYTIME, Bench, never

from remediations.catalogue.drain_node import DrainNode
from remediations.catalogue.remediation import Remediation
from remediations.catalogue.retry_drain import RetryDrain
from remediations.engine import Answer, Ask
from remediations.lab.world.hosts import GIB
from remediations.model.maintenance import Maintenance, OneMore
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Policy

DRAIN = DrainNode(node="HV01")


def held_to(**wanted: object) -> Policy:
    return ANYTIME.model_copy(update={"maintenance": Maintenance.model_validate(wanted)})


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (held_to(least_nodes_up=2), "1 other nodes would stay up, 2 have to (policy.yaml, maintenance.least_nodes_up)"),
        (held_to(quorum_survives_one_more="always"), "one more failure would leave 0 of the 1 votes that quorum needs"),
        (held_to(least_free_memory_percent=90), "48.0 GiB of memory free, and 57.6 GiB (90 %) have to stay free"),
        (held_to(clusters={"CLUSTER1": {"least_nodes_up": 2}}), "1 other nodes would stay up, 2 have to"),
    ],
)
def test_policy_forbids_with_its_figures(bench: Bench, policy: Policy, says: str) -> None:
    bench.lab.world.host("HV02").memory = 64 * GIB
    report = bench.engine(policy).carry_out("run-1", DRAIN, dry_run=False, gate=never, requested_by="carl")
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert says in report.outcome.summary
    assert bench.changes() == []


def test_a_witness_that_is_offline_leaves_two_nodes_without_a_spare(bench: Bench) -> None:
    assert bench.lab.world.cluster is not None
    bench.lab.world.cluster.witness_online = False
    policy = held_to(quorum_survives_one_more=OneMore.NEVER)
    report = bench.engine(policy).carry_out("run-1", DRAIN, dry_run=False, gate=never, requested_by="carl")
    assert "without it 1 of the 2 votes that quorum needs would be left" in report.outcome.summary


def test_memory_that_went_while_somebody_decided_stops_the_drain(bench: Bench) -> None:
    """22 GiB were free beyond what stays free, and 12 have to move; then somebody starts something large on HV02."""
    world = bench.lab.world
    world.host("HV02").memory = 43 * GIB

    def gate(ask: Ask) -> Answer:
        world.machine("VM43").memory = 30 * GIB
        return bench.approving(ask)

    report = bench.engine().carry_out("run-1", DRAIN, dry_run=False, gate=gate, requested_by="carl")
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.DRIFT), report.markdown
    assert "12.0 GiB of memory would leave HV01" in report.outcome.summary
    assert bench.changes() == []


def test_memory_that_went_while_a_backup_was_waited_for_stops_the_drain(bench: Bench) -> None:
    world = bench.lab.world
    world.host("HV02").memory = 43 * GIB
    world.machine("VM42").busy = "BackingUp"
    wait = bench.pause

    def pause(seconds: float) -> None:
        world.machine("VM42").busy = ""
        world.machine("VM43").memory = 30 * GIB
        wait(seconds)

    bench.pause = pause
    report = bench.engine().carry_out("run-1", DRAIN, dry_run=False, gate=bench.approving, requested_by="carl")
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.DRIFT), report.markdown
    assert bench.changes() == []


def test_a_drain_that_is_tried_again_is_held_to_the_same(bench: Bench) -> None:
    bench.lab.inject("node_drain_failed")
    again: Remediation = RetryDrain(node="HV01")
    report = bench.engine(held_to(least_nodes_up=2)).carry_out("run-1", again, dry_run=False, gate=never, requested_by="carl")
    assert "1 other nodes would stay up, 2 have to" in report.outcome.summary, report.markdown
