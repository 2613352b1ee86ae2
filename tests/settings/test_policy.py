"""Policy's pure decisions: which gate a plan has to pass, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_examples import judged, plan, subject
from pydantic import ValidationError

from remediations.model.policy import Gate, Needed, Policy, Window, loosest
from remediations.model.tier import Tier


def policy(**gates: Any) -> Policy:
    return Policy.model_validate({"gates": gates})


@pytest.mark.parametrize(
    ("gates", "tier", "hosts", "cluster", "gate", "rule"),
    [
        ({}, 1, ["HV01"], None, "approve", "the default of tier 1 (one host, reversible): approve"),
        ({}, 4, ["HV01"], None, "approve-twice", "the default of tier 4 (irreversible): approve-twice"),
        ({"tiers": {1: "auto"}}, 1, ["HV01"], None, "auto", "gates.tiers.1: auto"),
        ({"tiers": {1: "auto"}}, 2, ["HV01"], None, "approve", "the default of tier 2 (directory or cluster): approve"),
        ({"tiers": {1: "never"}, "remediations": {"mend-it": "auto"}}, 1, [], None, "auto", "gates.remediations.mend-it: auto"),
        ({"remediations": {"other": "never"}}, 1, [], None, "approve", "the default of tier 1 (one host, reversible): approve"),
        (
            {"tiers": {1: "auto"}, "hosts": {"hv01.contoso.com": "propose"}}, 1, ["HV01"], None,
            "propose", "gates.hosts.hv01.contoso.com: propose (stricter than gates.tiers.1: auto)",
        ),
        ({"hosts": {"HV01": "auto"}}, 1, ["HV01"], None, "approve", "the default of tier 1 (one host, reversible): approve"),
        ({"hosts": {"HV09": "never"}}, 1, ["HV01"], None, "approve", "the default of tier 1 (one host, reversible): approve"),
        (
            {"remediations": {"mend-it": "auto"}, "clusters": {"cluster1": "observe"}, "hosts": {"HV02": "propose"}},
            1, ["HV01", "HV02"], "CLUSTER1",
            "observe", "gates.clusters.cluster1: observe (stricter than gates.remediations.mend-it: auto)",
        ),
        (
            {"remediations": {"mend-it": "auto"}}, 3, [], None, "approve",
            "tier 3 (running virtual machines): it touches running virtual machines, so a person approves each time: approve"
            " (stricter than gates.remediations.mend-it: auto)",
        ),
    ],
)  # fmt: skip
def test_which_rule_decides(gates: Any, tier: int, hosts: list[str], cluster: str | None, *, gate: str, rule: str) -> None:
    earned = Policy.model_validate({"gates": gates, "trust": {"verified_in_a_row": 0}})
    found = judged(earned, subject(tier, hosts, [cluster] if cluster else []))
    assert (found.gate, found.because) == (gate, rule)


GATES = st.sampled_from(Gate)


@given(
    tier=st.sampled_from(Tier),
    own=st.none() | GATES,
    by_tier=st.dictionaries(st.sampled_from(Tier), GATES),
    cluster=st.none() | GATES,
    hosts=st.dictionaries(st.sampled_from(["HV01", "hv02.contoso.com", "HV03"]), GATES),
)
def test_no_rule_ever_loosens_a_bound_a_host_or_a_cluster(
    tier: Tier, own: Gate | None, by_tier: dict[Tier, Gate], cluster: Gate | None, hosts: dict[str, Gate]
) -> None:
    allowed = {each: gate for each, gate in by_tier.items() if gate.strictness >= loosest(each).strictness}
    rules: dict[str, Any] = {"tiers": allowed, "hosts": hosts}
    rules |= {"remediations": {"mend-it": own}} if own else {}
    rules |= {"clusters": {"C1": cluster}} if cluster else {}
    earned = Policy.model_validate({"gates": rules, "trust": {"verified_in_a_row": 0}})
    found = judged(earned, subject(tier, ["HV01", "HV02"], ["c1"])).gate
    bounds = [loosest(tier), *([cluster] if cluster else []), *(hosts[name] for name in hosts if name != "HV03")]
    assert all(found.strictness >= bound.strictness for bound in bounds)
    if own is not None:
        assert found.strictness == max(gate.strictness for gate in (own, *bounds))


@pytest.mark.parametrize(("tier", "gate"), [(3, "auto"), (4, "auto"), (4, "approve"), (5, "auto"), (5, "approve")])
def test_a_gate_that_is_too_loose_for_its_tier_is_not_loaded(tier: int, gate: str) -> None:
    with pytest.raises(ValidationError, match=f"{gate} is too loose for tier {tier}"):
        policy(tiers={tier: gate})


@pytest.mark.parametrize(
    ("rules", "tier", "gate", "needed"),
    [
        ({}, 1, "approve", {"people": 1, "proof": "name", "own": True}),
        ({}, 2, "approve", {"people": 1, "proof": "name", "own": False}),
        ({}, 3, "approve", {"people": 1, "proof": "code", "own": False}),
        ({}, 4, "approve-twice", {"people": 2, "proof": "code", "own": False, "typed": "VM42"}),
        ({"own_approval_tier": 3}, 3, "approve", {"people": 1, "proof": "code", "own": True}),
        ({"own_approval_tier": 4}, 1, "approve-twice", {"people": 2, "proof": "name", "own": False}),
        ({"proof": {1: "code", 3: "name"}}, 1, "approve", {"people": 1, "proof": "code", "own": True}),
        ({"proof": {1: "code", 3: "name"}}, 3, "approve", {"people": 1, "proof": "name", "own": False}),
        ({"proof": {1: "code"}}, 4, "approve-twice", {"people": 2, "proof": "code", "own": False, "typed": "VM42"}),
    ],
)
def test_what_an_approval_takes(rules: Any, tier: int, gate: str, needed: dict[str, Any]) -> None:
    found = Policy.model_validate(rules).needed(plan(tier=tier, kind="virtual machine", target="VM42"), Gate(gate))
    assert found == Needed.model_validate(needed)


@pytest.mark.parametrize("gate", ["auto", "propose", "observe", "never"])
def test_where_nobody_is_asked_nothing_is_needed_of_anybody(gate: str) -> None:
    with pytest.raises(ValueError, match="nobody is asked"):
        Policy().needed(plan(tier=1), Gate(gate))


def window(**given: Any) -> Policy:
    return Policy.model_validate({"windows": {3: [given]}})


BERLIN = {"zone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("entry", "at", "inside"),
    [
        # 2026-11-02 is a Monday; Berlin is one hour ahead of UTC then, two in July.
        ({"from": "22:00", "to": "05:00", **BERLIN}, "2026-11-02T21:00:00+00:00", True),
        ({"from": "22:00", "to": "05:00", **BERLIN}, "2026-11-02T20:59:59+00:00", False),
        ({"from": "22:00", "to": "05:00", **BERLIN}, "2026-11-03T03:59:59+00:00", True),
        ({"from": "22:00", "to": "05:00", **BERLIN}, "2026-11-03T04:00:00+00:00", False),
        ({"from": "22:00", "to": "05:00", **BERLIN}, "2026-07-06T20:00:00+00:00", True),
        ({"days": ["mon"], "from": "22:00", "to": "05:00", **BERLIN}, "2026-11-03T02:00:00+00:00", True),
        ({"days": ["mon"], "from": "22:00", "to": "05:00", **BERLIN}, "2026-11-02T02:00:00+00:00", False),
        ({"days": ["sun"], "from": "22:00", "to": "05:00", **BERLIN}, "2026-11-02T02:00:00+00:00", True),
        ({"days": ["sat", "sun"], "from": "00:00", "to": "24:00", "zone": "UTC"}, "2026-11-01T23:59:59+00:00", True),
        ({"days": ["sat", "sun"], "from": "00:00", "to": "24:00", "zone": "UTC"}, "2026-11-02T00:00:00+00:00", False),
        ({"days": ["mon"], "from": "09:00", "to": "17:00", "zone": "Asia/Tokyo"}, "2026-11-02T01:00:00+00:00", True),
        ({"days": ["mon"], "from": "09:00", "to": "17:00", "zone": "Asia/Tokyo"}, "2026-11-02T09:00:00+09:00", True),
        ({"days": ["mon"], "from": "09:00", "to": "17:00", "zone": "Asia/Tokyo"}, "2026-11-02T17:00:00+09:00", False),
    ],
)
def test_inside_a_window(entry: dict[str, Any], at: str, inside: bool) -> None:
    assert window(**entry).in_window(Tier.WORKLOAD, datetime.fromisoformat(at)) is inside


def test_a_tier_without_windows_is_never_outside() -> None:
    at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    assert Policy().in_window(Tier.DIRECTORY, at)
    assert not Policy().in_window(Tier.WORKLOAD, at), "by default running machines are touched at night only"


def test_any_of_several_windows_is_enough() -> None:
    both = Policy.model_validate(
        {"windows": {"3": [{"from": "01:00", "to": "02:00", "zone": "UTC"}, {"from": "12:00", "to": "13:00", "zone": "UTC"}]}}
    )
    assert both.in_window(Tier.WORKLOAD, datetime(2026, 11, 2, 12, tzinfo=UTC))
    assert both.next_opening(Tier.WORKLOAD, datetime(2026, 11, 2, 3, tzinfo=UTC)) == datetime(2026, 11, 2, 12, tzinfo=UTC)


@given(
    days=st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1),
    start=st.integers(0, 23),
    length=st.integers(1, 23),
    zone=st.sampled_from(["UTC", "Asia/Kathmandu", "Pacific/Auckland"]),
    at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 (the zone is added below)
)
def test_the_next_opening_is_inside_and_nothing_before_it_is(
    days: set[str], start: int, length: int, zone: str, at: datetime
) -> None:
    rule = window(days=sorted(days), zone=zone, **{"from": f"{start:02}:00", "to": f"{(start + length) % 24:02}:00"})
    now = at.replace(tzinfo=UTC, minute=30, second=0, microsecond=0)
    opening = rule.next_opening(Tier.WORKLOAD, now)
    assert rule.in_window(Tier.WORKLOAD, opening)
    assert opening == now or opening.astimezone(ZoneInfo(zone)).minute == 0
    before = [now + timedelta(minutes=30 * step) for step in range(int((opening - now) / timedelta(minutes=30)))]
    assert not any(rule.in_window(Tier.WORKLOAD, each) for each in before)


@pytest.mark.parametrize(
    "entry", [{"from": "05:00", "to": "05:00"}, {"from": "24:00", "to": "05:00"}, {"from": "5:00", "to": "06:00"}]
)
def test_a_window_that_cannot_be(entry: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Window.model_validate({**entry, "zone": "UTC"})
