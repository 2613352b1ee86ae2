"""Who is calling: Negotiate/NTLM, Basic, client certificates; and WinRM's message encryption over plain HTTP.

NTLM state and the encryption keys belong to a TCP connection, as they do in Windows' HTTP service: a client that sends an
encrypted message over another connection gets 400. One that authenticates over TLS must prove which certificate it saw
(channel binding); a missing proof is refused as a wrong one is, as under CbtHardeningLevel Strict, while Windows' default,
Relaxed, lets a missing one pass. Not simulated: Kerberos, CredSSP.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import spnego
from spnego.channel_bindings import GssChannelBindings

from remediations.lab.protocol.wsman import MUTUAL

_PART = re.compile(rb"--\s*Encrypted Boundary(?:--)?\r\n")
_OCTETS = b"\tContent-Type: application/octet-stream\r\n"

_store_lock = threading.Lock()
"""pyspnego takes NTLM accounts from a file that an environment variable names; labs of one process take turns with it."""


@dataclass(frozen=True)
class Account:
    """One account that may log on.

    Basic authentication is for accounts that are marked so (Windows allows it for local accounts only).
    """

    password: str = field(repr=False)
    basic: bool = False


class Accounts:
    r"""The accounts of one lab: by name for Basic, in a file for NTLM, by certificate.

    A domain account has two names, `CONTOSO\svc` and `svc@contoso.com`; principals are spelled as `accounts` spells them.
    """

    def __init__(self, accounts: Mapping[str, str | Account], store: Path, domain: str) -> None:
        self._known = {name: each if isinstance(each, Account) else Account(each) for name, each in accounts.items()}
        self._names = {alias.casefold(): name for name in self._known for alias in (name, _upn(name, domain))}
        self._certificates: dict[bytes, str] = {}
        self._store = store
        store.touch(mode=0o600)
        lines = (f"{_store_name(alias)}:{self._known[name].password}\n" for alias, name in self._names.items())
        store.write_text("".join(lines), "utf-8")

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def map_certificate(self, der: bytes, account: str) -> None:
        """Let the holder of a certificate in as `account`. Raises `KeyError` for an unknown account."""
        self._certificates[hashlib.sha256(der).digest()] = self._spelling(account)

    def by_certificate(self, der: bytes | None) -> str | None:
        """Whose certificate it is."""
        return None if der is None else self._certificates.get(hashlib.sha256(der).digest())

    def by_password(self, credentials: str) -> str | None:
        """Whose name and password these are (`user:password` in base64), if Basic is enabled for the account."""
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
            account = self._spelling(name)
        except (binascii.Error, UnicodeDecodeError, KeyError):
            return None
        known = self._known[account]
        return account if known.basic and known.password == password else None

    def negotiation(self, host: str, certificate: bytes | None) -> Negotiation:
        """A fresh Negotiate exchange; `certificate` is the host's own (DER) where the connection is TLS."""
        return Negotiation(self, host, certificate)

    def step(self, context: Any, token: bytes) -> bytes | None:
        """Take an NTLM exchange one message further, with this lab's accounts."""
        with self._lookup():
            answer: bytes | None = context.step(token)
            return answer

    def context(self, host: str, bindings: GssChannelBindings | None) -> Any:
        """An acceptor context."""
        with self._lookup():
            return spnego.server(
                hostname=host,
                service="http",
                protocol="negotiate",
                channel_bindings=bindings,
                options=spnego.NegotiateOptions.use_negotiate,
            )

    def principal(self, name: str) -> str:
        """An authenticated name in the spelling of the accounts."""
        return self._spelling(name)

    def _spelling(self, name: str) -> str:
        return self._names[name.casefold()]

    def _lookup(self) -> _Lookup:
        return _Lookup(self._store)


