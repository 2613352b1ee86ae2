"""WS-Management on the wire: requests as parsed envelopes, replies, faults.

Shapes follow [MS-WSMV] and real Windows traffic recorded in pypsrp's own tests. Two fault codes are placeholders, marked so.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

NS: Final = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "p": "http://schemas.microsoft.com/powershell",
}
SHELL: Final = NS["rsp"]
POWERSHELL: Final = NS["p"] + "/"
MUTUAL: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
"""What a client that authenticates with its certificate puts into the Authorization header."""

ACCESS_DENIED: Final = 5
TIMED_OUT: Final = 2150858793
"""Nothing happened within OperationTimeout; the client polls on."""
NOT_FOUND: Final = 2150858843
"""The shell or command is unknown, or has already given all it had."""
NOT_SUPPORTED: Final = 2150858783
NO_CONFIGURATION: Final = 2150858752
"""Placeholder: Windows' code for a session configuration that does not exist was not captured."""
CONNECTED_ELSEWHERE: Final = 2152992671
"""Placeholder: Windows' code for connecting to a shell that another client holds was not captured."""
UNREADABLE: Final = 2150858778
"""Placeholder: Windows' code for PSRP data that cannot be decoded was not captured."""

_SUBCODE = {
    ACCESS_DENIED: "w:AccessDenied",
    TIMED_OUT: "w:TimedOut",
    NOT_FOUND: "w:InvalidSelectors",
    NOT_SUPPORTED: "a:ActionNotSupported",
    NO_CONFIGURATION: "w:InvalidResourceURI",
    CONNECTED_ELSEWHERE: "w:InvalidSelectors",
}
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$")


class Fault(Exception):
    """Becomes a SOAP fault with this WSManFault code and text, over HTTP 500."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Malformed(Exception):
    """The body is no WS-Management request; answered with HTTP 400."""


@dataclass(frozen=True)
class Request:
    """One WS-Management request; `action` is the last part of its action URI: `Create`, `Command`, `Receive` and so on."""

    action: str
    message_id: str
    resource: str
    shell_id: str
    """Upper case; empty where the request names no shell."""
    timeout: float
    """Seconds that the client gives the operation (OperationTimeout)."""
    body: ET.Element

    def child(self, path: str) -> ET.Element:
        """One element of the body. Raises `Malformed` if it is missing."""
        found = self.body.find(path, NS)
        if found is None:
            raise Malformed(f"{self.action} without {path}")
        return found


def parse(data: bytes) -> Request:
    """Read one request. Raises `Malformed` for anything else."""
    try:
        envelope = ET.fromstring(data)  # noqa: S314 the lab listens on loopback only, to tests and the demo
    except ET.ParseError as error:
        raise Malformed(str(error)) from error
    header, body = envelope.find("s:Header", NS), envelope.find("s:Body", NS)
    if header is None or body is None:
        raise Malformed("no SOAP header or body")
    selectors = {each.get("Name"): each.text or "" for each in header.iterfind("w:SelectorSet/w:Selector", NS)}
    return Request(
        action=header.findtext("a:Action", "", NS).rsplit("/", 1)[-1],
        message_id=header.findtext("a:MessageID", "", NS),
        resource=header.findtext("w:ResourceURI", "", NS),
        shell_id=selectors.get("ShellId", "").upper(),
        timeout=seconds(header.findtext("w:OperationTimeout", "PT60S", NS)),
        body=body,
    )


def seconds(duration: str) -> float:
    """An xs:duration of hours, minutes and seconds, in seconds. Raises `Malformed` for another."""
    found = _DURATION.match(duration)
    if found is None:
        raise Malformed(f"{duration!r} is no duration of hours, minutes and seconds")
    return int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + float(found[3] or 0)


def answer(request: Request, body: str = "", namespace: str = SHELL) -> bytes:
    """The reply to one request."""
    return _envelope(f"{namespace}/{request.action}Response", request.message_id, body)


def fault(error: Fault, request: Request | None, machine: str) -> bytes:
    """A SOAP fault as Windows shapes it."""
    subcode = _SUBCODE.get(error.code, "w:InternalError")
    text = escape(error.text)
    return _envelope(
        "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault",
        request.message_id if request else "",
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{text}</s:Text></s:Reason><s:Detail>'
        f'<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{error.code}" '
        f"Machine={quoteattr(machine)}><f:Message>{text}</f:Message></f:WSManFault></s:Detail></s:Fault>",
    )


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items() if prefix != "p")
    return (
        f'<s:Envelope xml:lang="en-US" {names}><s:Header><a:Action>{action}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:RelatesTo>{escape(relates_to)}</a:RelatesTo>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
