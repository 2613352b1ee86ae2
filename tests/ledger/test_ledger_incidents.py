"""One open incident for each key, and the runs that own them."""

from __future__ import annotations

import re

import pytest
from ledger_examples import ENDED, FakeClock, incident, started
from pytest_mock import MockerFixture

from remediations.ledger import Ledger
from remediations.model.outcome import Ending, Outcome, Refused

LATER = Outcome(ending=Ending.FAILED, summary="Another end.")


def test_a_new_incident_has_an_id_that_people_can_say(ledger: Ledger, clock: FakeClock) -> None:
    opened = ledger.open_incident(incident(), "run-1")
    assert re.fullmatch(r"INC-[0-9A-HJKMNP-TV-Z]{6}", opened.id)
    assert (opened.joined, opened.run, opened.opened_at, opened.reports) == (False, "run-1", clock.now, 1)
    assert ledger.incident(opened.id) == opened


def test_a_second_report_joins_whatever_its_case_and_message(ledger: Ledger) -> None:
    first = ledger.open_incident(incident(), "run-1")
    for reports, run in enumerate(("run-2", None), start=2):
        again = ledger.open_incident(incident("vm42", cluster="cluster1", message="said otherwise"), run)
        assert (again.id, again.joined, again.run, again.reports) == (first.id, True, "run-1", reports)
        assert again.incident == first.incident
    assert [each.id for each in ledger.open_incidents()] == [first.id]


def test_another_virtual_machine_is_another_incident(ledger: Ledger) -> None:
    one, other = ledger.open_incident(incident(), None), ledger.open_incident(incident("VM43"), None)
    assert not other.joined
    assert {each.id for each in ledger.open_incidents()} == {one.id, other.id}


def test_a_run_that_begins_again_gets_its_own_and_reports_nothing(ledger: Ledger) -> None:
    first = ledger.open_incident(incident(), "run-1")
    head = ledger.head()
    assert ledger.open_incident(incident(), "run-1") == first
    assert ledger.head() == head


def test_a_closed_incident_lets_the_next_report_open_a_new_one(ledger: Ledger, clock: FakeClock) -> None:
    first = ledger.open_incident(incident(), None)
    clock.tick(60)
    ledger.close_incident(first.id, ENDED)
    clock.tick(60)
    ledger.close_incident(first.id, LATER)
    closed = ledger.incident(first.id)
    assert (closed.outcome, (closed.closed_at - closed.opened_at).total_seconds()) == (ENDED, 60)
    second = ledger.open_incident(incident(), None)
    assert (second.joined, second.reports) == (False, 1)
    assert second.id != first.id


def test_one_run_owns_an_incident_until_it_ends(ledger: Ledger) -> None:
    found = ledger.open_incident(incident(), None).id
    assert ledger.attach_run(found, "run-1")
    assert ledger.attach_run(found, "run-1")
    assert not ledger.attach_run(found, "run-2")
    ledger.start_run("run-1", kind="remediate-migration", incident_id=found, requested_by="anna")
    assert not ledger.attach_run(found, "run-2")
    ledger.finish_run("run-1", ENDED)
    assert ledger.attach_run(found, "run-2")
    assert ledger.incident(found).run == "run-2"
    ledger.close_incident(found, ENDED)
    assert not ledger.attach_run(found, "run-2")


def test_an_incident_that_is_not_there_is_named(ledger: Ledger) -> None:
    for call in (
        lambda: ledger.incident("INC-NONE"),
        lambda: ledger.attach_run("INC-NONE", "run-1"),
        lambda: ledger.close_incident("INC-NONE", ENDED),
        lambda: ledger.start_run("run-1", kind="k", incident_id="INC-NONE", requested_by="anna"),
    ):
        with pytest.raises(LookupError, match="INC-NONE"):
            call()


def test_a_run_is_started_once_and_keeps_its_first_end(ledger: Ledger, clock: FakeClock) -> None:
    assert ledger.run("run-1") is None
    started(ledger)
    began = clock.now
    clock.tick(5)
    head = ledger.head()
    started(ledger)
    assert ledger.head() == head
    assert [each.run for each in ledger.unfinished_runs()] == ["run-1"]
    ledger.finish_run("run-1", ENDED)
    clock.tick(5)
    ledger.finish_run("run-1", LATER)
    found = ledger.run("run-1")
    assert found is not None
    assert (found.started_at, found.requested_by, found.outcome) == (began, "anna", ENDED)
    assert found.finished_at is not None
    assert (found.finished_at - began).total_seconds() == 5
    assert ledger.unfinished_runs() == []


def test_a_run_is_not_started_as_two_things(ledger: Ledger) -> None:
    started(ledger)
    with pytest.raises(ValueError, match="remediate-migration"):
        ledger.start_run("run-1", kind="drain-node", incident_id=None, requested_by="anna")


def test_a_run_that_never_started_cannot_end(ledger: Ledger) -> None:
    with pytest.raises(LookupError, match="run-9"):
        ledger.finish_run("run-9", ENDED)


def test_many_are_taken_in_together_or_not_at_all(ledger: Ledger, mocker: MockerFixture) -> None:
    """A disk that fails half-way is an edge that cannot be real at will."""
    opened = ledger.take_in([incident("VM1"), incident("VM2"), incident("VM1")])
    assert [each.joined for each in opened] == [False, False, True]
    assert opened[2].id == opened[0].id
    assert ledger.incident(opened[0].id).reports == 2
    assert ledger.take_in([]) == []
    mocker.patch("remediations.ledger.audit.Writing.notes", side_effect=OSError("the disk is gone"))
    with pytest.raises(Refused, match="the disk is gone"):
        ledger.take_in([incident("VM8"), incident("VM9")])
    assert {each.incident.vm for each in ledger.open_incidents()} == {"VM1", "VM2"}
