"""From open incidents to runs, as the ledger keeps it: nobody is forgotten, nobody gets two, what is over ends what waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from ledger_examples import ENDED, approve, incident, plan, refused, result, sealed, under_way
from ledger_examples import intend as intend_step

from remediations.ledger import Board, Ledger, Move, OpenIncident, Queued, Standing
from remediations.model.outcome import Ending, Reason


def start_first(board: Board) -> list[Move]:
    """The first gets a run if nobody has one, everybody else goes with whoever leads; what was left is read again."""
    moves = [Move(incident_id=each.id, standing=Standing.AGAIN, why="left") for each in board.left]
    leader = board.leading[0].id if board.leading else None
    for each in board.waiting:
        standing = Standing.STARTED if leader is None else Standing.JOINED
        moves.append(Move(incident_id=each.id, standing=standing, leader=leader, why="because"))
        leader = leader or each.id
    return moves


def report(ledger: Ledger, *vms: str) -> list[OpenIncident]:
    found = []
    for vm in vms:
        found.append(ledger.open_incident(incident(vm), None))
        ledger._clock.tick(1)  # the tests' own clock
    return found


def where(ledger: Ledger) -> dict[str | None, Standing]:
    return {each.opened.incident.vm: each.standing for each in ledger.queued()}


def begin(ledger: Ledger, opened: OpenIncident, run: str = "run-1") -> None:
    """Its flow run was asked for, and has begun."""
    ledger.started_as(opened.id, run)
    ledger.start_run(run, kind="remediate-migration", incident_id=opened.id, requested_by="alerting")
    assert ledger.attach_run(opened.id, run)


def test_what_is_new_is_shown_oldest_first_and_only_so_many(ledger: Ledger) -> None:
    report(ledger, "VM3", "VM1", "VM2")
    assert [each.incident.vm for each in ledger.newcomers(2)] == ["VM3", "VM1"]
    seen: list[Sequence[Queued]] = []

    def look(board: Board) -> list[Move]:
        seen.append(board.waiting)
        return []

    ledger.arrange(look, 2)
    assert [each.opened.incident.vm for each in seen[0]] == ["VM3", "VM1"]


def test_a_decision_is_kept_and_told_once(ledger: Ledger) -> None:
    first, second = report(ledger, "VM1", "VM2")
    assert [move.standing for move in ledger.arrange(start_first, 10)] == [Standing.STARTED, Standing.JOINED]
    assert where(ledger) == {"VM1": Standing.STARTED, "VM2": Standing.JOINED}
    assert [each.id for each in ledger.to_start()] == [first.id]
    assert [each.id for each in ledger.joined_to(first.id)] == [second.id]
    head = ledger.head()
    assert ledger.arrange(start_first, 10) == []
    assert ledger.head() == head


def test_who_waits_on_is_told_once(ledger: Ledger) -> None:
    def wait(board: Board) -> list[Move]:
        return [Move(incident_id=each.id, standing=Standing.WAITS, why="all runs are taken") for each in board.waiting]

    (first,) = report(ledger, "VM1")
    for _ in range(2):
        assert [move.incident_id for move in ledger.arrange(wait, 10)] == [first.id]
    assert where(ledger) == {"VM1": Standing.WAITS}
    assert [note.kind for note in ledger.trail(None)].count("incident queued") == 1


def test_a_run_that_was_asked_for_counts_until_it_has_ended(ledger: Ledger) -> None:
    counted: list[int] = []

    def count(board: Board) -> list[Move]:
        counted.append(board.running)
        return []

    (first,) = report(ledger, "VM1")
    ledger.arrange(start_first, 10)
    report(ledger, "VM2")
    ledger.arrange(count, 10)
    begin(ledger, first)
    ledger.start_run("run-by-hand", kind="drain-node", incident_id=None, requested_by="anna")
    ledger.arrange(count, 10)
    ledger.close_incident(first.id, ENDED)
    ledger.finish_run("run-1", ENDED)
    ledger.arrange(count, 10)
    assert counted == [1, 2, 1]


def test_from_asked_for_to_begun(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    ledger.arrange(start_first, 10)
    ledger.started_as(first.id, "flow-run-1")
    head = ledger.head()
    ledger.started_as(first.id, "flow-run-1")
    assert ledger.head() == head, "told once"
    assert ledger.to_start() == []
    assert [each.flow_run for each in ledger.not_begun()] == ["flow-run-1"]
    meant = ledger.meant_for("flow-run-1")
    assert meant is not None
    assert meant.id == first.id
    assert ledger.meant_for("another") is None
    begin(ledger, first, "flow-run-1")
    assert ledger.not_begun() == []
    ledger.close_incident(first.id, ENDED)
    meant = ledger.meant_for("flow-run-1")
    assert meant is not None
    assert meant.outcome == ENDED


def test_a_run_that_never_began_makes_way_for_another_one(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    ledger.arrange(start_first, 10)
    ledger.started_as(first.id, "flow-run-1")
    assert ledger.never_began(first.id, "flow-run-1", "it crashed")
    assert [(each.id, each.lost) for each in ledger.to_start()] == [(first.id, 1)]
    assert not ledger.never_began(first.id, "flow-run-1", "it crashed", end=ENDED), "another process was first"
    ledger.started_as(first.id, "flow-run-2")
    assert [(each.flow_run, each.lost) for each in ledger.not_begun()] == [("flow-run-2", 1)]
    assert not ledger.never_began(first.id, "flow-run-1", "it crashed"), "it was another one"
    assert ledger.never_began(first.id, "flow-run-2", "it crashed", end=ENDED)
    assert ledger.incident(first.id).outcome == ENDED
    assert not ledger.never_began(first.id, "flow-run-2", "it crashed"), "it is closed"


def test_a_run_that_has_begun_is_not_taken_for_one_that_never_did(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    ledger.arrange(start_first, 10)
    begin(ledger, first)
    head = ledger.head()
    assert not ledger.never_began(first.id, "run-1", "it crashed", end=ENDED)
    assert ledger.incident(first.id).closed_at is None
    assert ledger.head() == head


def test_what_went_with_another_is_left_when_that_one_closes(ledger: Ledger) -> None:
    first, second, third = report(ledger, "VM1", "VM2", "VM3")
    ledger.arrange(start_first, 10)
    ledger.set_apart(third.id, why="another cause")
    ledger.close_incident(first.id, ENDED)
    ledger.arrange(start_first, 10)
    assert where(ledger) == {"VM2": Standing.AGAIN, "VM3": Standing.APART}
    assert [each.id for each in ledger.to_read_again(10)] == [second.id, third.id]
    for each in (second, third, second):  # said twice, it counts once
        ledger.fails_still(each.id, why="it was read")
    assert where(ledger) == {"VM2": Standing.NEW, "VM3": Standing.WAITS}


def test_whom_a_person_takes_by_hand_has_a_run_of_its_own(ledger: Ledger) -> None:
    _, second = report(ledger, "VM1", "VM2")
    ledger.arrange(start_first, 10)
    begin(ledger, second, "run-by-hand")
    assert where(ledger) == {"VM1": Standing.STARTED, "VM2": Standing.STARTED}
    ledger.set_apart(second.id, why="too late")
    assert where(ledger)["VM2"] is Standing.STARTED


def test_a_leader_shows_what_it_has_sealed(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    ledger.arrange(start_first, 10)
    begin(ledger, first)
    shown: list[int] = []

    def look(board: Board) -> list[Move]:
        shown.extend(len(each.sealed) for each in board.leading)
        return []

    report(ledger, "VM2")
    ledger.arrange(look, 10)
    which = sealed(ledger, plan())
    ledger.arrange(look, 10)
    ledger.void(which, Reason.DRIFT, "the facts moved")
    ledger.arrange(look, 10)
    assert shown == [0, 1, 0]


# ---- over ----------------------------------------------------------------------------------------------------------------


def over(ledger: Ledger, vm: str = "VM1") -> OpenIncident | None:
    return ledger.over(incident(vm).key, "resolved", "Alertmanager says that it is resolved")


def test_nothing_is_over_that_nobody_reported(ledger: Ledger) -> None:
    head = ledger.head()
    assert over(ledger) is None
    assert ledger.head() == head


@pytest.mark.parametrize("arranged", [False, True])
def test_what_has_no_run_yet_is_closed(ledger: Ledger, arranged: bool) -> None:
    (first,) = report(ledger, "VM1")
    if arranged:
        ledger.arrange(start_first, 10)
        ledger.started_as(first.id, "flow-run-1")
    found = over(ledger)
    assert found is not None
    assert found.outcome is not None
    assert (found.outcome.ending, found.outcome.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)
    assert ledger.queued() == []
    assert over(ledger) is None
    assert report(ledger, "VM1")[0].id != first.id, "failing again is another incident"


def test_a_run_that_waits_for_a_decision_is_ended_and_its_plan_can_be_approved_no_more(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    ledger.arrange(start_first, 10)
    begin(ledger, first)
    which = sealed(ledger, plan())
    found = over(ledger)
    assert found is not None
    assert found.closed_at is not None
    run = ledger.run("run-1")
    assert run is not None
    assert run.outcome == found.outcome
    with refused(Reason.SYMPTOM_GONE, "resolved"):
        approve(ledger, which)
    with refused(Reason.SYMPTOM_GONE, "resolved"):
        ledger.use_approval(which)
    ledger.verify()


def test_an_approval_that_was_given_and_not_begun_is_not_begun(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    begin(ledger, first)
    which = sealed(ledger, plan())
    approve(ledger, which)
    assert over(ledger) is not None
    with refused(Reason.SYMPTOM_GONE, "resolved"):
        ledger.use_approval(which)


@pytest.mark.parametrize("how_far", ["approval used", "step sent"])
def test_what_is_being_applied_goes_on(ledger: Ledger, how_far: str) -> None:
    (first,) = report(ledger, "VM1")
    ledger.started_as(first.id, "run-1")
    assert ledger.attach_run(first.id, "run-1")
    which, lease = under_way(ledger, plan())
    if how_far == "step sent":
        intend_step(ledger, which, lease)
    found = over(ledger)
    assert found is not None
    assert found.closed_at is None
    if how_far == "step sent":
        result(ledger, which)
    assert ledger.use_approval(which).used_at is not None


def test_a_run_that_still_reads_asks_nobody(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    begin(ledger, first)
    found = over(ledger)
    assert found is not None
    assert found.closed_at is None
    with refused(Reason.SYMPTOM_GONE, "Alertmanager says that it is resolved"):
        sealed(ledger, plan())


@pytest.mark.parametrize(("before", "ends"), [(None, True), (-30, True), (0, True), (1, True), (5, False), (900, False)])
def test_what_failed_later_is_not_over(ledger: Ledger, before: int | None, ends: bool) -> None:
    """An alert is kept up for a while, and may come late: meanwhile the next failure may be open."""
    failed = datetime(2026, 3, 1, 12, tzinfo=UTC)
    (first,) = ledger.take_in([incident("VM1").model_copy(update={"occurred_at": failed})])
    began = None if before is None else failed - timedelta(minutes=before)
    found = ledger.over(first.incident.key, "resolved", "Alertmanager says that it is resolved", began=began)
    assert (found is not None) is ends
    assert (ledger.incident(first.id).closed_at is not None) is ends
    assert ends or [note.kind for note in ledger.trail(None)] == ["incident opened"]


def test_failing_again_is_not_over(ledger: Ledger) -> None:
    (first,) = report(ledger, "VM1")
    begin(ledger, first)
    over(ledger)
    assert report(ledger, "VM1")[0].joined
    assert sealed(ledger, plan()).digest
