"""Approving from elsewhere (a chat's bot, a change system): `POST /approvals/{digest}` at the receiver, by its token.

The token is also in the hands of what sends alerts, so it proves nothing of a person: every answer that comes this way needs
an approver's one-time code, a rejection and what policy takes a name for too. It is judged at once; 200 is sent once the
answer is in the ledger, and the run goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import structlog
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from remediations.alerts.edge import Limits, TooLarge, too_large, unavailable
from remediations.model.outcome import Reason, Refused

log = structlog.stdlib.get_logger(__name__)


class Said(BaseModel):
    """One person's answer to a plan that waits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    approver: str = Field(
        min_length=2,
        max_length=64,
        pattern=r"^\S(.*\S)?$",
        description="The enrolled approver whose code it is; no blanks around it",
    )
    decision: Literal["approve", "reject"]
    code: str = Field(pattern=r"^\d{3} ?\d{3}$", repr=False, description="What their authenticator shows now")
    comment: str = Field(default="", max_length=2000)
    retry: bool = Field(default=True, description="Whether what had failed is tried again after the mend, where that is asked")
    target: str = Field(default="", max_length=200, description="The target's name, where it has to be typed")
    run: str | None = Field(default=None, max_length=200, description="The run, where more than one waits for the same plan")


class Heard(BaseModel):
    """What became of an answer."""

    digest: str
    run: str
    title: str
    decision: Literal["approve", "reject"]
    missing: int
    """How many more people have to approve; 0 once it is decided."""
    woken: str
    """What makes the run go on."""


Decide = Callable[[str, Said], Heard]
"""Takes an answer to the plan whose digest begins so. Raises `LookupError` if none waits, `Refused` if it does not count."""


def approvals(decide: Decide, limits: Limits = Limits()) -> APIRouter:  # noqa: B008 (frozen)
    """The endpoint, to be included by the receiver, whose edge lets nobody in without its token."""
    router = APIRouter()

    def handled(digest: str, body: bytes) -> JSONResponse:
        try:
            said = Said.model_validate_json(body)
        except ValidationError as error:
            mistakes = [{"field": ".".join(map(str, each["loc"])) or "body", "wrong": each["msg"]} for each in error.errors()]
            return JSONResponse({"error": f"{mistakes[0]['field']}: {mistakes[0]['wrong']}", "mistakes": mistakes}, 400)
        try:
            return JSONResponse(decide(digest, said).model_dump())
        except Refused as refused:
            if refused.reason is Reason.LEDGER_UNAVAILABLE:
                log.warning("an answer could not be taken", why=refused.detail)
                return unavailable(limits)
            return JSONResponse({"error": refused.detail, "reason": refused.reason.value}, 409)
        except LookupError as error:
            if isinstance(error, (KeyError, IndexError)):
                raise
            return JSONResponse({"error": str(error)}, 404)

    @router.post(
        "/approvals/{digest}",
        description=__doc__,
        response_model=Heard,
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": Said.model_json_schema()}}}
        },
    )
    async def answer(digest: str, request: Request) -> JSONResponse:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return JSONResponse({"error": "body: send JSON with Content-Type: application/json"}, 415)
        try:
            body = await request.body()
        except TooLarge:
            return too_large(limits)
        return await run_in_threadpool(handled, digest, body)

    return router
