"""The sweep that cleans up after runs that ended without doing it themselves: expired, cancelled, crashed."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from flows.artifacts import safe
from flows.fate import fate, tell, unseen
from flows.notify import tell_recovered
from flows.runtime import engine
from remediations.engine import Left, Over, Recovered
from remediations.engine.render import escape


@flow(name="recover", persist_result=False, retries=0)
def recover() -> State[None]:
    """Close what ended runs left open: virtual machines off, nodes paused, incidents without an outcome.

    `remediate serve` does the same every minute by itself; this is for doing it now and seeing it.
    """
    with engine() as built, get_client(sync_client=True) as client:

        def fate_of(run: str) -> Over | None:
            return fate(client, run)

        found, told = built.recover(fate_of), built.site.notify
        left = built.left_over(fate_of, lambda run: unseen(client, run))
        trail = built.head().words
    for each in found:
        tell(each)
        tell_recovered(told, each)
    if found or left:
        create_markdown_artifact(safe(f"{table(found, left)}\n\n{trail}"), key="recovered", description="What was recovered")
    return Completed(message=words(found, left))


def words(found: Sequence[Recovered], left: Sequence[Left]) -> str:
    """What was recovered and what was not, in one line."""
    said = [f"ended runs that were cleaned up: {len(found)}"] if found else []
    said += [f"still has to wait: {each.run}, {each.what} ({each.why})" for each in left]
    return "; ".join(said) or "nothing was left open"


def table(found: Sequence[Recovered], left: Sequence[Left]) -> str:
    """The same as a markdown table."""
    rows = [(each.run, each.incident_id or "", each.outcome.summary) for each in found]
    rows += [(each.run, "", f"still {each.what}: {each.why}") for each in left]
    cells = [" | ".join(escape(each) for each in row) for row in rows]
    return "\n".join(["| run | incident | what is so now |", "| --- | --- | --- |", *(f"| {each} |" for each in cells)])
