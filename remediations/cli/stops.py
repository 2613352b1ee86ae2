"""`remediate pause | resume | breaker | trust`: what stops changes, what remediations have earned. No host is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import account, out, plain_errors, print_json, somebody

if TYPE_CHECKING:
    from remediations.ledger import Ledger

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
As = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who does it; your login name if left out.")]
AsSomebody = Annotated[str, typer.Option("--as", metavar="NAME", help="Who does it: your name, for the audit trail.")]


def this_state() -> Path:
    """This machine's state directory; made if it is not there."""
    from remediations.settings import Settings

    return Settings.load().make_state()


@contextmanager
def this_ledger(*, or_new: bool = False) -> Iterator[Ledger]:
    """This machine's ledger, whatever else is wrong with the configuration: a pause must always work.

    Unless `or_new`, raises `NoLedger` where there is none: what is paused in, or read from, an empty one that was just made
    says nothing of the one that runs work on.
    """
    from remediations.ledger import Ledger
    from remediations.settings import Settings

    own = Settings.load()
    if or_new:
        own.make_state()
    with Ledger(own.ledger_url, make=or_new) as ledger:
        yield ledger


def pause(
    why: Annotated[str, typer.Option("--why", help="Shown wherever something is refused because of it.")] = "", who: As = None
) -> None:
    """Stop every change at once, also what was approved and is queued. Reading and reporting go on.

    Once this returns no step is begun any more. What is half done is taken back, and nothing is left off or drained.
    """
    with plain_errors(), this_ledger() as ledger:
        out.print(f"Paused: {ledger.pause(account(who), why).words}.", markup=False, soft_wrap=True)


def resume(who: As = None) -> None:
    """End `remediate pause`. What was refused meanwhile is not begun by itself: it has to be asked for again."""
    from remediations.settings import Settings

    with plain_errors(), this_ledger() as ledger:
        ended = ledger.resume(account(who))
        if ended is None:
            out.print("The ledger's pause was not on.")
        else:
            out.print(f"Resumed: what {ended.by} paused at {ended.at:%Y-%m-%d %H:%M} UTC.", markup=False, soft_wrap=True)
        from flows.pause import switches

        for switch, still in switches(Settings.load().prefect_api)().items():
            if still is not None:
                out.print(f"Still paused by {switch}: {still}.", markup=False, soft_wrap=True)


breaker = typer.Typer(help="Remediations that are not tried any more because they failed.", no_args_is_help=True)


@breaker.command("list")
def list_breakers(as_json: Json = False) -> None:
    """Show the breakers that are open, and why."""
    with plain_errors(), this_ledger() as ledger:
        found = ledger.open_breakers()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for each in found:
        opened = f"open since {each.opened_at:%Y-%m-%d %H:%M} UTC"
        out.print(f"{each.remediation}  {opened}: {each.why}", markup=False, soft_wrap=True)
    if found:
        out.print(f"\nremediate breaker close {found[0].remediation} --as NAME", markup=False)
    else:
        out.print("No breaker is open.")


@breaker.command("close")
def close_breaker(
    remediation: Annotated[str, typer.Argument(metavar="ID", help="The remediation's id, as `breaker list` shows it.")],
    who: AsSomebody,
) -> None:
    """Let a remediation be tried again, once you know why it failed."""
    with plain_errors(), this_ledger() as ledger:
        closed = ledger.close_breaker(remediation, somebody(who))
    out.print(f"{who} closed the breaker of {closed.remediation} ({closed.why}).", markup=False, soft_wrap=True)


def trust(as_json: Json = False) -> None:
    """Show each remediation's record, and what is missing until policy may let it run unasked."""
    from rich.table import Table

    from flows.runtime import configuration
    from remediations.catalogue import CATALOGUE
    from remediations.model.policy import Gate, loosest
    from remediations.model.trust import Record

    with plain_errors(), this_ledger() as ledger:
        policy, trials = configuration().policy, ledger.trials()
        broken = {each.remediation for each in ledger.open_breakers()}
    changing = [entry for entry in CATALOGUE.values() if entry.sends]
    records = [(entry, Record.of(entry.id, trials)) for entry in changing]
    if as_json:
        print_json(
            [
                {
                    **record.model_dump(mode="json"),
                    "trusted": record.trusted(policy.trust),
                    "missing": record.missing(policy.trust, entry.tier),
                    "breaker_open": entry.id in broken,
                }
                for entry, record in records
            ]
        )
        return
    # Eighty columns hold it: what has to be said at length stands below.
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False)
    for heading in ("remediation", "until auto", "in a row", "verified", "failed", "no help", "came back"):
        table.add_column(heading, no_wrap=heading == "remediation")
    for entry, record in records:
        more = policy.trust.verified_in_a_row - record.in_a_row
        until = "never" if loosest(entry.tier) is not Gate.AUTO else f"{more} more" if more > 0 else "earned"
        counts = (record.in_a_row, record.verified, record.failed, record.false_fires, record.came_back)
        table.add_row(entry.id, "breaker" if entry.id in broken else until, *(str(each) for each in counts))
    out.print(table)
    said = [f"{entry.id}: its breaker is open (remediate breaker list)" for entry, _ in records if entry.id in broken]
    said += [f"{entry.id}: counts anew since {record.blemish}" for entry, record in records if record.blemish]
    for each in ("", *said):
        out.print(each, markup=False, soft_wrap=True)
    out.print(_TRUST.format(policy.trust.verified_in_a_row), markup=False)


_TRUST = (
    "auto in policy.yaml (gates) holds once a remediation was verified {} times in a row (trust). no help: verified, and the "
    "same failure went on. came back: verified, and needed again within a day. Tiers 3 and above are never auto."
)
