"""Prefect's own way in: a failure that came as an event on Prefect's bus is taken in as the alert receiver would."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.runtime import configuration, configure_logs
from remediations.alerts import BadAlert, Ended, Report, event, known_to
from remediations.alerts.taking import checked, over, settled
from remediations.engine.propose import canonical
from remediations.ledger import Ledger
from remediations.model.incident import Incident
from remediations.settings import Settings


@flow(name="report-failure", persist_result=False, retries=0)
def report_failure(failure: dict[str, Any]) -> State[Any]:
    """Take in a failed migration, or the news that it is over. Its run follows by itself, as policy lets it.

    An event `migration.failed` on Prefect's event bus starts this with its payload.

    Args:
        failure: The fields of the receiver's /alerts/event: vm (or node, for a drain), source, destination, cluster,
            event_id, channel, provider, message, occurred_at, reported_by; status "resolved" says that it is over.
    """
    configure_logs()
    site = configuration().site
    known = known_to(site)

    def check(report: Report) -> Incident:
        return canonical(known(report), site)

    with Ledger(Settings.load().ledger_url) as ledger:

        def settle(incident: Incident, ended: Ended) -> str:
            return over(ledger.over(incident.key, ended.how, ended.words(incident)), ended)

        try:
            found = event.read(failure, {})
            opened = ledger.take_in(checked(found, check))
        except BadAlert as bad:
            return Failed(message=f"nothing was taken in: {bad}")
        words = [f"{each.id} was open already and joined" if each.joined else f"{each.id} opened" for each in opened]
        words += [*settled(found, check, settle), *(each.why for each in found.ignored)]
    return Completed(message="; ".join(words))
