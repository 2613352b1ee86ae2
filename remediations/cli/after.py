"""`remediate undo | recover`: taking back what an ended run did, and finishing what others left half-way."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.children import until_told
from remediations.cli.console import Exit, account, err, fail, out, plain_errors, print_json, progress
from remediations.cli.engine import Approve, As, Code, Comment, Json, TargetName, check_words, finished, show, terminal_gate

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from remediations.engine import Left, Recovered, Unseen


def undo(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, as its report says.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be taken back; change nothing.")] = False,
    approve: Approve = None,
    as_: As = None,
    code: Code = None,
    target: TargetName = None,
    comment: Comment = "",
    as_json: Json = False,
) -> None:
    """Take back what an ended run changed, newest first: only what it did, and only where it is still so.

    Shows the plan of the undo and asks for it, as `remediate apply` does.
    """
    from flows.fate import terminal_run
    from flows.runtime import configure_logs, engine

    who = account(as_)
    check_words(who, comment)
    gate = terminal_gate(who, {"approve": approve, "comment": comment, "code": code, "target": target, "no_retry": True})
    configure_logs(stream=sys.stderr, level="WARNING")
    with plain_errors(), until_told(), engine(progress, absent="refuse") as built:
        own = terminal_run()
        with nullcontext() if dry_run else finished(built, own):
            report = built.undo(own, run, dry_run=dry_run, gate=gate, requested_by=who)
    show(report, as_json=as_json)


def recover(
    gone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN", help="A run that cannot be seen from here and whose process is gone for good. May be repeated."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Finish what ended runs left half-way: machines off, nodes paused, steps in question. Says what became of each.

    A run that may go on is left alone: Prefect knows of its flow runs, each machine of its own terminals. Exits 0 if nothing is
    left, 3 if something has to wait (a host is down or busy, a run cannot be seen from here), 1 if something could not be taken
    back.
    """
    from flows.fate import fate, unseen
    from flows.runtime import configure_logs, engine
    from remediations.engine import Over
    from remediations.model.roll import parent

    configure_logs(stream=sys.stderr, level="WARNING")
    lost = set(gone or ())
    said = Over(reason=None, words=f"{account()} said that its process is gone")
    # "Nothing was left" of a ledger that was just made would be no answer.
    with plain_errors(), engine(progress, absent="refuse") as built, _prefect() as client:

        def hidden(run: str) -> str:
            return unseen(client, run)

        def fate_of(run: str) -> Over | None:
            return said if parent(run) in lost else fate(client, run)

        _check_gone(lost, [each.run for each in built.ledger.unfinished_runs()], hidden)
        found, left = built.recover(fate_of), built.left_over(fate_of, hidden)
    if as_json:
        print_json({"recovered": [each.model_dump(mode="json") for each in found], "left": [each.to_json() for each in left]})
    else:
        _tell(found, left)
    raise typer.Exit(code_of(found, left))


def _check_gone(gone: Collection[str], unfinished: Collection[str], unseen: Unseen) -> None:
    """Nobody needs to say, and may be wrong in saying, what can be seen."""
    for run in gone:
        if run not in unfinished:
            fail(f"--gone: {run} is no unfinished run; unfinished are: {', '.join(unfinished) or 'none'}")
        if not unseen(run):
            fail(f"--gone: whether {run} goes on can be seen from here; to end it, cancel it in Prefect or at its terminal")


def code_of(found: list[Recovered], left: list[Left]) -> Exit:
    """Done; failed if something could not be taken back; not done if something has to wait, as for a host that is down."""
    from remediations.model.outcome import Ending

    if any(each.outcome.ending is Ending.FAILED for each in found):
        return Exit.FAILED
    return Exit.NOT_DONE if left else Exit.DONE


def _tell(found: list[Recovered], left: list[Left]) -> None:
    for each in found:
        incident = f" ({each.incident_id})" if each.incident_id else ""
        out.print(f"{each.run}{incident}: {each.what}\n  {each.outcome.words}", markup=False, soft_wrap=True)
    for one in left:
        out.print(f"{one.run}: still {one.what}\n  {one.why}", markup=False, soft_wrap=True)
    if not found and not left:
        out.print("Nothing was left half-way.")


@contextmanager
def _prefect() -> Iterator[SyncPrefectClient | None]:
    """What tells of flow runs, where Prefect answers; without it they are left alone."""
    from flows.approvals import client_for
    from remediations.settings import Settings

    api = Settings.load().prefect_api
    if api is None:
        err.print("No Prefect is known here: runs of flows are left alone.", style="yellow")
        yield None
        return
    with client_for(api) as client:
        trouble = client.api_healthcheck()
        if trouble is not None:
            said = f"Prefect at {api} does not answer ({trouble}): runs of flows are left alone."
            err.print(said, style="yellow", markup=False, soft_wrap=True)
        yield client if trouble is None else None
