"""Law 5: what must not be done is refused with its reason, and nothing is changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from law_bench import ANYTIME, NAMES, Bench, incident_of, never

from remediations.catalogue.register_spns import RegisterSpns
from remediations.engine import Answer, Ask
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Reason, Refused
from remediations.model.plan import Verdict
from remediations.model.policy import Caps, Policy, Window
from remediations.model.tier import Tier

CAUSE = Cause.SPN_MISSING.value


def answering(bench: Bench, **answer: object):
    """A gate that gives this answer."""

    def gate(ask: Ask) -> Answer:
        bench.asked.append(ask)
        return Answer.model_validate({"decision": "approve", "approver": "anna"} | answer)

    return gate


def untouched(bench: Bench, before: str) -> bool:
    return bench.changes() == [] and bench.lab.world.state_hash() == before


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"decision": "reject", "comment": "not now"}, Reason.NOT_APPROVED),
        ({"digest": "00000000"}, Reason.APPROVAL_INVALID),
        ({"approver": "alerting"}, Reason.APPROVAL_INVALID),
    ],
    ids=["rejected", "wrong digest", "by the one who asked"],
)
def test_an_approval_that_is_none_changes_nothing(bench: Bench, answer: dict[str, object], reason: Reason) -> None:
    failure = bench.lab.fail(CAUSE)
    before = bench.lab.world.state_hash()
    report = bench.mend(failure, gate=answering(bench, **answer))
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, reason)
    assert untouched(bench, before)


def test_an_approval_that_comes_too_late_changes_nothing(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)
    before = bench.lab.world.state_hash()

    def gate(ask: Ask) -> Answer:
        bench.clock.ahead = timedelta(hours=ANYTIME.approval_hours, seconds=1)
        return bench.approving(ask)

    report = bench.mend(failure, gate=gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.APPROVAL_EXPIRED)
    assert untouched(bench, before)


def test_an_approval_is_void_when_the_facts_moved(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)

    def gate(ask: Ask) -> Answer:
        directory = bench.lab.world.directory
        account = directory.computer("HV04")
        lost = "Microsoft Virtual System Migration Service/HV04"
        with bench.lab.world.lock:
            directory.remove_spns("DC1", account.guid, (lost,))
        return bench.approving(ask)

    report = bench.mend(failure, gate=gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.DRIFT)
    assert bench.changes() == []


def test_an_approval_counts_for_one_run_only(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)
    bench.mend(failure, gate=answering(bench, decision="reject"))
    (asked,) = bench.asked
    sealed = bench.ledger.find_sealed(asked.digest)[0]
    with pytest.raises(Refused) as refused:
        bench.ledger.use_approval(sealed)
    assert refused.value.reason is Reason.NOT_APPROVED
    assert bench.changes() == []


@pytest.mark.parametrize(
    ("policy", "ending", "reason"),
    [
        (Policy(windows={}, proof=NAMES, pause=True), Ending.REFUSED, Reason.PAUSED),
        (Policy(windows={}, proof=NAMES, caps=Caps(per_host_per_hour=0)), Ending.REFUSED, Reason.CAP_REACHED),
        (Policy(windows={}, proof=NAMES, caps=Caps(per_hour=0)), Ending.REFUSED, Reason.CAP_REACHED),
        (Policy.model_validate({"windows": {}, "gates": {"tiers": {2: "never"}}}), Ending.REFUSED, Reason.POLICY_NEVER),
        (Policy.model_validate({"windows": {}, "gates": {"hosts": {"HV04": "propose"}}}), Ending.PROPOSED, None),
    ],
    ids=["paused", "cap of a host", "cap in all", "never", "host proposes only"],
)
def test_policy_stops_before_anybody_is_asked(bench: Bench, policy: Policy, ending: Ending, reason: Reason | None) -> None:
    failure = bench.lab.fail(CAUSE)
    before = bench.lab.world.state_hash()
    report = bench.mend(failure, policy=policy, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (ending, reason), report.outcome
    assert untouched(bench, before)
    # What is explained is what was decided.
    assert report.plan is not None
    judged = bench.engine(policy).judging.plan(report.plan)
    assert (judged.decides.reason or judged.gate, judged.offered) == (
        (reason, True) if reason not in (None, Reason.POLICY_NEVER) else (judged.gate, False)
    )
    assert (judged.refusal.detail if judged.offered and judged.refusal else judged.because) in report.outcome.summary


def test_what_policy_wants_observed_is_diagnosed_and_no_plan_is_offered(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)
    before = bench.lab.world.state_hash()
    policy = Policy.model_validate({"windows": {}, "gates": {"remediations": {"register-spns": "observe"}}})
    report = bench.mend(failure, policy=policy, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.PROPOSED, None), report.outcome
    assert report.outcome.summary.startswith("Diagnosed and recorded only: gates.remediations.register-spns: observe")
    assert CAUSE in [each.hypothesis.cause for each in report.considered if each.verdict is Verdict.PRESENT]
    assert "Set-ADComputer" not in report.markdown + report.model_dump_json()
    assert untouched(bench, before)


def test_outside_its_window_a_disruptive_plan_waits_for_the_next(bench: Bench) -> None:
    failure = bench.lab.fail(Cause.CPU_INCOMPATIBLE.value)
    hour = (bench.clock() + timedelta(hours=6)).hour
    window = Window.model_validate({"from": f"{hour:02}:00", "to": f"{hour:02}:59", "zone": "UTC"})
    report = bench.mend(failure, policy=Policy(proof=NAMES, windows={Tier.WORKLOAD: (window,)}), gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.OUTSIDE_WINDOW)
    assert f"{hour:02}:00 UTC" in report.outcome.summary
    assert bench.changes() == []


def test_a_symptom_that_is_gone_is_left_alone(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)
    with bench.lab.world.lock:
        bench.lab.world.machine(failure.vm).host = failure.destination
    report = bench.mend(failure, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.NOTHING_TO_DO, Reason.SYMPTOM_GONE)
    assert bench.changes() == []


def test_a_fact_that_cannot_be_read_is_never_a_default(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)
    bench.lab.server.stop_host("DC1")
    report = bench.mend(failure, gate=never)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.outcome
    looked = {each.hypothesis.cause: each.verdict for each in report.considered}
    assert looked[Cause.SPN_MISSING] is Verdict.UNKNOWN
    assert bench.changes() == []


def test_without_the_ledger_nothing_runs(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)

    def gate(ask: Ask) -> Answer:
        for each in bench.path.glob("ledger.db*"):
            each.unlink()
        return bench.approving(ask)

    report = bench.mend(failure, gate=gate)
    assert report.outcome.reason is Reason.LEDGER_UNAVAILABLE
    assert bench.changes() == []


def test_a_second_run_for_the_same_incident_is_a_duplicate(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)
    found = []

    def gate(ask: Ask) -> Answer:
        found.append(bench.mend(failure, run="run-2", gate=never))
        return bench.approving(ask)

    first = bench.mend(failure, gate=gate)
    assert first.outcome.ending is Ending.MENDED
    (second,) = found
    assert (second.outcome.ending, second.outcome.reason) == (Ending.REFUSED, Reason.DUPLICATE_IN_PROGRESS)
    assert bench.ledger.incident(second.incident_id or "").run == "run-1"


def test_a_resource_in_use_is_not_touched(bench: Bench, tmp_path) -> None:
    failure = bench.lab.fail(CAUSE)
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=bench.clock) as other:
        other.lease(["host:dc1"], holder="somebody else", seconds=600)
        report = bench.mend(failure)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.RESOURCE_BUSY)
    assert bench.changes() == []


@pytest.mark.parametrize("vm", ["", "*", "all", "VM4?", " ", "[V]M42", "VM\x0042"])
def test_an_empty_or_wildcard_selector_cannot_be_built(vm: str) -> None:
    with pytest.raises(ValueError, match="vm"):
        Incident(vm=vm)


@pytest.mark.parametrize("name", ["", "*", "HV04;reboot", "HV 04", "HV04'", "-HV04", "HV04\n"])
def test_a_host_name_that_is_none_cannot_be_built(name: str) -> None:
    with pytest.raises(ValueError, match="host"):
        RegisterSpns(host=name)


def test_a_host_that_the_inventory_does_not_have_is_named(bench: Bench) -> None:
    incident = Incident(vm="VM51", source="HV03", destination="HV99")
    with pytest.raises(LookupError, match=r"destination: HV99 is not in the inventory .*HV01"):
        bench.engine().remediate("run-1", incident, dry_run=False, gate=never, requested_by="alerting")
    assert bench.ledger.open_incidents() == []


def test_what_the_text_does_not_tell_ends_as_unknown(bench: Bench) -> None:
    failure = bench.lab.fail(CAUSE)
    bench.lab.world.host("HV03").log.events.clear()
    bench.lab.world.host("HV04").log.events.clear()
    bare = incident_of(failure).model_copy(update={"message": "it did not work", "event_id": None, "channel": None})
    report = bench.engine().remediate("run-1", bare, dry_run=False, gate=never, requested_by="alerting")
    assert report.outcome.ending is Ending.NEEDS_PERSON
    assert "unknown" in report.outcome.summary
    assert [plan.remediation for plan in report.also_seen] == ["register-spns"]
    assert bench.changes() == []
