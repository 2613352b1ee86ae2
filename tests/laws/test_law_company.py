"""Failures of one group: one run for all; whom its mend is for ends with it, everybody else is read again. And what is over."""

from __future__ import annotations

from functools import partial

import pytest
from law_bench import Bench, incident_of, never

from remediations.engine import Answer, Ask, Over, Report
from remediations.engine.grouping import arrange, covers
from remediations.lab.lab import Failure
from remediations.ledger import OpenIncident, Standing
from remediations.model.causes import Cause
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Reason

SWITCH, CPU = Cause.SWITCH_MISSING.value, Cause.CPU_INCOMPATIBLE.value


def also(failure: Failure, vm: str) -> Incident:
    """The same failure of another virtual machine."""
    return incident_of(failure).model_copy(update={"vm": vm, "message": failure.message.replace(failure.vm, vm)})


def decide(bench: Bench) -> None:
    judge = partial(covers, site=bench.lab.site())
    bench.ledger.arrange(partial(arrange, max_open_runs=10, covers=judge), 100)


def report(bench: Bench, incident: Incident) -> OpenIncident:
    opened = bench.ledger.open_incident(incident, None)
    decide(bench)
    return opened


def standing(bench: Bench, opened: OpenIncident) -> Standing | None:
    return next((each.standing for each in bench.ledger.queued() if each.id == opened.id), None)


def run(bench: Bench, opened: OpenIncident, name: str = "run-1", gate: object = None) -> Report:
    """Its flow run, from the top."""
    bench.ledger.started_as(opened.id, name)
    return bench.engine().remediate(
        name,
        opened.incident,
        dry_run=False,
        gate=gate or bench.approving,
        requested_by="alerting",
    )


def test_whoever_the_mend_is_for_is_named_and_ends_with_the_run(bench: Bench) -> None:
    failure = bench.lab.fail(SWITCH)
    first, second = report(bench, incident_of(failure)), report(bench, also(failure, "VM44"))
    assert standing(bench, second) is Standing.JOINED
    made = run(bench, first)
    assert made.outcome.ending is Ending.MENDED, made.outcome
    assert [(each.incident_id, each.covered) for each in made.companions] == [(second.id, True)]
    assert second.id in made.markdown
    assert "VM44" in made.markdown
    ended = bench.ledger.incident(second.id)
    assert ended.outcome is not None
    assert (ended.outcome.ending, first.id in ended.outcome.summary) == (Ending.MENDED, True)
    assert bench.ledger.queued() == []
    assert len(bench.asked) == 1, "one question for all"


def test_whom_the_mend_is_not_for_is_let_go_before_anybody_is_asked(bench: Bench) -> None:
    failure, stood = bench.lab.fail(CPU), []
    first, second = report(bench, incident_of(failure)), report(bench, also(failure, "VM44"))
    assert standing(bench, second) is Standing.JOINED

    def gate(ask: Ask) -> Answer:
        stood.append(standing(bench, second))
        late = report(bench, also(failure, "VM43"))
        stood.append(standing(bench, late))
        return bench.approving(ask)

    made = run(bench, first, gate=gate)
    assert made.outcome.ending is Ending.MENDED, made.outcome
    assert stood == [Standing.APART, Standing.STARTED]
    assert made.companions == ()
    # It is the same fault of its own, so what is read again fails still, and it gets its own run.
    assert second.id not in bench.engine().over_by_now([second])
    bench.ledger.fails_still(second.id, why="it was read again")
    decide(bench)
    assert standing(bench, second) is Standing.STARTED