class _Lookup:
    """Points pyspnego to one account file for the length of one call.

    Afterwards the variable is empty (pyspnego takes that for none), not gone: requests goes through all variables before each
    request (for proxies), and if one of them vanishes meanwhile, a client on another thread fails of it with a `KeyError`.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._before = ""

    def __enter__(self) -> None:
        _store_lock.acquire()
        self._before = os.environ.get("NTLM_USER_FILE", "")
        os.environ["NTLM_USER_FILE"] = str(self._store)

    def __exit__(self, *_: object) -> None:
        os.environ["NTLM_USER_FILE"] = self._before
        _store_lock.release()


def _store_name(name: str) -> str:
    domain, slash, user = name.partition("\\")
    return f"{domain}:{user}" if slash else f":{name}"


def _upn(name: str, domain: str) -> str:
    _, slash, user = name.partition("\\")
    return f"{user}@{domain}" if slash else name


class Negotiation:
    """One Negotiate exchange on one connection, and after it the keys for message encryption."""

    def __init__(self, accounts: Accounts, host: str, certificate: bytes | None) -> None:
        self._accounts = accounts
        bindings = None
        if certificate is not None:
            digest = hashlib.sha256(certificate).digest()
            bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + digest)
        self._context = accounts.context(host, bindings)
        self.principal: str | None = None

    def step(self, token: bytes) -> bytes | None:
        """Answer one message of the client; `principal` is set when it was the last. Raises on a bad one."""
        answer = self._accounts.step(self._context, token)
        if self._context.complete:
            self.principal = self._accounts.principal(str(self._context.client_principal))
        return answer

    def unwrap(self, data: bytes) -> bytes:
        """Decrypt one `multipart/encrypted` body. Raises if it was not made with this connection's keys."""
        parts = [part for part in _PART.split(data) if part]
        if len(parts) < 2:
            raise ValueError("no encrypted part")
        clear = b""
        for part in parts[1::2]:
            blob = part.removeprefix(_OCTETS)
            (length,) = struct.unpack("<i", blob[:4])
            clear += self._context.unwrap_winrm(blob[4 : 4 + length], blob[4 + length :])
        return clear

    def wrap(self, protocol: str, data: bytes) -> tuple[bytes, str]:
        """Encrypt one body: the body and its content type."""
        wrapped = self._context.wrap_winrm(data)
        size = len(data) + wrapped.padding_length
        head = (
            f"--Encrypted Boundary\r\n\tContent-Type: {protocol}\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={size}\r\n--Encrypted Boundary\r\n"
        ).encode()
        body = head + _OCTETS + struct.pack("<i", len(wrapped.header)) + wrapped.header + wrapped.data
        return body + b"--Encrypted Boundary--\r\n", f'multipart/encrypted;protocol="{protocol}";boundary="Encrypted Boundary"'


@dataclass
class Connection:
    """What one TCP connection has proven so far."""

    secure: bool
    peer_certificate: bytes | None
    active: int = 0
    """Requests that are being answered."""
    pending: Negotiation | None = None
    negotiation: Negotiation | None = None


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and what the answer must carry."""

    principal: str
    negotiation: Negotiation | None = None
    token: bytes | None = None


@dataclass(frozen=True)
class Challenge:
    """The request is answered with 401 and these WWW-Authenticate values."""

    offers: tuple[str, ...]


class Authenticator:
    """Decides who sent a request to one host."""

    def __init__(self, accounts: Accounts, host: str, certificate: bytes, *, negotiate: bool) -> None:
        self._accounts, self._host, self._certificate, self._offered = accounts, host, certificate, negotiate

    def caller(self, connection: Connection, authorization: str) -> Caller | Challenge:
        """Who it is, or what to ask for."""
        scheme, _, value = authorization.partition(" ")
        if authorization == MUTUAL:
            name = self._accounts.by_certificate(connection.peer_certificate)
        elif scheme == "Basic" and connection.secure:
            name = self._accounts.by_password(value)
        elif scheme in ("Negotiate", "NTLM") and self._offered:
            return self._negotiate(connection, value)
        elif connection.negotiation is not None and connection.negotiation.principal:
            return Caller(connection.negotiation.principal, connection.negotiation)
        else:
            name = None
        return Caller(name) if name else self.challenge(connection)

    def challenge(self, connection: Connection) -> Challenge:
        """Forget what the connection has proven and ask again."""
        connection.pending = connection.negotiation = None
        offers = (("Negotiate", self._offered), ('Basic realm="WSMAN"', connection.secure))
        return Challenge(tuple(offer for offer, made in offers if made))

    def _negotiate(self, connection: Connection, value: str) -> Caller | Challenge:
        certificate = self._certificate if connection.secure else None
        exchange = connection.pending or self._accounts.negotiation(self._host, certificate)
        connection.pending = exchange
        try:
            token = exchange.step(base64.b64decode(value))
        except Exception:  # pyspnego raises whatever a malformed token makes it raise; all of it means 401
            return self.challenge(connection)
        if exchange.principal is None:
            return Challenge(("Negotiate " + base64.b64encode(token or b"").decode(),))
        connection.pending, connection.negotiation = None, exchange
        return Caller(exchange.principal, exchange, token)
