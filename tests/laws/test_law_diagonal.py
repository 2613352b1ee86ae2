"""Law 10: a repair plans steps for its own fault only: the table of repairs and faults is a diagonal, with few exceptions."""

from __future__ import annotations

import pytest
from law_bench import Bench, incident_of

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Repair
from remediations.engine.gather import read_for
from remediations.engine.propose import canonical, gather_evidence
from remediations.lab.world.faults import FAULTS
from remediations.model.plan import Plan, Verdict

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("spn_missing", "purge-kerberos-tickets"): "an account changed, so the tickets from before it are stale too",
}
"""(fault, repair) that plans something all the same, and why that is right."""


def plans(bench: Bench, cause: str) -> dict[str, list[Plan]]:
    """Every repair's plans for the incident of this fault, on the evidence that report and logs give."""
    site = bench.lab.site()
    incident = canonical(incident_of(bench.lab.fail(cause)), site)
    seen = gather_evidence(bench.remoting, site, incident, now=bench.clock())
    found: dict[str, list[Plan]] = {}
    for entry in CATALOGUE.values():
        if not issubclass(entry, Repair):
            continue
        for repair in entry.for_incident(incident, site):
            (inputs,) = read_for(bench.remoting, site, seen, [repair])
            found.setdefault(entry.id, []).append(repair.planned(inputs))
    return found


@pytest.mark.parametrize("cause", FAULTS)
def test_a_repair_plans_for_its_own_fault_only(bench: Bench, cause: str) -> None:
    found = plans(bench, cause)
    own = {entry.id for entry in CATALOGUE.values() if issubclass(entry, Repair) and cause in entry.causes}
    assert own, f"no repair of the catalogue is for {cause}"
    assert any(plan.verdict is Verdict.PRESENT for name in own for plan in found[name])
    stray = {
        name: [plan.title for plan in each if plan.steps]
        for name, each in found.items()
        if name not in own and (cause, name) not in EXCEPTIONS and any(plan.steps for plan in each)
    }
    assert stray == {}
