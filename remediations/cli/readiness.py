"""`remediate readiness`: which migrations would fail now, why, and what would mend each."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from remediations.cli.console import Exit, err, fail, out, plain_errors, print_json, progress

if TYPE_CHECKING:
    from rich.table import Table

    from remediations.ledger import Ledger
    from remediations.model.readiness import Readiness

LAST = "last"
SMALL = 12
"""Hosts of a cluster up to which the terminal shows every way."""

Hosts = Annotated[list[str] | None, typer.Option("--host", metavar="HOST", help="Only this host; may be given again.")]
Clusters = Annotated[list[str] | None, typer.Option("--cluster", metavar="CLUSTER", help="Only the nodes of this cluster.")]
Vms = Annotated[list[str] | None, typer.Option("--vm", metavar="VM", help="This virtual machine too: to where could it go?")]
AllVms = Annotated[bool, typer.Option("--all-vms", help="Every virtual machine too. Takes longer: more is read and planned.")]
Across = Annotated[bool, typer.Option("--across", help="Also ways into, out of and between clusters.")]
Json = Annotated[bool, typer.Option("--json", help="The whole report as one JSON document.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write the report as one page with a heat map.", dir_okay=False)]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="last|FILE", help="Show what changed: since the last report, or since one kept by --json."),
]


def readiness(
    host: Hosts = None,
    cluster: Clusters = None,
    vm: Vms = None,
    *,
    all_vms: AllVms = False,
    across: Across = False,
    as_json: Json = False,
    html: Html = None,
    since: Since = None,
) -> None:
    """Look ahead: which migrations would fail now, why, and the plan that would mend each. Sends nothing but reads.

    Exit code 0 if every way is ready, 3 if one is not or is not known.
    """
    from flows.runtime import configure_logs, engine, readers
    from remediations.engine.readiness import Scope, assess
    from remediations.engine.readiness_page import page
    from remediations.engine.readiness_text import all_well

    earlier = _read(Path(since)) if since is not None and since != LAST else None
    scope = Scope(tuple(host or ()), tuple(cluster or ()), tuple(vm or ()), all_vms=all_vms, across=across)
    configure_logs(stream=sys.stderr, level="WARNING")
    with plain_errors(), engine(progress) as built, readers(built.site) as several:
        report = assess(
            built.hosts,
            built.site,
            scope,
            clock=built.clock,
            now=time.monotonic,
            observe=built.observe,
            read=several.read,
        )
        report = _compared(report, earlier, built.ledger, wanted=since is not None)
        built.ledger.keep_readiness(report)
    if html is not None:
        try:
            html.write_text(page(report), "utf-8")
        except OSError as error:
            fail(f"--html: {html} cannot be written: {error.strerror or error}")
        err.print(f"written: {html}", markup=False, soft_wrap=True)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        show(report)
    raise typer.Exit(Exit.DONE if all_well(report) else Exit.NOT_DONE)


def _read(path: Path) -> Readiness:
    """A report that `--json` wrote. Ends with a clear message if it is none."""
    from pydantic import ValidationError

    from remediations.model.readiness import Readiness

    try:
        return Readiness.model_validate_json(path.read_bytes())
    except OSError as error:
        fail(f"--since: {path} cannot be read: {error.strerror or error}; give `last`, or a file that --json wrote")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"]) or "the file"
        fail(f"--since: {path} is no readiness report: {where}: {first['msg']}; give `last`, or a file that --json wrote")


def _compared(report: Readiness, earlier: Readiness | None, ledger: Ledger, *, wanted: bool) -> Readiness:
    from remediations.model.readiness import compare

    before = earlier or ledger.last_readiness(report)
    if before is None:
        if wanted:
            err.print("There is no earlier report of these hosts: this is the first.", markup=False)
        return report
    return report.model_copy(update={"changed": compare(report, before)})


def show(report: Readiness) -> None:
    """Print a report for people: whole where it is small, else what concerns most."""
    from remediations.engine.readiness_text import MOST, all_well, changes, headline

    out.print(headline(report), markup=False, style="bold", soft_wrap=True)
    for line in changes(report):
        out.print(line, markup=False, soft_wrap=True)
    for table in _maps(report):
        out.print(table)
    if report.vms:
        out.print(_machines(report))
    for finding in report.findings[:MOST]:
        out.print(
            f"\n{finding.level.sign} {finding.title}  ({finding.level.value}; concerns {report.concerned.get(finding.id, 0)})",
            markup=False,
            style="bold",
            soft_wrap=True,
        )
        told = [*finding.why, *(f"on {line.host}: {line.command}" for line in finding.lines), *finding.instructions]
        told += [f"blocked: {each}" for each in finding.blocked if each not in finding.why]
        told += [f"whole plan: {finding.ask}"] if finding.ask else []
        for line in told:
            out.print(f"    {_clean(line)}", markup=False, soft_wrap=True)
    if len(report.findings) > MOST:
        more = len(report.findings) - MOST
        out.print(f"\nand {more} more findings: --html FILE and --json show all of them", markup=False)
    if all_well(report) and not report.findings:
        out.print("Everything that was looked at is right.")


def _maps(report: Readiness) -> list[Table]:
    """For each small cluster every way; for larger ones the hosts in trouble."""
    from rich.table import Column, Table
    from rich.text import Text

    from remediations.engine.readiness_text import MOST, signs, troubled
    from remediations.model.readiness import Level

    homes: dict[str, list[str]] = defaultdict(list)
    for host in report.hosts:
        homes["all hosts" if report.across else host.cluster or "standalone hosts"].append(host.name)
    styles = {Level.FAILS: "bold white on red", Level.UNKNOWN: "bold", Level.NOTED: "yellow", Level.READY: "green"}
    found = {(way.source, way.destination): way.level for way in report.ways}
    tables, large = [], set()
    for title, names in homes.items():
        if len(names) > SMALL:
            large |= set(names)
            continue
        if len(names) < 2:
            continue
        table = Table(
            Column("from \\ to", no_wrap=True),
            *(Column(name, justify="center", no_wrap=True) for name in names),
            title=title,
            title_justify="left",
        )
        for here in names:
            levels = [found.get((here, there)) for there in names]
            table.add_row(here, *(Text(level.sign, styles[level]) if level else Text("·", "dim") for level in levels))
        tables.append(table)
    rows = [each for each in troubled(report) if each[0] in large]
    if large:
        title = f"{len(rows)} of {len(large)} hosts of larger groups are not ready in every direction"
        table = Table("host", "away from it", "to it", title=title, title_justify="left")
        for name, away, towards in rows[:MOST]:
            table.add_row(name, signs(away), signs(towards))
        if len(rows) > MOST:
            table.caption = f"and {len(rows) - MOST} more: --html FILE draws all of them"
        tables.append(table)
    if tables:
        out.print(", ".join(f"{level.sign} {level.value}" for level in Level), style="dim")
    return tables


def _machines(report: Readiness) -> Table:
    from rich.table import Table
    from rich.text import Text

    from remediations.engine.readiness_text import MOST
    from remediations.model.readiness import Level

    rows = sorted(report.vms, key=lambda vm: (list(Level).index(vm.level), vm.host, vm.name))
    table = Table("virtual machine", "on", "may go to", "not to", title="virtual machines", title_justify="left")
    good = (Level.READY, Level.NOTED)
    for vm in rows[:MOST]:
        may = [way.destination for way in vm.ways if way.level in good]
        not_to = [f"{way.destination} {way.level.sign}" for way in vm.ways if way.level not in good]
        table.add_row(Text(f"{vm.level.sign} {_clean(vm.name)}"), vm.host, _few(may) or "nowhere", _few(not_to))
    if len(rows) > MOST:
        table.caption = f"and {len(rows) - MOST} more, in no worse state: --html FILE and --json have them"
    return table


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _clean(text: str) -> str:
    """Text from outside without what would move a terminal's cursor."""
    return "".join(char if char.isprintable() else " " for char in text)
