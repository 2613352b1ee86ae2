"""What hosts say does not steer the terminal of whoever approves."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.markdown import Markdown
from rich.table import Table
from typer.testing import CliRunner

from remediations.cli import app
from remediations.cli.console import harmless, out, progress

ESCAPES = "it is off\x1b[1A\x1b[2K\x1b[8m\x9b1A\x1b]0;owned\x07\u202eoff\r"


def test_nothing_that_is_printed_moves_the_cursor_or_turns_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name")
    table.add_row(ESCAPES)
    out.print(ESCAPES, markup=False, soft_wrap=True)
    out.print(Markdown(ESCAPES))
    out.print(table)
    progress(ESCAPES, lambda: None)
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert "it is off" in text
        assert not set(text) & set("\x1b\x9b\x07\u202e\r")


def test_plain_text_of_any_language_stays_as_it_is() -> None:
    text = "Fehler beim Wiederherstellen von „VM42“ – Größe 5 µs\n\t仮想マシン, é, 🙂"
    assert harmless(text) == text
    assert harmless("5\u00a0GB") == "5 GB"


def test_a_mistake_in_line_100_keeps_its_number(tmp_path: Path) -> None:
    """The library takes a word between two colons for the name of a picture, and knows one called 100."""
    (tmp_path / "site.yaml").write_text("domain: contoso.com\n" + "\n" * 98 + "domain: contoso.com\n")
    checked = CliRunner().invoke(app, ["config", "check", "--config", str(tmp_path)])
    assert "site.yaml:100: domain: this is written twice" in checked.stdout.replace("\n", "")
