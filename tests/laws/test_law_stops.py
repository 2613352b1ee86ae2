"""What stops changes, and what earns trust: pause switches, breakers and records, on the lab."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from breaking import Interrupted
from law_bench import ANYTIME, NAMES, Bench, incident_of, never

from remediations.catalogue.drain_node import DrainNode
from remediations.engine import Answer, Ask
from remediations.engine.ports import no_switches
from remediations.model.causes import Cause
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Policy
from remediations.model.trust import Record

SPN, CPU = Cause.SPN_MISSING.value, Cause.CPU_INCOMPATIBLE.value


def pause_by(bench: Bench, switch: str) -> None:
    """Switch a pause on."""
    if switch == "the ledger":
        bench.ledger.pause("bert", "a storm")
    else:
        bench.switches = lambda: {switch: "set in Prefect"}


SWITCHES = pytest.mark.parametrize("switch", ["the ledger", "a variable"])


@SWITCHES
def test_a_pause_stops_what_was_approved_and_is_queued(bench: Bench, switch: str) -> None:
    failure = bench.lab.fail(SPN)
    before = bench.lab.world.state_hash()

    def gate(ask: Ask) -> Answer:
        pause_by(bench, switch)
        return bench.approving(ask)

    report = bench.mend(failure, gate=gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.PAUSED), report.outcome
    assert bench.changes() == []
    assert bench.lab.world.state_hash() == before
    # The page and the report show where the trail stood, so that cutting its end off shows.
    for page in (bench.asked[0].page, report.markdown):
        bench.ledger.verify(page.rpartition("head ")[2].strip())
    assert report.trail in report.markdown


@SWITCHES
def test_a_pause_between_two_steps_begins_no_other_and_leaves_nothing_half_way(bench: Bench, switch: str) -> None:
    failure = bench.lab.fail(CPU)
    before = bench.lab.world.state_hash()
    paused: list[str] = []

    def after_the_first_step() -> dict[str, str | None]:
        if bench.changes() and not paused:
            paused.append(switch)
            pause_by(bench, switch)
        return {"a variable": "set in Prefect" if switch == "a variable" and paused else None}

    bench.switches = after_the_first_step
    report = bench.mend(failure)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.UNDONE, Reason.PAUSED), report.outcome
    sent = [name for _, name, _ in bench.changes()]
    assert sent[0] == "Stop-VM"
    assert "Set-VMProcessor" not in sent
    assert bench.ledger.open_brackets() == []
    assert bench.lab.world.state_hash() == before
    assert Record.of("enable-processor-compatibility", bench.ledger.trials()).failed == 0, "a pause is nobody's failure"

    # Once nothing pauses any more it may begin anew: nothing was mended that could have come back.
    bench.switches = no_switches
    if switch == "the ledger":
        bench.ledger.resume("bert")
    again = bench.mend(failure, run="run-2")
    assert again.outcome.ending is Ending.MENDED, again.outcome


@pytest.mark.long
def test_a_pause_before_the_move_leaves_it_to_people_and_the_mend_stands(bench: Bench) -> None:
    def once_the_move_is_next() -> dict[str, str | None]:
        return {"a variable": "set in Prefect" if any("Move-VM" in piece for piece in bench.pieces) else None}

    bench.switches = once_the_move_is_next
    report = bench.mend(bench.lab.fail(SPN))
    assert (report.outcome.ending, report.outcome.reason) == (Ending.MENDED, Reason.PAUSED), report.outcome
    assert (report.verified, report.retried) == (True, False)
    assert "Move-VM" not in [name for _, name, _ in bench.changes()]


@pytest.mark.parametrize("ends", ["the window", pytest.param("the approval", marks=pytest.mark.long)])
def test_what_had_to_wait_past_its_window_or_its_approval_is_not_begun(bench: Bench, ends: str) -> None:
    """A backup holds a machine of the node for forty minutes; what let the drain begin lasts for thirty."""

    def wall(at: datetime) -> str:
        return at.astimezone(UTC).strftime("%H:%M")

    now, held = bench.clock(), [timedelta(minutes=5)] * 8
    open_now = {"from": wall(now - timedelta(hours=1)), "to": wall(now + timedelta(minutes=30)), "zone": "UTC"}
    rules = {"windows": {3: [open_now]}} if ends == "the window" else {"windows": {}, "approval_hours": 0.5}
    policy, real = Policy.model_validate({**rules, "proof": NAMES}), bench.pause
    bench.lab.world.machine("VM42").busy = "BackingUp"

    def pause(seconds: float) -> None:
        if held:
            bench.clock.ahead += held.pop()
            bench.lab.world.machine("VM42").busy = "BackingUp" if held else ""
        real(seconds)

    engine = bench.engine(policy)
    engine.pause = pause
    report = engine.carry_out("run-1", DrainNode(node="HV01"), dry_run=False, gate=bench.approving, requested_by="carl")
    why = Reason.OUTSIDE_WINDOW if ends == "the window" else Reason.APPROVAL_EXPIRED
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, why), report.outcome
    assert held == []
    assert bench.changes() == []


@pytest.mark.long
def test_a_move_that_policy_forbids_meanwhile_is_left_to_people_although_it_was_approved(bench: Bench) -> None:
    """It was approved together with the mend; the process ends after the mend, and policy.yaml is another by then."""
    failure, dying = bench.lab.fail(SPN), bench.engine()

    def observe(name: str, work: Any) -> Any:
        if name == "verify":
            raise Interrupted
        return work()

    dying.observe = observe
    with pytest.raises(Interrupted):
        dying.remediate("run-1", incident_of(failure), dry_run=False, gate=bench.approving, requested_by="alerting")
    forbidding = Policy.model_validate({"windows": {}, "gates": {"remediations": {"move-vm": "never"}}, "proof": NAMES})
    report = bench.mend(failure, policy=forbidding, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.MENDED, Reason.POLICY_NEVER), report.outcome
    assert [name for _, name, _ in bench.changes()] == ["Set-ADComputer"]


@pytest.mark.long
def test_an_open_breaker_refuses_until_a_person_closes_it(bench: Bench) -> None:
    failure = bench.lab.fail(SPN)
    for number in range(3):
        run = f"failed-{number}"
        bench.ledger.start_run(run, kind="register-spns", incident_id=None, requested_by="anna")
        told: Any = {"verified": False, "detail": "", "causes": [Cause.SPN_MISSING], "targets": []}
        bench.ledger.tried(run, "d" * 64, ["register-spns"], **told, breaks=(3, timedelta(days=1)))
    report = bench.mend(failure, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.BREAKER_OPEN), report.outcome
    assert bench.changes() == []
    bench.ledger.close_breaker("register-spns", "anna")
    assert bench.mend(failure, run="run-2").outcome.ending is Ending.MENDED


def earning(hours: float) -> Policy:
    """Policy under which one verified repair earns auto, and a return within `hours` takes it again."""
    rules = {"gates": {"tiers": {2: "auto"}}, "retry": "never", "cooldown_minutes": 0}
    return Policy.model_validate({**rules, "windows": {}, "trust": {"verified_in_a_row": 1, "comes_back_hours": hours}})


@pytest.mark.long
@pytest.mark.parametrize(("hours", "asked"), [(0, 1), (24, 2)])
def test_what_was_verified_earns_auto_and_a_return_takes_it_again(bench: Bench, hours: float, asked: int) -> None:
    for number in (1, 2):
        failure = bench.lab.fail(SPN)
        report = bench.mend(failure, run=f"run-{number}", policy=earning(hours))
        assert report.outcome.ending is Ending.MENDED, report.outcome
    assert len(bench.asked) == asked, "the first time there is no record yet, so a person is asked"
    record = Record.of("register-spns", bench.ledger.trials())
    assert (record.verified, record.came_back) == (2, asked - 1)
    told = "probable override: register-spns was applied and verified here"
    assert (told in report.markdown, told in bench.asked[-1].why) == (asked == 2, asked == 2)
    assert told not in bench.asked[0].why


@pytest.mark.long
def test_what_was_not_verified_counts_against_the_remediation(bench: Bench) -> None:
    failure = bench.lab.fail(SPN)
    sent = []

    def gate(ask: Ask) -> Answer:
        # Somebody takes back what was added, right after it was: the plan made again finds the fault still there.
        directory, world = bench.lab.world.directory, bench.lab.world
        account = directory.computer("HV04")

        def observe(name: str, work: Any) -> Any:
            done = work()
            if "Set-ADComputer" in name and not sent:
                sent.append(name)
                with world.lock:
                    directory.remove_spns("DC1", account.guid, ("Microsoft Virtual System Migration Service/HV04",))
            return done

        engine.observe = observe
        return bench.approving(ask)

    engine = bench.engine(ANYTIME)
    report = engine.remediate("run-1", incident_of(failure), dry_run=False, gate=gate, requested_by="alerting")
    assert sent, report.outcome
    assert report.outcome.ending is not Ending.MENDED, report.outcome
    (trial,) = bench.ledger.trials()
    assert (trial.remediation, trial.verified) == ("register-spns", False)