def test_what_came_too_late_waits_and_is_read_again(bench: Bench) -> None:
    failure, late = bench.lab.fail(SWITCH), []
    first = report(bench, incident_of(failure))

    def gate(ask: Ask) -> Answer:
        late.append(report(bench, also(failure, "VM44")))
        assert standing(bench, late[0]) is Standing.HELD
        return bench.approving(ask)

    assert run(bench, first, gate=gate).outcome.ending is Ending.MENDED
    decide(bench)
    assert standing(bench, late[0]) is Standing.AGAIN
    assert bench.engine().over_by_now(late) == {}, "the mend is there, but nobody has moved it"
    assert bench.lab.move("VM44", "HV02").refusal is None
    (why,) = bench.engine().over_by_now(late).values()
    assert "20415" in why or "nothing left to do" in why
    again = run(bench, late[0], "run-2", gate=never)
    assert (again.outcome.ending, again.outcome.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)


def test_who_went_with_a_run_that_found_nothing_is_read_on_its_own(bench: Bench) -> None:
    silent = Incident(vm="VM42", source="HV01", destination="HV02")
    first, second = report(bench, silent), report(bench, silent.model_copy(update={"vm": "VM44"}))
    assert standing(bench, second) is Standing.JOINED
    made = run(bench, first, gate=never)
    assert made.outcome.ending is Ending.NEEDS_PERSON, made.outcome
    assert [each.covered for each in made.companions] == [False]
    assert standing(bench, second) is Standing.APART


def test_an_expired_question_is_nobodys_answer_for_those_that_went_with_it(bench: Bench) -> None:
    class Suspended(BaseException):
        """As a flow leaves at its gate."""

    def gate(ask: Ask) -> Answer:
        raise Suspended

    failure = bench.lab.fail(SWITCH)
    first, second = report(bench, incident_of(failure)), report(bench, also(failure, "VM44"))
    with pytest.raises(Suspended):
        run(bench, first, gate=gate)
    bench.engine().recover(lambda _: Over(reason=Reason.APPROVAL_EXPIRED, words="The approval expired without an answer"))
    for each in (first, second):
        outcome = bench.ledger.incident(each.id).outcome
        assert outcome is not None
        assert outcome.reason is Reason.APPROVAL_EXPIRED
    assert bench.changes() == []


# ---- over ----------------------------------------------------------------------------------------------------------------


def test_an_alert_that_is_resolved_while_its_plan_waits_ends_the_run(bench: Bench) -> None:
    def gate(ask: Ask) -> Answer:
        assert bench.ledger.over(first.incident.key, "resolved", "Alertmanager says that it is resolved") is not None
        return bench.approving(ask)

    first = report(bench, incident_of(bench.lab.fail(SWITCH)))
    before = bench.lab.state()
    made = run(bench, first, gate=gate)
    assert made.outcome.reason is Reason.SYMPTOM_GONE
    assert bench.lab.state() == before
    assert bench.changes() == []
    closed = bench.ledger.incident(first.id).outcome
    assert closed is not None
    assert (closed.ending, closed.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)
    assert run(bench, first, gate=never).outcome == closed, "resumed all the same, it says the same"


def test_an_alert_that_is_resolved_before_its_run_begins_opens_nothing_anew(bench: Bench) -> None:
    first = report(bench, incident_of(bench.lab.fail(SWITCH)))
    bench.ledger.started_as(first.id, "run-1")
    assert bench.ledger.over(first.incident.key, "acknowledged", "Anna has taken it over") is not None
    made = run(bench, first, gate=never)
    assert (made.outcome.ending, made.outcome.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)
    assert bench.ledger.open_incidents() == []
    assert bench.lab.requests == [] or bench.changes() == []


def test_a_success_after_the_failure_is_the_end_of_it(bench: Bench) -> None:
    """Moved by a person, and back again: only the log knows that it can move now."""
    failure = bench.lab.fail(SWITCH)
    with bench.lab.world.lock:
        theirs = bench.lab.world.host("HV02").switches
        theirs.update({name: bench.lab.world.host("HV01").switches[name] for name in bench.lab.world.host("HV01").switches})
    assert bench.lab.move("VM42", "HV02").refusal is None
    assert bench.lab.move("VM42", "HV01").refusal is None
    made = bench.mend(failure, gate=never)
    assert (made.outcome.ending, made.outcome.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE), made.outcome
    assert "20415" in made.outcome.summary
