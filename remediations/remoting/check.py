"""What is wrong with an endpoint as written, found without connecting to it."""

from __future__ import annotations

import ssl
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from cryptography import x509

from remediations.model.site import Authentication, Endpoint, SecondHop

_EXTRAS = {
    Authentication.KERBEROS: ("kerberos", () if sys.platform == "win32" else ("gssapi", "krb5")),
    Authentication.CREDSSP: ("credssp", ("requests_credssp",)),
}


def missing_extra(endpoint: Endpoint) -> str | None:
    """What to install before this endpoint's authentication can be used, as a sentence with the exact line; or nothing."""
    extra, modules = _EXTRAS.get(endpoint.authentication, ("", ()))
    if all(find_spec(module) for module in modules):
        return None
    return f"authentication: {endpoint.authentication} is not installed here: pip install 'hyperv-remediation[{extra}]'"


def check_endpoint(endpoint: Endpoint) -> list[str]:
    """Problems that can be known without connecting, one sentence each with what would be right; empty if all is well.

    Extras that are not installed, certificates that cannot be read or have expired, a key that is not the certificate's, a
    second hop that the authentication does not give.
    """
    problems = [missing_extra(endpoint)]
    if endpoint.authority is not None:
        problems.append(_unreadable("authority", endpoint.authority) or _authority(endpoint.authority))
    if endpoint.certificate is not None:
        problems.append(_unreadable("certificate", endpoint.certificate) or _expired(endpoint.certificate))
    if endpoint.certificate_key is not None:
        problems.append(_unreadable("certificate_key", endpoint.certificate_key))
    if endpoint.certificate is not None and endpoint.certificate_key is not None and not any(problems):
        problems.append(_pair(endpoint.certificate, endpoint.certificate_key))
    if endpoint.second_hop is SecondHop.CREDSSP and endpoint.authentication is not Authentication.CREDSSP:
        problems.append(f"second_hop: credssp needs authentication: credssp, not {endpoint.authentication}")
    return [problem for problem in problems if problem]


def _unreadable(field: str, path: Path) -> str | None:
    try:
        path.read_bytes()
    except OSError as error:
        return f"{field}: {path} cannot be read: {error.strerror}"
    return None


def _authority(path: Path) -> str | None:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return f"authority: {path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    return None


def _expired(path: Path) -> str | None:
    try:
        until = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except ValueError:
        return f"certificate: {path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    return f"certificate: {path} expired on {until:%Y-%m-%d}" if until < datetime.now(UTC) else None


def _pair(certificate: Path, key: Path) -> str | None:
    try:
        # A password must never be asked for on the terminal: an encrypted key is one that we cannot use.
        ssl.create_default_context().load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError):
        return f"certificate_key: {key} is not the unencrypted private key (PEM) of {certificate}"
    return None
