"""The sweep that cleans up after runs that ended without doing it themselves: expired, cancelled, crashed."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.artifacts import safe
from flows.fate import fate, tell
from flows.notify import tell_recovered
from flows.runtime import engine
from remediations.engine import Recovered


@flow(name="recover", persist_result=False, retries=0)
def recover() -> State[None]:
    """Close what ended runs left open: virtual machines off, nodes paused, incidents without an outcome.

    `remediate serve` does the same every minute by itself; this is for doing it now and seeing it.
    """
    with engine() as built, get_client(sync_client=True) as client:
        found, told = built.recover(lambda run: fate(client, run)), built.site.notify
        trail = built.head().words
    for each in found:
        tell(each)
        tell_recovered(told, each)
    if found:
        create_markdown_artifact(safe(f"{table(found)}\n\n{trail}"), key="recovered", description="What was recovered")
    return Completed(message=f"{len(found)} ended runs were cleaned up" if found else "nothing was left open")


def table(found: Sequence[Recovered]) -> str:
    """What was recovered, as a markdown table."""
    rows = [f"| {each.run} | {each.incident_id or ''} | {_cell(each.outcome.summary)} |" for each in found]
    return "\n".join(["| run | incident | what is so now |", "| --- | --- | --- |", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
