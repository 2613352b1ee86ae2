"""Each way an answer may not count, by itself: refused, with why, in the audit trail, and nothing taken down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from approving import STEP, Clock, People, plan

from remediations.engine import Answer
from remediations.engine.deciding import Question, record
from remediations.ledger import ONE, Ledger, Sealed
from remediations.ledger.approvers import WHILE, WRONG_CODES
from remediations.model.outcome import AnswerRefused, Ending, Outcome, Reason, Refused
from remediations.model.policy import Gate, Needed, Policy, Proven
from remediations.model.tier import Tier

PLAN = plan(Tier.IRREVERSIBLE, 4)
TWO = Policy().needed(PLAN, Gate.APPROVE_TWICE)


@dataclass
class Desk:
    """One plan that waits for two people."""

    ledger: Ledger
    clock: Clock
    people: People
    sealed: Sealed

    def say(self, who: str, needed: Needed = TWO, **other: object) -> int:
        """An answer as it should be, but for what is `other`."""
        right = {
            "decision": "approve",
            "approver": who,
            "code": self.people.code(who, self.clock.now),
            "digest": self.sealed.digest[:8],
            "target": "VM42",
            "at": self.clock.now,
        }
        question = Question(self.sealed, None, needed)
        answer = Answer.model_validate(right | other)
        return record(self.ledger, question, answer, step_of=self.people.codes.step, clock=self.clock)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = Clock()
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock) as ledger:
        people = People(ledger)
        for name in ("anna", "bert", "carla"):
            people.add(name)
        for run in ("run-1", "run-2"):
            ledger.start_run(run, kind="test", incident_id=None, requested_by="anna")
        until = clock.now + timedelta(hours=8)
        sealed = ledger.seal("run-1", round=1, part="repair", plan=PLAN, expires_at=until)
        clock.now += timedelta(minutes=10)
        yield Desk(ledger, clock, people, sealed)


def test_two_people_approve_it_and_the_one_who_asked_may_be_the_first(desk: Desk) -> None:
    assert desk.say("anna") == 1
    with pytest.raises(Refused) as early:
        desk.ledger.use_approval(desk.sealed, TWO)
    assert early.value.reason is Reason.NOT_APPROVED
    assert desk.say("bert") == 0
    used = desk.ledger.use_approval(desk.sealed, TWO)
    assert [(each.approver, each.proof) for each in used.approvals] == [("anna", "code"), ("bert", "code")]
    assert used.by == "anna and bert"


@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_a_code_of_a_neighbouring_step_counts(desk: Desk, beside: int) -> None:
    assert desk.say("bert", code=desk.people.code("bert", desk.clock.now + beside * STEP)) == 1


def bert_first(desk: Desk) -> None:
    assert desk.say("bert") == 1


def bert_elsewhere(desk: Desk) -> None:
    """The same code, for another run's plan."""
    other = desk.ledger.seal("run-2", round=1, part="repair", plan=PLAN, expires_at=desk.sealed.expires_at)
    mine, desk.sealed = desk.sealed, other
    bert_first(desk)
    desk.sealed = mine


def bert_first_and_a_minute(desk: Desk) -> None:
    bert_first(desk)
    desk.clock.now += timedelta(minutes=1)


def bert_gone(desk: Desk) -> None:
    desk.people.remove("bert")


def bert_anew(desk: Desk) -> None:
    """Enrolled again: the old authenticator shows another secret's codes."""
    old = desk.people.authenticators["bert"]
    desk.people.remove("bert")
    desk.people.add("bert")
    desk.people.authenticators["bert"] = old


def wrong(desk: Desk) -> None:
    """Bert's finger slips once."""
    with pytest.raises(AnswerRefused, match="not bert's"):
        desk.say("bert", code=f"{(int(desk.people.code('bert', desk.clock.now)) + 7) % 1_000_000:06}")


def guessed(desk: Desk) -> None:
    for _ in range(WRONG_CODES):
        wrong(desk)


def nothing(desk: Desk) -> None:
    del desk


HOUR = timedelta(hours=1)


