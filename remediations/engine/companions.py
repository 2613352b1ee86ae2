"""What becomes of the failures that went with a run: closed with it where its mend is theirs too, else read on their own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from remediations.engine.gather import read_for
from remediations.engine.grouping import covers, own_parts
from remediations.engine.parts import fold, parts_of
from remediations.engine.ports import Companion, Hosts
from remediations.ledger import Ledger
from remediations.model.diagnosis import Evidence
from remediations.model.outcome import Ending, Outcome
from remediations.model.plan import Plan
from remediations.model.site import Site

BATCH = 500
"""Incidents of one transaction: nobody else can write to the ledger meanwhile."""


def companions(ledger: Ledger, incident_id: str | None, mend: Plan | None, site: Site) -> tuple[Companion, ...]:
    """Who goes with the run of an incident now, and whether its mend, if it has one, is theirs too."""
    if incident_id is None:
        return ()
    return tuple(
        Companion(
            incident_id=each.id,
            title=each.incident.title,
            covered=mend is not None and covers(mend, each.incident, site),
        )
        for each in ledger.joined_to(incident_id)
    )


def part_ways(
    hosts: Hosts, site: Site, ledger: Ledger, incident_id: str | None, *, mend: Plan | None, evidence: Evidence
) -> None:
    """Before a mend is put to a person: let those go that it is none for, by the facts where the request does not say it."""
    if mend is None or incident_id is None:
        return
    joined = ledger.joined_to(incident_id)
    asked = {each.id: own for each in joined if (own := own_parts(mend, each.incident, site)) is not None}
    unsure = {number: own for number, own in asked.items() if own != parts_of(mend)}
    with_it = set(asked) - set(unsure)
    with suppress(LookupError):  # a name that site.yaml has no more
        read = iter(read_for(hosts, site, evidence, [part for own in unsure.values() for part in own]))
        plans = {number: fold(own, [next(read) for _ in own]) for number, own in unsure.items()}
        with_it |= {number for number, plan in plans.items() if plan.appliable and _what(plan) <= _what(mend)}
    apart = [each.id for each in joined if each.id not in with_it]
    ledger.set_apart(*apart, why=f"what mends {incident_id} ({mend.title}) does not mend it")


def _what(plan: Plan) -> set[tuple[str, str]]:
    return {(step.host, step.command.text) for step in plan.steps}


def dismiss(ledger: Ledger, incident_id: str, company: Sequence[Companion], outcome: Outcome) -> None:
    """Close those that the run's mend covers with its outcome, and let the others go their own way."""
    shared = _shared(outcome, incident_id)
    for begin in range(0, len(company), BATCH):
        some = company[begin : begin + BATCH]
        ledger.close_incidents({each.incident_id: shared for each in some if each.covered})
        apart = [each.incident_id for each in some if not each.covered]
        ledger.set_apart(*apart, why=f"{incident_id} has its outcome, and had no mend for it")


def _shared(outcome: Outcome, incident_id: str) -> Outcome:
    moved = " It was not moved again by us: the mend is what both needed." if outcome.ending is Ending.MENDED else ""
    return outcome.model_copy(update={"summary": f"It went with {incident_id}: {outcome.summary.rstrip('.')}.{moved}"})
