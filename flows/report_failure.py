"""Prefect's own way in: a failure that came as an event on Prefect's bus is taken in as the alert receiver would."""

from __future__ import annotations

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.runtime import configuration, configure_logs
from remediations.alerts import BadAlert, Ended, Report, event, known_to
from remediations.alerts.taking import checked, over, settled
from remediations.engine.propose import canonical
from remediations.ledger import Ledger
from remediations.model.incident import Incident
from remediations.model.outcome import Reason, Refused
from remediations.settings import Settings


def ledger_was_away(_task: object, _run: object, state: State[Any]) -> bool:
    """Whether it failed since the ledger could not be written: Prefect then tries again. What was told stays as it is."""
    error = state.data
    return isinstance(error, Refused) and error.reason is Reason.LEDGER_UNAVAILABLE


@task(
    task_run_name="take in the failure",
    cache_policy=NO_CACHE,
    persist_result=False,
    # The bus tells of it once, and nobody else keeps it. Taking it in twice is safe: a report joins its open incident.
    retries=5,
    retry_delay_seconds=30,
    retry_condition_fn=ledger_was_away,
)
def take_in(failure: dict[str, Any]) -> list[str]:
    """Write a failure, or the news that it is over, to the ledger; what became of it, in words.

    Raises `BadAlert` with every field that is wrong, `Refused` (LedgerUnavailable) if the ledger cannot be written.
    """
    site = configuration().site
    known = known_to(site)

    def check(report: Report) -> Incident:
        return canonical(known(report), site)

    found = event.read(failure, {})
    right = checked(found, check)
    if right.wrong:
        raise BadAlert(right.wrong)
    with Ledger(Settings.load().ledger_url) as ledger:

        def settle(incident: Incident, ended: Ended) -> str:
            return over(ledger.over(incident.key, ended.how, ended.words(incident), began=incident.occurred_at), ended)

        opened = ledger.take_in(right.incidents)
        words = [f"{each.id} was open already and joined" if each.joined else f"{each.id} opened" for each in opened]
        return [*words, *settled(found, check, settle), *(each.why for each in found.ignored)]


@flow(name="report-failure", persist_result=False, retries=0)
def report_failure(failure: dict[str, Any]) -> State[Any]:
    """Take in a failed migration, or the news that it is over. Its run follows by itself, as policy lets it.

    An event `migration.failed` on Prefect's event bus starts this with its payload. While the ledger cannot be written it is
    tried again, for some minutes.

    Args:
        failure: The fields of the receiver's /alerts/event: vm (or node, for a drain), source, destination, cluster,
            event_id, channel, provider, computer, code, message, occurred_at, reported_by; status "resolved" or
            "acknowledged" says that nobody is needed any more.
    """
    configure_logs()
    try:
        words = take_in(failure)
    except (BadAlert, Refused) as error:
        return Failed(message=f"nothing was taken in: {error}")
    return Completed(message="; ".join(words))
