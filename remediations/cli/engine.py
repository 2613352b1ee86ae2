"""`remediate plan` and `remediate apply`: the engine in this process, asked from a terminal."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from remediations.cli import forms
from remediations.cli.children import until_told
from remediations.cli.console import Exit, account, err, exit_code, fail, out, plain_errors, print_json, progress
from remediations.model.outcome import Reason, Refused
from remediations.model.policy import Proven

if TYPE_CHECKING:
    from remediations.engine import Answer, Ask, Engine, Gate, Report

Json = Annotated[bool, typer.Option("--json", help="The report as one JSON document.")]
Approve = Annotated[
    str | None,
    typer.Option(
        "--approve",
        metavar="DIGEST",
        help="Approve without asking if the plan has this digest (eight characters or more); any other plan is rejected.",
    ),
]
As = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Who approves; your login name if left out.")]
Comment = Annotated[str, typer.Option("--comment", help="Kept in the audit trail and shown in the report.")]
Code = Annotated[
    str | None,
    typer.Option("--code", metavar="CODE", help="Your one-time code, where policy asks for one; asked for if left out."),
]
TargetName = Annotated[
    str | None, typer.Option("--target", metavar="TARGET", help="The target's name, where it is changed for good.")
]
NoRetry = Annotated[bool, typer.Option("--no-retry", help="Mend only: do not ask for the failed move again.")]


def plan_group() -> type[TyperGroup]:
    """The commands of `remediate plan`: one for each entry of the catalogue, and `incident`."""
    return forms.group(partial(_commands, apply=False))


def apply_group() -> type[TyperGroup]:
    """The commands of `remediate apply`."""
    return forms.group(partial(_commands, apply=True))


def _commands(*, apply: bool) -> Mapping[str, Callable[[], TyperCommand]]:
    from remediations.catalogue import CATALOGUE
    from remediations.model.incident import Incident
    from remediations.model.roll import ROLLING, RollingMaintenance

    further: forms.Options = {"as_json": (Json, False)}
    if apply:
        further = {
            **further,
            "approve": (Approve, None),
            "as_": (As, None),
            "comment": (Comment, ""),
            "no_retry": (NoRetry, False),
            "code": (Code, None),
            "target": (TargetName, None),
        }
    made: dict[str, Callable[[], TyperCommand]] = {
        "incident": partial(
            forms.command,
            "incident",
            Incident,
            "A failed migration or drain: find the cause, mend it, try it again.",
            partial(_run, apply=apply),
            further,
        )
    }
    made[ROLLING] = partial(
        forms.command,
        ROLLING,
        RollingMaintenance,
        "One node of a cluster after another: drain, wait for you, resume, wait until healthy.",
        partial(_run, apply=apply),
        # It asks more than once: one digest or code would do for the first question and be wrong for all others.
        {name: each for name, each in further.items() if name in ("as_json", "as_", "comment")},
    )
    for entry in CATALOGUE.values():
        about = f"{(entry.__doc__ or entry.title).strip().splitlines()[0]} Tier {entry.tier}."
        made[entry.id] = partial(forms.command, entry.id, entry, about, partial(_run, apply=apply), further)
    return made


def _run(request: Any, given: dict[str, Any], *, apply: bool) -> None:
    from flows.fate import terminal_run
    from flows.runtime import configure_logs, engine
    from remediations.model.incident import Incident
    from remediations.model.roll import RollingMaintenance

    who = account(given.get("as_"))
    if isinstance(request, Incident) and "reported_by" not in request.model_fields_set:
        request = request.model_copy(update={"reported_by": f"{who}, at a terminal of {socket.gethostname()}"[:200]})
    configure_logs(stream=sys.stderr, level="WARNING")
    if apply:
        check_words(who, given["comment"])
    with plain_errors(), until_told(), engine(progress, absent="make" if apply else without_ledger) as built:
        carry: Callable[..., Report] = built.carry_out
        if isinstance(request, Incident):
            carry = built.remediate
        elif isinstance(request, RollingMaintenance):
            carry = built.roll
        gate, run = terminal_gate(who, given) if apply else _no_gate, terminal_run()
        with finished(built, run) if apply else nullcontext():
            report = carry(run, request, dry_run=not apply, gate=gate, requested_by=who)
    show(report, as_json=given["as_json"])


def check_words(who: str, comment: str) -> None:
    """End the command if an answer could not hold these: before anything has begun, not once it has been asked for."""
    from pydantic import ValidationError

    from remediations.engine import Answer

    try:
        Answer(decision="reject", approver=who, comment=comment)
    except ValidationError as error:
        wrong = {
            "approver": f"--as: {who!r} is no name: give the name of whoever decides, two to 64 characters",
            "comment": f"--comment: this has {len(comment)} characters; say it in 2000",
        }
        fail("\n".join(wrong[str(each["loc"][0])] for each in error.errors()))


def without_ledger(why: str) -> None:
    """Say that nothing is known of what ran before: a cooldown or a cap that runs elsewhere would not show."""
    err.print(f"Nothing that ran before is counted: {why}.", markup=False, soft_wrap=True, style="yellow")


@contextmanager
def finished(built: Engine, run: str) -> Iterator[None]:
    """Finishes the run that is ended in here (see `until_told`): by Ctrl-C, SIGTERM, or since its terminal is gone.

    Nobody else may be there to. What was half-done is taken back, what must not stay half-way is closed, the outcome is written
    down; then the command ends.
    """
    from remediations.engine import Over
    from remediations.model.roll import parent

    def fate(each: str) -> Over | None:
        return Over(reason=None, words="It was ended at its terminal") if parent(each) == run else None

    try:
        yield
    except (KeyboardInterrupt, typer.Abort):
        err.print("\nEnding it: what was begun is taken back, which may take minutes.", style="yellow")
        ended = {each.run: each.outcome for each in built.recover(fate)}
        for each in ended.values():
            err.print(each.words, markup=False, soft_wrap=True)
        left = [each for each in built.left_over(fate, lambda each: "") if parent(each.run) == run]
        for one in left:
            told = f"Still {one.what} ({one.why}): `remediate recover` goes on with it."
            err.print(told, markup=False, soft_wrap=True, style="yellow")
        raise typer.Exit(exit_code(ended[run]) if run in ended and not left else Exit.FAILED) from None


def show(report: Report, *, as_json: bool) -> None:
    """Print a finished report and end with its exit code."""
    if as_json:
        told = report.model_dump(mode="json")
        for part, plan in (("plan", report.plan), ("retry", report.retry)):
            if plan is not None:
                told[part]["digest"] = plan.digest  # what `--approve` takes
        print_json(told)
    else:
        from rich.markdown import Markdown

        out.print(Markdown(report.markdown))
    raise typer.Exit(exit_code(report.outcome))


def terminal_gate(who: str, given: Mapping[str, Any], pause: Callable[[float], None] = time.sleep) -> Gate:
    """Shows the plan and asks at the terminal; with `--approve` compares the digest and does not ask.

    Where somebody else has to approve (the second of two, or whoever did not ask for it) it says how and looks into the
    ledger every second.
    """
    shown: set[str] = set()

    def gate(ask: Ask) -> Answer | None:
        first = ask.key not in shown
        shown.add(ask.key)
        wanted = (given.get("approve") or "").replace(" ", "").casefold()
        if first:
            _show(ask, again=len(shown) > 1)
        elif wanted and ask.refused:
            raise Refused(Reason.APPROVAL_INVALID, ask.refused)
        others = bool(ask.approved_by) or (ask.needed.people == 1 and not ask.needed.own and not wanted and sys.stdin.isatty())
        if others:
            if first:
                err.print(_elsewhere(ask), markup=False, soft_wrap=True)
            pause(1)
            return None
        if wanted and ask.refused:
            raise Refused(Reason.APPROVAL_INVALID, ask.refused)
        return _answered(ask, who, given, wanted)

    return gate


def _show(ask: Ask, *, again: bool) -> None:
    from remediations.engine.render import plan_text

    if ask.why and not again:
        from rich.markdown import Markdown

        err.print(Markdown(ask.why))
    for plan in (ask.plan, ask.retry) if not again else ():
        if plan is not None:
            err.print(plan_text(plan), markup=False, soft_wrap=True)
    for said in (ask.refused and f"That did not count: {ask.refused}.", ask.lacking):
        if said:
            err.print(said, markup=False, soft_wrap=True, style="yellow")


def _elsewhere(ask: Ask) -> str:
    code = " --code CODE" if ask.needed.proof is Proven.CODE else ""
    target = f" --target '{ask.needed.typed}'" if ask.needed.typed else ""
    until = f"{ask.expires_at:%Y-%m-%d %H:%M %Z}"
    so_far = f"{' and '.join(ask.approved_by)} approved it. " if ask.approved_by else ""
    how = f"remediate approve {ask.digest[:8]} --as NAME{code}{target}"
    return f"{so_far}Somebody else has to approve it, until {until}; they run\n  {how}\nWaiting; Ctrl-C ends the run."


def _answered(ask: Ask, who: str, given: Mapping[str, Any], wanted: str) -> Answer:
    from remediations.engine import Answer

    code, target, comment = given.get("code") or "", given.get("target") or "", given["comment"]
    if wanted:
        matches = len(wanted) >= 8 and ask.digest.startswith(wanted)
        comment = comment if matches else f"--approve {wanted} is not the digest of this plan ({ask.digest[:8]})"
        decision = "approve" if matches else "reject"
    elif sys.stdin.isatty():
        typed = typer.prompt(
            f"Type the digest ({ask.digest[:4]} {ask.digest[4:8]}) to approve, anything else rejects",
            default="",
            show_default=False,
            err=True,
        )
        decision = "approve" if typed.replace(" ", "").casefold() == ask.digest[:8] else "reject"
        if decision == "approve" and ask.needed.typed and not target:
            target = typer.prompt(
                f"Type {ask.needed.typed}, which is changed for good", default="", show_default=False, err=True
            )
        if decision == "approve" and ask.needed.proof is Proven.CODE and not code:
            code = ask_code(who)
    else:
        # The run ends with it, as refused: its question would else wait for hours, and nobody would hear the answer.
        unasked = f"this is no terminal to ask at: give --approve {ask.digest[:8]}"
        err.print(unasked, markup=False, soft_wrap=True)
        raise Refused(Reason.NOT_APPROVED, unasked)
    return Answer(
        decision=decision,
        approver=who,
        comment=comment,
        retry=not given.get("no_retry", False),
        digest=ask.digest[:8],
        proof="terminal",
        code=code.replace(" ", ""),
        target=target,
    )


def ask_code(who: str) -> str:
    """Ask at the terminal for a one-time code, which is not shown."""
    code: str = typer.prompt(f"One-time code of {who}", default="", show_default=False, hide_input=True, err=True)
    return code.replace(" ", "")


def _no_gate(ask: Ask) -> Answer:
    raise Refused(Reason.NOT_APPROVED, f"this is a plan only: {ask.digest[:8]} is approved by `remediate apply`")
