"""`remediate collect`: read everything of a failure into one file. `remediate diagnose --bundle` plays it again."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from remediations.cli import forms
from remediations.cli.console import Exit, err, fail, out, plain_errors, print_json, progress

To = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="The bundle's file; evidence-….zip in this directory if left out.")
]
Hours = Annotated[float, typer.Option("--hours", min=0.1, max=168, help="How far back event logs are read.")]
Redact = Annotated[
    bool,
    typer.Option("--redact", help="Replace names of hosts, machines, domain and accounts, and addresses, each by the same."),
]
NoClusterLog = Annotated[
    bool, typer.Option("--no-cluster-log", help="Leave out cluster logs, which each node writes to a file of its own first.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


def command() -> TyperCommand:
    """The command, its form being that of an incident."""
    from remediations.model.incident import Incident

    return forms.command(
        "collect",
        Incident,
        "Read everything of a failed migration, from both nodes, into one file. Changes nothing.",
        _collect,
        {
            "to": (To, None),
            "hours": (Hours, 24.0),
            "redact": (Redact, False),
            "no_cluster_log": (NoClusterLog, False),
            "as_json": (Json, False),
        },
    )


def _collect(request: Any, given: dict[str, Any]) -> None:
    from flows.runtime import configure_logs, engine
    from remediations.engine.bundle import Bundle
    from remediations.engine.collect import collect
    from remediations.engine.propose import canonical
    from remediations.engine.redact import redacted

    configure_logs(stream=sys.stderr, level="WARNING")
    now = datetime.now(UTC)
    with plain_errors(), engine(progress, absent=lambda why: None) as built:
        incident = canonical(request, built.site)
        read = partial(
            collect, built.hosts, built.site, incident, now=now, hours=given["hours"], cluster_logs=not given["no_cluster_log"]
        )
        bundle: Bundle = progress(f"read everything: {incident.title}", read)
    if given["redact"]:
        bundle = redacted(bundle)
    about = (bundle.incident.vm or bundle.incident.source or "migration").replace("/", "-")
    path: Path = given["to"] or Path(f"evidence-{about}-{now:%Y%m%d-%H%M%S}.zip")
    try:
        found = bundle.write(path)
    except OSError as error:
        fail(f"{path}: it cannot be written ({error.strerror or error})", Exit.BAD_INPUT)
    silent = sorted({host for host, said in bundle.said.items() if said and all(each.trouble for each in said)})
    if given["as_json"]:
        print_json({"file": str(path), "sha256": found, "silent": silent, "findings": bundle.findings})
    else:
        for host in silent:
            err.print(f"{host} did not answer: {bundle.said[host][0].trouble.splitlines()[0]}", markup=False)
        out.print(f"{path} ({path.stat().st_size // 1024} KiB)\nSHA-256 {found}", markup=False, soft_wrap=True)
    raise typer.Exit(Exit.NOT_DONE if silent else Exit.DONE)


def played_again(path: Path, *, as_json: bool) -> None:
    """Say what today's rules make of a bundle, and how that differs from what was found then. Asks no host."""
    from remediations.engine.bundle import Bundle, BundleError
    from remediations.engine.findings import differences, findings_of

    try:
        bundle = Bundle.open(path)
        proposal = bundle.proposal()
    except BundleError as error:
        fail(str(error), Exit.BAD_INPUT)
    except OSError as error:
        fail(f"{path}: it cannot be read ({error.strerror or error})", Exit.BAD_INPUT)
    today = findings_of(proposal)
    differ = differences(bundle.findings, today)
    if as_json:
        print_json({"read_at": bundle.now.isoformat(), "findings": today, "differs": differ})
        return
    from rich.markdown import Markdown

    from remediations.engine.render import plan_markdown, why_markdown

    plans = [plan_markdown(each) for each in (proposal.plan, proposal.retry) if each is not None]
    head = f"# {bundle.incident.title}\n\nRead at {bundle.now:%Y-%m-%d %H:%M:%S %Z}; made by version {bundle.program}."
    same = (
        "Today's rules say otherwise than those of then:\n\n" + "\n".join(f"- {each}" for each in differ)
        if differ
        else "Today's rules find what was found then."
    )
    out.print(Markdown("\n\n".join([head, same, why_markdown(proposal), *plans])))
