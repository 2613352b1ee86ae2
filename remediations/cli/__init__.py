"""The command line: `remediate`. Each command imports what it needs when it runs, so that every one of them starts fast."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from remediations.cli import console, forms, stops, streams
from remediations.cli.console import EXIT_CODES
from remediations.cli.engine import apply_group, plan_group


def _config() -> typer.Typer:
    from remediations.cli.config import app as config

    return config


def _policy() -> typer.Typer:
    from remediations.cli.policy import app as policy

    return policy


def _audit() -> typer.Typer:
    from remediations.cli.audit import app as audit

    return audit


def _diagnose() -> typer.Typer:
    from remediations.cli.diagnose import diagnose

    return forms.alone(diagnose)


def _collect() -> TyperCommand:
    from remediations.cli.collect import command

    return command()


def _readiness() -> typer.Typer:
    from remediations.cli.readiness import readiness

    return forms.alone(readiness)


def _approvers() -> typer.Typer:
    from remediations.cli.approvers import app as approvers

    return approvers


def _demo() -> typer.Typer:
    from remediations.cli.demo import demo

    return forms.alone(demo)


def _roll() -> typer.Typer:
    from remediations.cli.roll import app as roll

    return roll


def _runs() -> typer.Typer:
    from remediations.cli.runs import runs

    return forms.alone(runs)


def _undo() -> typer.Typer:
    from remediations.cli.after import undo

    return forms.alone(undo)


def _recover() -> typer.Typer:
    from remediations.cli.after import recover

    return forms.alone(recover)


PANELS = {
    "Find out, changing nothing": ("diagnose", "plan", "readiness", "collect", "watch", "incidents", "runs", "catalogue"),
    "Mend, once it is approved": ("apply", "approvals", "approve", "reject", "undo", "recover", "roll"),
    "Stop, and see what lets it begin": ("pause", "resume", "policy", "breaker", "trust", "audit"),
    "Set up and run": ("demo", "config", "host", "approvers", "serve", "receive"),
}
"""How `remediate --help` shows the commands."""


def _elsewhere(name: str) -> str:
    """For who begins with what is to be mended."""
    from remediations.catalogue import CATALOGUE

    return f" Write `remediate plan {name}`, or `apply`." if name in (*CATALOGUE, "incident", "rolling-maintenance") else ""


app = typer.Typer(
    name="remediate",
    help=f"Find out why a Hyper-V virtual machine would not move, mend it with the least harm, prove it.\n\n{EXIT_CODES}",
    cls=forms.also(
        {
            "runs": _runs,
            "undo": _undo,
            "recover": _recover,
            "roll": _roll,
            "approvers": _approvers,
            "config": _config,
            "policy": _policy,
            "audit": _audit,
            "diagnose": _diagnose,
            "collect": _collect,
            "readiness": _readiness,
            "demo": _demo,
        },
        PANELS,
        _elsewhere,
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", envvar="REMEDIATE_CONFIG", help="Directory of site.yaml and policy.yaml.", file_okay=False),
]
Digest = Annotated[
    str, typer.Argument(metavar="DIGEST", help="First eight characters of the plan's digest, as `approvals` shows.")
]
As = Annotated[str, typer.Option("--as", metavar="NAME", help="Who decides: your name, for the audit trail.")]
RunId = Annotated[str | None, typer.Option("--run", help="The flow run, where more than one waits for the same plan.")]
CodeOption = Annotated[
    str | None,
    typer.Option("--code", metavar="CODE", help="Your one-time code, where policy asks for one; asked for if left out."),
]
TargetOption = Annotated[
    str | None, typer.Option("--target", metavar="TARGET", help="The target's name, where it is changed for good (tier 4).")
]
Comment = Annotated[str, typer.Option("--comment", help="Kept in the audit trail and shown in the report.")]


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        console.out.print(f"hyperv-remediation {version('hyperv-remediation')}", markup=False)
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and end.")]


@app.callback()
def common(config: Config = None, version: Version = False) -> None:
    """Options before the command hold for every command."""
    del version
    if config is not None:
        import os

        os.environ["REMEDIATE_CONFIG"] = str(config.resolve())


app.add_typer(
    typer.Typer(cls=plan_group(), no_args_is_help=True),
    name="plan",
    help="Read, prove and show what would be done. Changes nothing.",
)
app.add_typer(
    typer.Typer(cls=apply_group(), no_args_is_help=True),
    name="apply",
    help="Plan, ask for approval here, apply, verify.",
)


@app.command()
def serve(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the embedded Prefect server; a free one if left out.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=64, help="Flow runs at once on this machine; waiting ones do not count.")
    ] = 4,
) -> None:
    """Run everything: alert receiver, Prefect (its own, or the one at PREFECT_API_URL), a worker, the recovery sweep."""
    from remediations.cli.serve import serve as run

    with console.plain_errors():
        raise typer.Exit(run(port=port, limit=limit))


@app.command()
def receive(
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port and the ledger.")] = 1,
    inherited: Annotated[int | None, typer.Option(hidden=True, help="Socket that the parent process listens on.")] = None,
) -> None:
    """Only receive alerts: no Prefect, no worker. A `serve` with the same ledger starts their runs, here or elsewhere."""
    from remediations.cli.receiving import receive as run

    with console.plain_errors():
        raise typer.Exit(run(workers=workers, inherited=inherited))


@app.command()
def watch(as_json: Json = False) -> None:
    """Look at the hosts' event logs once, and report migrations that failed since the last look. Changes no host.

    Exits 3 if a log could not be read, or has lost records: what failed there is not known.
    """
    from remediations.cli.queue import look

    with console.plain_errors():
        look(as_json=as_json)


@app.command()
def incidents(as_json: Json = False) -> None:
    """Show what is open: which failures have a run, which go with another, which wait and for what."""
    from remediations.cli.queue import show

    with console.plain_errors():
        show(as_json=as_json)


@app.command()
def approvals(
    digest: Annotated[
        str | None, typer.Argument(metavar="DIGEST", help="Show this plan whole: its commands, and why it was made.")
    ] = None,
    run: RunId = None,
    as_json: Json = False,
) -> None:
    """Show what waits for a decision: digest, plan, until when, and where to see it."""
    from remediations.cli.approvals import show, show_plan

    with console.plain_errors():
        if digest is None:
            show(as_json=as_json)
        else:
            show_plan(digest, run, as_json=as_json)


@app.command()
def approve(
    digest: Digest,
    *,
    who: As,
    code: CodeOption = None,
    target: TargetOption = None,
    comment: Comment = "",
    run: RunId = None,
    no_retry: Annotated[bool, typer.Option("--no-retry", help="Mend only: do not ask for the failed move again.")] = False,
    as_json: Json = False,
) -> None:
    """Approve a plan that waits, and what had failed being tried again after it."""
    from remediations.cli.approvals import Words, decide

    with console.plain_errors():
        words = Words(digest, "approve", who, comment, run, retry=not no_retry, code=code, target=target)
        decide(words, as_json=as_json)


@app.command()
def reject(digest: Digest, who: As, comment: Comment = "", run: RunId = None, as_json: Json = False) -> None:
    """Reject a plan that waits: nothing is changed, and its incident is closed."""
    from remediations.cli.approvals import Words, decide

    with console.plain_errors():
        decide(Words(digest, "reject", who, comment, run), as_json=as_json)


@app.command()
def catalogue(
    as_json: Json = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The table that stands in the README.")] = False,
) -> None:
    """List the remediations: what each mends, how dangerous it is, whether it can be undone; with --json also what it sends."""
    from remediations.cli.small import catalogue as run

    run(as_json=as_json, as_markdown=as_markdown)


app.command()(stops.pause)
app.command()(stops.resume)
app.command()(stops.trust)
app.add_typer(stops.breaker, name="breaker")

host = typer.Typer(no_args_is_help=True)
app.add_typer(host, name="host", help="What a Hyper-V host needs from us.")


@host.command("export")
def export(
    directory: Annotated[Path, typer.Argument(help="Where to write it; made if it is not there.", file_okay=False)],
) -> None:
    """Write our PowerShell module with its install script, for a person to install on hosts."""
    from remediations.cli.small import export as run

    with console.plain_errors():
        run(directory)


def main() -> None:
    """Entry point of `remediate`."""
    streams.prepare()
    try:
        app()
    finally:
        sys.stdout.flush()  # here, where it can still be said that it could not be


__all__: list[str] = ["app", "main"]
