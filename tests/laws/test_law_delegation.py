"""Delegation in a whole site: in one plan with what needs it, and told by the controller that gives the tickets."""

from __future__ import annotations

import pytest
from law_bench import Bench

from remediations.engine import Answer, Ask
from remediations.lab.world.directory import CONTROL, NOT_DELEGATED
from remediations.model.causes import Cause
from remediations.model.outcome import Ending
from remediations.model.plan import Wait

DELEGATION, CREDSSP = Cause.ACCESS_DENIED_DELEGATION.value, Cause.CREDSSP_NO_CREDENTIALS.value


def test_delegation_comes_before_kerberos_in_one_plan(bench: Bench) -> None:
    bench.lab.inject(DELEGATION)
    report = bench.mend(bench.lab.fail(CREDSSP))
    assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.markdown
    assert len(bench.asked) == 1
    assert [(host, name) for host, name, _ in bench.changes()] == [
        ("DC1", "Set-ADComputer"),  # one service a command
        ("DC1", "Set-ADComputer"),
        ("DC1", "Set-ADAccountControl"),
        ("HV03", "Clear-RemediationTicket"),
        ("HV03", "Set-VMHost"),
        ("HV04", "Set-VMHost"),
        ("HV03", "Move-VM"),
    ]


def test_the_controller_that_gives_the_tickets_has_to_show_the_change(bench: Bench) -> None:
    world = bench.lab.world
    with world.lock:
        world.directory.lag = 1.5
        host = world.host("HV03")
        host.controller = "DC2"
        host.tickets.tickets = [type(each)(each.server, each.start, "DC2.contoso.com") for each in host.tickets.tickets]
    report = bench.mend(bench.lab.fail(DELEGATION))
    assert report.plan is not None
    assert [item.why for item in report.plan.items if isinstance(item, Wait)]
    assert any(piece.startswith("wait: DC2, which gives HV03 its tickets") for piece in bench.pieces)
    assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.markdown


def test_who_may_not_be_acted_for_is_a_persons_business(bench: Bench) -> None:
    directory = bench.lab.world.directory
    with bench.lab.world.lock:
        account = directory.computer("svc-remediate")
        bits = directory.controllers["DC1"].value(account.guid, CONTROL)
        directory.write("DC1", account.guid, CONTROL, bits | NOT_DELEGATED)
    report = bench.mend(bench.lab.fail(DELEGATION))
    assert report.outcome.ending is Ending.NEEDS_PERSON
    assert "svc-remediate, which asks for the move" in report.outcome.summary
    assert bench.lab.world.machine("VM51").host == "HV03"


def test_tickets_are_purged_once_the_controller_that_gave_them_has_caught_up(bench: Bench) -> None:
    """What was waited for has come, so a plan made now would be another one; what was approved is carried out all the same."""
    failure = bench.lab.fail(Cause.KERBEROS_TICKETS_STALE.value)
    world, wait = bench.lab.world, bench.pause
    with world.lock:
        directory, host = world.directory, world.host("HV03")
        account = directory.computer("HV04").guid
        directory.lag = None
        directory.write("DC1", account, CONTROL, directory.controllers["DC1"].value(account, CONTROL) | NOT_DELEGATED)
        # Given after the change, by the controller that does not know it yet.
        host.controller = "DC2"
        host.tickets.tickets = [type(each)(each.server, world.agenda.now, "DC2.contoso.com") for each in host.tickets.tickets]

    def replicates(seconds: float) -> None:
        with world.lock:
            directory.lag = 0.0
            directory.replicate()
        wait(seconds)

    bench.pause = replicates
    report = bench.mend(failure)
    assert any(piece.startswith("wait: DC2") for piece in bench.pieces), report.markdown
    assert ("HV03", "Clear-RemediationTicket") in [(host, name) for host, name, _ in bench.changes()], report.markdown
    assert report.outcome.ending is Ending.MENDED, report.markdown


@pytest.mark.parametrize("while_it", ["decides", "replicates"])
def test_a_ticket_that_runs_out_meanwhile_is_no_drift(bench: Bench, while_it: str) -> None:
    """One of the old tickets is gone by the time that they are purged: the others are as old as before."""
    failure = bench.lab.fail(Cause.KERBEROS_TICKETS_STALE.value)
    world, wait, host = bench.lab.world, bench.pause, bench.lab.world.host("HV03")
    with world.lock:
        directory = world.directory
        account = directory.computer("HV04").guid
        if while_it == "replicates":
            directory.lag = None
        directory.write("DC1", account, CONTROL, directory.controllers["DC1"].value(account, CONTROL) | NOT_DELEGATED)
        host.tickets.tickets = [type(each)(each.server, each.start, "DC2.contoso.com") for each in host.tickets.tickets]

    def run_out() -> None:
        with world.lock:
            host.tickets.tickets = [each for each in host.tickets.tickets if not each.server.startswith("cifs/hv04")]

    def replicates(seconds: float) -> None:
        run_out()
        with world.lock:
            directory.lag = 0.0
            directory.replicate()
        wait(seconds)

    def gate(ask: Ask) -> Answer:
        if while_it == "decides":
            run_out()
        return bench.approving(ask)

    bench.pause = replicates if while_it == "replicates" else wait
    had = [each.server for each in host.tickets.tickets]
    report = bench.mend(failure, gate=gate)
    assert any(each.startswith("cifs/hv04") for each in had)
    assert [(host, name) for host, name, _ in bench.changes()].count(("HV03", "Clear-RemediationTicket")) == 1, report.markdown
    assert report.verified, report.markdown
