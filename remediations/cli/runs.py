"""`remediate runs`: what was done of late, and the report of one run, out of the ledger alone: no Prefect, no host is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import fail, out, plain_errors, print_json
from remediations.cli.engine import Json
from remediations.cli.stops import this_ledger

if TYPE_CHECKING:
    from remediations.ledger import Ledger, RunRecord


def runs(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="One run: its id, how its id begins, or its incident's id.")
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="How many to list.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what was done of late and how it ended, newest first; or one run's report. Dry runs are not kept."""
    with plain_errors(), this_ledger() as ledger:
        found = ledger.runs(last=last, named=run or "")
        if run is not None and not found:
            fail(f"no run, and no run of an incident, is called {run!r}; `remediate runs` lists the last ones")
        one = found[0] if run is not None and len(found) == 1 else None
        told = [_told(ledger, each) for each in found]
        if as_json:
            print_json([each.model_dump(mode="json") | more for each, more in zip(found, told, strict=True)])
        elif one is not None:
            _tell_whole(one, told[0])
        elif not found:
            out.print("Nothing has run with this ledger yet.")
        else:
            for each, more in zip(found, told, strict=True):
                _tell(each, more["title"])


def _told(ledger: Ledger, record: RunRecord) -> dict[str, str]:
    """A run's title and its report, as markdown; of a run without one what is known all the same."""
    from remediations.engine.done import did
    from remediations.engine.endings import sent

    plan = next((each.plan for part in ("repair", "retry") if (each := ledger.sealed(record.run, round=1, part=part))), None)
    title = plan.title if plan is not None else record.kind
    if record.incident_id is not None:
        title = ledger.incident(record.incident_id).incident.title
    reports = [str(note.data["markdown"]) for note in ledger.trail(record.run) if note.kind == "report"]
    if reports:
        return {"title": title, "report": reports[-1]}
    steps = [f"- {each.became}: {each.host}> {each.command}" for each in sent([one.entry for one in did(ledger, record.run)])]
    return {"title": title, "report": "\n".join([f"# {title}", "", ending(record), "", *(steps or ["Nothing was sent."])])}


def ending(record: RunRecord) -> str:
    """How a run ended, in one sentence."""
    if record.outcome is None:
        return "It has not ended."
    reason = f" ({record.outcome.reason.value})" if record.outcome.reason is not None else ""
    return f"{record.outcome.ending.value}{reason}: {record.outcome.summary}"


def _tell(record: RunRecord, title: str) -> None:
    incident = f" ({record.incident_id})" if record.incident_id else ""
    lines = [f"{record.started_at:%Y-%m-%d %H:%M} UTC  {title}{incident}", f"  {ending(record)}"]
    lines.append(f"  run {record.run}, asked for by {record.requested_by}")
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _tell_whole(record: RunRecord, told: dict[str, str]) -> None:
    from rich.markdown import Markdown

    _tell(record, told["title"])
    out.print()
    out.print(Markdown(told["report"]))
