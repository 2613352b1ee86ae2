"""The closed list of errors: each cause gets its own, each says where, what and what to do, none says a secret."""

from __future__ import annotations

import logging
import pickle
import socket
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import trustme
from pypsrp.exceptions import AuthenticationError
from pypsrp.negotiate import HTTPNegotiateAuth
from structlog.testing import capture_logs

from remediations.lab.protocol import Fault
from remediations.model.command import Command, command
from remediations.model.contract import Secret
from remediations.model.reply import HostError
from remediations.model.site import SecretRef
from remediations.remoting import (
    AnswerLost,
    CommandFailed,
    CredentialsRefused,
    DeadlinePassed,
    EndpointRefused,
    RemotingError,
    StoppedAtDeadline,
    Unreachable,
)
from remediations.remoting.trouble import trouble

GET = command("Get-VM", Name="VM42")
CANARIES = ("canary-Pa55-never-shown", "canary-pfx-never-shown")
SOME_ID = uuid4()

EVERY_ERROR = [
    Unreachable("HV01", "Get-VM", "refused", "Start it."),
    CredentialsRefused("HV01", "Get-VM", "refused", "Check them."),
    EndpointRefused("HV01", "Get-VM", "refused", "Ask for it."),
    CommandFailed("HV01", "Set-VMHost", HostError(message="no", error_id="Nope", hresult=-2147024891)),
    AnswerLost("HV01", "Set-VMHost", "the connection broke", SOME_ID),
    DeadlinePassed("HV01", "Get-VM", "too late"),
    StoppedAtDeadline("HV01", "Set-VMHost", "too late", SOME_ID),
]


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_every_error_names_host_command_and_what_to_do_and_survives_a_process_boundary(error: RemotingError) -> None:
    first, second, third = str(error).split("\n")
    assert first == f"HV01: {error.problem}"
    assert second == f"  command: {error.command_text}"
    assert third == f"  {error.advice}"
    assert error.problem
    assert error.advice
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - its own
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_only_what_was_sent_may_have_run() -> None:
    assert {type(error).__name__ for error in EVERY_ERROR if error.may_have_run} == {
        "CommandFailed",
        "AnswerLost",
        "StoppedAtDeadline",
    }


def test_a_wrong_password_is_not_tried_again(make_rig: Callable[..., Any]) -> None:
    for transport, authentication in (("https", "ntlm"), ("https", "basic"), ("http", "negotiate")):
        rig = make_rig(transport=transport, authentication=authentication, password="wrong")
        with pytest.raises(CredentialsRefused, match=r"WinRM refused the credentials of CONTOSO\\svc-\w+ \(") as caught:
            rig.read(GET)
        assert "Check username and password of HV01 in site.yaml" in str(caught.value)
        with pytest.raises(CredentialsRefused):
            rig.change()
        assert rig.lab.requests.count(action="Create") == 0


def test_a_certificate_that_nobody_knows_is_refused(make_rig: Callable[..., Any], tmp_path: Path) -> None:
    stranger = trustme.CA().issue_cert("nobody@contoso.com")
    stranger.cert_chain_pems[0].write_to_path(tmp_path / "c.pem")
    stranger.private_key_pem.write_to_path(tmp_path / "k.pem")
    proof = {"certificate": tmp_path / "c.pem", "certificate_key": tmp_path / "k.pem"}
    rig = make_rig(authentication="certificate", endpoint=proof)
    with pytest.raises((CredentialsRefused, EndpointRefused, Unreachable)) as caught:
        rig.read(GET)
    assert len(rig.lab.journal) == 0
    assert "HV01" in str(caught.value)


def test_a_password_that_cannot_be_had_says_where_to_look(make_rig: Callable[..., Any]) -> None:
    def absent(ref: SecretRef) -> str:
        raise LookupError(f"environment variable {ref.env} is not set")

    rig = make_rig(secrets=absent)
    with pytest.raises(CredentialsRefused, match="could not be read: environment variable UNUSED is not set"):
        rig.read(GET)


