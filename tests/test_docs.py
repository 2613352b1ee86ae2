"""The pages: what they link to is there, and what they tell people to type exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
import typer

from remediations.cli import app
from remediations.settings import Settings

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMENTED = sorted(each for each in (ROOT / "configs").rglob("*") if each.suffix in (".yaml", ".yml", ".json", ".alloy"))


def pages() -> list[object]:
    return [pytest.param(page, id=page.name) for page in PAGES]


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_anchors_are_headings(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", page.read_text("utf-8"))
    texts = [(anchor, (page.parent / target if target else page).read_text("utf-8")) for target, anchor in linked]
    assert [
        anchor for anchor, text in texts if anchor not in map(anchor_of, re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    ] == []


def anchor_of(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages())
def test_commands_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    typed = re.findall(r"`remediate ([a-z- ]+)", text) + re.findall(r"^ {4,}remediate ([a-z- ]+)", text, re.MULTILINE)
    assert [words for words in typed if not known(words.split())] == []


@pytest.mark.parametrize("page", pages())
def test_options_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    lines = re.findall(r"`remediate ([^`]+)`", text) + re.findall(r"^ {4,}remediate ([^#\n]+)", text, re.MULTILINE)
    assert [line for line in lines if not takes(line.split())] == []


@pytest.mark.parametrize("page", [*pages(), *(pytest.param(each, id=each.name) for each in COMMENTED)])
def test_settings_exist(page: Path) -> None:
    named = set(re.findall(r"\bREMEDIATE_[A-Z_]*[A-Z]\b(?!_)", page.read_text("utf-8")))
    known = {f"REMEDIATE_{name.upper()}" for name in Settings.model_fields}
    # The example's password, and the secret that an example of Grafana's reads out of Grafana's own environment.
    assert named - known <= {"REMEDIATE_PASSWORD", "REMEDIATE_RECEIVER_TOKEN", "REMEDIATE_RECEIVER_SECRET"}


@pytest.mark.parametrize("page", pages())
def test_files_of_ours_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:tests|configs|flows|remediations|engine|model|alerts|ledger|lab|\.ci)/[\w./-]*)`", page.read_text("utf-8")
    )
    assert [each for each in named if not any((root / each).exists() for root in (ROOT, ROOT / "remediations"))] == []


def test_commands_that_the_program_tells_people_to_run_exist() -> None:
    sources = [each for part in ("remediations", "flows", "configs") for each in (ROOT / part).rglob("*") if each.is_file()]
    texts = {each: each.read_text("utf-8") for each in sources if each.suffix in (".py", ".html", ".yaml", ".yml", ".json")}
    # Not a method's name, nor a part of another name; a command's own words end where it is given something.
    typed = {each: re.findall(r"(?<![.\w/-])remediate ([a-z]+(?: [a-z-]+)?)", text) for each, text in texts.items()}
    missing = [f"{each.name}: remediate {words}" for each, all_ in typed.items() for words in all_ if not known(words.split())]
    assert missing == []


def known(words: list[str]) -> bool:
    """Whether these are a command, or a group and one of its commands, perhaps with what they are given."""
    here = typer.main.get_command(app)
    for word in words:
        if not isinstance(here, typer.core.TyperGroup):
            return True
        found = here.get_command(typer.Context(here), word)
        if found is None:
            return False
        here = found
    return True


def takes(typed: list[str]) -> bool:
    """Whether a command line's options are options of its command."""
    here: click.Command = typer.main.get_command(app)
    for word in typed:
        found = here.get_command(typer.Context(here), word) if isinstance(here, typer.core.TyperGroup) else None
        here = found or here
    options = {name for each in here.params for name in each.opts}
    return {word.partition("=")[0] for word in typed if word.startswith("--")} <= options


def test_every_page_is_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#\s]+)", PAGES[0].read_text("utf-8")))
    assert {f"docs/{page.name}" for page in PAGES[1:]} == linked
