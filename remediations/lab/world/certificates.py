"""Certificates with private keys, as a host's store Shielded VM Local Certificates holds them: real ones."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """One certificate of the store."""

    thumbprint: str
    subject: str
    expires: datetime
    pfx: str
    """It and its private key as base64 of a PFX; empty where the host does not have the key."""
    exportable: bool = True


def made(common_name: str, now: datetime) -> Certificate:
    """A new self-signed certificate, as `New-HgsGuardian -GenerateCertificates` makes two. Elliptic, for that is quick."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=3000))
        .sign(key, hashes.SHA256())
    )
    thumbprint = _thumbprint(signed)
    pfx = pkcs12.serialize_key_and_certificates(None, key, signed, None, BestAvailableEncryption(thumbprint.encode()))
    return read(base64.b64encode(pfx).decode(), thumbprint)


def read(pfx: str, password: str) -> Certificate:
    """What a PFX in base64 holds. Raises `ValueError` if that is not a certificate with its private key, or not by this."""
    key, certificate, _ = pkcs12.load_key_and_certificates(base64.b64decode(pfx, validate=True), password.encode())
    if key is None or certificate is None:
        raise ValueError("there is no certificate with a private key in it")
    thumbprint = _thumbprint(certificate)
    return Certificate(thumbprint, certificate.subject.rfc4514_string(), certificate.not_valid_after_utc, pfx)


def _thumbprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - that is what a thumbprint is
