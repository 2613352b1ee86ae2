"""`remediate runs`: what was done of late, and the report of one run, out of the ledger alone: no Prefect, no host is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import fail, out, plain_errors, print_json
from remediations.cli.stops import Json, this_ledger

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
        if as_json:
            whole = {each.run: {"title": _title(ledger, each), "report": _report(ledger, each)} for each in found}
            print_json([each.model_dump(mode="json") | whole[each.run] for each in found])
            return
        if not found:
            out.print("Nothing has run with this ledger yet.")
        for each in found:
            _tell(each, _title(ledger, each))
        if one is not None:
            from rich.markdown import Markdown

            out.print()
            out.print(Markdown(_report(ledger, one)))


def _title(ledger: Ledger, record: RunRecord) -> str:
    """What a run was for: its incident, else what it planned first, else what kind of run it is."""
    if record.incident_id is not None:
        return ledger.incident(record.incident_id).incident.title
    sealed = ledger.sealed(record.run, round=1, part="repair")
    return sealed.plan.title if sealed is not None else record.kind


def _report(ledger: Ledger, record: RunRecord) -> str:
    """A run's report, as markdown; of a run without one (it was recovered, or goes on) what is known all the same."""
    from remediations.engine.done import did
    from remediations.engine.endings import sent
    from remediations.engine.render import code, escape

    reports = [str(note.data["markdown"]) for note in ledger.trail(record.run) if note.kind == "report"]
    if reports:
        return reports[-1]
    sent_by_it = sent([each.entry for each in did(ledger, record.run)])
    steps = [f"- {each.became}: {code(f'{each.host}> {each.command}')}" for each in sent_by_it]
    return "\n".join([escape(_ending(record)), "", *(steps or ["Nothing was sent."])])


def _ending(record: RunRecord) -> str:
    return record.outcome.words if record.outcome is not None else "It has not ended."


def _tell(record: RunRecord, title: str) -> None:
    incident = f" ({record.incident_id})" if record.incident_id else ""
    lines = [f"{record.started_at:%Y-%m-%d %H:%M} UTC  {title}{incident}", f"  {_ending(record)}"]
    lines.append(f"  run {record.run}, asked for by {record.requested_by}")
    out.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
