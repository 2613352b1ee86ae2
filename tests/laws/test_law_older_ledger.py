"""A ledger that is put back as it was before anything was sent is known as older, wherever the run that sent it died."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from breaking import Died, Life, mortal, remediate
from law_bench import Bench

from remediations.engine import Answer, Ask, Engine, Over
from remediations.ledger import Ledger
from remediations.ledger.published import Published
from remediations.model.causes import Cause
from remediations.model.outcome import Reason, Refused


def copied(bench: Bench, to: Path) -> None:
    """The ledger as it is now: a backup, or a database's stand-by that will be a moment behind."""
    with closing(sqlite3.connect(bench.path / "ledger.db")) as raw:
        raw.execute(f"VACUUM INTO '{to}'")


class Sends(Life):
    """A life that ends once its first change was carried out: nothing more is written, no report either."""

    def live(self, name: str, work: Callable[[], Any], *, counted: bool) -> Any:
        """Do the work."""
        done = super().live(name, work, counted=counted)
        if name == "change":
            self.die()
        return done


def dying(bench: Bench, published: Published) -> Engine:
    """An engine that lives so, on a machine that keeps what was published."""
    engine = mortal(bench, Sends())
    engine.publish = published.keep
    return engine


def assert_missed(published: Published, older: Path) -> None:
    """The ledger of before is refused."""
    with Ledger(f"sqlite:///{older}") as ledger, pytest.raises(Refused) as refused:
        published.check(ledger)
    assert refused.value.reason is Reason.LEDGER_UNAVAILABLE


def test_what_a_run_sent_is_missed_in_the_ledger_of_its_question(bench: Bench, tmp_path: Path) -> None:
    published, older = Published(tmp_path), tmp_path / "older.db"

    def approving(ask: Ask) -> Answer:
        copied(bench, older)
        return bench.approving(ask)

    with pytest.raises(Died):
        remediate(dying(bench, published), bench.lab.fail(Cause.CPU_INCOMPATIBLE.value), approving)
    with Ledger(f"sqlite:///{older}") as ledger:
        assert ledger.open_brackets() == [], "it has forgotten that the machine has to be started again"
    assert [name for _, name, _ in bench.changes()] == ["Stop-VM"]
    assert_missed(published, older)
    published.check(bench.ledger)


def test_what_recovery_sent_is_missed_in_the_ledger_before_it(bench: Bench, tmp_path: Path) -> None:
    published, older = Published(tmp_path), tmp_path / "older.db"
    with pytest.raises(Died):
        remediate(dying(bench, published), bench.lab.fail(Cause.CPU_INCOMPATIBLE.value), bench.approving)
    bench.clock.ahead += timedelta(hours=1)
    copied(bench, older)
    with pytest.raises(Died):
        dying(bench, published).recover(lambda run: Over(reason=None, words="The run crashed"))
    assert_missed(published, older)
