"""The first of two people approves past the form, and the run is woken by its form: the second is asked, nothing is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from approving import Clock, People, Rows, Suspended, plan

from remediations.engine import Answer, Ask
from remediations.engine.asking import MISTAKES, Asking
from remediations.engine.deciding import lacking, question_of, record
from remediations.engine.judging import Judging
from remediations.engine.ports import IN_LEDGER, no_switches
from remediations.ledger import Decision, Ledger
from remediations.model.outcome import AnswerRefused, Refused
from remediations.model.policy import Needed, Policy, Proven
from remediations.model.tier import Tier
from remediations.settings import load_site, packaged

PLAN = plan(Tier.IRREVERSIBLE, 4)
PROOFS = pytest.mark.parametrize("proof", [Proven.NAME, Proven.CODE], ids=str, indirect=True)


@dataclass
class Run:
    """One run that asks two people, and what Prefect keeps of it."""

    judging: Judging
    clock: Clock
    people: People
    coded: bool
    rows: Rows = field(default_factory=Rows)

    def go_on(self) -> Decision | None:
        """Call it from its beginning, as each resume does; what was decided, None if it asks (again)."""
        ledger = self.judging.ledger
        asking = Asking("run-1", self.judging, self.rows.gate, ledger.end, self.people.codes.step)
        try:
            assert asking.approved(PLAN, None, number=1, why="") is None
        except Suspended:
            return None
        sealed = ledger.sealed("run-1", round=1, part="repair")
        return ledger.decision(sealed) if sealed is not None else None

    @property
    def asks(self) -> Ask:
        assert self.rows.pending is not None
        return self.rows.pending

    def answer(self, who: str, **other: object) -> Answer:
        code = self.people.code(who, self.clock.now) if self.coded else ""
        right = {"decision": "approve", "approver": who, "code": code, "target": "VM42", "at": self.clock.now}
        return Answer.model_validate(right | other)

    def by_form(self, who: str, **other: object) -> Decision | None:
        """Somebody fills the form in; the run goes on."""
        self.rows.answers[self.asks.key] = self.answer(who, **other)
        return self.go_on()

    def woken(self, who: str) -> Decision | None:
        """Whoever wrote their answer into the ledger lets the run go on, by its form."""
        return self.by_form(who, comment=IN_LEDGER, code="000000" if self.coded else "")

    def at_the_desk(self, who: str) -> int:
        """Somebody answers in the ledger; how many are missing."""
        question = question_of(self.judging, PLAN.digest)
        return record(self.judging.ledger, question, self.answer(who), step_of=self.people.codes.step, clock=self.clock)

    def refused(self) -> list[str]:
        trail = self.judging.ledger.trail("run-1")
        return [str(note.data["detail"]) for note in trail if note.kind == "decision refused"]


@pytest.fixture
def proof(request: pytest.FixtureRequest) -> Proven:
    found: Proven = request.param
    return found


@pytest.fixture
def run(tmp_path: Path, proof: Proven) -> Iterator[Run]:
    clock = Clock()
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock) as ledger:
        people = People(ledger)
        for name in ("anna", "bert"):
            people.add(name)
        ledger.start_run("run-1", kind="test", incident_id=None, requested_by="carla")
        policy = Policy(windows={}, proof={Tier.IRREVERSIBLE: proof})
        judging = Judging(load_site(packaged("site.yaml")), policy, ledger, clock, no_switches)
        begun = Run(judging, clock, people, proof is Proven.CODE)
        assert begun.go_on() is None
        clock.now += timedelta(minutes=10)
        yield begun


@PROOFS
def test_the_second_is_asked_by_a_form_that_names_the_first_and_nothing_was_refused(run: Run) -> None:
    first = run.asks.key
    assert run.at_the_desk("anna") == 1
    assert run.woken("Anna") is None
    assert (run.asks.approved_by, run.asks.refused) == (("anna",), "")
    assert run.asks.key != first
    assert run.go_on() is None, "the same question, however often the run is called"
    decided = run.by_form("bert")
    assert decided is not None
    assert [each.approver for each in decided.approvals] == ["anna", "bert"]
    assert run.refused() == []


@PROOFS
def test_being_woken_uses_up_no_mistake_and_does_not_hide_the_last_one(run: Run) -> None:
    for _ in range(MISTAKES - 1):
        assert run.by_form("bert", target="VM43") is None
        run.clock.now += timedelta(minutes=1)
    assert run.at_the_desk("anna") == 1
    assert run.woken("anna") is None
    assert "has to be typed: VM42" in run.asks.refused
    decided = run.by_form("bert")
    assert decided is not None
    assert decided.by == "anna and bert"


@PROOFS
def test_so_many_answers_that_do_not_count_end_the_run(run: Run) -> None:
    for _ in range(MISTAKES - 1):
        assert run.by_form("bert", target="VM43") is None
        run.clock.now += timedelta(minutes=1)
    with pytest.raises(AnswerRefused, match="has to be typed: VM42"):
        run.by_form("bert", target="VM43")


@PROOFS
def test_who_answers_a_second_time_is_told_why_that_does_not_count(run: Run) -> None:
    assert run.at_the_desk("anna") == 1
    run.clock.now += timedelta(minutes=1)
    assert run.by_form("anna") is None
    assert "anna has approved" in run.asks.refused
    assert len(run.refused()) == 1


@pytest.mark.parametrize("proof", [Proven.CODE], indirect=True)
def test_only_who_has_approved_is_no_answer_when_woken_for(run: Run) -> None:
    assert run.at_the_desk("anna") == 1
    assert run.woken("bert") is None
    assert "the code is not bert's" in run.asks.refused


@PROOFS
def test_a_rejection_is_heard_whatever_its_comment_says(run: Run) -> None:
    assert run.at_the_desk("anna") == 1
    with pytest.raises(Refused, match="anna rejected"):
        run.by_form("anna", decision="reject", comment=IN_LEDGER)


@pytest.mark.parametrize("proof", [Proven.CODE], indirect=True)
def test_a_code_is_judged_whatever_the_comment_says(run: Run) -> None:
    assert run.at_the_desk("anna") == 1
    wrong = f"{(int(run.people.code('anna', run.clock.now)) + 1) % 1_000_000:06}"
    assert run.by_form("anna", comment=IN_LEDGER, code=wrong) is None
    assert "the code is not anna's" in run.asks.refused


# ---- which question is meant, and what it lacks -----------------------------------------------------------------------


@pytest.mark.parametrize("proof", [Proven.CODE], indirect=True)
def test_a_question_is_found_by_its_digest_and_where_two_runs_ask_it_by_the_run(run: Run) -> None:
    spelt = f" {PLAN.digest[:4].upper()} {PLAN.digest[4:8]}"
    assert question_of(run.judging, spelt).asked.run == "run-1"
    for wrong, says in (
        (PLAN.digest[:7], "is no digest"),
        ("zzzzzzzz", "is no digest"),
        ("00000000", "no plan 00000000 waits"),
    ):
        with pytest.raises(LookupError, match=says):
            question_of(run.judging, wrong)
    run.judging.ledger.start_run("run-2", kind="test", incident_id=None, requested_by="carla")
    run.judging.ledger.seal("run-2", round=1, part="retry", plan=PLAN, expires_at=run.clock.now + timedelta(hours=1))
    with pytest.raises(LookupError, match="waits in 2 runs: say which by --run, of run-1, run-2"):
        question_of(run.judging, PLAN.digest)
    found = question_of(run.judging, PLAN.digest, "run-2")
    assert found.first is None, "a retry that is asked for alone is no part two"
    assert found.asked.run == "run-2"


@pytest.mark.parametrize(
    ("enrolled", "people", "proof", "says"),
    [
        ((), 1, Proven.CODE, "somebody has to approve by one-time codes, and nobody is enrolled yet"),
        ((), 2, Proven.CODE, "two people have to approve by one-time codes, and nobody is enrolled yet"),
        (("anna",), 2, Proven.CODE, "two people have to approve by one-time codes, and only one person is enrolled"),
        (("anna",), 1, Proven.CODE, ""),
        (("anna", "bert"), 2, Proven.CODE, ""),
        ((), 2, Proven.NAME, ""),
    ],
)
def test_who_is_missing_for_an_answer_is_told(
    tmp_path: Path, enrolled: tuple[str, ...], people: int, proof: Proven, says: str
) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=Clock()) as ledger:
        for name in enrolled:
            People(ledger).add(name)
        told = lacking(ledger, Needed(people=people, proof=proof, own=False))
    assert told.startswith(says)
    assert bool(told) is bool(says)
