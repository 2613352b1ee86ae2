"""How a run ends: cancelled between two steps, in words, and what a run's fate is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from prefect._flow_run_suspension import FlowRunSuspensionRequest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.exceptions import Pause, TerminationSignal
from prefect.states import Suspended
from prefect.utilities.engine import _prefect_sigterm_handler

from flows import running
from flows.fate import fate, terminal_run
from remediations.engine import Observe, Report
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.settings import load_site, packaged


@pytest.mark.parametrize("ending", list(Ending))
def test_only_what_failed_is_failed(ending: Ending) -> None:
    state = running.state_of(Outcome(ending=ending, summary="As it is now."))
    failed = ending in (Ending.FAILED, Ending.UNDONE)
    assert state.type is (StateType.FAILED if failed else StateType.COMPLETED)
    assert state.message == f"{ending.value}: As it is now."
    assert state.name in ("Completed", "Failed"), "Prefect's own names: automations look for them"


def test_a_refusal_says_its_reason_and_a_ledger_that_is_down_is_a_failure() -> None:
    gone = running.state_of(Outcome(ending=Ending.REFUSED, reason=Reason.SYMPTOM_GONE, summary="It has moved."))
    assert (gone.type, gone.message) == (StateType.COMPLETED, "refused (SymptomGone): It has moved.")
    down = running.state_of(Outcome(ending=Ending.REFUSED, reason=Reason.LEDGER_UNAVAILABLE, summary="No ledger."))
    assert down.type is StateType.FAILED


@pytest.fixture
def sigterm() -> Iterator[None]:
    """SIGTERM as Prefect's flow engine handles it: raised in the main thread."""
    before = signal.signal(signal.SIGTERM, _prefect_sigterm_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm")
def test_cancelling_lets_the_step_in_hand_end_and_starts_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    @contextmanager
    def engine(observe: Observe) -> Iterator[Observe]:
        observe.site = load_site(packaged("site.yaml"))  # it stands for the engine here
        yield observe

    monkeypatch.setattr(running, "engine", engine)
    monkeypatch.setattr(running, "configure_logs", lambda: None)
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5e6f0a5a-0000-4000-8000-000000000000")

    def first() -> None:
        told.append("first begun")
        os.kill(os.getpid(), signal.SIGTERM)
        cancelled.wait()
        told.append("first ended")

    def work(observe: Any, run: str, gate: Any) -> Report:
        nonlocal cancelled
        cancelled = observe._cancelled
        try:
            observe("first", first)
            observe("second", lambda: told.append("second begun"))
        except BaseException:
            observe("close the bracket", lambda: told.append("bracket closed"))
            raise
        raise AssertionError("not cancelled")

    cancelled: Any = None
    with pytest.raises(TerminationSignal):
        running.conclude(work)
    assert told == ["first begun", "first ended", "bracket closed"]


def test_a_run_that_is_suspended_in_prefects_pages_begins_no_other_step_and_closes_what_is_open() -> None:
    told: list[str] = []
    asked, tasks = FlowRunSuspensionRequest(), running.Tasks()
    with FlowRunContext.model_construct(flow_run_suspension_request=asked):
        asked.mark_requested(Suspended())
        with pytest.raises(Pause):
            tasks("the next step", lambda: told.append("begun"))
        tasks("close the bracket", lambda: told.append("bracket closed"))
    assert told == ["bracket closed"]


def test_what_ends_a_run_is_told_once_and_never_to_what_takes_back() -> None:
    tasks = running.Tasks()
    tasks.cancel()
    with pytest.raises(running.Cancelled):
        tasks("the next step", lambda: pytest.fail("begun"))
    tasks.cancel()
    assert tasks("take back the step", lambda: "taken back") == "taken back"


def test_what_the_engine_refuses_outright_ends_the_run_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def engine(observe: Observe) -> Iterator[Observe]:
        raise Refused(Reason.LEDGER_UNAVAILABLE, "its database is locked")
        yield observe

    monkeypatch.setattr(running, "engine", engine)
    monkeypatch.setattr(running, "configure_logs", lambda: None)
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "5e6f0a5a-0000-4000-8000-000000000000")
    state = running.conclude(lambda engine, run, gate: pytest.fail("never called"))
    assert state.message == "refused (LedgerUnavailable): its database is locked"


def test_a_command_that_died_is_over_and_one_that_lives_is_not() -> None:
    client = SyncPrefectClient("http://127.0.0.1:9/api")
    assert fate(client, terminal_run()) is None
    code = "from flows.fate import terminal_run; print(terminal_run())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    over = fate(client, dead)
    assert over is not None
    assert over.words == "The command that ran it ended without finishing it"
    machine = dead.split(":")
    machine[1] = "another-machine"
    assert fate(client, ":".join(machine)) is None, "only its own machine can tell"
    assert fate(client, "no run of ours") is None


def test_a_command_whose_number_another_process_has_now_is_over() -> None:
    """As after the machine was booted, or its container started again."""
    client = SyncPrefectClient("http://127.0.0.1:9/api")
    own, other = terminal_run().split(":"), terminal_run().split(":")
    other[3] = "0-1"
    assert fate(client, ":".join(own)) is None
    over = fate(client, ":".join(other))
    assert over is not None
    assert over.words == "The command that ran it ended without finishing it"
    untold = [*own[:3], "", own[4]]
    assert fate(client, ":".join(untold)) is None, "nobody wrote down when it began: its number lives, so it may"
    someone_else_s = [*own[:2], "1", "0-1", own[4]]
    assert fate(client, ":".join(someone_else_s)) is not None
