"""A drain tells beforehand what would stay behind and why, from reads alone."""

from __future__ import annotations

import pytest
from law_bench import Bench, never

from remediations.catalogue.drain_node import DrainNode
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
