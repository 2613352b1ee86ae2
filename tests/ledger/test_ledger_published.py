"""The head that was published last, kept outside of the database: an older ledger put back is noticed at the next start."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledger_examples import refused

from remediations.ledger import Head, Ledger
from remediations.ledger.published import FILE, Published
from remediations.model.outcome import Reason

UNAVAILABLE = Reason.LEDGER_UNAVAILABLE


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return Published(tmp_path)


def noted(ledger: Ledger, times: int) -> Head:
    for number in range(times):
        ledger.note(None, "take back", {"number": number})
    return ledger.end()


def test_what_was_published_is_held_as_the_trail_grows(ledger: Ledger, published: Published) -> None:
    published.check(ledger)
    assert published.read() is None
    published.keep(ledger.end())
    assert published.read() is None, "a trail without a row is any ledger's"
    assert ledger.end() == Head(seq=0, hash="0" * 64)
    published.keep(noted(ledger, 3))
    noted(ledger, 2)
    published.check(ledger)
    kept = published.read()
    assert kept is not None
    assert (kept.seq, ledger.end().seq) == (3, 5)


def test_an_older_head_never_replaces_a_newer_one(published: Published) -> None:
    for seq in (5, 3, 4, 5):
        published.keep(Head(seq=seq, hash=f"{seq:064}"))
        kept = published.read()
        assert kept is not None
        assert kept.head == Head(seq=5, hash=f"{5:064}")


@pytest.mark.parametrize("rows", [0, 2, 3, 7])
def test_another_ledger_stops_everything_until_a_person_says_so(ledger: Ledger, published: Published, rows: int) -> None:
    """Older, empty, or of the same or a greater length but with another history."""
    published.keep(Head(seq=3, hash="f" * 64))
    noted(ledger, rows)
    with refused(UNAVAILABLE, f"ends at row {rows} and does not hold row 3", str(published.path), "audit accept --as NAME"):
        published.check(ledger)
    with pytest.raises(ValueError, match="give a name"):
        published.accept(ledger, " ")
    head = published.accept(ledger, "anna")
    assert head == ledger.end()
    published.check(ledger)
    note = list(ledger.whole_trail())[-1]
    assert (note.kind, note.data["by"], note.data["published"]["seq"]) == ("older ledger accepted", "anna", 3)
    ledger.verify(head.hash)
    with pytest.raises(LookupError, match="nothing has to be accepted"):
        published.accept(ledger, "anna")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"seq": "many"}', '{"seq": 1, "hash": "x"}', "\x00"])
def test_a_file_that_cannot_be_read_stops_everything_and_is_not_overwritten(
    ledger: Ledger, published: Published, text: str
) -> None:
    published.path.write_text(text)
    published.keep(noted(ledger, 3))
    assert published.path.read_text() == text
    with refused(UNAVAILABLE, FILE, "cannot be read", "audit accept"):
        published.check(ledger)
    published.accept(ledger, "anna")
    published.check(ledger)


def test_nothing_to_accept_where_nothing_was_published(ledger: Ledger, published: Published) -> None:
    with pytest.raises(LookupError, match="nothing has to be accepted"):
        published.accept(ledger, "anna")


def test_what_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Published(tmp_path / "gone").keep(Head(seq=1, hash="f" * 64))
