"""`remediate undo | recover`: taking back what an ended run did, and finishing what others left half-way."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import Exit, err, out, plain_errors, print_json, progress
from remediations.cli.engine import Approve, As, Comment, Json, show, terminal_gate

if TYPE_CHECKING:
    from remediations.engine import Fate, Left, Recovered


def undo(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, as its report says.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be taken back; change nothing.")] = False,
    approve: Approve = None,
    as_: As = None,
    comment: Comment = "",
    as_json: Json = False,
) -> None:
    """Take back what an ended run changed, newest first: only what it did, and only where it is still so.

    Shows the plan of the undo and asks for it, as `remediate apply` does.
    """
    from flows.fate import terminal_run
    from flows.runtime import configure_logs, engine

    who = as_ or getpass.getuser()
    gate = terminal_gate(who, {"approve": approve, "comment": comment, "no_retry": True})
    configure_logs(stream=sys.stderr, level="WARNING")
    with plain_errors(), engine(progress) as built:
        report = built.undo(terminal_run(), run, dry_run=dry_run, gate=gate, requested_by=who)
    show(report, as_json=as_json)


def recover(as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False) -> None:
    """Finish what ended runs left half-way: machines off, nodes paused, steps in question. Says what became of each.

    Exits 0 if nothing is left, 3 if something has to wait (a host is down or busy), 1 if something could not be taken back.
    """
    from flows.runtime import configure_logs, engine

    configure_logs(stream=sys.stderr, level="WARNING")
    with plain_errors(), engine(progress) as built, _fates() as fate:
        found, left = built.recover(fate), built.left_over(fate)
    if as_json:
        print_json({"recovered": [each.model_dump(mode="json") for each in found], "left": [each.to_json() for each in left]})
    else:
        _tell(found, left)
    raise typer.Exit(code_of(found, left))


def code_of(found: list[Recovered], left: list[Left]) -> Exit:
    """Done; failed if something could not be taken back; not done if something has to wait, as for a host that is down."""
    from remediations.model.outcome import Ending

    if any(each.outcome.ending is Ending.FAILED for each in found):
        return Exit.FAILED
    return Exit.NOT_DONE if left else Exit.DONE


def _tell(found: list[Recovered], left: list[Left]) -> None:
    for each in found:
        incident = f" ({each.incident_id})" if each.incident_id else ""
        ending = f"{each.outcome.ending.value}: {each.outcome.summary}"
        out.print(f"{each.run}{incident}: {each.what}\n  {ending}", markup=False, soft_wrap=True)
    for one in left:
        out.print(f"{one.run}: still {one.what}\n  {one.why}", markup=False, soft_wrap=True)
    if not found and not left:
        out.print("Nothing was left half-way.")


@contextmanager
def _fates() -> Iterator[Fate]:
    """Says of runs whether they are over: of flow runs by Prefect, where it answers; else they are left alone."""
    from flows.approvals import client_for
    from flows.fate import fate
    from remediations.settings import Settings

    api = Settings.load().prefect_api
    if api is None:
        err.print("No Prefect is known here: runs of flows are left alone.", style="yellow")
        yield lambda run: fate(None, run)
        return
    with client_for(api) as client:
        trouble = client.api_healthcheck()
        if trouble is not None:
            said = f"Prefect at {api} does not answer ({trouble}): runs of flows are left alone."
            err.print(said, style="yellow", markup=False, soft_wrap=True)
        yield lambda run: fate(None if trouble is not None else client, run)
