"""What a run did, from its journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from remediations.ledger import Entry, Ledger, Sealed
from remediations.model.plan import Plan, Step

ROUNDS = 3
"""Rounds of one run; after them a person gets everything that was seen."""


@dataclass(frozen=True)
class Did:
    """One step that a run sent, and the plan that it belongs to."""

    plan: Plan
    entry: Entry

    @property
    def step(self) -> Step:
        """The step as it was approved."""
        return self.entry.step

    @property
    def stands(self) -> bool:
        """Whether it was done and not taken back, as far as the journal says."""
        return self.entry.result is True and not (self.entry.undone is not None and self.entry.undone.ok)

    @property
    def in_question(self) -> bool:
        """Whether nobody knows what became of it, or of its taking back."""
        return self.entry.undo_undecided or (self.entry.result is None and self.entry.undone is None)


def did(ledger: Ledger, run: str) -> list[Did]:
    """What a run sent, in all its rounds, oldest first."""
    plans = sealed_of(ledger, run)
    found = [Did(each.plan, entry) for each in plans for entry in ledger.journal(run, each.digest)]
    return sorted(found, key=lambda each: (each.entry.intended_at, each.entry.index))


def sealed_of(ledger: Ledger, run: str) -> list[Sealed]:
    """The plans that a run may have sent something of, newest first."""
    parts: tuple[Literal["retry", "repair"], ...] = ("retry", "repair")
    found = (ledger.sealed(run, round=number, part=part) for number in range(ROUNDS, 0, -1) for part in parts)
    return [sealed for sealed in found if sealed is not None]
