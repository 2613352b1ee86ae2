"""The pause switch in Prefect's pages: a variable of a real server."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.client.schemas.actions import VariableUpdate
from served_prefect import Served

from flows import pause

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("prefect")]


@pytest.mark.parametrize(
    ("value", "pauses"),
    [(False, False), ("false", False), (" No ", False), (0, False), (True, True), ("true", True), ("", True), (None, True),
     ({"x": 1}, True)],
)  # fmt: skip
def test_only_what_plainly_says_no_does_not_pause(served: Served, value: Any, pauses: bool) -> None:
    with served.client() as client:
        try:
            client.update_variable(VariableUpdate(name=pause.VARIABLE, value=value))
            why = pause.why(client)
        finally:
            client.update_variable(VariableUpdate(name=pause.VARIABLE, value=False))
    assert (why is not None) is pauses
    assert why is None or (pause.VARIABLE in why and repr(value) in why)


def test_serve_makes_the_switch_off_and_leaves_what_people_set(served: Served) -> None:
    with served.client() as client:
        found = client.read_variable_by_name(pause.VARIABLE)
        assert found is not None
        assert found.value is False
        client.update_variable(VariableUpdate(name=pause.VARIABLE, value=True))
        pause.ensure_variable(client)
        assert pause.why(client) is not None
        client.delete_variable_by_name(pause.VARIABLE)
        assert "has no variable remediation_paused any more" in str(pause.why(client))
        pause.ensure_variable(client)
        assert pause.why(client) is None


def test_the_switches_of_a_machine_are_read_anew_and_what_cannot_be_read_pauses(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMEDIATE_CONFIG", served.env["REMEDIATE_CONFIG"])
    read, name = pause.switches(served.api), f"Prefect's variable {pause.VARIABLE}"
    assert read() == {"policy.yaml": None, name: None}
    with served.client() as client:
        client.update_variable(VariableUpdate(name=pause.VARIABLE, value=True))
        try:
            assert read()[name] is not None
        finally:
            client.update_variable(VariableUpdate(name=pause.VARIABLE, value=False))
    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    deaf = pause.switches("http://127.0.0.1:9/api")()[name]
    assert "cannot say whether remediation_paused is set" in str(deaf)
    assert set(pause.switches(None)()) == {"policy.yaml"}
