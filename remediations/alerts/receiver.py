"""The web receiver: an alert comes in, and is answered only once it is safe.

202 is sent after `intake` has returned, so what was answered with it is durable. Everything else tells the sender what to
do: 400 names each field, 401, 413 and 415 say what is wrong, 429 and 503 say when to come again. An alert that is wrong keeps
no other of its request out; anything may be sent again, since the same alert joins its open incident.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from pydantic import BaseModel
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from remediations.alerts import alertmanager, azure, event, grafana, labelled
from remediations.alerts.edge import Edge, Limits, TooLarge, too_large, unavailable
from remediations.alerts.report import Adapter, BadAlert, Found, Mistake
from remediations.alerts.senders import SIGNATURE, Secrets, Senders
from remediations.alerts.senders import __doc__ as senders_doc
from remediations.alerts.taking import Answer, Check, Checked, Intake, Settle, answered, checked, settled, starts_nothing
from remediations.alerts.together import Together

log = structlog.stdlib.get_logger(__name__)


def receiver(
    intake: Intake,
    *,
    tokens: Secrets | None,
    secrets: Secrets | None = None,
    check: Check = lambda report: report.incident,
    settle: Settle = starts_nothing,
    limits: Limits = Limits(),  # noqa: B008 (frozen)
    clock: Callable[[], float] = time.monotonic,
) -> FastAPI:
    """The receiver's application.

    `check` is called for each report of a request and does no IO. Then `intake` is called in a thread, once at a time, with
    the incidents of all requests that wait, and `settle`, in a thread too, for each alert that does not fire any more.
    `tokens` yields the bearer tokens that count at each request, `secrets` what senders sign with; either lets in. None of
    both lets everybody in, and belongs on loopback only. `clock` is for the rate limit. More routes may be added to what this
    gives: they are behind the same edge.
    """
    senders = Senders(tokens=tokens, secrets=secrets, in_url=_TOKEN_IN_URL)
    app = FastAPI(
        title="Hyper-V remediation: alert receiver",
        description=__doc__,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    schemes = _schemes(senders)
    taking = _Taking(check, intake, settle, limits)
    endpoints: dict[str, Endpoint] = {}
    for name, adapter, shape, says in _ADAPTERS:
        endpoints[f"/alerts/{name}"] = taking.endpoint(adapter)
        app.add_api_route(
            f"/alerts/{name}",
            endpoints[f"/alerts/{name}"],
            methods=["POST"],
            name=name,
            description=says,
            status_code=202,
            response_model=Answer,
            responses=_ANSWERS,
            openapi_extra={
                "requestBody": {"required": True, "content": {"application/json": {"schema": _inline(shape)}}},
                "security": [{each: []} for each in schemes if each != _IN_URL or f"/alerts/{name}" in _TOKEN_IN_URL],
            },
        )

    @app.get("/health", description="Whether the receiver runs. Says nothing else, and needs no token.")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        if schemes:
            document.setdefault("components", {})["securitySchemes"] = schemes
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to add to it
    app.add_middleware(_Straight, endpoints=endpoints)
    app.add_middleware(Edge, senders=senders, limits=limits, clock=clock, only_5xx=_ONLY_5XX)
    return app


_ADAPTERS: tuple[tuple[str, Adapter, type[BaseModel], str], ...] = (
    ("alertmanager", alertmanager.read, alertmanager.Webhook, f"{alertmanager.__doc__}\n{labelled.READ}"),
    ("grafana", grafana.read, grafana.Webhook, f"{grafana.__doc__}\n{labelled.READ}"),
    ("azure", azure.read, azure.Webhook, str(azure.__doc__)),
    ("event", event.read, event.Event, str(event.__doc__)),
)
_IN_URL = "TokenInUrl"
_TOKEN_IN_URL = frozenset({"/alerts/azure"})
"""An action group's webhook cannot set headers; Microsoft has its senders put what proves them into the URL."""

