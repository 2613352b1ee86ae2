"""`remediate config check`: every mistake in the configuration at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from remediations.cli.console import Exit, err, fail, out, print_json

app = typer.Typer(help="The site's configuration.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The site's configuration: site.yaml and policy.yaml."""


@app.command()
def check(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Directory of site.yaml and policy.yaml; REMEDIATE_CONFIG or ./configs if left out."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Say everything that is wrong with site.yaml and policy.yaml: file, line, what is wrong, what would be right.

    Reads the files only; no host is asked. Exit code 0 if nothing is wrong, 2 otherwise.
    """
    from remediations import settings
    from remediations.catalogue import CATALOGUE
    from remediations.remoting.check import check_endpoint

    tiers = {each.id: each.tier for each in CATALOGUE.values()}
    try:
        directory = settings.config_directory(config)
        policy = settings.policy_file(directory)
        problems = settings.check(directory / "site.yaml", policy, tiers, check_endpoint)
    except settings.ConfigError as error:
        directory, policy, problems = config or Path(), None, list(error.problems)
    if as_json:
        print_json({"directory": str(directory), "problems": [problem.to_json() for problem in problems]})
    elif problems:
        for problem in problems:
            out.print(str(problem), markup=False, soft_wrap=True)
        fail(f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}: nothing runs on this configuration")
    else:
        err.print(f"site {directory / 'site.yaml'} and policy {policy}: nothing is wrong", markup=False, soft_wrap=True)
    raise typer.Exit(Exit.BAD_INPUT if problems else Exit.DONE)
