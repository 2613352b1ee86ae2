"""Rolls in the ledger: one open a cluster, one node at a time, only forward, whoever asks."""

from __future__ import annotations

import pytest

from remediations.ledger import Ledger
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.roll import Roll, Stage

NODES = ("HV01", "HV02", "HV03")
OVER = Outcome(ending=Ending.NEEDS_PERSON, summary="It stopped.")


def taken(ledger: Ledger, run: str = "run-1", nodes: tuple[str, ...] = NODES, *, chosen: bool = True) -> Roll:
    ledger.start_run(run, kind="rolling-maintenance", incident_id=None, requested_by="carl")
    return ledger.take_roll(run, "CLUSTER1", nodes, "Immediate", chosen=chosen)


def stages(ledger: Ledger) -> list[Stage]:
    found = ledger.open_roll("cluster1")
    assert found is not None
    return [turn.stage for turn in found.turns]


def test_the_same_run_gets_its_roll_back_as_it_stands(ledger: Ledger) -> None:
    roll = taken(ledger)
    ledger.stage(roll, 1, Stage.BEGUN)
    again = taken(ledger)
    assert again.id == roll.id
    assert [turn.stage for turn in again.turns] == [Stage.BEGUN, Stage.WAITS, Stage.WAITS]
    assert (again.opened_by, again.words) == ("carl", "0 of 3 nodes of CLUSTER1 are done; the drain of HV01 was begun")


def test_never_two_nodes_at_once(ledger: Ledger) -> None:
    roll = taken(ledger)
    for stage in (Stage.BEGUN, Stage.DRAINED, Stage.RESUMED):
        ledger.stage(roll, 1, stage)
        with pytest.raises(Refused, match="HV02 has its turn after HV01"):
            ledger.stage(roll, 2, Stage.BEGUN)
    ledger.stage(roll, 1, Stage.DONE)
    ledger.stage(roll, 2, Stage.BEGUN)
    with pytest.raises(Refused, match="HV03 has its turn after HV02"):
        ledger.stage(roll, 3, Stage.BEGUN)
    assert stages(ledger) == [Stage.DONE, Stage.BEGUN, Stage.WAITS]


def test_a_turn_only_goes_forward(ledger: Ledger) -> None:
    roll = taken(ledger)
    ledger.stage(roll, 1, Stage.DRAINED)
    ledger.stage(roll, 1, Stage.BEGUN)
    assert stages(ledger)[0] is Stage.DRAINED


def test_another_run_takes_it_over_once_the_first_has_ended(ledger: Ledger) -> None:
    roll = taken(ledger)
    ledger.stage(roll, 1, Stage.DRAINED)
    with pytest.raises(Refused, match="is worked on by run run-1") as busy:
        taken(ledger, "run-2")
    assert busy.value.reason is Reason.DUPLICATE_IN_PROGRESS
    ledger.finish_run("run-1", OVER)
    with pytest.raises(Refused, match=r"is open, of HV01, HV02, HV03 in this order.*remediate roll end CLUSTER1"):
        taken(ledger, "run-2", ("HV02", "HV01", "HV03"))
    assert taken(ledger, "run-2", ("hv01.contoso.com", "HV02", "HV03")).id == roll.id
    ledger.finish_run("run-2", OVER)
    over = taken(ledger, "run-3", ("HV09",), chosen=False)
    assert [turn.node for turn in over.turns] == list(NODES)
    with pytest.raises(Refused, match="is worked on by run run-3"):
        ledger.stage(roll, 1, Stage.RESUMED)
    assert ledger.roll_of("run-1") is None
    assert ledger.roll_of("run-3") == over


def test_a_run_that_died_before_it_could_say_so_gets_its_ended_roll_back(ledger: Ledger) -> None:
    roll = taken(ledger, nodes=("HV01",))
    ledger.stage(roll, 1, Stage.DONE)
    ledger.end_roll(roll, "every node had its turn")
    again = taken(ledger, nodes=("HV01",))
    assert (again.id, again.current) == (roll.id, None)
    assert len(ledger.rolls()) == 1


def test_a_run_that_was_ended_for_it_takes_no_further_node(ledger: Ledger) -> None:
    """Recovery took its process for dead, and it lives."""
    roll = taken(ledger)
    ledger.finish_run("run-1", OVER)
    with pytest.raises(Refused, match="run run-1 has ended"):
        ledger.stage(roll, 1, Stage.BEGUN)


def test_a_person_ends_only_what_no_run_works_on(ledger: Ledger) -> None:
    roll = taken(ledger)
    with pytest.raises(Refused, match="cancel that first"):
        ledger.end_roll(roll, "ended by anna", by="anna")
    ledger.finish_run("run-1", OVER)
    ledger.end_roll(roll, "ended by anna", by="anna")
    assert ledger.open_roll("CLUSTER1") is None
    with pytest.raises(Refused, match="has ended"):
        ledger.stage(roll, 1, Stage.BEGUN)
    other = taken(ledger, "run-2", ("HV02",))
    assert other.id != roll.id
    assert [each.ended for each in ledger.rolls()] == ["", "ended by anna"]
    ledger.verify()