@pytest.mark.skipif(find_spec("gssapi") is not None, reason="Kerberos is installed here")
def test_a_missing_extra_gives_the_line_that_installs_it(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(authentication="kerberos")
    with pytest.raises(CredentialsRefused, match=r"pip install 'hyperv-remediation\[kerberos\]'"):
        rig.read(GET)


def test_a_configuration_that_is_not_there(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(endpoint={"configuration": "Remediation.JEA"})
    with pytest.raises(EndpointRefused, match=r"Cannot find the Remediation\.JEA session configuration") as caught:
        rig.read(GET)
    assert "Get-PSSessionConfiguration" in str(caught.value)


def test_an_account_that_the_configuration_does_not_let_in(make_rig: Callable[..., Any]) -> None:
    rig = make_rig(surface={"allowed": frozenset({r"CONTOSO\someone-else"})})
    with pytest.raises(EndpointRefused, match=r"access denied to CONTOSO\\svc-migrate"):
        rig.read(GET)


def test_an_authentication_that_the_host_does_not_offer(make_rig: Callable[..., Any]) -> None:
    endpoint = make_rig().site.host("HV01").endpoint
    answer = requests.Response()
    answer.headers["WWW-Authenticate"] = 'Basic realm="WSMAN"'
    with pytest.raises(AuthenticationError) as refused:
        HTTPNegotiateAuth._check_auth_supported(answer, ["Negotiate", "Kerberos", "NTLM"])
    found = trouble(refused.value, "HV01", endpoint)
    assert (found.error, found.sent) == (EndpointRefused, False)
    assert found.problem == "WinRM does not take ntlm there; it offers 'Basic realm=\"WSMAN\"'"


def test_nobody_listens(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    rig.lab.stop_host("HV01")
    with pytest.raises(Unreachable, match=r"connection to https://127\.\S+ refused") as caught:
        rig.read(GET)
    assert "winrm enumerate winrm/config/listener" in str(caught.value)


def test_no_such_name(make_rig: Callable[..., Any]) -> None:
    with pytest.raises(Unreachable, match=r"DNS: the name hv01\.nowhere\.invalid was not found"):
        make_rig(endpoint={"address": "hv01.nowhere.invalid"}).read(GET)


def test_a_firewall_that_drops(make_rig: Callable[..., Any]) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fills the queue of a listener that never accepts
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        rig = make_rig(endpoint={"address": "127.0.0.1", "port": full.getsockname()[1]})
        with pytest.raises(Unreachable, match=r"no connection to https://127\.0\.0\.1:\d+ in time"):
            rig.read(GET)


def test_a_certificate_that_is_not_trusted(make_rig: Callable[..., Any], tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(Unreachable, match=r"TLS: the certificate of .* was not accepted: .*certificate") as caught:
        make_rig(endpoint={"authority": tmp_path / "other.pem"}).read(GET)
    assert "Set authority" in str(caught.value)


def test_https_to_a_port_that_speaks_http(make_rig: Callable[..., Any]) -> None:
    rig = make_rig()
    port = rig.lab.address("HV01").http_port
    with pytest.raises(Unreachable, match=r"TLS with .* failed"):
        make_rig(endpoint={"address": rig.lab.address("HV01").ip, "port": port}).read(GET)


@pytest.mark.parametrize("kind", ["garbage", "http"])
def test_something_else_answers(make_rig: Callable[..., Any], kind: str) -> None:
    rig = make_rig()
    rig.lab.faults.add(Fault(kind=kind, action="Create", value=404 if kind == "http" else None, count=None))
    with pytest.raises(Unreachable, match="404 without a reason" if kind == "http" else "cannot be read|not XML"):
        rig.read(GET)


def test_no_secret_is_ever_shown(
    make_rig: Callable[..., Any], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The password, and a secret parameter, through every kind of failure: in no error, repr, traceback, pickle or log."""
    caplog.set_level(logging.DEBUG)
    secret = Command.model_construct(name="Set-VMHost", parameters={"MaximumVirtualMachineMigrations": Secret(secret="pfx")})
    shown: list[str] = []
    with capture_logs() as logs:
        for transport, authentication in (("https", "ntlm"), ("http", "ntlm"), ("https", "basic")):
            for fault in (
                None,
                Fault(action="Create", kind="wsman"),
                Fault(action="Create", kind="garbage"),
                Fault(action="Command", kind="reset", command="Set-VMHost"),
                Fault(action="Command", kind="unauthorized", command="Set-VMHost"),
                Fault(action="Receive", kind="garbage", moment="after", command="Set-VMHost", count=2),
            ):
                rig = make_rig(transport=transport, authentication=authentication)
                shown.append(repr(rig.remoting) + repr(rig.remoting.identity("HV01")))
                if fault is not None:
                    rig.lab.faults.add(fault)
                for wanted in (secret, command("Set-VMHost", MaximumVirtualMachineMigrations=13)):
                    try:
                        shown.append(repr(rig.change(wanted)))
                    except RemotingError as error:
                        shown += [repr(error), repr(pickle.dumps(error)), "".join(traceback.format_exception(error))]
                shown.append(repr(rig.remoting.__dict__))
                rig.remoting.close()
    assert len([each for each in shown if "Traceback" in each]) > 20
    everything = "\n".join([*shown, caplog.text, repr(logs), *capsys.readouterr()])
    assert "svc-migrate" in everything
    for canary in CANARIES:
        assert canary not in everything
