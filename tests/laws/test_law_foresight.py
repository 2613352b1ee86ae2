"""A drain tells beforehand what would stay behind and why, from reads alone."""

from __future__ import annotations

import pytest
from law_bench import Bench, never

from remediations.catalogue.drain_node import DrainNode
from remediations.engine import looking
from remediations.model.outcome import Ending


@pytest.mark.parametrize("cause", ["switch_missing"])
def test_a_drain_names_what_would_stay_behind(bench: Bench, cause: str) -> None:
    drain = DrainNode(node="HV01")
    clear = bench.engine().carry_out("look-1", drain, dry_run=True, gate=never, requested_by="anna")
    assert clear.outcome.ending is Ending.PROPOSED, clear.markdown
    machines = [each.name for each in bench.lab.world.machines.values() if each.host == "HV01"]
    assert f"of {len(machines)} virtual machines on HV01 can move now" in clear.markdown
    assert "would stay" not in clear.markdown
    bench.lab.inject(cause)
    before = bench.lab.world.state_hash()
    report = bench.engine().carry_out("look-2", drain, dry_run=True, gate=never, requested_by="anna")
    assert bench.lab.world.state_hash() == before
    assert bench.changes() == []
    assert "**VM42** would stay" in report.markdown


def test_how_long_a_drain_takes_is_learnt_from_the_last_one(bench: Bench) -> None:
    drain = DrainNode(node="HV01")
    done = bench.engine().carry_out("run-1", drain, dry_run=False, gate=bench.approving, requested_by="carl")
    assert done.outcome.ending is Ending.MENDED, done.markdown
    assert "an estimate, for no drain of CLUSTER1 is on record" in bench.asked[0].why
    (kept,) = bench.ledger.drains("cluster1")
    assert (kept.node, kept.mebibytes) == ("HV01", 12 * 1024)
    assert kept.seconds > 0
    back = bench.engine().undo("run-2", "run-1", dry_run=False, gate=bench.approving, requested_by="carl")
    assert back.outcome.ending is Ending.MENDED, back.markdown
    other = DrainNode(node="HV02")
    again = bench.engine().carry_out("look", other, dry_run=True, gate=never, requested_by="carl")
    assert "as measured: the one drain on record of CLUSTER1" in again.markdown


def test_a_drain_that_fails_tells_what_got_stuck(bench: Bench) -> None:
    bench.lab.inject("possible_owner_excluded")
    report = bench.engine().carry_out("run-1", DrainNode(node="HV01"), dry_run=False, gate=bench.approving, requested_by="carl")
    assert report.outcome.ending is Ending.UNDONE, report.markdown
    assert "What got stuck: VM42: " in report.outcome.summary
    assert "HV02" in report.outcome.summary.partition("What got stuck: ")[2]
    assert "## What got stuck" in report.markdown
    assert "the cluster said: " in report.markdown


def looked_at(bench: Bench) -> str:
    """What is told of a drain of HV01, planned by reads alone."""
    report = bench.engine().carry_out("look", DrainNode(node="hv01"), dry_run=True, gate=never, requested_by="anna")
    assert report.outcome.ending is Ending.PROPOSED, report.markdown
    assert bench.changes() == []
    return report.markdown


def test_roles_that_are_called_otherwise_than_what_they_hold(bench: Bench) -> None:
    """Somebody renamed one group, and System Center Virtual Machine Manager made the other."""
    cluster = bench.lab.world.cluster
    assert cluster is not None
    cluster.rename(cluster.roles["VM42"], "web [tier] *")
    cluster.roles["VM44"].scvmm = True
    cluster.rename(cluster.roles["VM44"], "SCVMM VM44 Resources")
    told = looked_at(bench)
    assert "2 of 2 virtual machines on HV01 can move now. About 12 GiB of memory" in told
    bench.lab.inject("switch_missing")
    told = looked_at(bench)
    assert "0 of 2 virtual machines on HV01 can move now" in told
    assert "**VM42** would stay: " in told
    assert "**VM44** would stay: " in told


def test_two_virtual_machines_in_one_role_are_two(bench: Bench) -> None:
    bench.lab.inject("cluster_group_multi_vm")
    told = looked_at(bench)
    assert "0 of 2 virtual machines on HV01 can move now. About 12 GiB" in told
    assert "**VM44** would stay: role VM42 holds VM42 beside VM44" in told


def test_a_virtual_machine_that_no_node_shows_is_not_known_to_move(bench: Bench) -> None:
    """Deleted in Hyper-V, while its role stayed in the cluster."""
    del bench.lab.world.machines["VM44"]
    told = looked_at(bench)
    assert "1 of 2 virtual machines on HV01 can move now. About 8 GiB" in told
    assert "**VM44** is not known to move: HV01 does not show it" in told


def test_a_role_without_a_resource_of_a_virtual_machine_is_told_by_its_name(bench: Bench) -> None:
    assert bench.lab.world.cluster is not None
    bench.lab.world.cluster.roles["VM44"].machine = ""
    assert "**VM44** is not known to move: this role holds no virtual machine's resource" in looked_at(bench)


def test_a_look_ahead_that_fails_takes_no_plan_along(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LookupError("something nobody thought of")

    monkeypatch.setattr(looking, "foresee", broken)
    assert "What to expect of it is not known: something nobody thought of" in looked_at(bench)


def test_a_renamed_role_that_got_stuck_is_told_by_its_virtual_machine(bench: Bench) -> None:
    cluster = bench.lab.world.cluster
    assert cluster is not None
    bench.lab.inject("possible_owner_excluded")
    cluster.rename(cluster.roles["VM42"], "web tier")
    report = bench.engine().carry_out("run-1", DrainNode(node="HV01"), dry_run=False, gate=bench.approving, requested_by="carl")
    assert report.outcome.ending is Ending.UNDONE, report.markdown
    assert "What got stuck: VM42: " in report.outcome.summary
