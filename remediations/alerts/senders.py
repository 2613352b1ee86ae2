"""Who may send alerts: who has the bearer token, or signs what it sends with the shared secret.

While either is being changed, two of it count: the new and the old one.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.datastructures import Headers

SIGNATURE = "X-Grafana-Alerting-Signature"
"""Header of the signature; it is Grafana's default."""

STAMP = "X-Grafana-Alerting-Timestamp"
"""Header of the time stamp; in Grafana it has to be named so as "Timestamp Header"."""

SKEW = 300
"""Seconds by which a time stamp may differ from our clock, either way."""

Secrets = Callable[[], tuple[str, ...]]
"""Yields what counts now: one secret, or the new and the old one; none of them empty."""


@dataclass(frozen=True)
class Senders:
    """Who is let in. The secrets are read at each request, so that a new one counts at once, and may raise."""

    tokens: Secrets | None = None
    secrets: Secrets | None = None
    now: Callable[[], float] = time.time
    in_url: frozenset[str] = frozenset()
    """Paths whose senders cannot set headers and may put `?token=` into the URL."""

    @property
    def everybody(self) -> bool:
        """Whether nobody is asked; belongs on loopback only."""
        return self.tokens is None and self.secrets is None

    def signs(self, headers: Headers) -> bool:
        """Whether the request is to be judged by its signature, which needs its body."""
        return self.secrets is not None and SIGNATURE in headers

    def has_token(self, path: str, query: str, headers: Headers) -> bool:
        """Whether it carries a token that counts. Raises whatever keeps the tokens from being read."""
        if self.tokens is None:
            return False
        expected = _there(tuple(each.strip() for each in self.tokens()))  # no header can have blanks around one
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return _one_of(expected, given.strip())
        if path in self.in_url:
            return _one_of(expected, parse_qs(query).get("token", [""])[0])
        return _one_of(expected, "")

    def signed(self, headers: Headers, body: bytes) -> bool:
        """Whether its signature is right and in time. Raises whatever keeps the secrets from being read."""
        if self.secrets is None:
            return False
        stamp = headers.get(STAMP)
        signed = body if stamp is None else stamp.encode("latin-1") + b":" + body
        right = [hmac.new(each.encode(), signed, hashlib.sha256).hexdigest() for each in _there(self.secrets())]
        given = headers.get(SIGNATURE, "").strip().lower()
        return _one_of(right, given) and (stamp is None or self._in_time(stamp))

    def _in_time(self, stamp: str) -> bool:
        digits = stamp.isascii() and stamp.isdigit() and len(stamp) <= 12
        return digits and abs(int(stamp) - self.now()) <= SKEW


def _there(secrets: tuple[str, ...]) -> tuple[str, ...]:
    if not secrets or not all(secrets):
        raise ValueError("a secret is empty")
    return secrets


def _one_of(expected: Sequence[str], given: str) -> bool:
    """Takes as long for a wrong one as for any right one, of whatever length: all are compared."""
    digest = _digest(given)
    return sum(hmac.compare_digest(_digest(each), digest) for each in expected) > 0  # `any` would stop at the first


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
