"""What a part of the sweep cannot do keeps no other part from being done."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from flows.approvals import client_for
from flows.dispatch import Dispatcher
from flows.runtime import configuration
from remediations.cli.sweep import sweep
from remediations.ledger import Ledger

NOBODY = "http://127.0.0.1:9/api"


@pytest.fixture
def ledger(state: Path) -> Ledger:
    """This machine's ledger."""
    return Ledger(f"sqlite:///{state / 'ledger.db'}")


def dead() -> str:
    """A command of this machine that died: no process has its number."""
    return f"cli:{socket.gethostname()}:{2**22 + 1}:0-1:{uuid4().hex[:8]}"


def test_what_needs_no_prefect_is_recovered_while_it_is_away(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("flows.fate.tell", lambda each: told.append(each.run))
    with ledger:
        of_prefect, died = str(uuid4()), dead()
        for run in (of_prefect, died):
            ledger.start_run(run, kind="undo", incident_id=None, requested_by="anna")
        found = configuration()
        dispatcher = Dispatcher(ledger, partial(client_for, NOBODY), uuid4(), site=found.site, policy=found.policy)
        sweep(ledger, dispatcher, NOBODY)
        assert [each.run for each in ledger.unfinished_runs()] == [of_prefect], "only Prefect could tell of the other"
    assert told == [died]


def test_a_part_that_fails_is_told_of_and_the_others_are_done(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flows.fate.tell", lambda each: None)

    class Broken(Dispatcher):
        def end_needless(self) -> None:
            raise KeyError("of our own making")

    with ledger:
        ledger.start_run(dead(), kind="undo", incident_id=None, requested_by="anna")
        found = configuration()
        dispatcher = Broken(ledger, partial(client_for, NOBODY), uuid4(), site=found.site, policy=found.policy)
        sweep(ledger, dispatcher, NOBODY)
        assert ledger.unfinished_runs() == []
    said = "".join(capsys.readouterr())
    assert "KeyError: 'of our own making'" in said
    assert "Traceback" in said
