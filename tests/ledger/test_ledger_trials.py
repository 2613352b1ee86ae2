"""The pause switch, the remediations' records and their breakers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from ledger_examples import FakeClock, intend, limit_step, plan, refused, result, started, under_way

from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.outcome import Reason, Refused
from remediations.model.situation import Changed
from remediations.model.trust import Record, Trial

LIMIT, SPN = Cause.MIGRATION_LIMIT_REACHED, Cause.SPN_MISSING
DAY = timedelta(days=1)


def test_a_pause_stops_the_next_intent_of_every_run_until_it_is_lifted(ledger: Ledger, blank: str, clock: FakeClock) -> None:
    which, lease = under_way(ledger, plan())
    assert ledger.paused() is None
    with Ledger(blank, clock=clock) as other:
        other.pause("anna", "a storm")
        assert other.pause("bert", "me too").by == "anna"
    with refused(Reason.PAUSED, "anna paused every change", "(a storm)", "remediate resume"):
        intend(ledger, which, lease)
    assert ledger.journal("run-1", which.digest) == []
    clock.tick(1)
    ended = ledger.resume("bert")
    assert ended is not None
    assert (ended.by, ended.why) == ("anna", "a storm")
    assert ledger.resume("bert") is None
    assert ledger.paused() is None
    intend(ledger, which, lease)
    told = [(note.kind, note.data["by"]) for note in ledger.trail(None) if "by" in note.data]
    assert told == [("paused", "anna"), ("resumed", "bert")]
    assert ledger.pause("cleo", " ").why == "no reason was given"
    ledger.verify()


def test_of_many_that_were_let_begin_at_once_no_more_go_on_than_there_is_room_for(ledger: Ledger, clock: FakeClock) -> None:
    """Each was judged before any of them had sent something, so each first step counts again in its own transaction."""

    def room(changed: Sequence[Changed], now: datetime) -> Refused | None:
        assert now == clock.now
        return Refused(Reason.CAP_REACHED, "full") if len(changed) >= 2 else None

    under = [under_way(ledger, plan(limit_step(), limit_step(6)), run=f"run-{n}", resources=[f"host:{n}"]) for n in range(3)]
    for which, lease in under[:2]:
        intend(ledger, which, lease, room=room)
    which, lease = under[2]
    with refused(Reason.CAP_REACHED, "full"):
        intend(ledger, which, lease, room=room)
    assert ledger.journal("run-2", which.digest) == []
    # What has begun goes on: the second step of a plan is no new change.
    result(ledger, under[0][0])
    intend(ledger, *under[0], 2, room=room)
    clock.tick(24 * 3600 - 600)
    with refused(Reason.CAP_REACHED):
        intend(ledger, which, ledger.lease(["host:2"], holder="run-2", seconds=600), room=room)


@pytest.mark.parametrize("call", ["pause", "resume", "close_breaker"])
def test_what_somebody_does_has_a_name(ledger: Ledger, call: str) -> None:
    arguments = {"pause": (" ", "why"), "resume": ("",), "close_breaker": ("x", " ")}[call]
    with pytest.raises(ValueError, match="give a name"):
        getattr(ledger, call)(*arguments)


class Tries:
    """Tries remediations in runs of their own, an hour apart."""

    def __init__(self, ledger: Ledger, clock: FakeClock) -> None:
        self.ledger, self.clock, self.number = ledger, clock, 0

    def __call__(self, *remediations: str, ok: bool = True, hours: float = 1, failures: int = 3) -> str:
        self.number += 1
        run = started(self.ledger, f"try-{self.number}")
        self.ledger.tried(
            run,
            f"{self.number:064}",
            remediations or ("mend-it",),
            verified=ok,
            detail="" if ok else "it broke",
            causes=[LIMIT],
            targets=["Id-of-HV07"],
            breaks=(failures, DAY),
        )
        self.clock.tick(hours * 3600)
        return run


@pytest.fixture
def tries(ledger: Ledger, clock: FakeClock) -> Tries:
    return Tries(ledger, clock)


def shown(trials: Sequence[Trial]) -> list[tuple[str, bool, str | None]]:
    return [(each.run, each.verified, each.spoilt.how if each.spoilt else None) for each in trials]


def test_the_first_word_on_a_trial_stands(ledger: Ledger, tries: Tries) -> None:
    run = tries("one", "two")
    for verified in (False, True):
        ledger.tried(run, f"{1:064}", ["one"], verified=verified, detail="late", causes=[], targets=[], breaks=(1, DAY))
    assert shown(ledger.trials(["one"])) == shown(ledger.trials(["two"])) == [(run, True, None)]
    assert ledger.trials(["three"]) == []
    assert ledger.open_breakers() == []
    assert [note.kind for note in ledger.trail(run)] == ["run started", "remediation tried", "remediation tried"]


@pytest.mark.parametrize(
    ("history", "opens"),
    [
        ("FF", False),
        ("FFF", True),
        ("FVFVF", True),
        ("VVV", False),
        ("FF.............................F", False),  # a dot is an hour: what failed the day before does not count
    ],
)
def test_so_many_failures_within_a_day_open_the_breaker(
    ledger: Ledger, tries: Tries, clock: FakeClock, history: str, opens: bool
) -> None:
    for each in history:
        if each == ".":
            clock.tick(3600)
        else:
            tries(ok=each == "V")
    tries("another", ok=False)
    assert [each.remediation for each in ledger.open_breakers()] == (["mend-it"] if opens else [])


def test_a_person_closes_a_breaker_and_what_failed_before_counts_no_more(
    ledger: Ledger, tries: Tries, clock: FakeClock
) -> None:
    with pytest.raises(LookupError, match="breaker of mend-it is not open"):
        ledger.close_breaker("mend-it", "anna")
    for _ in range(5):
        tries(ok=False)
    (opened,) = ledger.open_breakers()
    assert "3 failed verifications within 24 hours" in opened.why
    assert ledger.close_breaker("mend-it", "anna") == opened
    for expected in ([], [], ["mend-it"]):
        clock.tick(1)
        tries(ok=False)
        assert [each.remediation for each in ledger.open_breakers()] == expected
    kinds = [note.kind for note in ledger.trail(None)]
    assert kinds == ["breaker opened", "breaker closed", "breaker opened"]
    ledger.verify()


def test_a_repair_that_did_not_help_is_spoilt_and_counts_for_the_breaker(ledger: Ledger, tries: Tries) -> None:
    tries(ok=False)
    run = tries()
    ledger.fired_falsely(run, [SPN], "not this cause", (2, DAY))
    assert shown(ledger.trials())[1] == (run, True, None)
    ledger.fired_falsely(run, [LIMIT], "the same failure went on", (2, DAY))
    ledger.fired_falsely(run, [LIMIT], "again", (2, DAY))
    assert shown(ledger.trials())[1] == (run, True, "false fire")
    assert [each.remediation for each in ledger.open_breakers()] == ["mend-it"]
    assert [note.kind for note in ledger.trail(run)].count("remediation spoilt") == 1


def test_the_same_cause_on_the_same_target_soon_after_spoils_what_was_verified(
    ledger: Ledger, tries: Tries, clock: FakeClock
) -> None:
    old, recent = tries(hours=20), tries(hours=10)
    started(ledger, "now")
    since = clock.now - DAY
    for run, causes, targets in (
        ("now", [SPN], ["id-of-hv07"]),
        ("now", [LIMIT], ["id-of-hv08"]),
        ("now", [], ["id-of-hv07"]),
        (recent, [LIMIT], ["id-of-hv07"]),
    ):
        ledger.came_back(run, causes, targets, since)
        assert {each[2] for each in shown(ledger.trials())} == {None}
    ledger.came_back("now", [LIMIT, SPN], ["ID-of-HV07"], since)
    assert shown(ledger.trials()) == [(old, True, None), (recent, True, "came back")]
    assert ledger.open_breakers() == []
    record = Record.of("mend-it", ledger.trials())
    assert (record.verified, record.came_back, record.in_a_row) == (2, 1, 0)


def test_what_another_run_had_verified_is_the_newest_for_the_same_cause_and_target(
    ledger: Ledger, tries: Tries, clock: FakeClock
) -> None:
    tries(hours=30)
    since = clock.now
    old, recent = tries(), tries()
    tries(ok=False)
    for run, causes, targets, found in (
        ("now", [LIMIT], ["id-of-hv07"], recent),
        ("now", [SPN, LIMIT], ["x", "ID-OF-HV07"], recent),
        (recent, [LIMIT], ["id-of-hv07"], old),
        ("now", [SPN], ["id-of-hv07"], None),
        ("now", [LIMIT], ["id-of-hv08"], None),
        ("now", [], ["id-of-hv07"], None),
    ):
        before = ledger.verified_before(run, causes, targets, since)
        assert (before and before.run) == found, (run, causes, targets)
    assert ledger.verified_before("now", [LIMIT], ["id-of-hv07"], clock.now) is None
