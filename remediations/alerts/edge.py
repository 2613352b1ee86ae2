"""The receiver's edge, before anything of a request is looked at: who sends, how often, how much."""

from __future__ import annotations

import hashlib
import hmac
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """What the receiver takes."""

    body: int = 1_048_576
    """Bytes of a request's body."""
    per_second: float = 200.0
    """Requests a second that it takes for long."""
    burst: int = 400
    """Requests that it takes at once after a quiet time."""
    retry_after: int = 5
    """Seconds after which a sender is asked to come again when the ledger cannot be reached."""


class Bucket:
    """A token bucket: `burst` at once, `per_second` for long. `clock` is monotonic, in seconds."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._level, self._at = float(limits.burst), clock()

    def wait(self) -> int:
        """0 and one request less if there is room, else whole seconds until there is."""
        with self._lock:
            now = self._clock()
            self._level = min(self._limits.burst, self._level + (now - self._at) * self._limits.per_second)
            self._at = now
            if self._level >= 1:
                self._level -= 1
                return 0
            return max(1, math.ceil((1 - self._level) / self._limits.per_second))


class TooLarge(Exception):
    """More bytes came than are taken."""


class Edge:
    """ASGI middleware: bearer token, then rate, then size. Only `/health` is open to everybody.

    A sender without the token learns nothing but that: every path and method answers the same. A token that cannot be read
    lets nobody in (503). On `only_5xx` paths, whose senders give up on a 429 and lose the alert, too many requests are 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: Callable[[], str] | None,
        limits: Limits,
        clock: Callable[[], float],
        only_5xx: frozenset[str] = frozenset(),
    ) -> None:
        self._app, self._token, self._limits, self._only_5xx = app, token, limits, only_5xx
        self._bucket = Bucket(limits, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application, or let it answer."""
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["path"], Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limits.body:
                raise TooLarge
            return message

        await self._app(scope, counted, send)

    def _refusal(self, path: str, headers: Headers) -> JSONResponse | None:
        if self._token is not None:
            try:
                expected = self._token()
            except Exception:  # whatever keeps the token away, nobody is let in
                log.exception("the senders' token cannot be read, so no alert is taken")
                expected = ""
            if not expected:
                return unavailable(self._limits)
            if not _bearer(headers.get("authorization", ""), expected):
                return JSONResponse({"error": "unauthorized"}, 401, {"WWW-Authenticate": "Bearer"})
        seconds = self._bucket.wait()
        if seconds:
            status = 503 if path in self._only_5xx else 429
            return JSONResponse({"error": "too many requests; come again later"}, status, {"Retry-After": str(seconds)})
        if headers.get("content-length", "0").isdigit() and int(headers.get("content-length", "0")) > self._limits.body:
            return too_large(self._limits)
        return None


def unavailable(limits: Limits) -> JSONResponse:
    """Nothing can be taken now: the sender keeps what it has and comes again."""
    return JSONResponse({"error": "nothing can be taken now; come again later"}, 503, {"Retry-After": str(limits.retry_after)})


def too_large(limits: Limits) -> JSONResponse:
    """More came than is taken."""
    return JSONResponse({"error": f"body: more than {limits.body} bytes; send fewer alerts in one request"}, 413)


def _bearer(header: str, expected: str) -> bool:
    """Whether the header carries the token; takes as long for a wrong one as for the right one, of whatever length."""
    scheme, _, given = header.partition(" ")
    digests = [hashlib.sha256(each.encode("utf-8", "surrogateescape")).digest() for each in (given.strip(), expected)]
    return hmac.compare_digest(*digests) and scheme.lower() == "bearer"
