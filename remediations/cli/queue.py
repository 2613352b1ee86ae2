"""`remediate incidents` and `remediate watch`: what is open and where it stands, and a look for more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.table import Column, Table

from remediations.cli.console import Exit, err, out, print_json, progress
from remediations.cli.stops import this_ledger

if TYPE_CHECKING:
    from remediations.engine.watch import Seen


def show(*, as_json: bool) -> None:
    """Print every open incident, oldest first, and where it stands."""
    with this_ledger() as ledger:
        queued = ledger.queued()
        # The mend stands before its part two, which is answered with it.
        asked = {each.run: each.digest for each in sorted(ledger.waiting(), key=lambda each: each.part, reverse=True)}
    if as_json:
        print_json(
            [{**each.model_dump(mode="json", exclude={"sealed"}), "asks": asked.get(each.opened.run or "")} for each in queued]
        )
        return
    if not queued:
        err.print("no incident is open")
        return
    table = Table(Column("incident", no_wrap=True), "since (UTC)", "what", "where it stands", title_justify="left")
    for each in queued:
        digest = asked.get(each.opened.run or "")
        stands = f"waits for approval: {digest[:8]}" if digest else each.standing.words
        stands += f": {each.leader}" if each.leader else ""
        table.add_row(each.id, f"{each.since:%Y-%m-%d %H:%M}", each.opened.incident.title, stands)
    out.print(table)


def look(*, as_json: bool) -> None:
    """Look at the hosts' event logs once, and print what was found; not done while a log was not read, or not all of it."""
    from flows.runtime import configure_logs, engine
    from flows.watch_event_logs import look as once
    from flows.watch_event_logs import words

    configure_logs(stream=sys.stderr, level="WARNING")
    with engine() as built:

        def looked() -> Seen:
            # Once more: standard error is another one while progress is shown, and what is logged there goes above it.
            configure_logs(stream=sys.stderr, level="WARNING")
            return once(built)

        seen = progress(f"look at the event logs of {len(built.site.hosts)} hosts", looked)
    if as_json:
        print_json(seen.model_dump(mode="json"))
    else:
        out.print(words(seen).replace("; ", "\n"), markup=False, soft_wrap=True)
    raise typer.Exit(Exit.NOT_DONE if seen.unread or seen.lost else Exit.DONE)
