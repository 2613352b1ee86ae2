"""The receiver's edge, before anything of a request is looked at: who sends, how often, how much."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from remediations.alerts.senders import Senders

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """What the receiver takes; each process of several counts for itself."""

    body: int = 1_048_576
    """Bytes of a request's body."""
    per_second: float = 500.0
    """Requests a second that it takes of one sender's address for long."""
    burst: int = 1_000
    """Requests that it takes of one sender's address at once after a quiet time."""
    addresses: int = 4_096
    """Addresses that are counted; the longest silent are forgotten beyond that."""
    retry_after: int = 5
    """Seconds after which a sender is asked to come again when the ledger cannot be reached."""


class Bucket:
    """A token bucket: `burst` at once, `per_second` for long."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._level, self._at = float(limits.burst), now

    def wait(self, now: float) -> int:
        """0 and one request less if there is room, else whole seconds until there is."""
        self._level = min(self._limits.burst, self._level + (now - self._at) * self._limits.per_second)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0
        return max(1, math.ceil((1 - self._level) / self._limits.per_second))


class Rate:
    """A bucket for each sender's address. `clock` is monotonic, in seconds."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait(self, address: str) -> int:
        """0 if this sender may send one now, else whole seconds until it may."""
        with self._lock:
            now = self._clock()
            bucket = self._buckets.get(address)
            if bucket is None:
                bucket = self._buckets[address] = Bucket(self._limits, now)
                if len(self._buckets) > self._limits.addresses:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(address)
            return bucket.wait(now)


class TooLarge(Exception):
    """More bytes came than are taken."""


class Gone(Exception):
    """The sender went away before its body was complete."""


class Edge:
    """ASGI middleware: who sends, then rate, then size. Only `/health` is open to everybody.

    Who is not let in learns nothing but that: every path and method answers the same. A secret that cannot be read lets
    nobody in (503). On `only_5xx` paths, whose senders give up on a 429 and lose the alert, too many requests are 503.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        senders: Senders,
        limits: Limits,
        clock: Callable[[], float],
        only_5xx: frozenset[str] = frozenset(),
    ) -> None:
        self._app, self._senders, self._limits, self._only_5xx = app, senders, limits, only_5xx
        self._rate = Rate(limits, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application, or let it answer."""
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        counted = _counted(receive, self._limits.body)
        try:
            let_in, counted = await self._lets_in(scope, headers, counted)
        except Gone:
            return
        except Exception:  # whatever keeps the secrets away, nobody is let in
            log.exception("what proves who sends cannot be read, so no alert is taken")
            await unavailable(self._limits)(scope, receive, send)
            return
        if not let_in:
            refusal: JSONResponse | None = JSONResponse({"error": "unauthorized"}, 401, {"WWW-Authenticate": "Bearer"})
        else:
            refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, counted, send)

    async def _lets_in(self, scope: Scope, headers: Headers, receive: Receive) -> tuple[bool, Receive]:
        """Whether the sender may send, and what to receive its body from: a signature needs the body first."""
        if self._senders.everybody:
            return True, receive
        if not self._senders.signs(headers):
            query = scope.get("query_string", b"").decode("latin-1")
            return self._senders.has_token(scope["path"], query, headers), receive
        try:
            body = await _whole(receive)
        except TooLarge:
            return False, receive  # nobody is proven to have sent it
        return self._senders.signed(headers, body), _again(body, receive)

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        client = scope.get("client")
        seconds = self._rate.wait(client[0] if client else "")
        if seconds:
            status = 503 if scope["path"] in self._only_5xx else 429
            return JSONResponse({"error": "too many requests; come again later"}, status, {"Retry-After": str(seconds)})
        if headers.get("content-length", "0").isdigit() and int(headers.get("content-length", "0")) > self._limits.body:
            return too_large(self._limits)
        return None


def _counted(receive: Receive, limit: int) -> Receive:
    """As `receive`, but raises `TooLarge` once more than `limit` bytes came."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLarge
        return message

    return counted


async def _whole(receive: Receive) -> bytes:
    """The whole body. Raises `Gone` if the sender goes away, `TooLarge` as `receive` does."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, and then what comes after it."""
    read = False

    async def again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def unavailable(limits: Limits) -> JSONResponse:
    """Nothing can be taken now: the sender keeps what it has and comes again."""
    return JSONResponse({"error": "nothing can be taken now; come again later"}, 503, {"Retry-After": str(limits.retry_after)})


def too_large(limits: Limits) -> JSONResponse:
    """More came than is taken."""
    return JSONResponse({"error": f"body: more than {limits.body} bytes; send fewer alerts in one request"}, 413)
