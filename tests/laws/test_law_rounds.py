"""Rounds: two faults at once, a fault beside the way, and a mend that does not help."""

from __future__ import annotations

from datetime import timedelta

import pytest
from law_bench import NAMES, Bench, incident_of

from remediations.catalogue import CATALOGUE
from remediations.engine import Answer, Ask
from remediations.model.causes import Cause
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Policy, Retry

LIMIT, CPU, SPN, STALE = (
    Cause.MIGRATION_LIMIT_REACHED.value,
    Cause.CPU_INCOMPATIBLE.value,
    Cause.SPN_MISSING.value,
    Cause.KERBEROS_TICKETS_STALE.value,
)


def test_two_faults_of_one_move_take_two_rounds_with_an_approval_each(bench: Bench) -> None:
    bench.lab.inject(LIMIT)
    failure = bench.lab.fail(CPU)
    report = bench.mend(failure)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert bench.lab.world.machine("VM42").host == "HV02"
    mended = [ask.plan.remediation for ask in bench.asked if ask.plan is not None]
    assert sorted(mended) == ["enable-processor-compatibility", "set-migration-limits"]
    assert len({ask.key for ask in bench.asked}) == len(bench.asked)


def test_two_faults_of_the_directory_and_the_tickets_are_both_mended(bench: Bench) -> None:
    bench.lab.inject(STALE)
    report = bench.mend(bench.lab.fail(SPN))
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert bench.lab.world.machine("VM51").host == "HV04"


def test_a_fault_beside_the_way_is_left_alone(bench: Bench) -> None:
    """HV01 lacks an SPN too, but the move that failed is between HV03 and HV04."""
    with bench.lab.world.lock:
        directory = bench.lab.world.directory
        name = "Microsoft Virtual System Migration Service/hv01.contoso.com"
        directory.remove_spns("DC1", directory.computer("HV01").guid, (name,))
    bench.mend(bench.lab.fail(SPN))
    touched = {str(parameters.get("Identity")) for _, command, parameters in bench.changes() if command == "Set-ADComputer"}
    assert touched == {str(bench.lab.world.directory.computer("HV04").guid)}


def test_a_mend_that_does_not_help_ends_with_a_person(bench: Bench) -> None:
    """Whatever is registered is taken out again at once: the second round finds the same cause and stops."""
    failure = bench.lab.fail(SPN)
    policy = Policy(windows={}, proof=NAMES, cooldown_minutes=0, retry=Retry.APPROVE)

    def gate(ask: Ask) -> Answer:
        if ask.plan is None:
            with bench.lab.world.lock:
                directory = bench.lab.world.directory
                name = "Microsoft Virtual System Migration Service/hv04.contoso.com"
                directory.remove_spns("DC1", directory.computer("HV04").guid, (name,))
                for ticket in list(bench.lab.world.host("HV03").tickets.tickets):
                    if "Migration" in ticket.server:
                        bench.lab.world.host("HV03").tickets.tickets.remove(ticket)
        return bench.approving(ask)

    report = bench.mend(failure, policy=policy, gate=gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.NEEDS_PERSON, Reason.INEFFECTIVE), report.outcome
    assert bench.lab.world.machine("VM51").host != "HV04"


def test_what_comes_back_too_soon_is_for_a_person(bench: Bench) -> None:
    bench.mend(bench.lab.fail(SPN))
    with bench.lab.world.lock:
        bench.lab.world.machine("VM51").host = "HV03"
    bench.clock.ahead = timedelta(minutes=5)
    report = bench.mend(bench.lab.fail(SPN), run="run-2")
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.RECENTLY_REMEDIATED), report.outcome


def test_the_retry_is_left_to_people_where_the_approver_says_so(bench: Bench) -> None:
    failure = bench.lab.fail(SPN)
    report = bench.mend(failure, gate=lambda ask: Answer(decision="approve", approver="anna", retry=False))
    assert (report.outcome.ending, report.verified, report.retried) == (Ending.MENDED, True, False)
    assert bench.lab.world.machine("VM51").host == "HV03"
    assert incident_of(failure).key not in {opened.incident.key for opened in bench.ledger.open_incidents()}


TOGETHER = [
    ("firewall_blocked", SPN),
    ("migration_not_enabled", SPN),
    ("migration_network_missing", "firewall_blocked"),
    ("name_resolution", "winrm_misconfigured"),
    ("access_denied_delegation", "firewall_blocked"),
    ("switch_missing", CPU),
    ("possible_owner_excluded", LIMIT),
    ("switch_missing", "possible_owner_excluded"),
    ("dvd_or_iso_attached", "backing_up_stuck"),
]


@pytest.mark.parametrize(("first", "second"), TOGETHER, ids=lambda each: each)
def test_any_two_faults_on_one_way_are_both_mended(bench: Bench, first: str, second: str) -> None:
    """Whichever the failure tells of first: the machine arrives, and nobody is asked for the same mend twice."""
    bench.lab.inject(first)
    failure = bench.lab.fail(second)
    report = bench.mend(failure)
    assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.outcome
    assert bench.lab.world.machine(failure.vm).host == failure.destination
    asked = [ask.plan.remediation for ask in bench.asked if ask.plan is not None]
    assert len(asked) == len(set(asked)), asked


def test_three_faults_take_the_three_rounds_that_there_are(bench: Bench) -> None:
    bench.lab.inject("switch_missing")
    bench.lab.inject("possible_owner_excluded")
    failure = bench.lab.fail(CPU)
    report = bench.mend(failure)
    assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.outcome
    mended = {ask.plan.remediation for ask in bench.asked if ask.plan is not None}
    assert mended == {"add-possible-owner", "match-virtual-switches", "enable-processor-compatibility"}
    # The report tells of the failure that was reported, whatever failed since.
    assert failure.message.split("\r\n", maxsplit=1)[0] in report.markdown


@pytest.mark.parametrize(
    ("guided", "mended"),
    [("switch_mismatch", LIMIT), ("insufficient_memory", "possible_owner_excluded"), ("smb_permissions", SPN)],
    ids=lambda each: each,
)
def test_what_only_a_person_mends_is_told_beside_what_was_mended(bench: Bench, guided: str, mended: str) -> None:
    bench.lab.inject(guided)
    report = bench.mend(bench.lab.fail(mended))
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.outcome
    assert report.plan is not None
    assert guided in [cause.value for cause in CATALOGUE[report.plan.remediation].causes]  # a repair
    assert report.plan.manuals
    approved = {step.command.name for ask in bench.asked for plan in (ask.plan, ask.retry) if plan for step in plan.steps}
    sent = {name for _, name, _ in bench.changes()}
    assert sent <= approved
    assert all(name in report.outcome.summary for name in sent if not name.startswith("Move-"))
