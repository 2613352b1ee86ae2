"""Simulated hosts that answer from memory: what the lab said the first time, said again without working it out.

The lab plays a whole domain in slow Python, and on the two cores of a benchmark it would be what is measured. So each kind of
question is put to the real lab once; further hosts are given the same answer with their own name and addresses in it. What
the program meets stays real: sockets, TLS, NTLM, WS-Management and PowerShell Remoting, a session for each host, answers as
large as before. The answers of the controllers, and about clusters, are never another one's.
"""

from __future__ import annotations

import asyncio
import base64
import re
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from remediations.lab.protocol import wsman
from remediations.lab.protocol.endpoint import Endpoint
from remediations.lab.protocol.shells import Command
from remediations.lab.protocol.wsman import NS, Request
from remediations.lab.world.directory import guid

FRAGMENT = 32000
_HEADER = struct.Struct(">QQBI")
_OUTPUT, _STATE = 0x00041004, 0x00041006
_STATEMENT = re.compile(rb'<S N="Cmd">')
_REFERENCE = re.compile(rb' RefId="\d+"')
_MARKER = re.compile(rb'N="V">([0-9a-f]{36})<')
_NAME = re.compile(rb"(?i)hv\d{4}")
_NAMED = (b"Resolve-DnsName", b"Get-RemediationName")

Message = tuple[int, bytes]
"""Type and payload of a PSRP message."""


class Silent:
    """Stands for psrpcore's pipeline where nothing has to be said."""

    def discard(self) -> None:
        """Nothing is kept."""

    def stop(self) -> None:
        """Nothing runs."""


class Host:
    """Which host an answer is about: how its own words are taken out of an answer, and put into another's."""

    def __init__(self, name: str) -> None:
        self.number = int(name[2:])
        place = f"{(self.number - 1) // 250}.{(self.number - 1) % 250 + 1}"
        account = str(guid(f"account {name.upper()}"))
        words = (name.upper(), name.lower(), f"10.1.{place}", f"10.2.{place}", account)
        self.words = tuple(each.encode() for each in words)
        # An address ends where no digit follows: 10.1.0.1 is not the beginning of 10.1.0.12.
        self._find = re.compile(b"|".join(re.escape(each) + (b"(?![0-9])" if b"." in each else b"") for each in self.words))

    def blank(self, text: bytes) -> bytes:
        """`text` with this host's words as placeholders."""
        return self._find.sub(lambda found: b"\x00%d\x00" % self.words.index(found[0]), text)

    def fill(self, text: bytes) -> bytes:
        """The opposite of `blank`."""
        if b"\x00" in text:
            for place, word in enumerate(self.words):
                text = text.replace(b"\x00%d\x00" % place, word)
        return text


@cache
def about(name: str) -> Host:
    """The host of this name."""
    return Host(name)


@dataclass(frozen=True)
class Key:
    """What an answer is remembered by."""

    among: str
    """The cluster or controller that only speaks for itself; empty where all hosts answer alike."""
    statement: bytes
    host: Host | None = field(default=None, compare=False)
    """Whose words were taken out of the statement."""

    def taken(self, text: bytes) -> bytes:
        """An answer, to be remembered."""
        return self.host.blank(text) if self.host else text

    def given(self, text: bytes) -> bytes:
        """An answer that was remembered."""
        return self.host.fill(text) if self.host else text


