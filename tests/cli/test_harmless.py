"""What hosts say does not steer the terminal of whoever approves."""

from __future__ import annotations

import pytest
from rich.markdown import Markdown
from rich.table import Table

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
