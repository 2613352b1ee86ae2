"""What policy says of a plan at one moment: every rule's word, and which of them decides."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_examples import NOON, judged, plan, subject

from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.judgement import Judgement
from remediations.model.outcome import Reason
from remediations.model.plan import Plan
from remediations.model.policy import Gate, Policy
from remediations.model.situation import Aim, Changed, Mend, Subject
from remediations.model.tier import Tier
from remediations.settings import load_site, packaged

SPN, CPU = Cause.SPN_MISSING, Cause.CPU_INCOMPATIBLE
AIM = Aim(id="id-of-hv01", name="HV01$")


def changed(minutes: float, *hosts: str, causes: frozenset[Cause] | None = frozenset({CPU})) -> Changed:
    return Changed(at=NOON - timedelta(minutes=minutes), hosts=frozenset(hosts or ("hv09",)), causes=causes)


def mend(minutes: float, **became: Any) -> Mend:
    return Mend(at=NOON - timedelta(minutes=minutes), **became)


def caps(**few: int) -> dict[str, Any]:
    return {"caps": few}


@pytest.mark.parametrize(
    ("rules", "about", "known", "reason", "rule", "says"),
    [
        ({}, {"tier": 2}, {}, None, "the default of tier 2 (directory or cluster)", "approve"),
        ({}, {"tier": 2}, {"paused": {"the ledger": "paused by anna"}}, Reason.PAUSED, "pause: the ledger", "paused by anna"),
        ({}, {"tier": 3}, {}, Reason.OUTSIDE_WINDOW, "windows.3", "the next opens Mon 02 Nov 22:00 UTC"),
        ({}, {"tier": 3, "retry": True}, {}, None, "the default of tier 3 (running virtual machines)", "approve"),
        (caps(per_hour=1), {}, {"changed": [changed(59)]}, Reason.CAP_REACHED, "caps.per_hour", "the site had 1"),
        (caps(per_hour=1), {}, {"changed": [changed(61)]}, None, "the default of tier 1 (one host, reversible)", "approve"),
        (caps(per_day=1), {}, {"changed": [changed(61)]}, Reason.CAP_REACHED, "caps.per_day", "within 24 hours"),
        (caps(per_day=1), {}, {"changed": [changed(1441)]}, None, "the default of tier 1 (one host, reversible)", "approve"),
        (caps(per_host_per_hour=1), {}, {"changed": [changed(1, "hv01")]}, Reason.CAP_REACHED, "caps.per_host_per_hour",
         "HV01"),
        (caps(per_host_per_hour=1), {}, {"changed": [changed(1, "hv02")]}, None, "the default of tier 1 (one host, reversible)",
         "approve"),
        (caps(per_host_per_day=1), {}, {"changed": [changed(99, "hv01")]}, Reason.CAP_REACHED, "caps.per_host_per_day", "HV01"),
        (caps(per_cluster_per_hour=1), {"clusters": {"C1": ("HV01", "HV02")}}, {"changed": [changed(1, "hv02")]},
         Reason.CAP_REACHED, "caps.per_cluster_per_hour", "C1 had 1 changes within the hour"),
        (caps(per_cluster_per_day=1), {"clusters": {"C1": ("HV01", "HV02")}}, {"changed": [changed(99, "hv02")]},
         Reason.CAP_REACHED, "caps.per_cluster_per_day", "C1 had 1 changes within 24 hours"),
        (caps(per_cluster_per_hour=1), {"clusters": {"C1": ("HV01",)}}, {"changed": [changed(1, "hv09")]}, None,
         "the default of tier 1 (one host, reversible)", "approve"),
        (caps(per_cause_per_hour=1), {"causes": (CPU,)}, {"changed": [changed(1)]}, Reason.CAP_REACHED,
         "caps.per_cause_per_hour", "cpu_incompatible had 1"),
        (caps(per_cause_per_day=1), {"causes": (CPU,)}, {"changed": [changed(99, causes=None)]}, Reason.CAP_REACHED,
         "caps.per_cause_per_day", "cpu_incompatible had 1"),
        (caps(per_cause_per_hour=1), {"causes": (SPN,)}, {"changed": [changed(1)]}, None,
         "the default of tier 1 (one host, reversible)", "approve"),
        ({}, {"causes": (SPN,), "aims": (AIM,)}, {"mended": {(SPN, AIM.id): mend(29)}},
         Reason.RECENTLY_REMEDIATED, "cooldown_minutes", "spn_missing was mended on HV01$ at 11:31 UTC, less than 0:30:00 ago"),
        ({}, {"causes": (SPN,), "aims": (AIM,)}, {"mended": {(SPN, AIM.id): mend(30)}}, None,
         "the default of tier 1 (one host, reversible)", "approve"),
        ({}, {"causes": (SPN,), "aims": (AIM,)}, {"mended": {(SPN, AIM.id): mend(29, taken_back=NOON)}},
         Reason.RECENTLY_REMEDIATED, "cooldown_minutes", "a mend of spn_missing on HV01$ was begun at 11:31 UTC and taken "
         "back at 12:00 UTC, less than 0:30:00 ago: a person should look"),
        ({}, {"causes": (SPN,), "aims": (AIM,)}, {"mended": {(SPN, AIM.id): mend(29, failed=True)}},
         Reason.RECENTLY_REMEDIATED, "cooldown_minutes", "was begun at 11:31 UTC and failed, less than 0:30:00 ago: a person"),
        ({"gates": {"tiers": {1: "never"}}}, {}, {"paused": {"the ledger": "paused"}}, Reason.PAUSED, "gates.tiers.1", "never"),
    ],
)  # fmt: skip
def test_which_rule_decides_and_why(rules: Any, about: Any, known: Any, *, reason: Reason | None, rule: str, says: str) -> None:
    found = judged(Policy.model_validate(rules), subject(**about), **known)
    assert (found.refusal and found.refusal.reason) is reason, found.rulings
    assert found.decides.rule == rule
    assert says in found.decides.says


def test_every_kind_of_rule_has_a_word_on_every_plan() -> None:
    """What does not apply says so: a rule that is silent could not be told from one that was forgotten."""
    for about in (subject(aims=None), subject(causes=(SPN,), aims=(AIM,), clusters=["C1"])):
        rules = {ruling.rule.partition(".")[0].partition(":")[0] for ruling in judged(Policy(), about).rulings}
        assert rules == {
            "gates", "the default of tier 1 (one host, reversible)", "tier 1 (one host, reversible)", "trust", "pause",
            "breaker", "windows", "caps", "cooldown_minutes",
        }  # fmt: skip


def at(which: Plan) -> Subject:
    return Subject.of(which, load_site(packaged("site.yaml")))


SPN_OF_HV01 = plan(tier=2, step_host="dc1.contoso.com", target="HV01$", kind="computer account")


@pytest.mark.parametrize(
    ("which", "hosts", "clusters"),
    [
        (plan(tier=1, step_host="hv03"), ("HV01", "HV03"), ("CLUSTER1",)),
        (plan(tier=1, step_host="HV03", target="HV03"), ("HV03",), ()),
        (SPN_OF_HV01, ("DC1", "HV01"), ("CLUSTER1",)),
        (plan(tier=3, kind="virtual machine", target="VM42", step_host="HV04"), ("HV04",), ()),
        (
            plan(tier=3, kind="virtual machine", target="HV01", step_host="HV04").model_copy(
                update={"request": {"parts": [{"request": {"vm": "VM42", "destination": "hv02.contoso.com"}}]}}
            ),
            ("HV02", "HV04"),
            ("CLUSTER1",),
        ),
        (plan(tier=1, step_host="HV03", target="cluster1.contoso.com", kind="cluster"), ("HV03",), ("CLUSTER1",)),
        (plan(tier=1, step_host="HV03", target="OTHER", kind="cluster"), ("HV03",), ("OTHER",)),
        (plan(tier=1, step_host="HV99", target="HV99"), ("HV99",), ()),
    ],
)
def test_what_a_plan_touches(which: Plan, hosts: tuple[str, ...], clusters: tuple[str, ...]) -> None:
    found = at(which)
    assert (found.hosts, tuple(found.clusters)) == (hosts, clusters)


@pytest.mark.parametrize(
    "gates", [{"hosts": {"DC1": "never"}}, {"hosts": {"hv01": "never"}}, {"clusters": {"CLUSTER1": "never"}}]
)
def test_a_host_or_cluster_that_only_a_step_names_counts(gates: Any) -> None:
    assert judged(Policy.model_validate({"gates": gates}), at(SPN_OF_HV01)).gate is Gate.NEVER


def test_a_controller_that_only_passes_commands_on_is_not_capped() -> None:
    policy = Policy.model_validate(caps(per_host_per_hour=1))
    assert judged(policy, at(SPN_OF_HV01), changed=[changed(1, "dc1")]).refusal is None
    refusal = judged(policy, at(SPN_OF_HV01), changed=[changed(1, "dc1", "hv01")]).refusal
    assert refusal is not None
    assert refusal.detail.startswith("HV01 had 1 changes")


def test_a_plan_of_several_parts_has_the_strictest_gate_of_its_parts() -> None:
    gates = {"remediations": {"one": "auto", "two": "propose"}}
    policy = Policy.model_validate({"gates": gates, "trust": {"verified_in_a_row": 0}})
    for parts, gate in (
        (("one",), "auto"),
        (("one", "two"), "propose"),
        (("two", "one"), "propose"),
        (("one", "x"), "approve"),
    ):
        assert judged(policy, subject(remediations=parts)).gate == gate


def test_what_follows_is_said_in_words() -> None:
    def follows(found: Judgement) -> str:
        return found.follows

    assert follows(judged(Policy(), subject(2))).startswith("Applied once a person has approved it: the default of tier 2")
    assert follows(judged(Policy(), subject(4))).startswith("Applied once two different people have approved it")
    assert follows(judged(Policy(), subject(3))).startswith("Refused now (OutsideWindow): tier 3")
    assert follows(judged(Policy(), subject(5))).startswith("Shown only, never applied by this program: the default of tier 5")


@settings(deadline=None)  # a busy machine is no defect
@given(
    tier=st.sampled_from(Tier),
    gate=st.sampled_from(Gate),
    pause=st.none() | st.just("paused"),
    minutes=st.lists(st.integers(0, 3000), max_size=5),
    per_hour=st.integers(0, 3),
)
def test_the_deciding_rule_is_one_of_the_rules_and_says_what_follows(
    tier: Tier, gate: Gate, pause: str | None, minutes: list[int], per_hour: int
) -> None:
    policy = Policy.model_validate({"gates": {"hosts": {"HV01": gate}}, **caps(per_hour=per_hour)})
    found = judged(policy, subject(tier), paused={"x": pause}, changed=[changed(each) for each in minutes])
    assert found.decides in found.rulings
    assert found.decides.gate is found.gate or (found.offered and found.decides.reason is not None)
    assert found.gate.strictness >= gate.strictness
    assert (found.refusal is None) == all(each.reason is None for each in found.rulings)
    if pause:
        assert found.refusal is not None
        assert found.refusal.reason is Reason.PAUSED


CHOSEN: dict[str, Any] = {"MigrationType": "Live", "Wait": 0, "VMId": "5b0c0000-0000-4000-8000-000000000001"}


@pytest.mark.parametrize(
    ("name", "parameters", "gate"),
    [
        ("Move-ClusterVirtualMachineRole", CHOSEN, Gate.NEVER),
        ("Move-ClusterVirtualMachineRole", {**CHOSEN, "Node": "HV02"}, Gate.NEVER),
        ("Move-ClusterVirtualMachineRole", {**CHOSEN, "Node": "HV01"}, Gate.APPROVE),
        ("Suspend-ClusterNode", {"Name": "HV01", "Drain": True}, Gate.NEVER),
        ("Suspend-ClusterNode", {"Name": "HV01"}, Gate.APPROVE),
        ("Resume-ClusterNode", {"Name": "HV01", "Failback": "Immediate"}, Gate.NEVER),
        ("Resume-ClusterNode", {"Name": "HV01", "Failback": "NoFailback"}, Gate.APPROVE),
        ("Move-ClusterSharedVolume", {"Name": "Cluster Disk 1", "Node": "HV02"}, Gate.NEVER),
    ],
)
def test_a_host_that_nothing_may_be_done_with_receives_nothing_either(name: str, parameters: Any, gate: Gate) -> None:
    """HV02, to which the cluster may send what leaves HV01, is the one host that policy wants nothing done with."""
    which = plan(tier=3, step_host="HV01", target="HV01", kind="cluster node")
    step = which.steps[0].model_copy(update={"command": command(name, **parameters)})
    rules = Policy.model_validate({"gates": {"hosts": {"HV02": "never"}}, "windows": {}, "caps": {"per_host_per_hour": 1}})
    found = judged(rules, at(which.model_copy(update={"items": (step,)})), changed=[changed(1, "hv02")])
    assert found.gate is gate, found.rulings
    assert found.refusal is None or "Node" in parameters  # what may receive is no change of it that a cap would count