class Recorded(Endpoint):
    """One host's WS-Management service. What was never asked of its kind goes to the real one, and is remembered."""

    memory: ClassVar[dict[Key, list[Message]]] = {}
    learning: ClassVar[asyncio.Lock] = asyncio.Lock()
    homes: ClassVar[dict[str, str]] = {}
    """Host → its cluster: what is said of a cluster is remembered for that cluster."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._partly: dict[str, bytes] = {}
        self._objects = 0

    def commands(self, request: Request) -> tuple[str, ...]:
        """Only wanted for faults, which a benchmark has none of."""
        return ()

    async def _command(self, request: Request, principal: str) -> bytes:
        shell, line = self._shell(request, principal), request.child("rsp:CommandLine")
        identity = (line.get("CommandId") or "").upper()
        data = base64.b64decode(line.findtext("rsp:Arguments", "", NS))
        command = Command(identity, Silent())  # it is only told to let go
        shell.commands[identity] = command
        await self._take(command, data, request, principal)
        return wsman.answer(request, f"<rsp:CommandResponse><rsp:CommandId>{identity}</rsp:CommandId></rsp:CommandResponse>")

    async def _send(self, request: Request, principal: str) -> bytes:
        shell = self._shell(request, principal)
        for stream in request.body.iterfind("rsp:Send/rsp:Stream", NS):
            command = self._find(shell, stream.get("CommandId"))
            await self._take(command, base64.b64decode(stream.text or ""), request, principal)
        return wsman.answer(request, "<rsp:SendResponse/>")

    async def _take(self, command: Command, data: bytes, request: Request, principal: str) -> None:
        """Fragments of a pipeline; once they are whole, its answer waits to be received."""
        whole, ended = _joined(data)
        message = self._partly.pop(command.id, b"") + whole
        if not ended:
            self._partly[command.id] = message
            return
        # The first statement stands there a second time at the end, for servers that know no statements.
        statements = _STATEMENT.split(_REFERENCE.sub(b"", message[40:]))[1:-1]
        markers = [found[1] if (found := _MARKER.search(each)) else b"" for each in statements]
        keys = [self._key(each) for each in statements]
        async with self.learning:
            if any(not marker and key not in self.memory for marker, key in zip(markers, keys, strict=True)):
                await self._learn(message, keys, markers, request, principal)
        pool, pipeline = message[8:24], uuid.UUID(command.id).bytes_le
        for marker, key in zip(markers, keys, strict=True):
            found = [(_OUTPUT, b"<S>" + marker + b"</S>")] if marker else self.memory[key]
            for kind, payload in found:
                self._put(command, kind, pool + pipeline, key.given(payload))
        self._put(command, _STATE, pool + pipeline, _COMPLETED)
        command.out.finish()

    def _key(self, statement: bytes) -> Key:
        name = statement.partition(b"<")[0]
        own = _NAME.fullmatch(self.host.encode())
        if own and b"Cluster" in name:
            return Key(self.homes.get(self.host, self.host), statement)
        if not own and not self.homes:
            return Key(self.host, statement)  # accounts of standalone hosts name all others
        # What a controller says, and what a name leads to, is about the host that is asked for.
        asked = _NAME.search(statement) if name in _NAMED or not own else own
        host = about(asked[0].decode().upper()) if asked else None
        return Key("" if own else self.host, host.blank(statement) if host else statement, host)

    async def _learn(self, message: bytes, keys: list[Key], markers: list[bytes], request: Request, principal: str) -> None:
        """Put a pipeline to the real host, and remember what it says to each statement."""
        shell = self._shell(request, principal)
        identity = uuid.uuid4()
        real = Command(str(identity).upper(), shell.pool.pipeline(identity))
        shell.commands[real.id] = real
        own = message[:24] + identity.bytes_le + message[40:]
        shell.feed(_HEADER.pack(10**6 + len(self.memory), 0, 3, len(own)) + own, real)
        assert real.task is not None
        await real.task
        said: list[Message] = []
        place = 0
        fragments: list[bytes] = []
        while not real.out.empty:
            fragments += real.out.take()
        for kind, payload in _messages(fragments):
            while place < len(markers) and not markers[place]:
                place += 1
            if place < len(markers) and kind == _OUTPUT and markers[place] in payload:
                key = keys[place - 1]
                self.memory[key] = [(each, key.taken(text)) for each, text in said]
                said, place = [], place + 1
            else:
                said.append((kind, payload))
        del shell.commands[real.id]

    def _put(self, command: Command, kind: int, ids: bytes, payload: bytes) -> None:
        data = struct.pack("<II", 1, kind) + ids + payload
        self._objects += 1
        for start in range(0, len(data), FRAGMENT):
            part = data[start : start + FRAGMENT]
            flags = (start == 0) | (start + FRAGMENT >= len(data)) << 1
            command.out.put(_HEADER.pack(10**9 + self._objects, start // FRAGMENT, flags, len(part)) + part)


_COMPLETED = b'<Obj RefId="0"><MS><I32 N="PipelineState">4</I32></MS></Obj>'


def _joined(data: bytes) -> tuple[bytes, bool]:
    """The content of some fragments, and whether the last of them ends its message."""
    whole, ended = b"", False
    while data:
        _, _, flags, length = _HEADER.unpack_from(data)
        whole += data[21 : 21 + length]
        ended, data = bool(flags & 2), data[21 + length :]
    return whole, ended


def _messages(fragments: list[bytes]) -> Iterator[Message]:
    whole = b""
    for fragment in fragments:
        part, ended = _joined(fragment)
        whole += part
        if ended:
            yield struct.unpack_from("<I", whole, 4)[0], whole[40:].removeprefix(b"\xef\xbb\xbf")
            whole = b""
