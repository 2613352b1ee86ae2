"""`remediate approvers`: who may approve by one-time codes."""

from __future__ import annotations

from typing import Annotated

import typer

from remediations.cli.console import account, err, fail, out, plain_errors, print_json
from remediations.cli.stops import this_ledger

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
    from remediations.settings import Settings, resolve

    with plain_errors(), this_ledger(or_new=True) as ledger:
        own, there = Settings.load(), ledger.approvers()
        if not own.key.exists():
            if there:
                names = ", ".join(each.name for each in there)
                detail = f"restore it, or remove them and enrol them again: {names}"
                fail(f"the key that approvers were enrolled with is gone ({own.key}): {detail}")
            make_key(own.key)
        codes = Codes(lambda: resolve(SecretRef(file=own.key)))
        uri, sealed = codes.enrol(" ".join(name.split()))
        try:
            added = ledger.add_approver(name, sealed, by=account())
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
    with plain_errors(), this_ledger() as ledger:
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
    with plain_errors(), this_ledger() as ledger:
        removed = ledger.remove_approver(name, by=account())
    out.print(f"{removed.name} is no approver any more.", markup=False)
