"""The ledger: the one durable record of incidents, plans, approvals, leases, steps and outcomes. It fails closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self

from remediations.ledger.approvals import ONE, POLICY, Approvals
from remediations.ledger.approvers import Approvers
from remediations.ledger.bookmarks import Bookmarks
from remediations.ledger.database import Database, NoLedger
from remediations.ledger.drains import Drains
from remediations.ledger.history import History
from remediations.ledger.incidents import Incidents
from remediations.ledger.journal import Journal
from remediations.ledger.leases import Leases
from remediations.ledger.queue import OverBy, Queue
from remediations.ledger.readiness import Looks
from remediations.ledger.records import (
    Approval,
    Approver,
    Board,
    Bookmark,
    Bracket,
    Code,
    Decision,
    Entry,
    Flight,
    Head,
    How,
    Lease,
    Move,
    Note,
    OpenIncident,
    Part,
    Queued,
    RunRecord,
    Sealed,
    Standing,
    State,
    Undone,
    Void,
)
from remediations.ledger.rolls import Rolls
from remediations.ledger.tally import Tallies
from remediations.ledger.trials import Pause, Trials

__all__ = [
    "ONE",
    "POLICY",
    "Approval",
    "Approver",
    "Board",
    "Bookmark",
    "Bracket",
    "Code",
    "Decision",
    "Entry",
    "Flight",
    "Head",
    "How",
    "Lease",
    "Ledger",
    "Move",
    "NoLedger",
    "Note",
    "OpenIncident",
    "OverBy",
    "Part",
    "Pause",
    "Queued",
    "RunRecord",
    "Sealed",
    "Standing",
    "State",
    "Undone",
    "Void",
    "utc_now",
]


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


class Ledger(
    Incidents, Queue, Bookmarks, Approvals, Approvers, Leases, Journal, History, Trials, Rolls, Drains, Looks, Tallies
):
    """The ledger behind one URL: `sqlite:////absolute/path/ledger.db` or `postgresql+psycopg://user@host/database`.

    Safe for many threads and processes. Each method is one transaction, and each that writes is in the audit trail.
    Whatever keeps the ledger from being read or written is `Refused` (LedgerUnavailable): no caller may go on without it.
    `clock` gives aware times; `patience` is how many seconds a writer waits for its turn. Where there is none it is made, or
    without `make` refused as `NoLedger`.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime] = utc_now, patience: float = 10.0, make: bool = True) -> None:
        super().__init__(Database(url, clock=clock, patience=patience, make=make), clock)

    def close(self) -> None:
        """Close every connection to the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
