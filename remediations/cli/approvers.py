"""`remediate approvers`: who may approve by one-time codes."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import err, fail, out, plain_errors, print_json

if TYPE_CHECKING:
    from remediations.ledger import Ledger
    from remediations.settings import Settings

app = typer.Typer(help="Who may approve by one-time codes.", no_args_is_help=True, add_completion=False)
Name = Annotated[str, typer.Argument(metavar="NAME", help="As they approve by: `--as NAME`, or the form's field.")]


@app.callback()
def group() -> None:
    """Who may approve by one-time codes, where policy.yaml (`proof:`) asks for them."""


@app.command()
def add(name: Name) -> None:
    """Enrol somebody, with them beside you: shows the picture that their authenticator takes. It is never shown again."""
    from remediations.codes import Codes, make_key, picture
    from remediations.model.site import SecretRef
    from remediations.settings import resolve

    with _ledger() as (own, ledger):
        there = ledger.approvers()
        if not own.key.exists():
            if there:
                names = ", ".join(each.name for each in there)
                detail = f"restore it, or remove them and enrol them again: {names}"
                fail(f"the key that approvers were enrolled with is gone ({own.key}): {detail}")
            make_key(own.key)
        codes = Codes(lambda: resolve(SecretRef(file=own.key)))
        uri, sealed = codes.enrol(" ".join(name.split()))
        try:
            added = ledger.add_approver(name, sealed, by=getpass.getuser())
        except ValueError as error:
            fail(str(error))
    out.print(picture(uri), markup=False, end="")
    out.print(uri, markup=False, soft_wrap=True)
    err.print(
        f"{added.name} is enrolled. Let them take this into their authenticator now, then clear the screen: it is a secret, "
        "and never shown again. Who loses it is removed and added anew.",
        markup=False,
    )


@app.command("list")
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False) -> None:
    """Everybody who is enrolled, since when and by whom. Shows no secret."""
    with _ledger() as (_, ledger):
        found = ledger.approvers()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
    elif not found:
        out.print("Nobody is enrolled: `remediate approvers add NAME`.", markup=False)
    for each in found if not as_json else ():
        out.print(f"{each.name}  since {each.added_at:%Y-%m-%d %H:%M %Z}, by {each.added_by}", markup=False, soft_wrap=True)


@app.command()
def remove(name: Name) -> None:
    """End somebody's enrolment. What they approved and was not begun yet counts no more."""
    with _ledger() as (_, ledger):
        removed = ledger.remove_approver(name, by=getpass.getuser())
    out.print(f"{removed.name} is no approver any more.", markup=False)


@contextmanager
def _ledger() -> Iterator[tuple[Settings, Ledger]]:
    """The settings and the ledger they name; what a person can mend is told as one message."""
    from remediations.ledger import Ledger
    from remediations.settings import Settings

    with plain_errors():
        own = Settings.load()
        own.make_state()
        with Ledger(own.ledger_url) as ledger:
            yield own, ledger
