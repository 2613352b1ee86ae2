"""Intents before, results after, and brackets in between."""

from __future__ import annotations

from ledger_examples import FakeClock, intend, plan, result, under_way

from remediations.ledger import Ledger


def test_an_intent_is_there_until_its_result(ledger: Ledger, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    sent = intend(ledger, which, lease)
    (entry,) = ledger.journal("run-1", which.digest)
    assert (entry.index, entry.command_id, entry.intended_at, entry.result) == (1, sent, clock.now, None)
    result(ledger, which)
    (entry,) = ledger.journal("run-1", which.digest)
    assert entry.result is True
