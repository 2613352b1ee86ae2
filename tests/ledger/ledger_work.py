"""What the tests' other processes do to a ledger."""

from __future__ import annotations

import os
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from ledger_examples import ENDED, incident, intend, plan, sealed, start_step, stop_step, under_way

from remediations.ledger import Head, Ledger
from remediations.ledger.published import Published
from remediations.model.outcome import Reason, Refused


def opens(url: str, times: int) -> list[tuple[str, bool]]:
    """Report the same incident over and over: its id and whether it was open already."""
    with Ledger(url) as ledger:
        found = (ledger.open_incident(incident(), None) for _ in range(times))
        return [(each.id, each.joined) for each in found]


def opens_and_closes(url: str, times: int) -> list[tuple[str, bool]]:
    """Report it and close it again."""
    done = []
    with Ledger(url) as ledger:
        for _ in range(times):
            each = ledger.open_incident(incident(), None)
            done.append((each.id, each.joined))
            ledger.close_incident(each.id, ENDED)
    return done


def notes(url: str, who: str, times: int) -> list[str]:
    """Append to the trail; the heads that followed."""
    with Ledger(url) as ledger:
        return [ledger.note(who, "take back", {"number": number}) for number in range(times)]


def publishes(state: str, seqs: list[int]) -> None:
    """Publish heads in some order."""
    for seq in seqs:
        Published(Path(state)).keep(Head(seq=seq, hash=f"{seq:064}"))


def attaches(url: str, incident_id: str, run: str) -> bool:
    with Ledger(url) as ledger:
        return ledger.attach_run(incident_id, run)


def decides(url: str, run: str, approver: str) -> str:
    """Approve the run's plan; how it went."""
    with Ledger(url) as ledger:
        which = ledger.sealed(run, round=1, part="repair")
        assert which is not None
        try:
            ledger.decide(which, decision="approve", approver=approver, comment="", proof="name")
        except Refused as no:
            return no.reason.value
        return "decided"


def seals(url: str, run: str, number: int) -> int:
    """Seal one plan in a round of its own; the number it was asked under."""
    with Ledger(url) as ledger:
        return sealed(ledger, plan(), run=run, number=number).ask


def counts(url: str, counter: str, holder: str, times: int) -> list[int]:
    """Add one to a file `times` times, each under a lease; the tokens it had."""
    tokens, path = [], Path(counter)
    with Ledger(url) as ledger:
        while len(tokens) < times:
            try:
                lease = ledger.lease(["host:hv07"], holder=holder, seconds=60)
            except Refused as no:
                if no.reason is not Reason.RESOURCE_BUSY:
                    raise
                continue
            before = int(path.read_text())
            os.sched_yield()
            path.write_text(str(before + 1))
            tokens.append(lease.tokens["host:hv07"])
            ledger.release(lease)
    return tokens


def hangs(url: str, where: str, ready: Connection) -> None:
    """Come to a point in a change, say so, and hang until killed."""
    ledger = Ledger(url)
    which, lease = under_way(ledger, plan(stop_step(), start_step()))
    if where == "before the intent commits":
        with ledger._writing() as writing:
            writing.note("run-1", "half-way", {})
            _hang(ready)
    intend(ledger, which, lease)
    _hang(ready)


def _hang(ready: Connection) -> None:
    ready.send("ready")
    threading.Event().wait()
