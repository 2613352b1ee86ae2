"""Every public method of the ledger, as it is called where all is well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from ledger_examples import (
    ENDED,
    MARGIN,
    incident,
    intend,
    limit_step,
    plan,
    result,
    started,
    stop_step,
    tried,
    under_way,
)

from remediations.ledger import Board, Bookmark, Head, Lease, Ledger, Move, Sealed, Standing
from remediations.model.causes import Cause
from remediations.model.outcome import Reason
from remediations.model.readiness import Readiness
from remediations.model.roll import Stage

LOOK = Readiness(at=datetime(2026, 3, 1, tzinfo=UTC), seconds=1.0, hosts=(), ways=())


def every_call(ledger: Ledger) -> dict[str, Callable[[], object]]:
    """Each public method, called as it would succeed if the ledger could be reached."""
    opened = ledger.open_incident(incident(), None)
    which, lease = under_way(ledger, plan(stop_step(), limit_step()))
    sent = intend(ledger, which, lease)
    (bracket,) = ledger.open_brackets()
    now = ledger._now()
    ledger.add_approver("Carla", "sealed", by="anna")
    tried(ledger, "run-0", verified=False)
    tried(ledger, "run-9", verified=True)
    roll = ledger.take_roll("run-1", "CLUSTER1", ["HV01"], "Immediate", chosen=False)
    return {
        "add_approver": lambda: ledger.add_approver("Dora", "sealed", by="anna"),
        "approvals": lambda: ledger.approvals(which),
        "approvers": ledger.approvers,
        "arrange": lambda: ledger.arrange(_start_all, 10),
        "came_back": lambda: ledger.came_back("run-2", [Cause.SPN_MISSING], ["x"], now),
        "close_breaker": lambda: ledger.close_breaker("mend-it", "bert"),
        "end": ledger.end,
        "holds": lambda: ledger.holds(Head(seq=1, hash="f" * 64)),
        "whole_trail": lambda: list(ledger.whole_trail()),
        "fired_falsely": lambda: ledger.fired_falsely("run-9", [Cause.SPN_MISSING], "", (3, timedelta(days=1))),
        "open_breakers": ledger.open_breakers,
        "pause": lambda: ledger.pause("bert", ""),
        "paused": ledger.paused,
        "resume": lambda: ledger.resume("bert"),
        "trials": ledger.trials,
        "tried": lambda: tried(ledger, "run-1", verified=True),
        "attach_run": lambda: ledger.attach_run(opened.id, "run-1"),
        "bookmarks": ledger.bookmarks,
        "changes_since": lambda: ledger.changes_since(now),
        "close_failed": lambda: ledger.close_failed(bracket, "it would not start"),
        "close_bracket": lambda: ledger.close_bracket(bracket, "found closed"),
        "close_incident": lambda: ledger.close_incident(opened.id, ENDED),
        "close_incidents": lambda: ledger.close_incidents({opened.id: ENDED}),
        "decide": lambda: ledger.decide(which, decision="reject", approver="bert", comment="", proof="name"),
        "decision": lambda: ledger.decision(which),
        "fails_still": lambda: ledger.fails_still(opened.id, why="it was read"),
        "find_sealed": lambda: ledger.find_sealed(which.digest),
        "finish_run": lambda: ledger.finish_run("run-1", ENDED),
        "head": ledger.head,
        "held": ledger.held,
        "incident": lambda: ledger.incident(opened.id),
        "intend": lambda: intend(ledger, which, lease, 2),
        "intend_close": lambda: ledger.intend_close(bracket, command_id=uuid4(), lease=lease, deadline=60, margin=MARGIN),
        "intend_undo": lambda: _undo(ledger, which, lease),
        "joined_to": lambda: ledger.joined_to(opened.id),
        "journal": lambda: ledger.journal("run-1", which.digest),
        "keep_readiness": lambda: ledger.keep_readiness(LOOK),
        "last_counts": ledger.last_counts,
        "tally": ledger.tally,
        "last_readiness": lambda: ledger.last_readiness(LOOK),
        "last_remediation": lambda: ledger.last_remediation(Cause.SPN_MISSING, "x"),
        "lease": lambda: ledger.lease(["host:hv03"], holder="run-1", seconds=60),
        "mark_undone": lambda: ledger.mark_undone("run-1", which.digest, 1, sent, ok=True, detail=""),
        "meant_for": lambda: ledger.meant_for("run-1"),
        "newcomers": lambda: ledger.newcomers(10),
        "not_begun": ledger.not_begun,
        "note": lambda: ledger.note("run-1", "take back", {}),
        "open_brackets": ledger.open_brackets,
        "open_incident": lambda: ledger.open_incident(incident("VM43"), None),
        "open_incidents": ledger.open_incidents,
        "over": lambda: ledger.over(incident("VM44").key, "resolved", "it is resolved"),
        "queued": ledger.queued,
        "release": lambda: ledger.release(lease),
        "remove_approver": lambda: ledger.remove_approver("Carla", by="anna"),
        "renew": lambda: ledger.renew(lease, 60),
        "result": lambda: result(ledger, which),
        "run": lambda: ledger.run("run-1"),
        "runs": ledger.runs,
        "seal": lambda: ledger.seal("run-1", round=2, part="repair", plan=plan(), expires_at=now + timedelta(hours=1)),
        "drains": lambda: ledger.drains("CLUSTER1"),
        "end_roll": lambda: ledger.end_roll(roll, "every node had its turn"),
        "never_began": lambda: ledger.never_began(opened.id, "run-1", "it crashed"),
        "note_drain": lambda: ledger.note_drain("run-1", which.digest, cluster="CLUSTER1", node="HV01", mebibytes=1024),
        "open_roll": lambda: ledger.open_roll("CLUSTER1"),
        "roll_of": lambda: ledger.roll_of("run-1"),
        "rolls": ledger.rolls,
        "stage": lambda: ledger.stage(roll, 1, Stage.BEGUN),
        "take_roll": lambda: ledger.take_roll("run-1", "CLUSTER2", ["HV03"], "Immediate", chosen=False),
        "take_in": lambda: ledger.take_in([incident("VM43")]),
        "sealed": lambda: ledger.sealed("run-1", round=1, part="repair"),
        "set_apart": lambda: ledger.set_apart(opened.id, why="another cause"),
        "sight": lambda: ledger.sight(Cause.SPN_MISSING, "x", opened.id),
        "sightings": lambda: ledger.sightings(Cause.SPN_MISSING, "x", now),
        "start_run": lambda: started(ledger, "run-2"),
        "started_as": lambda: ledger.started_as(opened.id, "run-1"),
        "to_read_again": lambda: ledger.to_read_again(10),
        "to_start": ledger.to_start,
        "trail": lambda: ledger.trail("run-1"),
        "undecided": ledger.undecided,
        "unfinished_runs": ledger.unfinished_runs,
        "use_approval": lambda: ledger.use_approval(which),
        "verified_before": lambda: ledger.verified_before("run-1", [Cause.SPN_MISSING], ["x"], now),
        "verify": ledger.verify,
        "void": lambda: ledger.void(which, Reason.PAUSED, ""),
        "waiting": ledger.waiting,
        "watched": lambda: ledger.watched([None], [Bookmark(host="HV01", channel="System", record=1, written_at=now)], []),
    }


def _start_all(board: Board) -> list[Move]:
    return [Move(incident_id=each.id, standing=Standing.STARTED, why="because") for each in board.waiting]


def _undo(ledger: Ledger, which: Sealed, lease: Lease) -> None:
    """A step that was done, about to be taken back."""
    result(ledger, which)
    ledger.intend_undo(run="run-1", digest=which.digest, index=1, command_id=uuid4(), lease=lease, deadline=60, margin=MARGIN)


READS = {
    "approvals", "approvers", "bookmarks", "changes_since", "decision", "find_sealed", "head", "held", "incident", "joined_to",
    "journal", "last_counts", "last_readiness", "last_remediation", "tally",
    "meant_for", "newcomers", "not_begun", "open_brackets", "open_breakers", "paused", "trials",
    "drains", "open_roll", "roll_of", "rolls",
    "open_incidents",
    "queued", "run", "runs", "sealed", "sightings", "to_read_again", "to_start", "trail", "undecided",
    "unfinished_runs", "verified_before", "verify", "waiting",
    "end", "holds", "whole_trail",
}  # fmt: skip
