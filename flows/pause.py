"""The pause switches outside of the ledger: a variable that people set in Prefect's pages, and the policy file as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import VariableCreate
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError

from flows.approvals import client_for
from remediations.engine.judging import PAUSED_BY_POLICY
from remediations.engine.ports import Switches
from remediations.settings import ConfigError, config_directory, load_policy, policy_file

VARIABLE = "remediation_paused"
"""Prefect's variable: `true` pauses every change; only `false` (also "no", "off", 0) does not."""

_OFF = ("false", "no", "off", "0")


def ensure_variable(client: SyncPrefectClient) -> None:
    """Create the switch, off, unless it is there: whatever people set stays."""
    if client.read_variable_by_name(VARIABLE) is None:
        try:
            client.create_variable(VariableCreate(name=VARIABLE, value=False, tags=["hyper-v"]))
        except ObjectAlreadyExists:
            return


def switches(api: str | None) -> Switches:
    """The switches of this machine, read anew at each call: the policy file, and Prefect's variable where one is known."""

    def read() -> Mapping[str, str | None]:
        found = {"policy.yaml": _of_policy()}
        return found if api is None else {**found, f"Prefect's variable {VARIABLE}": _of_prefect(api)}

    return read


def _of_policy() -> str | None:
    try:
        paused = load_policy(policy_file(config_directory())).pause
    except (ConfigError, OSError) as error:
        return f"policy.yaml cannot be read any more ({error}); nothing is changed until it can (`remediate config check`)"
    return PAUSED_BY_POLICY if paused else None


def _of_prefect(api: str) -> str | None:
    try:
        with client_for(api) as client:
            return why(client)
    except (httpx.HTTPError, PrefectHTTPStatusError, OSError) as error:
        told = f"Prefect at {api} cannot say whether {VARIABLE} is set ({type(error).__name__}: {error})"
        return f"{told}; nothing is changed until it answers"


def why(client: SyncPrefectClient) -> str | None:
    """Why Prefect's variable pauses every change; None if it does not. One that is gone pauses: nobody could set it."""
    found = client.read_variable_by_name(VARIABLE)
    if found is None:
        return f"Prefect has no variable {VARIABLE} any more: make it with the value false, or restart `remediate serve`"
    if _is_off(found.value):
        return None
    return f"the variable {VARIABLE} is {found.value!r} in Prefect; nothing is changed until it is false"


def _is_off(value: Any) -> bool:
    return str(value).strip().casefold() in _OFF