def of(desk: Desk, shift: timedelta) -> dict[str, object]:
    """Bert's answer of another time, with the code of that time."""
    at = desk.clock.now + shift
    return {"at": at, "code": desk.people.code("bert", at)}


Before = Callable[[Desk], None]
Other = Callable[[Desk], dict[str, object]]
CASES: dict[str, tuple[Before, str, Other, str]] = {
    "no code": (nothing, "bert", lambda d: {"code": ""}, "one-time code"),
    "a wrong one": (nothing, "bert", lambda d: {"code": "000000"}, "not bert's"),
    "not six digits": (nothing, "bert", lambda d: {"code": "1' OR '1'='1"}, "not bert's"),
    "two steps old": (nothing, "bert", lambda d: {"code": d.people.code("bert", d.clock.now - 2 * STEP)}, "not bert's"),
    "two steps early": (nothing, "bert", lambda d: {"code": d.people.code("bert", d.clock.now + 2 * STEP)}, "not bert's"),
    "somebody else's": (nothing, "bert", lambda d: {"code": d.people.code("carla", d.clock.now)}, "not bert's"),
    "used": (bert_first, "bert", lambda d: {}, "used before"),
    "used for another run": (bert_elsewhere, "bert", lambda d: {}, "used before"),
    "an answer of an hour ahead": (
        nothing, "bert", lambda d: of(d, HOUR), "compare both clocks",
    ),
    "an answer from before the question": (
        nothing, "bert", lambda d: of(d, -HOUR), "compare both clocks",
    ),
    "not enrolled": (nothing, "dora", lambda d: {}, "is no approver"),
    "removed": (bert_gone, "bert", lambda d: {}, "is no approver"),
    "enrolled anew": (bert_anew, "bert", lambda d: {}, "not bert's"),
    "tried out": (guessed, "bert", lambda d: {}, "no other is looked at before"),
    "another digest": (nothing, "bert", lambda d: {"digest": "00000000"}, "this plan has"),
    "another target": (nothing, "bert", lambda d: {"target": "VM43"}, "has to be typed: VM42"),
    "no target": (nothing, "bert", lambda d: {"target": ""}, "has to be typed: VM42"),
    "twice": (bert_first_and_a_minute, "bert", lambda d: {}, "a second person"),
    "twice, spelt otherwise": (bert_first_and_a_minute, "bert", lambda d: {"approver": " BERT "}, "a second person"),
    "the second is who asked": (bert_first, "anna", lambda d: {}, "somebody else has to"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_it_does_not_count_and_says_why(desk: Desk, case: str) -> None:
    before, who, other, says = CASES[case]
    before(desk)
    given = desk.ledger.approvals(desk.sealed)
    with pytest.raises(AnswerRefused, match=says) as refused:
        desk.say(who, **other(desk))
    assert refused.value.reason is Reason.APPROVAL_INVALID
    assert desk.ledger.approvals(desk.sealed) == given
    assert desk.ledger.decision(desk.sealed) is None
    if case != "another digest":  # the ledger was not asked
        last = desk.ledger.trail("run-1")[-1]
        assert (last.kind, last.data["reason"]) == ("decision refused", "ApprovalInvalid")


def test_a_name_from_before_its_question_approves_nothing_and_may_reject(desk: Desk) -> None:
    """Prefect still has it, by the same key, where the ledger was put back as it was before the question."""
    before = {"at": desk.clock.now - HOUR, "code": ""}
    with pytest.raises(AnswerRefused, match="from before this question"):
        desk.say("bert", ONE, **before)
    assert desk.ledger.approvals(desk.sealed) == []
    assert desk.ledger.trail("run-1")[-1].kind == "decision refused"
    assert desk.say("bert", ONE, decision="reject", **before) == 0


def test_an_answer_by_a_clock_that_is_a_little_behind_counts(desk: Desk) -> None:
    assert desk.say("bert", ONE, code="", at=desk.sealed.sealed_at - timedelta(seconds=50)) == 0


def test_codes_are_looked_at_again_after_a_while(desk: Desk) -> None:
    guessed(desk)
    desk.clock.now += WHILE
    assert desk.say("bert") == 1


def test_a_right_code_forgets_the_wrong_ones_before_it(desk: Desk) -> None:
    for _ in range(WRONG_CODES - 1):
        wrong(desk)
    bert_first_and_a_minute(desk)
    for _ in range(WRONG_CODES - 1):
        wrong(desk)
    with pytest.raises(AnswerRefused, match="a second person"):  # it was looked at
        desk.say("bert")


def test_wrong_codes_of_long_ago_are_not_counted_with_new_ones(desk: Desk) -> None:
    guessed(desk)
    desk.clock.now += WHILE
    wrong(desk)
    assert desk.say("bert") == 1


def approved_by_both(desk: Desk) -> None:
    desk.say("carla")
    desk.say("bert")


@pytest.mark.parametrize(
    ("then", "needed", "reason", "says"),
    [
        (bert_gone, TWO, Reason.APPROVAL_INVALID, "bert: is no approver any more"),
        (bert_anew, TWO, Reason.APPROVAL_INVALID, "bert: is no approver any more"),
        (nothing, TWO.model_copy(update={"typed": "VM43"}), Reason.APPROVAL_INVALID, "has to be typed: VM43"),
        (nothing, TWO.model_copy(update={"people": 3}), Reason.APPROVAL_INVALID, "3 people are needed, 2 counts"),
        (
            lambda d: d.ledger.finish_run("run-1", Outcome(ending=Ending.REFUSED, summary="x")),
            TWO, Reason.APPROVAL_INVALID, "has ended",
        ),
        (lambda d: setattr(d.clock, "now", d.sealed.expires_at), TWO, Reason.APPROVAL_EXPIRED, "could be approved"),
    ],
    ids=["removed", "enrolled anew", "another target", "policy asks for more", "ended", "too late"],
)  # fmt: skip
def test_what_was_approved_is_looked_at_again_when_it_is_used(
    desk: Desk, then: Before, needed: Needed, reason: Reason, says: str
) -> None:
    approved_by_both(desk)
    then(desk)
    with pytest.raises(Refused, match=says) as refused:
        desk.ledger.use_approval(desk.sealed, needed)
    assert refused.value.reason is reason


def test_names_do_not_do_where_policy_asks_for_codes_by_now(desk: Desk) -> None:
    names = TWO.model_copy(update={"proof": Proven.NAME})
    assert [desk.say(who, names, code="") for who in ("bert", "carla")] == [1, 0]
    with pytest.raises(Refused, match="policy asks for an approver's one-time code"):
        desk.ledger.use_approval(desk.sealed, TWO)
    assert desk.ledger.use_approval(desk.sealed, names).used_at == desk.clock.now


def test_anybody_rejects_and_a_wrong_code_does_not_hinder_it_but_where_it_has_to_be_right(desk: Desk) -> None:
    question = Question(desk.sealed, None, TWO)
    no = Answer(decision="reject", approver="dora", code="000000")
    with pytest.raises(AnswerRefused, match="no approver"):
        record(desk.ledger, question, no, step_of=desk.people.codes.step, clock=desk.clock, always=True)
    assert record(desk.ledger, question, no, step_of=desk.people.codes.step, clock=desk.clock) == 0
    with pytest.raises(Refused, match="dora rejected"):
        desk.ledger.use_approval(desk.sealed, TWO)


def test_what_policy_decided_is_no_approval_once_it_asks(desk: Desk) -> None:
    desk.ledger.decide(desk.sealed, decision="approve", approver="policy", comment="", proof="policy", needed=None)
    with pytest.raises(Refused, match="2 people are needed, 0 counts"):
        desk.ledger.use_approval(desk.sealed, TWO)


def test_no_secret_is_in_the_ledger_or_in_what_is_said(desk: Desk, tmp_path: Path) -> None:
    approved_by_both(desk)
    secrets = [each.secret for each in desk.people.authenticators.values()]
    assert len(secrets) == 3
    told = [
        repr(desk.ledger.approvers()),
        repr(desk.ledger.trail(None)),
        repr(desk.ledger.trail("run-1")),
        repr(desk.people.codes),
    ]
    files = [path.read_bytes().decode("latin-1") for path in tmp_path.glob("ledger.db*")]
    assert not [secret for secret in secrets if any(secret in text for text in [*told, *files])]
