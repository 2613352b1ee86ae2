"""`remediate policy explain`: what each rule of the policy says of a plan, and which of them decides."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand

from remediations.cli import forms
from remediations.cli.console import Exit, account, fail, out, plain_errors, print_json, progress
from remediations.cli.engine import without_ledger

if TYPE_CHECKING:
    from remediations.catalogue.remediation import Remediation
    from remediations.model.judgement import Judgement
    from remediations.model.plan import Plan
    from remediations.model.tier import Tier

app = typer.Typer(help="The policy in force.", no_args_is_help=True, add_completion=False)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.callback()
def group() -> None:
    """The policy in force: policy.yaml, the switches, and what the ledger counts."""


def _commands() -> Mapping[str, Callable[[], TyperCommand]]:
    from remediations.catalogue import CATALOGUE
    from remediations.model.incident import Incident

    further: forms.Options = {"as_json": (Json, False)}
    made: dict[str, Callable[[], TyperCommand]] = {
        "digest": partial(forms.single, "digest", explain_digest),
        "rules": partial(forms.single, "rules", explain_rules),
        "incident": partial(forms.command, "incident", Incident, "What a failed migration leads to.", _explain, further),
    }
    for entry in CATALOGUE.values():
        made[entry.id] = partial(forms.command, entry.id, entry, f"{entry.title}. Tier {entry.tier}.", _explain, further)
    return made


app.add_typer(
    typer.Typer(cls=forms.group(_commands), no_args_is_help=True),
    name="explain",
    help="What every rule says of a plan, and which decides. The same options as `plan`: reads hosts, changes nothing.",
)


def explain_digest(
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="First eight characters of a plan in the ledger.")],
    as_json: Json = False,
) -> None:
    """A plan that a run has asked for, by its digest, as policy would judge it now. Reads no host."""
    from flows.runtime import engine

    with plain_errors(), engine(absent="refuse") as built:
        try:
            found = built.ledger.find_sealed(digest)
        except ValueError as error:
            fail(str(error))
        if not found:
            fail(f"the ledger has no plan {digest}: `remediate approvals` shows what waits")
        _show([built.judging.plan(found[0].plan, retry=found[0].part == "retry")], as_json=as_json)


def explain_rules(
    remediation: Annotated[str, typer.Argument(metavar="REMEDIATION", help="Its id, as `remediate catalogue` lists them.")],
    host: Annotated[list[str] | None, typer.Option(help="A host that it would touch; may be given more than once.")] = None,
    cluster: Annotated[str, typer.Option(help="A cluster that it would touch; that of a node counts by itself.")] = "",
    as_json: Json = False,
) -> None:
    """A remediation where it would act. Reads no host, so that what hangs on its targets is not known."""
    from flows.runtime import configure_logs, engine
    from remediations.catalogue import CATALOGUE
    from remediations.catalogue.remediation import Repair
    from remediations.model.situation import Subject

    entry = CATALOGUE.get(remediation)
    if entry is None:
        fail(f"{remediation} is not in the catalogue: `remediate catalogue` lists it")
    causes, tier = entry.causes if issubclass(entry, Repair) else (), _tier(entry, host or [], cluster)
    configure_logs(stream=sys.stderr, level="WARNING")
    with plain_errors(), engine(absent=without_ledger) as built:
        subject = Subject.unread(entry.id, tier, causes, hosts=host or [], cluster=cluster, site=built.site)
        _show([built.judging.subject(subject)], as_json=as_json)


def _tier(entry: type[Remediation], hosts: Sequence[str], cluster: str) -> Tier:
    """The tier of a request for what was named, as far as that is one: a cluster's limit is more than a host's."""
    named = {"host": next(iter(hosts), None), "cluster": cluster or None}
    try:
        return entry.model_validate({name: value for name, value in named.items() if name in entry.model_fields}).risk({})
    except ValidationError:
        return entry.tier


def _explain(request: Any, given: dict[str, Any]) -> None:
    """Plan as a dry run does, then judge what was planned."""
    from flows.fate import terminal_run
    from flows.runtime import configure_logs, engine
    from remediations.model.incident import Incident

    configure_logs(stream=sys.stderr, level="WARNING")
    with plain_errors(), engine(progress, absent=without_ledger) as built:
        carry = built.remediate if isinstance(request, Incident) else built.carry_out
        report = carry(terminal_run(), request, dry_run=True, gate=_nobody, requested_by=account())
        plans: list[tuple[Plan, bool]] = [(report.plan, False)] if report.plan is not None and report.plan.steps else []
        if report.retry is not None and report.retry.steps:
            plans.append((report.retry, True))
        if not plans:
            fail(f"There is nothing for policy to judge: {report.outcome.summary}", Exit.NOT_DONE)
        _show([built.judging.plan(plan, retry=retry) for plan, retry in plans], as_json=given["as_json"])


def _nobody(ask: Any) -> Any:
    raise AssertionError(f"a dry run asks nobody: {ask}")


def _show(judged: Sequence[Judgement], *, as_json: bool) -> None:
    if as_json:
        print_json([{**each.model_dump(mode="json"), "follows": each.follows} for each in judged])
        return
    from rich.table import Table

    for each in judged:
        subject = each.subject
        may = [f"{host} (may receive what moves)" for host in subject.receiving]
        touches = ", ".join([*subject.hosts, *may, *(f"cluster {name}" for name in subject.clusters)])
        out.print(
            f"{subject.title} · tier {subject.tier}{f' · touches {touches}' if touches else ''}", markup=False, soft_wrap=True
        )
        out.print(f"{each.follows}\n", markup=False, soft_wrap=True)
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
        for heading in ("", "rule", "says"):
            table.add_column(heading, overflow="fold")
        for ruling in each.rulings:
            decides = ruling == each.decides
            stops = f"{ruling.reason.value}: " if ruling.reason is not None else ""
            table.add_row("▸" if decides else "", _plain(ruling.rule), _plain(f"{stops}{ruling.says}"))
        out.print(table)
        out.print()


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
