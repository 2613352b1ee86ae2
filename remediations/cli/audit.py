"""`remediate audit verify | export | accept`: the hash-chained trail of everything that was done."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from remediations.cli.console import Exit, err, fail, json_text, out, plain_errors, print_json, somebody
from remediations.cli.stops import AsSomebody, Json, this_ledger, this_state

app = typer.Typer(
    help="The audit trail: append-only, each row bound to the one before by its hash.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def group() -> None:
    """The audit trail."""


@app.command()
def verify(
    against: Annotated[
        str, typer.Option("--against", metavar="HEAD", help="A head from a report, a page or an export: 64 characters.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Check every row, and that the trail still holds the head that was published last (and HEAD). Exit 1 names the row.

    Without a head of your own, whoever may write both the database and the state directory could have rewritten it all.
    """
    from remediations.ledger.published import Published
    from remediations.model.outcome import Refused

    head = against.strip().casefold()
    if head and (len(head) != 64 or set(head) - set("0123456789abcdef")):
        fail("--against: a head has 64 characters (0-9, a-f), as reports and `remediate audit export` show it")
    with plain_errors(), this_ledger() as ledger:
        wrong = ""
        try:
            ledger.verify(head or None)
            Published(this_state()).check(ledger)
        except Refused as refused:
            wrong = refused.detail
        end = ledger.end()
    if as_json:
        print_json({"holds": not wrong, "wrong": wrong or None, "rows": end.seq, "head": end.hash})
        raise typer.Exit(Exit.FAILED if wrong else Exit.DONE)
    if wrong:
        fail(wrong, Exit.FAILED)
    out.print(f"The trail holds: {end.seq} rows, head {end.hash}", markup=False, soft_wrap=True)


@app.command()
def export(
    after: Annotated[int, typer.Option("--after", min=0, help="Only rows after this one: the last that was exported.")] = 0,
) -> None:
    """Write the trail as JSON lines, one row each, for a SIEM; the last line says rows and head, `{"rows": …, "head": …}`.

    What is written is checked first. A broken trail is exported all the same, and ends with exit code 1.
    """
    from remediations.ledger.published import Published
    from remediations.model.outcome import Refused

    with plain_errors(), this_ledger() as ledger:
        wrong = ""
        try:
            ledger.verify()
        except Refused as refused:
            wrong = refused.detail
        end = ledger.end()
        for note in ledger.whole_trail(after=after):
            if note.seq > end.seq:
                break
            sys.stdout.write(json_text(note.model_dump(mode="json")) + "\n")
        sys.stdout.write(json_text({"rows": end.seq, "head": end.hash}) + "\n")
        sys.stdout.flush()
        if wrong:
            fail(wrong, Exit.FAILED)
        Published(this_state()).keep(end)


@app.command()
def accept(who: AsSomebody) -> None:
    """Go on with a ledger that does not hold what was published last, as after restoring a backup. The trail says who did.

    Everything is stopped until then. First find out which changes the ledger has forgotten: their reports are in Prefect
    and in your SIEM. Look at those hosts; what was done there is not known here any more.
    """
    from remediations.ledger.published import Published

    somebody(who)
    with plain_errors(), this_ledger(or_new=True) as ledger:
        head = Published(this_state()).accept(ledger, who)
    err.print(f"{who} accepted the ledger as it is.", markup=False)
    out.print(f"The trail goes on at row {head.seq}, head {head.hash}", markup=False, soft_wrap=True)
