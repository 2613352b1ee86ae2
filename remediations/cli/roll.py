"""`remediate roll list | continue | end`: which nodes have had their turn, saying that the work on one is done, giving up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import fail, out, plain_errors, print_json, somebody
from remediations.cli.stops import this_ledger

if TYPE_CHECKING:
    from remediations.model.roll import Roll

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
As = Annotated[str, typer.Option("--as", metavar="NAME", help="Who does it: your name, for the audit trail.")]
Cluster = Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster, by its name in site.yaml.")]
CodeOption = Annotated[
    str | None,
    typer.Option("--code", metavar="CODE", help="Your one-time code, where policy asks for one; asked for if left out."),
]

app = typer.Typer(
    help="Rolling maintenance: where it stands, going on with it, ending it.", no_args_is_help=True, add_completion=False
)


@app.command("list")
def show(as_json: Json = False) -> None:
    """Show the rolls, open ones first: which nodes are done, and which one is drained for you."""
    with plain_errors(), this_ledger() as ledger:
        found = ledger.rolls()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for each in found:
        opened = f"since {each.opened_at:%Y-%m-%d %H:%M} UTC, asked for by {each.opened_by}"
        over = f"ended {each.ended_at:%Y-%m-%d %H:%M} UTC: {each.ended}" if each.ended_at else "open"
        out.print(f"{each.id}  {each.words}\n  {opened}; {over}", markup=False, soft_wrap=True)
        for turn in each.turns:
            out.print(f"  {turn.number:>2}  {turn.node}  {turn.stage}  {turn.since:%Y-%m-%d %H:%M}", markup=False)
    if not found:
        out.print("No cluster is, or was, in rolling maintenance.")


@app.command("continue")
def go_on(
    cluster: Cluster,
    who: As,
    code: CodeOption = None,
    comment: Annotated[str, typer.Option("--comment", help="Kept in the audit trail and shown in the report.")] = "",
    as_json: Json = False,
) -> None:
    """Say that your work on the drained node is done: approves its resume, and the roll goes on."""
    from remediations.cli.approvals import Words, decide
    from remediations.model.roll import Stage, child

    with plain_errors():
        with this_ledger() as ledger:
            roll = _open(ledger.open_roll(cluster), cluster)
            turn = roll.current
            if turn is None or turn.stage is not Stage.DRAINED:
                fail(f"{cluster}: no node of it is drained for you: {roll.words}")
            run = child(roll.run, f"{turn.number}-resume")
            asked = ledger.sealed(run, round=1, part="repair")
        if asked is None:
            fail(f"{turn.node}: nothing asks for it now; start rolling-maintenance for {cluster} again, it goes on there")
        decide(Words(asked.digest, "approve", who, comment, run, code=code), as_json=as_json)


@app.command("end")
def end(
    cluster: Cluster,
    who: As,
    leave_drained: Annotated[
        bool, typer.Option("--leave-drained", help="Also while a node is drained, or half-way: it stays as it is.")
    ] = False,
) -> None:
    """Give up the open roll of a cluster, so that another may begin. No host is asked, and none is changed."""
    from remediations.model.roll import Stage

    with plain_errors(), this_ledger() as ledger:
        roll = _open(ledger.open_roll(cluster), cluster)
        turn = roll.current
        away = turn is not None and turn.stage in (Stage.BEGUN, Stage.DRAINED)
        if turn is not None and away and not leave_drained:
            fail(
                f"{turn.node} may be drained ({roll.words}): start rolling-maintenance for {cluster} again and let it be taken "
                "back, or say --leave-drained"
            )
        ledger.end_roll(roll, f"ended by {who}: {roll.words}", by=somebody(who))
    out.print(f"{roll.id} is ended: {roll.words}.", markup=False, soft_wrap=True)
    if turn is not None and away:
        out.print(f"{turn.node} stays as it is: remediate apply resume-node --node {turn.node}", markup=False, soft_wrap=True)


def _open(roll: Roll | None, cluster: str) -> Roll:
    return roll or fail(f"{cluster}: no roll of it is open (remediate roll list)")