_ONLY_5XX = frozenset({"/alerts/alertmanager"})
"""Alertmanager takes every 4xx, 429 too, for an error that no retry mends (its notify/webhook/webhook.go)."""

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Answer, "description": "Nothing to take: no alert is firing"},
    400: {"description": "A field is wrong, and it is named; alerts of the request that are right were taken"},
    401: {"description": "No token and no signature, or wrong ones"},
    413: {"description": "The body is too large"},
    415: {"description": "The body is not plain JSON"},
    429: {"description": "Too many requests: come again after Retry-After seconds (Alertmanager is told by 503)"},
    503: {"description": "Nothing can be taken now: come again after Retry-After seconds"},
}


def _schemes(senders: Senders) -> dict[str, dict[str, str]]:
    """How a sender proves who it is, as OpenAPI says it. The edge asks for it, before any route is looked at."""
    bearer = {"type": "http", "scheme": "bearer"}
    signature = {"type": "apiKey", "in": "header", "name": SIGNATURE, "description": str(senders_doc)}
    in_url = {"type": "apiKey", "in": "query", "name": "token", "description": "For senders that cannot set headers"}
    asked = (("Token", senders.tokens, bearer), (_IN_URL, senders.tokens, in_url), ("Signature", senders.secrets, signature))
    return {name: scheme for name, secret, scheme in asked if secret is not None}


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


Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class _Straight:
    """Has alerts go straight to their endpoints: FastAPI describes those, and answers everything else.

    Its way to an endpoint (routes, dependencies, exit stacks) costs about as much as reading the alert.
    """

    def __init__(self, app: ASGIApp, *, endpoints: Mapping[str, Endpoint]) -> None:
        self._app, self._endpoints = app, endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a posted alert, or let the application answer."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        endpoint = self._endpoints.get(scope["path"]) if posted else None
        if endpoint is None:
            await self._app(scope, receive, send)
        else:
            answer = await endpoint(Request(scope, receive))
            await answer(scope, receive, send)


class _Taking:
    """What every format's endpoint does with what it read."""

    def __init__(self, check: Check, intake: Intake, settle: Settle, limits: Limits) -> None:
        self.limits = limits
        self._check, self._settle = check, settle
        self._intake = Together(intake)

    def endpoint(self, adapter: Adapter) -> Endpoint:
        """The endpoint of one format."""

        def understood(body: bytes, headers: Mapping[str, str]) -> tuple[Found, Checked]:
            found = adapter(_json(body), headers)
            return found, checked(found, self._check)

        async def taken(body: bytes, headers: Mapping[str, str]) -> tuple[Answer, Sequence[Mistake]]:
            # A small body is understood sooner than a thread takes over; a large one must not keep the others waiting.
            large = len(body) > _LARGE
            found, right = await run_in_threadpool(understood, body, headers) if large else understood(body, headers)
            accepted = await self._intake(right.incidents) if right.incidents else ()
            over = await run_in_threadpool(settled, found, self._check, self._settle) if found.ended else ()
            return answered(found, right.reports, accepted, over), right.wrong

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
                answer, wrong = await taken(await request.body(), {name.lower(): text for name, text in headers.items()})
            except TooLarge:
                return too_large(self.limits)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it
            except BadAlert as bad:
                return refused(bad.mistakes, _NOTHING)
            except Exception:  # whatever keeps it from being durable, the sender keeps it and comes again
                log.exception("an alert could not be taken in")
                return unavailable(self.limits)
            return refused(wrong, answer) if wrong else JSONResponse(answer.model_dump(), 202 if answer.accepted else 200)

        return endpoint


_LARGE = 32_768
"""Bytes of a body that are understood in about ten milliseconds."""


_NOTHING = Answer(accepted=[], ignored=[])


def refused(mistakes: Sequence[Mistake], others: Answer) -> JSONResponse:
    """400: what is wrong with each field, the first in one line for senders that log only that; what became of the others."""
    told = [f"{each.field}: {each.wrong}" for each in mistakes[:_SHOWN]]
    log.warning("an alert was refused", mistakes=told, taken_with_it=[each.incident for each in others.accepted])
    content = {
        "error": f"{mistakes[0].field}: {mistakes[0].wrong}",
        "mistakes": [each._asdict() for each in mistakes[:_SHOWN]],
        **others.model_dump(),
    }
    return JSONResponse(content, 400)


_SHOWN = 100


def _json(body: bytes) -> Any:
    try:
        return from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        raise BadAlert([Mistake("body", f"this is no JSON in UTF-8: {error}")]) from None
