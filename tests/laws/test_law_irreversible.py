"""What cannot be undone is shown whole, and is not done on one person's word."""

from __future__ import annotations

import pytest
from law_bench import Bench, never
from law_faults import IRREVERSIBLE

from remediations.model.outcome import Ending
from remediations.model.policy import Gate, Gates, Policy
from remediations.model.tier import Reversal, Tier

SHOWN = Policy(windows={}, gates=Gates(tiers={Tier.IRREVERSIBLE: Gate.PROPOSE}))


@pytest.mark.parametrize("cause", IRREVERSIBLE)
@pytest.mark.parametrize("policy", [Policy(windows={}), SHOWN], ids=["as it is", "proposing"])
def test_nothing_irreversible_is_done_alone(bench: Bench, cause: str, policy: Policy) -> None:
    failure = bench.lab.fail(cause)
    before = bench.lab.world.state_hash()
    report = bench.mend(failure, policy=policy, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.PROPOSED, None), report.outcome
    assert report.plan is not None
    assert report.plan.appliable
    keys = cause == "vtpm_key_protector"
    assert (report.plan.tier, report.plan.reversal) == (Tier.IRREVERSIBLE, Reversal.EXACT if keys else Reversal.IRREVERSIBLE)
    assert all(step.command.text in report.markdown for step in report.plan.steps)
    assert bench.changes() == []
    assert bench.lab.world.state_hash() == before
