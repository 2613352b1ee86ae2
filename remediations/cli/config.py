"""`remediate config check`: every mistake in the configuration at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import Exit, err, fail, out, print_json

if TYPE_CHECKING:
    from remediations.settings import Problem

app = typer.Typer(help="The site's configuration.", no_args_is_help=True, add_completion=False)


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
    """Say everything that is wrong with site.yaml, policy.yaml and the environment: where, what is wrong, what would be right.

    No host is asked. Exit code 0 if nothing is wrong, 2 otherwise. Says too, without counting it as wrong, which passwords this
    account cannot read, and where policy asks for approvers that nobody has enrolled.
    """
    from remediations import settings
    from remediations.catalogue import CATALOGUE
    from remediations.remoting.check import check_endpoint

    tiers = {each.id: each.tier for each in CATALOGUE.values()}
    try:
        directory = settings.config_directory(config)
        policy = settings.policy_file(directory)
        problems = settings.check(directory / "site.yaml", policy, tiers, check_endpoint)
        if config is None and not problems:
            settings.this_machine(tiers)
    except settings.ConfigError as error:
        directory, policy, problems = config or Path(), None, list(error.problems)
    problems += _variables()
    warnings = [*_site(directory), *_approvers(policy)] if policy is not None and not problems else []
    if as_json:
        told = {"directory": str(directory), "problems": [problem.to_json() for problem in problems]}
        print_json({**told, "warnings": warnings})
    elif problems:
        for problem in problems:
            out.print(str(problem), markup=False, soft_wrap=True)
        fail(f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}: nothing runs on this configuration")
    else:
        own = policy is not None and policy.parent == directory
        which = f"policy {policy}" if own else f"the policy that came with the program ({policy})"
        err.print(f"site {directory / 'site.yaml'} and {which}: nothing is wrong", markup=False, soft_wrap=True)
        for warning in warnings:
            err.print(f"but: {warning}", markup=False, soft_wrap=True, style="yellow")
    raise typer.Exit(Exit.BAD_INPUT if problems else Exit.DONE)


def _variables() -> list[Problem]:
    """What is wrong with this process's variables."""
    from remediations.settings import ConfigError, Settings

    try:
        Settings.load()
    except ConfigError as error:
        return list(error.problems)
    return []


def _site(directory: Path) -> list[str]:
    """What of the site is no mistake, and yet keeps much from being looked at."""
    from remediations.settings import SecretUnavailable, load_site, resolve

    site, found = load_site(directory / "site.yaml"), []
    if not site.controllers:
        found.append(
            "no domain controller is named (controllers:): service principal names, delegation and stale tickets cannot be "
            "looked at"
        )
    silent: dict[str, list[str]] = {}
    for host in site.all_hosts():
        secret = host.endpoint.password
        if secret is not None and secret.block is None:  # Prefect's are its own to tell
            try:
                resolve(secret)
            except SecretUnavailable as error:
                silent.setdefault(str(error), []).append(host.name)
    found += [f"the password for {', '.join(hosts)} cannot be read here: {why}" for why, hosts in silent.items()]
    return found


def _approvers(file: Path) -> list[str]:
    """What policy asks of approvers that this machine's ledger has not, or that proves less than it seems."""
    from remediations.ledger import Ledger, NoLedger
    from remediations.model.outcome import Refused
    from remediations.model.policy import Gate, Proven, usual
    from remediations.model.tier import Tier
    from remediations.settings import Settings, load_policy

    policy, own = load_policy(file), Settings.load()
    gates = {tier: policy.gates.tiers.get(tier, usual(tier)) for tier in Tier}
    coded = {tier: gates[tier].people for tier in Tier if gates[tier].people and policy.proof_of(tier) is Proven.CODE}
    found = []
    if coded:
        there = 0
        try:
            with suppress(NoLedger), Ledger(own.ledger_url, make=False) as ledger:
                there = len(ledger.approvers())
        except Refused as refused:
            found.append(f"whether enough approvers are enrolled is not known: {refused.detail}")
            coded = {}
        short = [str(int(tier)) for tier, people in coded.items() if people > there]
        if short:
            enrolled = f"{there} {'person is' if there == 1 else 'people are'} enrolled"
            tiers = f"tier {short[0]}" if len(short) == 1 else f"tiers {', '.join(short)}"
            found.append(
                f"policy asks for one-time codes of {max(coded.values())} people at {tiers}, and {enrolled}: nothing there can "
                "be approved before `remediate approvers add NAME`"
            )
    if gates[Tier.IRREVERSIBLE] is Gate.APPROVE_TWICE and policy.proof_of(Tier.IRREVERSIBLE) is Proven.NAME:
        found.append("at tier 4 a name is proof enough: one person who types two names approves alone what cannot be undone")
    return found
