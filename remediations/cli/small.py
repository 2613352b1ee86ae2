"""The commands that need no host and no server: `catalogue`, `host export`."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.table import Column, Table

from remediations.cli.console import Exit, fail, out, print_json


def catalogue(*, as_json: bool, as_markdown: bool) -> None:
    """Print every remediation: a table for people, JSON with every command and form for scripts, markdown for the README."""
    from remediations.catalogue import CATALOGUE
    from remediations.catalogue.description import describe, table
    from remediations.settings import load_site, packaged

    example = load_site(packaged("site.yaml"))
    rows = {entry: describe(entry, example) for entry in CATALOGUE.values()}
    if as_json:
        print_json([row.to_json() | {"request": entry.model_json_schema()} for entry, row in rows.items()])
    elif as_markdown:
        out.print(table(rows.values()), markup=False, soft_wrap=True)
    else:
        # Ids are typed, so they are never cut. What each sends stands in --json and in the README.
        columns = Column("id", no_wrap=True), "tier", "undo", Column("mends", overflow="fold")
        shown = Table(*columns, title="Catalogue", title_justify="left")
        for row in rows.values():
            undo = row.reversal if row.changes else "–"
            shown.add_row(row.id, str(row.tier), undo, ", ".join(row.causes) or row.title)
        out.print(shown)


def export(directory: Path) -> None:
    """Write the PowerShell module and its install script into `directory`. A file of ours that is there is replaced."""
    source = module_source()
    try:
        shutil.copytree(source, directory / source.name, dirs_exist_ok=True)
    except shutil.Error as error:  # of several files, each with its own words
        _, file, why = error.args[0][0]
        fail(f"{file}: {why}", Exit.FAILED)
    except OSError as error:
        fail(f"{directory}: {error.strerror or error}", Exit.FAILED)
    written = sorted(str(path) for path in (directory / source.name).rglob("*") if path.is_file())
    out.print("\n".join(written), markup=False, soft_wrap=True)
    out.print(f"\nCopy {directory / source.name} to each host and run there, as an administrator: ./Install.ps1", markup=False)


def module_source() -> Path:
    """The module's directory, as it came with the program."""
    from remediations.settings import packaged

    return packaged("site.yaml").parent / "HyperVRemediation"
