"""Approvers' one-time codes (RFC 6238: SHA-1, six digits, thirty seconds, what every authenticator does).

A secret is made at enrolment and shown once; after that it exists only sealed (Fernet), under a key that is kept elsewhere by
reference. A code is judged by when it was given, one step earlier or later: the run that it lets go on may start hours later.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pyotp
import segno
from cryptography.fernet import Fernet, InvalidToken

from remediations.redaction import register_secret

ISSUER = "hyperv-remediation"
"""What authenticators show beside the name."""

NEIGHBOURS = (0, -1, 1)
"""Time steps beside the one in which it was given in which a code is right: clocks differ, and people type slowly."""


class NotOurs(LookupError):
    """A sealed secret cannot be opened with the key that there is."""


class Codes:
    """Makes, seals and judges. `key` yields the key at each use and raises `LookupError` that says what is wrong with it."""

    def __init__(self, key: Callable[[], str]) -> None:
        self._key = key

    def enrol(self, name: str) -> tuple[str, str]:
        """A new secret for `name`: its otpauth URI, to be shown to them once and kept nowhere, and the secret sealed."""
        secret = pyotp.random_base32()
        register_secret(secret)
        sealed = self._fernet().encrypt(secret.encode()).decode()
        return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER), sealed

    def step(self, sealed: str, code: str, at: datetime) -> int | None:
        """The time step in which the sealed secret gives `code`, of that of `at` (aware) and its neighbours; None if in none.

        Raises `NotOurs`, or what `key` raises.
        """
        given = "".join(code.split())
        totp = pyotp.TOTP(self._open(sealed))
        now = totp.timecode(at)
        fits = [now + beside for beside in NEIGHBOURS if pyotp.utils.strings_equal(given, totp.generate_otp(now + beside))]
        return fits[0] if fits else None

    def _open(self, sealed: str) -> str:
        try:
            secret = self._fernet().decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise NotOurs("the key is not the one that approvers were enrolled with: restore it, or enrol them again") from None
        register_secret(secret)
        return secret

    def _fernet(self) -> Fernet:
        try:
            return Fernet(self._key())
        except ValueError:
            raise NotOurs("the file of the key holds none: restore it, or take it away and enrol approvers again") from None


def picture(uri: str) -> str:
    """A QR code for a terminal."""
    drawn = io.StringIO()
    segno.make(uri, error="l").terminal(out=drawn, border=2, compact=True)
    return drawn.getvalue()


def make_key(path: Path) -> None:
    """Make a new key in a file that only its owner can read, whole or not at all; one that is there stays as it is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if os.name == "nt":
            fresh.rename(path)
        else:
            os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink(missing_ok=True)
