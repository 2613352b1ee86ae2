"""The commands that need no host and no server: `catalogue`, `host export`."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.table import Table

from remediations.cli.console import Exit, fail, out, print_json


def catalogue(*, as_json: bool) -> None:
    """Print every remediation."""
    from remediations.catalogue import CATALOGUE  # noqa: PLC0415
    from remediations.catalogue.remediation import Repair  # noqa: PLC0415

    rows = [
        {
            "id": each.id,
            "kind": each.kind,
            "title": each.title,
            "tier": int(each.tier),
            "undo": each.reversal.value,
            "causes": [cause.value for cause in each.causes] if issubclass(each, Repair) else [],
            "proof": each.proof.value if issubclass(each, Repair) else None,
            "request": each.model_json_schema(),
        }
        for each in CATALOGUE.values()
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("id", "kind", "tier", "undo", "mends", title="Catalogue", title_justify="left")
    for row in rows:
        mends = ", ".join(row["causes"]) if isinstance(row["causes"], list) else ""
        table.add_row(str(row["id"]), str(row["kind"]), str(row["tier"]), str(row["undo"]), mends or str(row["title"]))
    out.print(table)


def export(directory: Path) -> None:
    """Write the PowerShell module and its install script into `directory`. A file of ours that is there is replaced."""
    source = module_source()
    try:
        shutil.copytree(source, directory / source.name, dirs_exist_ok=True)
    except OSError as error:
        fail(f"{directory}: {error.strerror or error}", Exit.FAILED)
    written = sorted(str(path) for path in (directory / source.name).rglob("*") if path.is_file())
    out.print("\n".join(written), markup=False, soft_wrap=True)
    out.print(f"\nCopy {directory / source.name} to each host and run there, as an administrator: ./Install.ps1", markup=False)


def module_source() -> Path:
    """The module's directory, as it came with the program."""
    from remediations.settings import packaged  # noqa: PLC0415

    return packaged("site.yaml").parent / "HyperVRemediation"
