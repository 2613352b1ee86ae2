"""Every way a request can fail, told apart by what it means: who is to be asked, and whether the host may have acted on it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import ParseError

import requests
import spnego.exceptions
import urllib3.exceptions
from pypsrp.exceptions import AuthenticationError, WinRMTransportError, WSManFaultError

from remediations.model.site import Authentication, Endpoint
from remediations.remoting.errors import CredentialsRefused, EndpointRefused, Unreachable
from remediations.remoting.wire import NO_SUCH, OPERATION_TIMEOUT

ACCESS_DENIED = 5

Refusal = type[Unreachable] | type[CredentialsRefused] | type[EndpointRefused]


@dataclass(frozen=True)
class Trouble:
    """What one failed request means."""

    error: Refusal
    problem: str
    advice: str
    sent: bool
    """The host may have taken the request and acted on it, now or a little later."""
    again: bool = False
    """A new session may well succeed: a request that is safe twice can be sent again."""


def who(endpoint: Endpoint) -> str:
    r"""As whom and how we come, as `CONTOSO\svc-migrate (ntlm, HTTPS 5986)`."""
    how = f"({endpoint.authentication}, {endpoint.transport.upper()} {endpoint.port})"
    if endpoint.authentication is Authentication.CERTIFICATE:
        return f"the holder of {endpoint.certificate} {how}"
    return f"{endpoint.username or 'the owner of the Kerberos ticket'} {how}"


def trouble(error: Exception, host: str, endpoint: Endpoint) -> Trouble:
    """What `error`, raised by a request to `host`, means. Anything that is not known to be harmless counts as sent."""
    match error:
        case AuthenticationError():
            return _not_believed(error, host, endpoint)
        case WSManFaultError(code=None, __context__=WinRMTransportError() as status):
            return _status(status, endpoint)  # an error page that happens to be XML
        case WSManFaultError():
            return _fault(error, host, endpoint)
        case WinRMTransportError():
            return _status(error, endpoint)
        case requests.exceptions.RequestException():
            return _network(error, endpoint)
        case spnego.exceptions.SpnegoError() | ImportError():
            # It may be the answer that cannot be decrypted, or that holds the logon's last token: what was asked is done then.
            return Trouble(
                CredentialsRefused,
                f"the logon as {who(endpoint)}, or what it encrypts, failed: {_line(error)}",
                "Check authentication, username and, for kerberos, the ticket (klist) and the realm.",
                sent=not isinstance(error, ImportError),
            )
    what = "an answer that is not XML" if isinstance(error, ParseError) else f"an answer that cannot be read ({_line(error)})"
    return Trouble(
        Unreachable,
        f"{_where(endpoint)} gave {what}",
        "Something else than WinRM may answer there: check address, port and path, and proxies in between.",
        sent=True,
        again=True,
    )


def _not_believed(error: AuthenticationError, host: str, endpoint: Endpoint) -> Trouble:
    if "did not respon" in str(error):
        offered = str(error).partition("actual: ")[2] or "nothing"
        return Trouble(
            EndpointRefused,
            f"WinRM does not take {endpoint.authentication} there; it offers {offered}",
            f"Set authentication of {host} in site.yaml to one that it takes, or enable it there (winrm/config/service/auth).",
            sent=False,
        )
    return Trouble(
        CredentialsRefused,
        f"WinRM refused the credentials of {who(endpoint)}",
        f"Check username and password of {host} in site.yaml; an account that is locked, disabled or expired is refused alike.",
        sent=False,
    )


def _fault(fault: WSManFaultError, host: str, endpoint: Endpoint) -> Trouble:
    said = fault.reason or fault.provider_fault or "no reason given"
    code = f"0x{fault.code:08X}" if isinstance(fault.code, int) else str(fault.code)
    if fault.code == ACCESS_DENIED:
        return Trouble(
            EndpointRefused,
            f"access denied to {who(endpoint)}, configuration {endpoint.configuration}",
            "The account must be allowed by that session configuration: Remote Management Users or administrators for "
            "Microsoft.PowerShell, a role for a JEA endpoint.",
            sent=False,
        )
    if fault.code == NO_SUCH:
        problem = "the session was gone: the host was restarted, or WinRM was"
        return Trouble(Unreachable, problem, "A new session is opened with the next command.", sent=False, again=True)
    if fault.code == OPERATION_TIMEOUT:
        return Trouble(
            Unreachable, "WinRM answered that it could not do it in time", f"{host} may be overloaded; try again.", sent=True
        )
    return Trouble(
        EndpointRefused,
        f"WinRM refused ({code}): {said}",
        f"Check that {host} has the session configuration {endpoint.configuration} (Get-PSSessionConfiguration) and room for a "
        "session (winrm get winrm/config/winrs).",
        sent=True,
    )


def _status(error: WinRMTransportError, endpoint: Endpoint) -> Trouble:
    if error.code == 400 and endpoint.transport == "http":
        problem = "the encrypted session had died with its connection"
        return Trouble(Unreachable, problem, "A new session is opened with the next command.", sent=False, again=True)
    return Trouble(
        Unreachable,
        f"{_where(endpoint)} answered HTTP {error.code} without a reason",
        "503: WinRM is busy or starting, try again; 404: check path and port; else see the host's HTTP error log.",
        sent=True,
        again=error.code >= 500,
    )


def _network(error: requests.exceptions.RequestException, endpoint: Endpoint) -> Trouble:
    chain = tuple(_chain(error))
    untrusted = next((each for each in chain if isinstance(each, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        return Trouble(
            Unreachable,
            f"TLS: the certificate of {_where(endpoint)} was not accepted: {untrusted.verify_message}",
            "Set authority to the CA that signed it, and address to a name or IP address that it was made for.",
            sent=False,
        )
    if any(isinstance(each, urllib3.exceptions.NameResolutionError) for each in chain):
        return Trouble(
            Unreachable,
            f"DNS: the name {endpoint.address} was not found",
            "Check address in site.yaml, and DNS here.",
            sent=False,
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Trouble(
            Unreachable,
            f"no connection to {_where(endpoint)} in time",
            "Is the host up? A firewall may drop the port.",
            sent=False,
        )
    if any(isinstance(each, ConnectionRefusedError) for each in chain):
        return Trouble(
            Unreachable,
            f"connection to {_where(endpoint)} refused",
            "The host is there but nothing listens: check WinRM's listener (winrm enumerate winrm/config/listener) and port.",
            sent=False,
        )
    if any(isinstance(each, urllib3.exceptions.NewConnectionError) for each in chain):
        return Trouble(
            Unreachable, f"no connection to {_where(endpoint)}: {_line(chain[-1])}", "Check address and routing.", sent=False
        )
    if isinstance(error, requests.exceptions.SSLError):
        return Trouble(
            Unreachable,
            f"TLS with {_where(endpoint)} failed: {_line(chain[-1])}",
            "Check that transport and port agree (https 5986, http 5985) and which TLS versions the host allows.",
            sent=True,
            again=True,
        )
    if isinstance(error, requests.exceptions.ReadTimeout):
        return Trouble(
            Unreachable, f"no answer from {_where(endpoint)} in time", "The host or the network hangs.", sent=True, again=True
        )
    return Trouble(
        Unreachable,
        f"the connection to {_where(endpoint)} broke: {_line(chain[-1])}",
        "WinRM or the host may have been restarted, or a device in between cut the connection.",
        sent=True,
        again=True,
    )


def _where(endpoint: Endpoint) -> str:
    return f"{endpoint.transport}://{endpoint.address}:{endpoint.port}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first: requests and urllib3 keep causes in arguments and in `reason`."""
    seen: list[BaseException] = []
    ahead: list[BaseException | None] = [error]
    while ahead:
        each = ahead.pop(0)
        if each is None or any(each is old for old in seen):
            continue
        seen.append(each)
        yield each
        inner = [argument for argument in each.args if isinstance(argument, BaseException)]
        reason = getattr(each, "reason", None)
        ahead += [*inner, reason if isinstance(reason, BaseException) else None, each.__cause__, each.__context__]


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]
