"""Law 10: a repair plans steps for its own fault only: the table of repairs and faults is a diagonal, with few exceptions."""

from __future__ import annotations

import pytest
from law_bench import Bench, incident_of

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Repair
from remediations.engine.gather import read_for
from remediations.engine.propose import canonical, gather_evidence
from remediations.lab.world.faults import FAULTS
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence, Hypothesis
from remediations.model.plan import Plan, Verdict

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("spn_missing", "purge-kerberos-tickets"): "an account changed, so the tickets from before it are stale too",
}
"""(fault, repair) that plans something all the same, and why that is right."""


@pytest.mark.parametrize("cause", FAULTS)
def test_a_repair_plans_for_its_own_fault_only(bench: Bench, cause: str) -> None:
    site = bench.lab.site()
    incident = canonical(incident_of(bench.lab.fail(cause)), site)
    told = gather_evidence(bench.remoting, site, incident, now=bench.clock())
    asked = [each for entry in CATALOGUE.values() if issubclass(entry, Repair) for each in entry.for_incident(incident, site)]
    own = [each for each in asked if cause in each.causes]
    assert own, f"no repair of the catalogue is for {cause}"

    found = planned(bench, told, asked)
    assert any(plan.verdict is Verdict.PRESENT for each, plan in found if each in own)
    stray = [(each.id, plan.title) for each, plan in found if each not in own and plan.steps]
    assert [row for row in stray if (cause, row[0]) not in EXCEPTIONS] == [], "on all that report and logs suggest"

    suspected = Evidence(incident=incident, hypotheses=(Hypothesis(cause=Cause(cause), score=0.9, evidence=("event",)),))
    for each, plan in planned(bench, suspected, asked):
        if each not in own and (cause, each.id) not in EXCEPTIONS:
            assert plan.verdict is Verdict.ABSENT, f"{plan.title}: {plan.items}"


@pytest.mark.parametrize("name", ["VM4", "M42", "VM42"])
def test_only_what_befell_this_very_machine_is_evidence(bench: Bench, name: str) -> None:
    """While VM42 cannot move for its processor's features, one that is called a little otherwise is reported too."""
    site, failure = bench.lab.site(), incident_of(bench.lab.fail("cpu_incompatible"))
    reported = canonical(failure.model_copy(update={"vm": name, "message": "", "event_id": 21024}), site)
    told = gather_evidence(bench.remoting, site, reported, now=bench.clock())
    assert told.points_to(Cause.CPU_INCOMPATIBLE) is (name == "VM42")


def planned(bench: Bench, evidence: Evidence, asked: list[Repair]) -> list[tuple[Repair, Plan]]:
    """Each repair with its plan, from one sweep of the hosts."""
    inputs = read_for(bench.remoting, bench.lab.site(), evidence, asked)
    return [(each, each.planned(own)) for each, own in zip(asked, inputs, strict=True)]
