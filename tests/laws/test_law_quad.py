"""Laws 1, 2, 3 and 8 for every fault that is mended: one scenario forward, one back; a run in the lab is dear."""

from __future__ import annotations

import logging

import pytest
from law_bench import Bench, assert_hidden, comparable, mend_only, never, planned_changes
from law_faults import MENDED

from remediations.engine import Report
from remediations.engine.gather import facts_in, read_for
from remediations.engine.parts import parts_of
from remediations.model.diagnosis import Evidence
from remediations.model.outcome import Ending, Reason
from remediations.model.plan import Plan, Verdict
from remediations.model.tier import Reversal

pytestmark = pytest.mark.parametrize("cause", MENDED)


def test_dry_run_then_apply_then_nothing_left(bench: Bench, cause: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    failure = bench.lab.fail(cause)
    broken = bench.lab.world.state_hash()

    looked = bench.look(failure)
    assert looked.outcome.ending is Ending.PROPOSED, looked.outcome
    assert looked.plan is not None
    assert looked.plan.appliable
    assert bench.changes() == [], "a dry run changes nothing"
    assert bench.lab.world.state_hash() == broken

    report = bench.mend(failure)
    assert (report.outcome.ending, report.verified, report.retried) == (Ending.MENDED, True, True), report.markdown
    (asked,) = bench.asked
    assert report.plan == asked.plan
    assert comparable(bench.changes()) == comparable(planned_changes(asked.plan, asked.retry)), "what was approved is what ran"

    mended, sent = bench.lab.world.state_hash(), len(bench.changes())
    again = bench.mend(failure, run="run-2")
    assert (again.outcome.ending, again.outcome.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)
    assert bench.lab.world.state_hash() == mended, "a second run changes nothing"
    assert len(bench.changes()) == sent

    told = [looked.model_dump_json(), report.model_dump_json(), asked.model_dump_json(), again.model_dump_json(), caplog.text]
    assert_hidden(bench, *told)


def test_apply_does_what_it_predicted_and_undo_takes_it_back(bench: Bench, cause: str) -> None:
    failure = bench.lab.fail(cause)
    before = bench.lab.world.state_hash()
    plan = bench.mend(failure, policy=mend_only()).plan
    assert plan is not None
    facts = {}
    for inputs in read_for(bench.remoting, bench.lab.site(), Evidence(), parts_of(plan)):
        facts |= facts_in(inputs)
    last = {(change.fact, change.field): change for change in plan.changes}
    for guard in (guard for wait in plan.waits for guard in wait.until):
        # What is waited for after a step says where that field ends up.
        last.pop((guard.fact, guard.field), None)
        assert guard.holds(facts), guard.seen(facts)
    assert [change for change in last.values() if not change.holds_after(facts)] == []
    assert bench.engine().applier(Evidence()).again(plan).verdict is Verdict.ABSENT

    asked = len(bench.asked)
    back = bench.engine().undo("undo-1", "run-1", dry_run=False, gate=bench.approving, requested_by="ben")
    assert_restored(bench, plan, before, back)
    assert len(bench.asked) == asked + (plan.reversal is not Reversal.NOT_NEEDED)
    if back.plan is not None and back.plan.steps:
        assert back.plan.steps == bench.asked[-1].plan.steps, "what was approved is what ran"
        (again,) = {bench.engine().undo("dry", "run-1", dry_run=True, gate=never, requested_by="ben").outcome.ending}
        assert again is Ending.NOTHING_TO_DO


def assert_restored(bench: Bench, plan: Plan, before: str, back: Report) -> None:
    """What each reversal promises."""
    wanted = Ending.NOTHING_TO_DO if plan.reversal is Reversal.NOT_NEEDED else Ending.MENDED
    assert back.outcome.ending is wanted, back.markdown
    if plan.reversal is Reversal.EXACT_EXCEPT_PLACEMENT:
        cluster = bench.lab.world.cluster
        assert cluster is not None
        assert {node.state for node in cluster.nodes.values()} == {"Up"}
    else:
        assert bench.lab.world.state_hash() == before
