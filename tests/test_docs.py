"""The pages: what they link to is there, and what they tell people to type exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from remediations.cli import app

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


def pages() -> list[object]:
    return [pytest.param(page, id=page.name) for page in PAGES]


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text("utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", pages())
def test_commands_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    typed = re.findall(r"`remediate ([a-z- ]+)", text) + re.findall(r"^ {4,}remediate ([a-z- ]+)", text, re.MULTILINE)
    assert [words for words in typed if not known(words.split())] == []


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


def test_every_page_is_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#\s]+)", PAGES[0].read_text("utf-8")))
    assert {f"docs/{page.name}" for page in PAGES[1:]} == linked
