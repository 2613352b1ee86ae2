"""WinRM's settings, as the module reads them: listeners, trusted hosts, and WinHTTP's proxy as the registry has it.

WinHttpSettings without a proxy is the value that Microsoft publishes (Windows troubleshooting, "Use Group Policy to apply
WinHTTP proxy settings to clients"); with a proxy the flags are 3, and length and ASCII text of the proxy and of the bypass list
follow.
"""

from __future__ import annotations

from typing import Any

import pytest

from remediations.facts.query import Unreadable
from remediations.facts.winrm import ManagementChannel, management_channel
from remediations.model.fact import NotApplicable
from remediations.model.reply import HostError, Reply

DIRECT = bytes.fromhex("1800000000000000010000000000000000000000")
PROXY = bytes.fromhex("18000000000000000300000016000000") + b"proxy.contoso.com:8080"
PROXIED = PROXY + bytes.fromhex("17000000") + b"localhost;*.contoso.com"
SETTINGS: dict[str, Any] = {
    "Listeners": ["HTTP true", "HTTPS true"],
    "TrustedHosts": "",
    "TrustedHostsByPolicy": False,
    "WinHttp": DIRECT,
}


def answered(*objects: Any) -> Reply:
    return Reply(objects=objects)


def failed(error_id: str) -> Reply:
    return Reply(errors=(HostError(message="Es ist ein Fehler aufgetreten.", error_id=error_id),))


def read(joined: bool = True, **settings: Any) -> ManagementChannel:
    system = {"Name": "HV04", "PartOfDomain": joined}
    found = management_channel("HV04").parse([answered({**SETTINGS, **settings}), answered(system)])
    assert isinstance(found, ManagementChannel)
    return found


@pytest.mark.parametrize(
    ("value", "proxy", "bypass"),
    [
        (DIRECT, "", ()),
        (None, "", ()),
        (b"", "", ()),
        (PROXIED, "proxy.contoso.com:8080", ("localhost", "*.contoso.com")),
        (list(PROXIED), "proxy.contoso.com:8080", ("localhost", "*.contoso.com")),
        (PROXY + bytes(4), "proxy.contoso.com:8080", ()),
        (PROXIED[:8] + b"\x01" + PROXIED[9:], "", ()),
        (PROXIED + bytes(12), "proxy.contoso.com:8080", ("localhost", "*.contoso.com")),
        (b"\x28" + PROXIED[1:], "proxy.contoso.com:8080", ("localhost", "*.contoso.com")),
    ],
    ids=["direct", "never set", "empty", "proxy", "as numbers", "no bypass", "switched off", "more behind", "other version"],
)
def test_the_proxy_is_read_from_its_bytes(value: Any, proxy: str, bypass: tuple[str, ...]) -> None:
    found = read(WinHttp=value)
    assert (found.proxy, found.bypass) == (proxy, bypass)


@pytest.mark.parametrize(
    "value",
    [
        DIRECT[:10],
        PROXY,
        PROXY[:20],
        PROXIED[:-5],
        PROXY[:16] + "pröxy.contoso.com:808".encode() + bytes(4),
        "1800000000000000",
    ],
    ids=["head only", "no bypass length", "half a proxy", "half a bypass list", "not ASCII", "text"],
)
def test_bytes_that_are_no_settings_are_not_taken_for_no_proxy(value: Any) -> None:
    with pytest.raises(Unreadable, match="WinHttpSettings"):
        read(WinHttp=value)


@pytest.mark.parametrize(
    ("listeners", "transports"),
    [
        (["HTTP true", "HTTPS true"], {"HTTP", "HTTPS"}),
        ("HTTP true", {"HTTP"}),
        (["HTTP false", "HTTPS true"], {"HTTPS"}),
        (["HTTPS True"], {"HTTPS"}),
        (["HTTP "], set()),
        ([], set()),
        (None, set()),
    ],
)
def test_only_enabled_listeners_listen(listeners: Any, transports: set[str]) -> None:
    assert read(Listeners=listeners).transports == transports


@pytest.mark.parametrize(
    ("trusted", "name", "yes"),
    [
        ("", "hv03.contoso.com", False),
        (None, "hv03.contoso.com", False),
        ("*", "hv03.contoso.com", True),
        ("hv01, HV03.contoso.com", "hv03.contoso.com", True),
        ("HV03", "hv03.contoso.com", True),
        ("hv031,hv030.contoso.com", "hv03.contoso.com", False),
        ("*.contoso.com", "hv03.contoso.com", True),
        ("HV*", "hv03.contoso.com", True),
        ("*.fabrikam.com,<local>", "hv03.contoso.com", False),
        ("<local>", "hv03", True),
    ],
)
def test_who_is_trusted(trusted: str | None, name: str, yes: bool) -> None:
    assert read(TrustedHosts=trusted).trusts(name) is yes


@pytest.mark.parametrize(
    ("bypass", "name", "past"),
    [
        (b"<local>", "hv03", True),
        (b"<local>", "hv03.contoso.com", False),
        (b"*.contoso.com", "HV03.contoso.com", True),
        (b"*.contoso.com", "hv03", False),
        (b"hv03.contoso.com;", "hv03.contoso.com", True),
        (b"contoso.com", "hv03.contoso.com", False),
    ],
)
def test_what_goes_past_the_proxy(bypass: bytes, name: str, past: bool) -> None:
    found = read(WinHttp=PROXY + len(bypass).to_bytes(4, "little") + bypass)
    assert found.goes_past_proxy(name) is past
    assert read().goes_past_proxy(name)


def test_policy_and_domain_are_told() -> None:
    found = read(joined=False, TrustedHostsByPolicy=True)
    assert (found.joined, found.trusted_by_policy) == (False, True)


def test_a_host_without_the_module_has_no_answer_and_any_other_error_is_none() -> None:
    assert isinstance(management_channel("HV04").parse([failed("CommandNotFoundException"), answered()]), NotApplicable)
    with pytest.raises(Unreadable):
        management_channel("HV04").parse([failed("WSManFault"), answered()])
