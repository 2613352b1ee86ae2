"""The web receiver: an alert comes in, and is answered only once it is safe.

202 is sent after `intake` has returned, so what was answered with it is durable. Everything else tells the sender what to
do: 400 names each field, 401, 413 and 415 say what is wrong, 429 and 503 say when to come again. A request is taken whole
or not at all; what was cut off may be sent again, since the same alert joins its open incident.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from remediations.alerts import alertmanager, azure, event, grafana
from remediations.alerts.edge import Edge, Limits, TooLarge, too_large, unavailable
from remediations.alerts.report import Adapter, BadAlert, Found, Mistake
from remediations.alerts.taking import Answer, Check, Intake, Settle, starts_nothing, take

log = structlog.stdlib.get_logger(__name__)


def receiver(
    intake: Intake,
    *,
    token: Callable[[], str] | None,
    check: Check = lambda report: report.incident,
    settle: Settle = starts_nothing,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The receiver's application.

    `check` is called for each report of a request, then `intake` once with all of its incidents, then `settle` for each
    alert that does not fire any more: in a thread, and safe to call from several at once. `token` yields the bearer
    token at each request; None lets everybody in and belongs on loopback only. `clock` is for the rate limit.
    """
    app = FastAPI(
        title="Hyper-V remediation: alert receiver",
        description=__doc__,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    taking = partial(take, check=check, intake=intake, settle=settle)
    for name, adapter, shape, says in _ADAPTERS:
        app.add_api_route(
            f"/alerts/{name}",
            _endpoint(adapter, taking, limits),
            methods=["POST"],
            name=name,
            description=says,
            status_code=202,
            response_model=Answer,
            responses=_ANSWERS,
            dependencies=[Depends(HTTPBearer(auto_error=False))] if token is not None else [],  # for the documentation
            openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _inline(shape)}}}},
        )

    @app.get("/health", description="Whether the receiver runs. Says nothing else, and needs no token.")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    app.add_middleware(Edge, token=token, limits=limits, clock=clock, only_5xx=_ONLY_5XX)
    return app


_ADAPTERS: tuple[tuple[str, Adapter, type[BaseModel], str], ...] = (
    ("alertmanager", alertmanager.read, alertmanager.Webhook, str(alertmanager.__doc__)),
    ("grafana", grafana.read, grafana.Webhook, str(grafana.__doc__)),
    ("azure", azure.read, azure.Webhook, str(azure.__doc__)),
    ("event", event.read, event.Event, str(event.__doc__)),
)
_ONLY_5XX = frozenset({"/alerts/alertmanager"})
"""Alertmanager takes every 4xx, 429 too, for an error that no retry mends (its notify/webhook/webhook.go)."""

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Answer, "description": "Nothing to take: no alert is firing"},
    400: {"description": "A field is wrong, and it is named; nothing of the request was taken"},
    401: {"description": "No token, or another one"},
    413: {"description": "The body is too large"},
    415: {"description": "The body is not plain JSON"},
    429: {"description": "Too many requests: come again after Retry-After seconds (Alertmanager is told by 503)"},
    503: {"description": "Nothing can be taken now: come again after Retry-After seconds"},
}


def _inline(shape: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema in one piece."""
    whole = shape.model_json_schema()
    parts = whole.pop("$defs", {})

    def resolved(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolved(parts[value["$ref"].rpartition("/")[2]])
            return {key: resolved(each) for key, each in value.items()}
        return [resolved(each) for each in value] if isinstance(value, list) else value

    schema: dict[str, Any] = resolved(whole)
    return schema


def _endpoint(
    adapter: Adapter, taking: Callable[[Found], Answer], limits: Limits
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    def handled(body: bytes, headers: Mapping[str, str]) -> Response:
        try:
            answer = taking(adapter(_json(body), headers))
        except BadAlert as bad:
            return refused(bad.mistakes)
        except Exception:  # whatever keeps it from being durable, the sender keeps it and comes again
            log.exception("an alert could not be taken in")
            return unavailable(limits)
        return JSONResponse(answer.model_dump(), 202 if answer.accepted else 200)

    async def endpoint(request: Request) -> Response:
        headers = request.headers
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if (
            not (media == "application/json" or media.endswith("+json"))
            or headers.get("content-encoding", "identity") != "identity"
        ):
            # Also keeps a browser's forms out: they cannot send JSON to a receiver that needs no token.
            return JSONResponse({"error": "body: send uncompressed JSON with Content-Type: application/json"}, 415)
        try:
            body = await request.body()
        except TooLarge:
            return too_large(limits)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return await run_in_threadpool(handled, body, {name.lower(): text for name, text in headers.items()})

    return endpoint


def refused(mistakes: Sequence[Mistake]) -> JSONResponse:
    """400: what is wrong with each field, the first in one line for senders that log only that."""
    log.warning("an alert was refused", mistakes=[f"{each.field}: {each.wrong}" for each in mistakes[:_SHOWN]])
    content = {
        "error": f"{mistakes[0].field}: {mistakes[0].wrong}",
        "mistakes": [each._asdict() for each in mistakes[:_SHOWN]],
    }
    return JSONResponse(content, 400)


_SHOWN = 100


def _json(body: bytes) -> Any:
    try:
        return from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise BadAlert([Mistake("body", f"this is no JSON in UTF-8: {error}")]) from None
