"""What was seen and done before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from ledger_examples import FakeClock, approve, intend, limit_step, plan, result, started, under_way

from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.plan import Target
from remediations.model.situation import Mend

LIMIT, SPN = Cause.MIGRATION_LIMIT_REACHED, Cause.SPN_MISSING


def test_a_sighting_counts_incidents_not_looks(ledger: Ledger, clock: FakeClock) -> None:
    began = clock.now
    assert ledger.sightings(LIMIT, "HV07", began) is None
    for number in ("INC-1", "INC-1", "INC-2", "INC-3"):
        ledger.sight(LIMIT, "HV07", number)
        clock.tick(3600)
    seen = ledger.sightings(LIMIT, "hv07", began)
    assert seen is not None
    assert (seen.cause, seen.times, seen.first_seen) == (LIMIT, 3, began)
    late = ledger.sightings(LIMIT, "HV07", began + timedelta(hours=1))
    assert late is not None
    assert (late.times, late.first_seen) == (2, began + timedelta(hours=2))
    assert ledger.sightings(SPN, "HV07", began) is None
    assert ledger.sightings(LIMIT, "HV08", began) is None


def test_a_change_is_one_plan_applied_however_many_steps_it_has(ledger: Ledger, clock: FakeClock) -> None:
    began = clock.now
    for number, steps in enumerate(((limit_step(4), limit_step(4, "HV03"), limit_step(6)), (limit_step(8),))):
        resources = (f"host:of-run-{number}",)
        which, lease = under_way(ledger, plan(*steps), run=f"run-{number}", resources=resources)
        for index in range(1, len(steps) + 1):
            intend(ledger, which, lease, index)
            result(ledger, which, index, ok=index != 3)
        clock.tick(60)
    both, causes = frozenset({"hv07", "hv03"}), None
    assert [(each.at, each.hosts, each.causes) for each in ledger.changes_since(began)] == [
        (began, both, causes),
        (began + timedelta(seconds=60), frozenset({"hv07"}), causes),
    ]
    assert len(ledger.changes_since(began + timedelta(seconds=1))) == 1
    assert ledger.changes_since(clock.now) == []


def test_a_change_touches_what_it_changes_and_where_it_is_sent_and_knows_its_causes(ledger: Ledger, clock: FakeClock) -> None:
    began = clock.now
    account = Target(kind="computer account", name="HV04$", id="id-of-hv04")
    started(ledger)
    until = clock.now + timedelta(hours=1)
    which = ledger.seal(
        "run-1", round=1, part="repair", plan=plan(limit_step(host="dc1.contoso.com", target=account)), expires_at=until,
        causes=[SPN],
    )  # fmt: skip
    approve(ledger, which)
    ledger.use_approval(which)
    intend(ledger, which, ledger.lease(["host:dc1"], holder="run-1", seconds=600))
    (changed,) = ledger.changes_since(began)
    assert (changed.hosts, changed.causes) == ({"dc1", "hv04"}, {SPN})


def test_the_last_remediation_is_known_by_cause_and_target(ledger: Ledger, clock: FakeClock) -> None:
    until = clock.now + timedelta(hours=1)

    def mend(run: str, part: str, causes: list[Cause] | None) -> None:
        ledger.start_run(run, kind="k", incident_id=None, requested_by="anna")
        which = ledger.seal(run, round=1, part=part, plan=plan(), expires_at=until, causes=causes)
        ledger.decide(which, decision="approve", approver="bert", comment="", proof="name")
        ledger.use_approval(which)
        lease = ledger.lease(["host:hv07"], holder=run, seconds=600)
        intend(ledger, which, lease)
        result(ledger, which)
        ledger.release(lease)

    assert ledger.last_remediation(LIMIT, "id-of-HV07") is None
    mend("run-1", "repair", [LIMIT])
    first = clock.now
    assert ledger.last_remediation(LIMIT, "ID-OF-hv07") == Mend(at=first)
    assert ledger.last_remediation(SPN, "id-of-HV07") is None
    assert ledger.last_remediation(LIMIT, "id-of-HV08") is None
    assert ledger.last_remediation(LIMIT, "id-of-HV07", but=("run-1", plan().digest)) is None, "its own plan is no earlier one"
    assert ledger.last_remediation(LIMIT, "id-of-HV07", but=("run-2", plan().digest)) == Mend(at=first), "another run's is"
    assert ledger.last_remediation(LIMIT, "id-of-HV07", but=("run-1", "f" * 64)) == Mend(at=first), "as is an earlier round's"
    clock.tick(60)
    mend("run-2", "retry", None)
    assert ledger.last_remediation(LIMIT, "id-of-HV07") == Mend(at=first)
    mend("run-3", "repair", None)
    assert ledger.last_remediation(LIMIT, "id-of-HV07") == ledger.last_remediation(SPN, "id-of-HV07") == Mend(at=clock.now)


@pytest.mark.parametrize(
    ("worked", "undone", "taken_back", "failed"),
    [
        (None, None, False, False),  # may stand
        (True, None, False, False),
        (True, False, False, False),  # could not be taken back
        (True, True, True, False),
        (None, True, True, False),
        (False, None, False, True),
    ],
)
def test_the_last_remediation_says_what_became_of_it(
    ledger: Ledger, clock: FakeClock, *, worked: bool | None, undone: bool | None, taken_back: bool, failed: bool
) -> None:
    which, lease = under_way(ledger, plan())
    sent, began = intend(ledger, which, lease), clock.now
    if worked is not None:
        result(ledger, which, ok=worked)
    clock.tick(120)
    if undone is not None:
        ledger.mark_undone("run-1", which.digest, 1, sent, ok=undone, detail="taken back")
    told = Mend(at=began, taken_back=clock.now if taken_back else None, failed=failed)
    assert ledger.last_remediation(LIMIT, "id-of-HV07") == told


@pytest.mark.parametrize(
    ("outcome", "taken_back", "counts"),
    [
        (Outcome(ending=Ending.UNDONE, reason=Reason.PAUSED, summary="A pause."), True, False),
        (Outcome(ending=Ending.UNDONE, reason=Reason.PAUSED, summary="A pause, in a later round."), False, True),
        (Outcome(ending=Ending.UNDONE, summary="It failed half-way."), True, True),
        (Outcome(ending=Ending.MENDED, summary="It moves again."), True, True),  # an undo, by another run
    ],
)
def test_what_a_pause_stopped_and_was_taken_back_mended_nothing(
    ledger: Ledger, outcome: Outcome, taken_back: bool, counts: bool
) -> None:
    which, lease = under_way(ledger, plan())
    sent = intend(ledger, which, lease)
    result(ledger, which)
    if taken_back:
        ledger.mark_undone("run-1", which.digest, 1, sent, ok=True, detail="taken back")
    assert ledger.last_remediation(LIMIT, "id-of-HV07") is not None, "while it is at work it counts"
    ledger.finish_run("run-1", outcome)
    assert (ledger.last_remediation(LIMIT, "id-of-HV07") is not None) == counts
