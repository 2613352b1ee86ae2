"""What a remediation has earned by its record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_examples import NOON, judged, subject

from remediations.model.policy import Gate, Policy, Trust
from remediations.model.tier import Tier
from remediations.model.trust import OpenBreaker, Record, Spoilt, Trial


def trials(history: str, remediation: str = "mend-it") -> list[Trial]:
    """V verified, F failed, X verified and a false fire a minute later, R verified and back a minute later; an hour apart."""
    found = []
    for number, each in enumerate(history):
        at = NOON - timedelta(hours=len(history) - number)
        how: Any = {"X": "false fire", "R": "came back"}.get(each)
        spoilt = Spoilt(how=how, detail="why", at=at + timedelta(minutes=1)) if how else None
        found.append(
            Trial(remediation=remediation, run=f"run-{number}", at=at, verified=each != "F", detail="broke", spoilt=spoilt)
        )
    return found


@pytest.mark.parametrize(
    ("history", "counts", "blemish"),
    [
        ("", (0, 0, 0, 0, 0), None),
        ("VVV", (3, 0, 0, 0, 3), None),
        ("VVF", (2, 1, 0, 0, 0), "failed (broke)"),
        ("VFVV", (3, 1, 0, 0, 2), "failed (broke)"),
        ("VXV", (3, 0, 1, 0, 1), "false fire (why)"),
        ("VVR", (3, 0, 0, 1, 0), "came back (why)"),
        ("FXRV", (3, 1, 1, 1, 1), "came back (why)"),
    ],
)
def test_a_record_counts_and_starts_again_after_a_blemish(history: str, counts: tuple[int, ...], blemish: str | None) -> None:
    record = Record.of("mend-it", [*trials(history), *trials("FFF", "another")])
    assert (record.verified, record.failed, record.false_fires, record.came_back, record.in_a_row) == counts
    assert record.blemish is None if blemish is None else str(record.blemish).endswith(blemish)


def test_a_return_counts_from_when_it_was_seen() -> None:
    """What was verified between a repair and its cause's return does not count: the repair had not held."""
    first, *rest = trials("VVV")
    back = first.model_copy(update={"spoilt": Spoilt(how="came back", detail="", at=NOON)})
    assert Record.of("mend-it", [back, *rest]).in_a_row == 0


@given(history=st.text("VFXR", max_size=12))
def test_nothing_but_verified_trials_earns_trust_and_the_last_blemish_takes_it(history: str) -> None:
    record = Record.of("mend-it", trials(history))
    assert record.in_a_row == len(history) - len(history.rstrip("V"))
    assert record.verified + record.failed == len(history)
    assert record.trusted(Trust(verified_in_a_row=0))


AUTO = {"gates": {"remediations": {"mend-it": "auto", "another": "auto"}}, "trust": {"verified_in_a_row": 2}}


@pytest.mark.parametrize(
    ("history", "rules", "tier", "gate"),
    [
        ("", AUTO, 1, "approve"),
        ("V", AUTO, 1, "approve"),
        ("VV", AUTO, 1, "auto"),
        ("VV", AUTO, 2, "auto"),
        ("VVVF", AUTO, 1, "approve"),
        ("VVVX", AUTO, 1, "approve"),
        ("VVVR", AUTO, 1, "approve"),
        ("FVV", AUTO, 1, "auto"),
        ("", {**AUTO, "trust": {"verified_in_a_row": 0}}, 1, "auto"),
        ("VVVV", {}, 1, "approve"),
        ("VVVV", {**AUTO, "gates": {"remediations": {"mend-it": "propose"}}}, 1, "propose"),
        ("VVVV", AUTO, 3, "approve"),
        ("", {}, 0, "auto"),
    ],
)
def test_auto_holds_only_for_what_has_earned_it(history: str, rules: Any, tier: int, gate: str) -> None:
    found = judged(Policy.model_validate(rules), subject(tier), trials=trials(history))
    assert found.gate == gate, found.rulings


def test_every_part_of_a_plan_has_to_have_earned_it() -> None:
    policy, both = Policy.model_validate(AUTO), subject(remediations=("mend-it", "another"))
    assert judged(policy, both, trials=trials("VV")).gate is Gate.APPROVE
    assert judged(policy, both, trials=[*trials("VV"), *trials("VV", "another")]).gate is Gate.AUTO


def test_a_demotion_says_why() -> None:
    found = judged(Policy.model_validate(AUTO), subject(), trials=trials("VVVF"))
    assert found.decides.rule == "trust.verified_in_a_row"
    says = "auto does not hold for mend-it yet: 0 of 2 verified in a row since 2026-11-02 11:00 UTC: failed (broke)"
    assert found.decides.says == says
    assert "stricter than gates.remediations.mend-it: auto" in found.because


def test_an_open_breaker_refuses_any_plan_with_that_part() -> None:
    breaker = OpenBreaker(remediation="another", opened_at=NOON, why="3 failed verifications")
    assert judged(Policy(), subject(), breakers=[breaker]).refusal is None
    refused = judged(Policy(), subject(remediations=("mend-it", "another")), breakers=[breaker]).refusal
    assert refused is not None
    assert refused.reason.value == "BreakerOpen"
    assert "another is not tried any more since 2026-11-02 12:00 UTC: 3 failed verifications" in refused.detail
    assert "remediate breaker close another --as NAME" in refused.detail


@pytest.mark.parametrize(
    ("history", "tier", "says"),
    [
        ("V", Tier.LOCAL, "1 more verified without a failure (so far 1 in a row)"),
        ("VVF", Tier.LOCAL, "2 more verified without a failure (so far 0 in a row since 2026-11-02 11:00 UTC: failed (broke))"),
        ("VV", Tier.DIRECTORY, "nothing: auto holds where policy says so (gates.remediations.mend-it: auto)"),
        ("VV", Tier.WORKLOAD, "nothing more to reach: tier 3 (running virtual machines) goes no further than approve"),
    ],
)
def test_what_is_missing_is_said(history: str, tier: Tier, says: str) -> None:
    assert Record.of("mend-it", trials(history)).missing(Trust(verified_in_a_row=2), tier) == says
