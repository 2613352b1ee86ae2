"""What waits for a person's decision, and giving it from outside: the same form, the same checks, by Prefect's API."""

from __future__ import annotations

import json
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID

import structlog
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from pydantic import AwareDatetime, Field, ValidationError

from flows.gate import SCHEMA_KEY
from remediations.engine.ports import IN_LEDGER, NO_CODE
from remediations.ledger import Ledger
from remediations.model.base import Frozen
from remediations.model.roll import parent

log = structlog.get_logger(__name__)

PAGE = 200
"""Runs that Prefect is asked for at a time."""


class Waiting(Frozen):
    """One plan that waits for a decision."""

    run: UUID
    run_name: str
    digest: str = Field(min_length=64, max_length=64)
    title: str
    tier: str
    expires_at: AwareDatetime
    retry: str | None = Field(description="Title of part two, the move tried again; none if it is not part of the question")
    typed: str = Field(default="", description="The target's name, where it has to be typed")
    approved_by: tuple[str, ...] = Field(default=(), description="Who had approved it when this was asked")
    fields: tuple[str, ...] = Field(default=(), description="The form's own fields")
    link: str

    @property
    def shown(self) -> str:
        """The digest's first eight characters, as the form shows them."""
        return f"{self.digest[:4]} {self.digest[4:8]}"


class NotWaiting(LookupError):
    """No plan, or more than one, of that digest waits for a decision."""


class NotTaken(Exception):
    """Prefect did not take the answer; the plan still waits, unless the text says otherwise."""


def client_for(api: str) -> SyncPrefectClient:
    """A client for one Prefect API, with the credentials that Prefect's own settings name."""
    from prefect.settings import get_current_settings  # noqa: PLC0415 - settings are read when they are needed

    secret = get_current_settings().api.auth_string
    return SyncPrefectClient(api, auth_string=secret.get_secret_value() if secret is not None else None)


def waiting(client: SyncPrefectClient) -> list[Waiting]:
    """All plans that wait, the one that expires first at the top."""
    suspended = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    found: list[Waiting] = []
    for page in range(100):
        runs = client.read_flow_runs(flow_run_filter=suspended, limit=PAGE, offset=page * PAGE)
        found += [asked for run in runs if (asked := _asked(client, run)) is not None]
        if len(runs) < PAGE:
            break
    return sorted(found, key=lambda each: each.expires_at)


def find(client: SyncPrefectClient, digest: str, run: str | None = None) -> Waiting:
    """The plan whose digest begins with `digest` (eight characters or more, spaces do not count). Raises `NotWaiting`.

    Two runs may wait for the same plan; then `run` says which is meant.
    """
    wanted = digest.replace(" ", "").casefold()
    if len(wanted) < 8 or not all(char in "0123456789abcdef" for char in wanted):
        raise NotWaiting(f"{digest!r} is no digest: give its first eight characters (0-9, a-f), as `remediate approvals` shows")
    there = waiting(client)
    asker = parent(run) if run is not None else None
    found = [each for each in there if each.digest.startswith(wanted) and asker in (None, str(each.run))]
    if not found:
        known = ", ".join(each.digest[:8] for each in there) or "nothing"
        raise NotWaiting(f"no plan {wanted} waits for a decision (it may have expired, or been answered); waiting: {known}")
    if len(found) > 1:
        runs = ", ".join(str(each.run) for each in found)
        raise NotWaiting(f"plan {wanted} waits in {len(found)} runs: say which by --run, of {runs}")
    return found[0]


def answer(
    client: SyncPrefectClient,
    asked: Waiting,
    decision: Literal["approve", "reject"],
    *,
    approver: str,
    comment: str = "",
    retry: bool = True,
    code: str = "",
    target: str = "",
) -> None:
    """Answer for `approver` by the form; the run checks it. Raises `NotTaken` with Prefect's reason if it did not take it."""
    given: dict[str, Any] = {
        "decision": decision,
        "approver": approver,
        "comment": comment,
        "digest": asked.digest[:8],
        "code": code,
        "target": target,
        "retry": retry,
    }
    result = client.resume_flow_run(asked.run, run_input={name: value for name, value in given.items() if name in asked.fields})
    # Its HTTP status does not tell.
    if result.status is not SetStateStatus.ACCEPT:
        reason = getattr(result.details, "reason", None) or "no reason was given"
        raise NotTaken(f"Prefect did not take the answer ({result.status.value}): {reason}")


def wake(client: SyncPrefectClient, asked: Waiting, decision: Literal["approve", "reject"], approver: str) -> None:
    """Let a run go on whose answer is in the ledger, where it looks first. Raises `NotTaken`.

    By its form, since only Prefect's own resume sees to it that nobody resumes it twice; what the form carries is no code,
    and its comment says that it is no answer of its own.
    """
    shown = " ".join(approver.split())  # the form takes no blanks around a name; it is compared without them
    answer(client, asked, decision, approver=shown, comment=IN_LEDGER, code=NO_CODE, target=asked.typed)


def goes_on(client: SyncPrefectClient, run: str) -> bool:
    """Whether a run, or the one that it is a part of, is neither suspended nor over."""
    state = client.read_flow_run(UUID(parent(run))).state
    return state is not None and not state.is_paused() and not state.is_final()


def wake_answered(client: SyncPrefectClient, ledger: Ledger) -> list[Waiting]:
    """Wake every run that still waits for what the ledger has: whoever wrote it there could not, or died before."""
    woken = []
    for asked in waiting(client):
        sealed = next((each for each in ledger.find_sealed(asked.digest) if parent(each.run) == str(asked.run)), None)
        if sealed is None:
            continue
        decided, given = ledger.decision(sealed), tuple(each.approver for each in ledger.approvals(sealed))
        if decided is not None or given != asked.approved_by:
            last = decided.approver if decided is not None else given[-1]
            try:
                wake(client, asked, decided.decision if decided is not None else "approve", last)
            except (NotTaken, PrefectHTTPStatusError) as error:  # it keeps no other from being woken
                log.warning("a run whose answer is in the ledger could not be woken", run=str(asked.run), why=str(error))
            else:
                woken.append(asked)
    return woken


def _asked(client: SyncPrefectClient, run: FlowRun) -> Waiting | None:
    """What a suspended run asks; None if it is not ours, or has not written its question yet."""
    keys = run.state.state_details.run_input_keyset if run.state is not None else None
    if not keys:
        return None
    try:
        schema = json.loads(client.read_flow_run_input(run.id, keys["schema"]))
        asked = schema[SCHEMA_KEY]
        return Waiting(
            run=run.id,
            run_name=run.name,
            digest=asked["digest"],
            title=asked["title"],
            tier=asked["tier"],
            expires_at=datetime.fromisoformat(asked["expires_at"]),
            retry=asked["retry"],
            typed=asked["typed"],
            approved_by=tuple(asked["approved_by"]),
            fields=tuple(schema["properties"]),
            link=run_link(str(client.api_url), run.id),
        )
    except PrefectHTTPStatusError as error:
        # Prefect suspends the run first and writes the form after it.
        if error.response.status_code == HTTPStatus.NOT_FOUND:
            return None
        raise
    except (ObjectNotFound, KeyError, TypeError, ValueError, ValidationError):
        return None


def run_link(api: str, run: UUID | str) -> str:
    """Where a person sees a run in Prefect's user interface."""
    return f"{api.rstrip('/').removesuffix('/api')}/runs/flow-run/{run}"
