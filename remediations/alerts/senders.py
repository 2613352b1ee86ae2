"""Who may send alerts: who has the bearer token, or signs what it sends with the shared secret.

A signature is the HMAC of SHA-256 under the secret, in hexadecimal digits, over the raw body; with a time stamp (seconds
since 1970, UTC) over the time stamp, a colon and the body. Grafana signs so ("Configure webhook notifications", HMAC
Signature, Grafana 12 and newer); any other sender may. A time stamp is part of what is signed, so nobody can take it away
or renew it, and a request cannot be sent again later than `SKEW` seconds. One without is taken at any time: sent again, it
joins its open incident, or is read on the hosts again, which finds nothing to do.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import Headers

SIGNATURE = "X-Grafana-Alerting-Signature"
"""Header of the signature; it is Grafana's default."""

STAMP = "X-Grafana-Alerting-Timestamp"
"""Header of the time stamp; in Grafana it has to be named so as "Timestamp Header"."""

SKEW = 300
"""Seconds by which a time stamp may differ from our clock, either way."""

Secret = Callable[[], str]


@dataclass(frozen=True)
class Senders:
    """Who is let in. Each secret is read at each request, so that a new one counts at once, and may raise."""

    token: Secret | None = None
    secret: Secret | None = None
    now: Callable[[], float] = time.time
    in_url: frozenset[str] = frozenset()
    """Paths whose senders cannot set headers and may put `?token=` into the URL."""

    @property
    def everybody(self) -> bool:
        """Whether nobody is asked; belongs on loopback only."""
        return self.token is None and self.secret is None

    def signs(self, headers: Headers) -> bool:
        """Whether the request is to be judged by its signature, which needs its body."""
        return self.secret is not None and SIGNATURE in headers

    def has_token(self, path: str, query: str, headers: Headers) -> bool:
        """Whether it carries the token. Raises whatever keeps the token from being read."""
        if self.token is None:
            return False
        expected = _there(self.token())
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return _same(given.strip(), expected)
        if path in self.in_url:
            return _same(parse_qs(query).get("token", [""])[0], expected)
        return _same("", expected)

    def signed(self, headers: Headers, body: bytes) -> bool:
        """Whether its signature is right and in time. Raises whatever keeps the secret from being read."""
        if self.secret is None:
            return False
        secret = _there(self.secret()).encode()
        stamp = headers.get(STAMP)
        signed = body if stamp is None else stamp.encode("latin-1") + b":" + body
        right = hmac.new(secret, signed, hashlib.sha256).hexdigest()
        return _same(headers.get(SIGNATURE, "").strip().lower(), right) and (stamp is None or self._in_time(stamp))

    def _in_time(self, stamp: str) -> bool:
        digits = stamp.isascii() and stamp.isdigit() and len(stamp) <= 12
        return digits and abs(int(stamp) - self.now()) <= SKEW


def _there(secret: str) -> str:
    if not secret:
        raise ValueError("the secret is empty")
    return secret


def _same(given: str, expected: str) -> bool:
    """Takes as long for a wrong one as for the right one, of whatever length."""
    digests = [hashlib.sha256(each.encode("utf-8", "surrogateescape")).digest() for each in (given, expected)]
    return hmac.compare_digest(*digests)
