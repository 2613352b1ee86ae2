"""Ways in and ways to be kept out."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import trustme
from protocol_client import PASSWORD, USER, one, opened, wsman
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from remediations.lab.protocol import LabServer

LOCAL = {"username": "local", "password": "basic-pw"}
BASIC = {"auth": "basic"} | LOCAL


@pytest.mark.parametrize(
    ("settings", "principal"),
    [
        ({"auth": "ntlm"}, USER),
        ({"auth": "negotiate"}, USER),
        ({"auth": "ntlm", "username": USER.lower()}, USER),
        ({"auth": "ntlm", "username": "svc-migrate@contoso.com"}, USER),
        ({"auth": "ntlm", "encryption": "always"}, USER),
        ({"auth": "ntlm", "http": True}, USER),
        ({"auth": "negotiate", "http": True}, USER),
        ({"auth": "ntlm"} | LOCAL, "local"),
        (BASIC, "local"),
    ],
    ids=str,
)
def test_way_in(lab: LabServer, settings: dict[str, Any], principal: str) -> None:
    lab.journal.clear()
    with opened(lab, **settings) as session:
        assert one(session, "Get-VM").completed
        assert one(session, "Get-VM", Name="gone").ids == ["InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVM"]
    assert [each.principal for each in lab.journal] == [principal] * 2
    assert not lab.shells("HV01")


def test_certificate_way_in(lab: LabServer) -> None:
    files = lab.client_certificate(USER)
    settings = {"auth": "certificate", "certificate_pem": str(files.certificate), "certificate_key_pem": str(files.key)}
    lab.journal.clear()
    with opened(lab, username=None, password=None, **settings) as session:
        assert one(session, "Get-VM").completed
    assert lab.journal[0].principal == USER


def test_certificate_of_nobody_is_refused(lab: LabServer) -> None:
    other = trustme.CA().issue_cert("user@contoso.com")
    with other.private_key_and_cert_chain_pem.tempfile() as pem, pytest.raises((AuthenticationError, requests.ConnectionError)):
        opened(lab, auth="certificate", certificate_pem=pem, certificate_key_pem=pem)


@pytest.mark.parametrize(
    "settings",
    [
        {"password": "wrong"},
        {"username": r"CONTOSO\nobody"},
        {"http": True, "password": "wrong"},
        {**BASIC, "password": "wrong"},
        {**BASIC, "username": "nobody"},
        {"auth": "basic"},
        {**BASIC, "http": True, "encryption": "never"},
    ],
    ids=str,
)
def test_refused_credentials(lab: LabServer, settings: dict[str, Any]) -> None:
    with pytest.raises(AuthenticationError):
        opened(lab, **settings)
    assert not lab.shells("HV01")


def test_host_that_takes_no_negotiate(lab: LabServer) -> None:
    with pytest.raises(AuthenticationError, match="did not response with one of the following authentication methods"):
        opened(lab, "HV03")
    opened(lab, "HV03", **BASIC).close()


def test_http_without_encryption_is_refused(lab: LabServer) -> None:
    with pytest.raises(WinRMTransportError) as refused:
        opened(lab, http=True, encryption="never")
    assert refused.value.code == 500


def test_access_denied_by_the_session_configuration(lab: LabServer) -> None:
    with pytest.raises(WSManFaultError) as refused:
        opened(lab, configuration="Restricted")
    assert refused.value.code == 5
    with opened(lab, configuration="Restricted", username=r"CONTOSO\other", password="other") as session:
        assert one(session, "Get-VM").completed


def test_unknown_session_configuration(lab: LabServer) -> None:
    with pytest.raises(WSManFaultError, match="Cannot find the Nowhere session configuration"):
        opened(lab, configuration="Nowhere")


def test_certificate_names_host_and_address(lab: LabServer) -> None:
    ip, port, _ = lab.address("HV01")
    context = ssl.create_default_context(cafile=str(lab.authority))
    for name in ("hv01", "hv01.contoso.com", ip):
        with socket.create_connection((ip, port)) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
            assert tls.version() == "TLSv1.3"


def test_certificate_of_another_authority_is_refused_by_the_client(lab: LabServer, fresh: LabServer) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        opened(lab, cert_validation=str(fresh.authority))


@pytest.fixture
def relay(lab: LabServer) -> Iterator[tuple[int, str]]:
    """A man in the middle: ends TLS with a certificate of his own and passes everything on to HV01."""
    authority = trustme.CA()
    inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(inward)
    outward = ssl.create_default_context(cafile=str(lab.authority))
    ip, port, _ = lab.address("HV01")

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(ip, port, ssl=outward, server_hostname="hv01")
        try:
            await asyncio.gather(pump(reader, back), pump(there, writer))
        except OSError:
            pass  # one side was reset
        finally:
            back.transport.abort()
            writer.transport.abort()

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(accept, "127.0.0.1", 0, ssl=inward)

    async def end() -> None:
        server.close()

    server = lab.run(listen())
    with authority.cert_pem.tempfile() as trusted:
        yield server.sockets[0].getsockname()[1], trusted
    lab.run(end())


@pytest.mark.parametrize("bound", [True, False])
def test_channel_binding(relay: tuple[int, str], bound: bool) -> None:
    """NTLM over TLS proves which certificate the client saw: credentials cannot be relayed. (Basic can.)"""
    port, trusted = relay
    settings = {"username": USER, "password": PASSWORD, "cert_validation": trusted, "negotiate_send_cbt": bound}
    with pytest.raises(AuthenticationError):
        RunspacePool(WSMan("127.0.0.1", port=port, no_proxy=True, auth="ntlm", **settings)).open()
    with RunspacePool(WSMan("127.0.0.1", port=port, no_proxy=True, **{**settings, **BASIC})) as session:
        assert one(session, "Get-VM").completed


def test_encrypted_connection_that_died_while_idle(fresh: LabServer) -> None:
    """Over HTTP the keys belong to the connection: a new one knows nothing of them, and the pool is lost (Windows, too)."""
    session = opened(fresh, http=True)
    assert one(session, "Get-VM").completed
    fresh.idle("HV01", 150)
    with pytest.raises(WinRMTransportError) as refused:
        one(session, "Get-VM")
    assert refused.value.code == 400
    assert fresh.shells("HV01") == (session.id,)
    transport = session.connection.transport
    transport.encryption = None
    transport.session.close()
    assert PowerShell(session).add_cmdlet("Get-VM").invoke()


def test_https_connection_that_died_while_idle_comes_back_by_itself(lab: LabServer) -> None:
    with opened(lab) as session:
        lab.idle("HV01", 150)
        assert one(session, "Get-VM").completed


@pytest.mark.parametrize("body", [b"", b"no xml", b"<a/>"])
def test_garbage_from_a_client(lab: LabServer, body: bytes) -> None:
    ip, port, _ = lab.address("HV01")
    reply = requests.post(
        f"https://{ip}:{port}/wsman", data=body, auth=("local", "basic-pw"), verify=str(lab.authority), timeout=10
    )
    assert reply.status_code == (400 if body else 200)


def test_server_has_no_winrs(lab: LabServer) -> None:
    with wsman(lab) as client, pytest.raises(WSManFaultError):
        client.get_server_config()
