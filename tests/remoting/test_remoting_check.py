"""An endpoint's mistakes that can be known without connecting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from remediations.model.site import Endpoint, SecretRef
from remediations.remoting import RemotingSettings, check_endpoint

USER = {"username": r"CONTOSO\svc", "password": SecretRef(env="X")}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name, expires in (("good", None), ("old", datetime.now(UTC) - timedelta(days=1))):
        issued = authority.issue_cert("svc@contoso.com", not_after=expires)
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    key = load_pem_private_key((tmp_path / "good.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    (tmp_path / "locked.key").write_bytes(locked)
    (tmp_path / "text.pem").write_text("not a certificate")
    return tmp_path


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({**USER}, []),
    ({**USER, "authority": "ca.pem"}, []),
    ({**USER, "authority": "gone.pem"}, ["authority: {}/gone.pem cannot be read: No such file or directory"]),
    ({**USER, "authority": "text.pem"}, ["authority: {}/text.pem holds no certificate in PEM form"]),
    ({"authentication": "certificate", "certificate": "good.pem", "certificate_key": "good.key"}, []),
    (
        {"authentication": "certificate", "certificate": "gone.pem", "certificate_key": "gone.key"},
        ["certificate: {}/gone.pem cannot be read", "certificate_key: {}/gone.key cannot be read"],
    ),
    (
        {"authentication": "certificate", "certificate": "text.pem", "certificate_key": "good.key"},
        ["certificate: {}/text.pem holds no certificate in PEM form"],
    ),
    (
        {"authentication": "certificate", "certificate": "good.pem", "certificate_key": "old.key"},
        ["certificate_key: {}/old.key is not the unencrypted private key (PEM) of {}/good.pem"],
    ),
    (
        {"authentication": "certificate", "certificate": "good.pem", "certificate_key": "locked.key"},
        ["certificate_key: {}/locked.key is not the unencrypted private key (PEM) of {}/good.pem"],
    ),
    (
        {"authentication": "certificate", "certificate": "old.pem", "certificate_key": "old.key"},
        ["certificate: {}/old.pem expired on 2"],
    ),
    ({**USER, "second_hop": "credssp"}, ["second_hop: credssp needs authentication: credssp, not negotiate"]),
]


@pytest.mark.parametrize(("fields", "problems"), CASES)
def test_problems_are_named_with_what_would_be_right(files: Path, fields: dict[str, Any], problems: list[str]) -> None:
    placed = {key: files / value if str(value).endswith((".pem", ".key")) else value for key, value in fields.items()}
    found = check_endpoint(Endpoint(address="hv01", **placed))
    assert len(found) == len(problems)
    for said, expected in zip(found, problems, strict=True):
        assert said.startswith(expected.replace("{}", str(files)))


@pytest.mark.parametrize(("authentication", "module"), [("kerberos", "gssapi"), ("credssp", "requests_credssp")])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(authentication: str, module: str) -> None:
    found = check_endpoint(Endpoint(address="hv01", authentication=authentication, **USER))
    line = f"authentication: {authentication} is not installed here: pip install 'hyperv-remediation[{authentication}]'"
    assert found == ([] if find_spec(module) else [line])


def test_sessions_are_closed_before_the_host_drops_them() -> None:
    with pytest.raises(ValueError, match="close_after must be less than idle_timeout"):
        RemotingSettings(close_after=200)
