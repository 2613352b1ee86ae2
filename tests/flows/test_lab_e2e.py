"""A served Prefect whose worker reaches the lab: the flow `undo`, and the pause variable that is set between two steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.schemas.actions import VariableUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Suspended
from served_prefect import Served, eventually

from flows import approvals, pause
from remediations.lab.lab import Lab
from remediations.lab.protocol import Fault
from remediations.lab.world.directory import CONTROL, DELEGATION, TRUSTED_TO_AUTH
from remediations.model.causes import Cause
from remediations.model.contract import Effect, contracts

SEEN = 12.0
"""Seconds after which a run's process knows that it was suspended: Prefect tells it, or it asks, every ten seconds."""

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("prefect"), pytest.mark.timeout(600)]


@pytest.fixture
def lab(served: Served) -> Iterator[Lab]:
    """A lab that is the site of whatever flow run begins meanwhile."""
    file = Path(served.env["REMEDIATE_CONFIG"]) / "site.yaml"
    kept = file.read_bytes()
    with Lab() as started:
        started.write_site(file)
        try:
            yield started
        finally:
            file.write_bytes(kept)


def nothing_delegated(lab: Lab, host: str) -> None:
    """Take from a host's account what it may delegate, as somebody did two hours ago."""
    world, directory = lab.world, lab.world.directory
    account = directory.computer(host).guid
    with world.lock:
        world.settle()
        with world.agenda.playing(world.now - timedelta(hours=2)):
            directory.write("DC1", account, DELEGATION, ())
            directory.write("DC1", account, CONTROL, directory.controllers["DC1"].value(account, CONTROL) & ~TRUSTED_TO_AUTH)
        world.host(host).tickets.tickets = []


def changes(lab: Lab) -> list[str]:
    """The names of the changing commands that hosts executed, in order."""
    return [each.name for each in lab.journal if each.executed and contracts()[each.name].effect is Effect.CHANGE]


def begun(served: Served, flow: str, **parameters: Any) -> UUID:
    """A run of one of our deployments, which is no dry run and was asked for by Carl."""
    given = {"dry_run": False, "requested_by": "carl", **parameters}
    with served.client() as client:
        deployment = client.read_deployment_by_name(f"{flow}/{flow}").id
        return client.create_flow_run_from_deployment(deployment, parameters=given).id


def approved(served: Served, run: UUID) -> None:
    """Anna approves what the run asks, once it asks."""

    def look() -> approvals.Waiting | None:
        with served.client() as client:
            return next((each for each in approvals.waiting(client) if each.run == run), None)

    waiting = eventually(look, 200, f"the question of {run}", lambda: served.told(run))
    told = served.cli("approve", waiting.digest, "--as", "anna")
    assert told.returncode == 0, told.stdout + told.stderr


def ended(served: Served, run: UUID) -> str:
    """What the run says at its end."""
    done: FlowRun = served.until(run, "Completed", "Failed", "Crashed", seconds=200)
    assert done.state is not None
    return str(done.state.message)


def test_what_a_run_did_is_taken_back_by_the_flow_undo(served: Served, lab: Lab) -> None:
    lab.inject(Cause.SPN_MISSING.value)
    broken = lab.world.state_hash()
    run = begun(served, "register-spns", request={"host": "HV04"})
    approved(served, run)
    assert ended(served, run).startswith("mended: ")
    mended = lab.world.state_hash()
    assert mended != broken
    assert changes(lab) == ["Set-ADComputer"]

    dry = begun(served, "undo", run=str(run), dry_run=True)
    assert ended(served, dry).startswith("proposed: ")
    assert lab.world.state_hash() == mended

    undo = begun(served, "undo", run=str(run))
    approved(served, undo)
    assert ended(served, undo).startswith("mended: ")
    assert lab.world.state_hash() == broken
    assert changes(lab) == ["Set-ADComputer"] * 2

    again = begun(served, "undo", run=str(run))
    assert ended(served, again).startswith("nothing to do: ")
    assert len(changes(lab)) == 2


def test_the_pause_variable_between_two_steps_stops_the_rest_and_lets_it_begin_anew(served: Served, lab: Lab) -> None:
    """What had been done is taken back, as docs/operations.md says; the next run, with the switch off, does all of it."""
    lab.inject(Cause.ACCESS_DENIED_DELEGATION.value)
    before = lab.world.state_hash()
    request = {"source": "HV03", "destination": "HV04"}
    lab.protocol_faults.add(Fault(action="Receive", command="Set-ADComputer", kind="delay"))
    run = begun(served, "configure-delegation", request=request)
    approved(served, run)
    eventually(lambda: lab.protocol_faults.fired or None, 200, "the first step's answer to be due", lambda: served.told(run))
    with served.client() as client:
        client.update_variable(VariableUpdate(name=pause.VARIABLE, value=True))
    try:
        lab.protocol_faults.release()
        said = ended(served, run)
        assert said.startswith("undone (Paused): "), said
        assert pause.VARIABLE in said
        assert changes(lab) == ["Set-ADComputer", "Set-ADComputer"], "the step, and what takes it back; nothing that followed"
        assert lab.world.state_hash() == before

        refused = ended(served, begun(served, "configure-delegation", request=request))
        assert refused.startswith("refused (Paused): "), refused
        assert len(changes(lab)) == 2
    finally:
        with served.client() as client:
            client.update_variable(VariableUpdate(name=pause.VARIABLE, value=False))

    run = begun(served, "configure-delegation", request=request)
    approved(served, run)
    assert ended(served, run).startswith("mended: ")
    assert changes(lab)[2:] == ["Set-ADComputer", "Set-ADComputer", "Set-ADAccountControl", "Clear-RemediationTicket"]


def test_a_run_that_is_suspended_by_prefects_own_button_between_two_steps_is_taken_back_at_once(
    served: Served, lab: Lab
) -> None:
    """Nothing is left half-way while it sleeps, however long; resumed, it says what became of it and sends nothing more."""
    nothing_delegated(lab, "HV04")  # not HV03, which the test before has mended: the cooldown would refuse it
    before = lab.world.state_hash()
    lab.protocol_faults.add(Fault(action="Receive", command="Set-ADComputer", kind="delay"))
    run = begun(served, "configure-delegation", request={"source": "HV04", "destination": "HV03"})
    approved(served, run)
    eventually(lambda: lab.protocol_faults.fired or None, 200, "the first step's answer to be due", lambda: served.told(run))
    with served.client() as client:
        client.set_flow_run_state(run, Suspended(timeout_seconds=3600))  # as the button of its page does
    time.sleep(SEEN)
    lab.protocol_faults.release()
    eventually(lambda: len(changes(lab)) == 2 or None, 60, "the step to be taken back", lambda: served.told(run))
    served.until(run, "Suspended")
    assert changes(lab) == ["Set-ADComputer"] * 2
    assert lab.world.state_hash() == before

    with served.client() as client:
        client.resume_flow_run(run)
    said = ended(served, run)
    assert said.startswith("undone: "), said
    assert len(changes(lab)) == 2

    with served.client() as client:
        client.set_flow_run_state(run, AwaitingRetry())  # Retry
    served.until(run, "Scheduled", "Pending", "Running", "AwaitingRetry", seconds=60)
    assert ended(served, run) == said, "told again"
    assert len(changes(lab)) == 2
