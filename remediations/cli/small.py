"""The commands that need no host and no server: `diagnose`, `catalogue`, `host export`."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.table import Table

from remediations.cli.console import Exit, fail, out, print_json


def diagnose(text: str, *, event_id: int | None, channel: str | None, provider: str | None, as_json: bool) -> None:
    """Print what a reported text suggests."""
    from remediations.diagnosis import ReportedEvent  # noqa: PLC0415
    from remediations.diagnosis import diagnose as ask  # noqa: PLC0415

    if not text.strip() and event_id is None:
        fail("there is no text: give it as an argument, or on standard input")
    told = event_id is not None or channel or provider
    found = ask(ReportedEvent(text=text, event_id=event_id, channel=channel, provider=provider) if told else text)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    if not found.hypotheses:
        out.print(found.verdict.value.replace("_", " "))
        return
    for each in found.hypotheses:
        out.print(f"{each.score:.2f}  {each.cause.value}: {each.cause.meaning}", markup=False)
        out.print("\n".join(f"      for: {why}" for why in each.evidence), markup=False)
        if each.against:
            out.print("\n".join(f"      against: {why}" for why in each.against), markup=False)


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
