"""A run that Prefect takes for crashed while its process goes on is put right, and not recovered meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, StateType
from prefect.states import Cancelled, Completed, Crashed, Running
from pytest_mock import MockerFixture

from flows import alive
from flows.alive import SILENT, SURE, staying
from flows.fate import fate

SILENCE = f"{SILENT} 90 s: worker or process died"


def crashed(message: str, age: timedelta = timedelta(0)) -> State:
    return State(type=StateType.CRASHED, name="Crashed", message=message, timestamp=datetime.now(UTC) - age)


@pytest.mark.parametrize(
    ("stands", "over"),
    [
        (lambda: crashed(SILENCE), False),
        (lambda: crashed(SILENCE, SURE + timedelta(seconds=1)), True),
        (lambda: crashed("Flow run infrastructure exited with non-zero status code 137."), True),
        (lambda: Cancelled(message=SILENCE), True),
        (lambda: Running(message=SILENCE), False),
    ],
    ids=["silent just now", "silent still", "its process has ended", "cancelled", "runs"],
)
def test_that_nothing_is_heard_of_a_run_is_believed_once_its_process_would_have_put_it_right(
    mocker: MockerFixture, stands: Callable[[], State], over: bool
) -> None:
    client = mocker.Mock()
    client.read_flow_run.return_value.state = stands()  # as of now: its age decides
    assert (fate(client, str(uuid4())) is not None) is over


@pytest.mark.parametrize(
    ("state", "said"),
    [(crashed(SILENCE), True), (Crashed(message="killed"), False), (Completed(), False), (Running(), False)],
    ids=["silent", "crashed otherwise", "completed", "runs"],
)
def test_a_process_tells_prefect_that_its_run_goes_on_where_that_has_only_heard_nothing_of_it(
    mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch, state: State, said: bool
) -> None:
    monkeypatch.setattr(alive, "LOOK", 0.01)
    looked, run = threading.Event(), str(uuid4())
    client = mocker.MagicMock()
    client.__enter__.return_value = client

    def read(_run: object) -> object:
        if client.read_flow_run.call_count == 1:
            raise OSError("Prefect is away")
        if client.read_flow_run.call_count > 3:
            looked.set()
        return mocker.Mock(state=state)

    client.read_flow_run.side_effect = read
    mocker.patch("flows.alive.get_client", return_value=client)
    with staying(run):
        assert looked.wait(20)
    told = client.set_flow_run_state.call_args_list
    assert bool(told) is said
    assert all(str(each.args[0]) == run and each.args[1].type is StateType.RUNNING for each in told)
