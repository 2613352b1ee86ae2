"""What only a person can mend ends "needs a person", with what to do in order, the evidence, and nothing changed."""

from __future__ import annotations

import pytest
from law_bench import Bench, never
from law_faults import GUIDED

from remediations.catalogue import CATALOGUE
from remediations.engine.render import escape
from remediations.model.outcome import Ending
from remediations.model.plan import Manual, Plan, Verdict


def manuals(plan: Plan) -> list[Manual]:
    return [item for item in plan.items if isinstance(item, Manual)]


UNNAMED = frozenset({"machine_account"})
"""Causes that no report's text names so far: facts alone show them, so they stand beside what was searched for."""


@pytest.mark.parametrize("cause", [cause for cause in GUIDED if cause in UNNAMED])
def test_what_no_text_names_is_shown_by_the_facts(bench: Bench, cause: str) -> None:
    report = bench.mend(bench.lab.fail(cause), gate=never)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.outcome
    (seen,) = report.also_seen
    assert [each.value for each in CATALOGUE[seen.remediation].causes] == [cause]  # a repair
    assert all(item.instructions for item in manuals(seen))
    assert manuals(seen)
    assert bench.changes() == []


@pytest.mark.parametrize("cause", [cause for cause in GUIDED if cause not in UNNAMED])
def test_a_person_is_told_what_to_do(bench: Bench, cause: str) -> None:
    failure = bench.lab.fail(cause)
    before = bench.lab.world.state_hash()
    report = bench.mend(failure, gate=never)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.outcome
    assert report.plan is not None, report.markdown
    assert report.plan.verdict is Verdict.PRESENT
    told = manuals(report.plan)
    assert told, report.plan.items
    for item in told:
        assert escape(item.why) in report.markdown
        assert all(escape(line) in report.markdown for line in item.instructions), report.markdown
    (looked,) = [each for each in report.considered if each.hypothesis.cause.value == cause]
    assert looked.verdict is Verdict.PRESENT
    assert looked.hypothesis.evidence
    assert bench.changes() == []
    assert bench.lab.world.state_hash() == before
