"""What only words point to is looked at and told, and changes nothing: nothing is planned for it, or otherwise for it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from law_bench import Bench, never

from remediations.catalogue import CATALOGUE, repairs_for
from remediations.engine import Report
from remediations.engine.findings import findings_of
from remediations.engine.propose import Proposal, propose
from remediations.engine.report_page import page
from remediations.lab.world.faults import FAULTS
from remediations.model.causes import Cause
from remediations.model.incident import Incident
from remediations.model.outcome import Ending
from remediations.model.plan import Plan, Verdict

# One of each way of proving: by state, mendable; by state, a person's; by exclusion; by episode.
SAID = {
    "spn_missing": "The SPN of the host is missing",
    "switch_missing": "The virtual switch does not exist on the other host",
    "cpu_incompatible": "Processor features are missing on the other host",
    "dvd_or_iso_attached": "There is an ISO file in the drive",
    "vm_in_use_or_busy": "A backup is running",
}


def reported(bench: Bench, cause: str, message: str) -> Incident:
    """A failure of which the hosts' logs say nothing: what is wrong is there, and no move of ours failed of it."""
    bench.lab.inject(cause)
    fault, source = FAULTS[cause], bench.lab.world.host(FAULTS[cause].source)
    cluster = bench.lab.world.cluster_of(source.name)
    return Incident(
        vm=fault.vm,
        source=fault.source,
        destination=fault.destination,
        cluster=cluster.name if cluster else None,
        message=message,
        occurred_at=bench.clock(),
        reported_by="Alertmanager",
    )


def found(bench: Bench, incident: Incident) -> Proposal:
    return propose(bench.remoting, bench.lab.site(), incident, now=bench.clock(), tried=frozenset())


def titles(plans: Sequence[Plan]) -> set[str]:
    return {plan.title for plan in plans}


@pytest.mark.parametrize("cause", SAID)
def test_it_is_told_and_nothing_is_planned(bench: Bench, cause: str) -> None:
    incident = reported(bench, cause, SAID[cause])
    before = bench.lab.world.state_hash()
    report: Report = bench.engine().remediate("run-1", incident, dry_run=False, gate=never, requested_by="alerting")
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.outcome
    assert report.plan is None
    assert f"Words alone point to {cause}" in report.outcome.summary
    (looked,) = [each for each in report.considered if each.hypothesis.cause.value == cause]
    assert looked.hypothesis.weak
    for shown in (report.markdown, page(report)):
        assert "weak: words only" in shown
        assert "proven by the facts" not in shown
    assert bench.changes() == []
    assert bench.lab.world.state_hash() == before


@pytest.mark.parametrize("cause", SAID)
def test_nothing_else_is_planned_any_different_for_it(bench: Bench, cause: str) -> None:
    said = reported(bench, cause, SAID[cause])
    without = found(bench, said.model_copy(update={"message": ""}))
    reads = len(bench.lab.journal)
    with_words = found(bench, said)
    assert len(bench.lab.journal) - reads <= reads * 1.1, "three causes' facts are few beside what is read anyway"
    assert [each.hypothesis.weak for each in with_words.considered] == [True] * len(with_words.evidence.weak) != []
    assert without.considered == ()
    for name in ("plan", "cause", "presumed", "over", "gone", "retry"):
        assert findings_of(with_words)[name] == findings_of(without)[name], name
    # What is there by state is told once, either way; only what the words named is told with their cause.
    asked = {each.id for weak in with_words.evidence.weak for each in repairs_for(weak.cause)}
    others = tuple(plan for plan in without.also_seen if plan.remediation not in asked)
    assert titles(with_words.also_seen) == titles(others)
    for plan in without.also_seen:
        if plan.remediation in asked:
            causes = set(CATALOGUE[plan.remediation].causes)
            told = [each for each in with_words.considered if each.hypothesis.cause in causes]
            assert Verdict.PRESENT in {each.verdict for each in told}


def test_what_the_logs_say_makes_words_superfluous(bench: Bench) -> None:
    failure = bench.lab.fail("spn_missing")
    said = Incident(
        vm=failure.vm,
        source=failure.source,
        destination=failure.destination,
        message=SAID["switch_missing"],
        occurred_at=failure.time,
        reported_by="Alertmanager",
    )
    proposal = found(bench, said)
    assert proposal.evidence.weak == ()
    assert not any(each.hypothesis.weak for each in proposal.considered)
    assert proposal.cause is Cause.SPN_MISSING
