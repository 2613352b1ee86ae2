"""One host on the network: its listeners, its connections, and what becomes of each HTTP request."""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web

from remediations.lab.protocol import wsman
from remediations.lab.protocol.authentication import Authenticator, Caller, Challenge, Connection
from remediations.lab.protocol.endpoint import Endpoint
from remediations.lab.protocol.faults import Fault, FaultPlan
from remediations.lab.protocol.journal import Requests

REPLAYS = 64
"""So many answers to Receive are kept, for a client that sends the same one again after a timeout of its own."""

_SOAP = "application/soap+xml;charset=UTF-8"
_PAGE = "<!DOCTYPE html><html><body><p>{}<br></body></html>"
"""HTML as proxies send it, which is no XML."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends RST."""


class _Gone(Exception):
    """The connection was reset on purpose: there is nobody to answer."""


@dataclass
class _Exchange:
    """One HTTP request on its way."""

    http: web.BaseRequest
    caller: Caller
    encryption: str = ""
    """Protocol of the encrypted body, empty for a clear one."""
    request: wsman.Request | None = None
    fault: Fault | None = None


@dataclass
class Host:
    """One simulated host. `start` and `stop` may be called again and again; its ports stay the same."""

    endpoint: Endpoint
    authenticator: Authenticator
    requests: Requests
    faults: FaultPlan
    address: str
    tls: ssl.SSLContext
    with_http: bool
    keep_alive: float
    round_trip: float = 0
    """Seconds that every answer takes longer, as if the host were that far away."""
    https_port: int = 0
    http_port: int | None = None
    pending: int = 0
    """Requests that a fault carries out later."""
    _servers: list[asyncio.Server] = field(default_factory=list)
    _web: web.Server | None = None
    _connections: WeakKeyDictionary[Any, Connection] = field(default_factory=WeakKeyDictionary)
    _active: set[asyncio.Task[Any]] = field(default_factory=set)
    _replays: dict[str, bytes] = field(default_factory=dict)
    _dying: asyncio.Task[None] | None = None
    _turning: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it starts or stops."""

    @property
    def running(self) -> bool:
        """Whether it accepts connections."""
        return bool(self._servers)

    @property
    def busy(self) -> bool:
        """Whether a command runs, or will run when a fault lets it."""
        shells = self.endpoint.shells.values()
        return self.pending > 0 or any(each.running for shell in shells for each in shell.commands.values())

    async def start(self) -> None:
        """Accept connections. Raises `OSError` if an address is taken."""
        async with self._turning:
            if not self.running:
                await self._start()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._web = web.Server(self._serve, access_log=None, keepalive_timeout=self.keep_alive)
        listeners = [await loop.create_server(self._web, self.address, self.https_port, ssl=self.tls)]
        self._servers = listeners
        self.https_port = listeners[0].sockets[0].getsockname()[1]
        if self.with_http:
            listeners.append(await loop.create_server(self._web, self.address, self.http_port or 0))
            self.http_port = listeners[1].sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, drop those there are, end every shell: as when the power goes."""
        async with self._turning:
            await self._stop()

    async def _stop(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        for connection in self._web.connections if self._web else ():
            self._cut(connection.transport)
        for task in tuple(self._active - {asyncio.current_task()}):
            task.cancel()
        await self.endpoint.close_shells()
        self._replays.clear()
        if self._web is not None:
            await self._web.shutdown(0.05)

    def drop_idle(self) -> None:
        """Close every connection on which nothing is going on, as the HTTP service does after two minutes."""
        for connection in self._web.connections if self._web else ():
            known = self._connections.get(connection.transport)
            if connection.transport is not None and (known is None or not known.active):
                connection.transport.abort()

    # --- one request ----------------------------------------------------------------------------------------------------

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        connection = self._connection(http.transport)
        connection.active += 1
        if task is not None:
            self._active.add(task)
        try:
            if self.round_trip:
                await asyncio.sleep(self.round_trip)
            return await self._respond(http, connection)
        except _Gone:
            return web.Response(status=500)
        finally:
            connection.active -= 1
            if task is not None:
                self._active.discard(task)

    def _connection(self, transport: asyncio.Transport | None) -> Connection:
        known = self._connections.get(transport) if transport is not None else None
        if known is None:
            tls = transport.get_extra_info("ssl_object") if transport is not None else None
            known = Connection(tls is not None, tls.getpeercert(True) if tls is not None else None)
            if transport is not None:
                self._connections[transport] = known
        return known

    async def _respond(self, http: web.BaseRequest, connection: Connection) -> web.StreamResponse:
        body = await http.read()
        caller = self.authenticator.caller(connection, http.headers.get("Authorization", ""))
        if isinstance(caller, Challenge):
            return self._challenged(caller)
        exchange = _Exchange(http, caller)
        if not body:  # the client only authenticates, before its first encrypted message
            self.requests.add(self.endpoint.host, "Authenticate")
            return self._reply(exchange, b"")
        content = http.headers.get("Content-Type", "")
        if content.startswith("multipart/encrypted"):
            found = re.search(r'protocol="([^"]+)"', content)
            if caller.negotiation is None or found is None:
                return web.Response(status=400)
            exchange.encryption = found[1]
            try:
                body = caller.negotiation.unwrap(body)
            except Exception:  # pyspnego raises what the broken bytes make it raise; Windows answers all of it so
                return web.Response(status=400)
        elif not connection.secure:
            return web.Response(status=500)  # AllowUnencrypted is off, as it is by default
        try:
            exchange.request = wsman.parse(body)
            return await self._carry_out(exchange, connection)
        except wsman.Malformed as error:
            return web.Response(status=400, text=str(error))

    def _challenged(self, challenge: Challenge) -> web.Response:
        self.requests.add(self.endpoint.host, "Authenticate")
        response = web.Response(status=401)
        for offer in challenge.offers:
            response.headers.add("WWW-Authenticate", offer)
        return response

    async def _carry_out(self, exchange: _Exchange, connection: Connection) -> web.StreamResponse:
        request, host = exchange.request, self.endpoint.host
        assert request is not None  # set by the only caller
        self.requests.add(host, request.action)
        commands = self.endpoint.commands(request)
        fault = exchange.fault = self.faults.strike(host, request.action, commands)
        if fault is not None and fault.moment == "before":
            spoiled = await self._spoil(fault, exchange, connection)
            if spoiled is not None:
                return spoiled
        status, answer = await self._answer(request, exchange)
        if fault is not None and (fault.moment == "after" or fault.kind == "late"):
            spoiled = await self._spoil(fault, exchange, connection, done=True)
            if spoiled is not None:
                return spoiled
        return self._reply(exchange, answer, status)

    async def _answer(self, request: wsman.Request, exchange: _Exchange) -> tuple[int, bytes]:
        transport = exchange.http.transport
        if request.action == "Receive" and request.message_id in self._replays:
            return 200, self._replays[request.message_id]

        def alive() -> bool:
            return transport is not None and not transport.is_closing()

        try:
            answer = await self.endpoint.handle(request, exchange.caller.principal, alive)
        except wsman.Fault as error:
            return 500, wsman.fault(error, request, self.endpoint.host)
        if request.action == "Receive":
            self._replays[request.message_id] = answer
            while len(self._replays) > REPLAYS:
                del self._replays[next(iter(self._replays))]
        return 200, answer

    def _reply(self, exchange: _Exchange, answer: bytes, status: int = 200) -> web.Response:
        headers = {}
        if exchange.caller.token:
            headers["WWW-Authenticate"] = "Negotiate " + _base64(exchange.caller.token)
        kind = _SOAP
        if exchange.encryption and answer and exchange.caller.negotiation is not None:
            answer, kind = exchange.caller.negotiation.wrap(exchange.encryption, answer)
        return web.Response(status=status, body=answer, headers={**headers, "Content-Type": kind})

    # --- faults ---------------------------------------------------------------------------------------------------------

    async def _spoil(
        self, fault: Fault, exchange: _Exchange, connection: Connection, *, done: bool = False
    ) -> web.Response | None:
        """What the client gets instead of its answer; None where the request goes on its way."""
        request, value = exchange.request, fault.value
        match fault.kind:
            case "delay":
                await self.faults.pause(None if value is None else float(value))
                return None
            case "late" if not done:
                self.pending += 1
                try:
                    await self.faults.pause(None if value is None else float(value))
                    return None
                finally:
                    self.pending -= 1
            case "hang":
                await self.faults.pause(None)
            case "http":
                status = int(value or 500)
                return web.Response(status=status, text=_PAGE.format(status), content_type="text/html")
            case "wsman":
                error = wsman.Fault(int(value or wsman.ACCESS_DENIED), "Injected by the lab.")
                return self._reply(exchange, wsman.fault(error, request, self.endpoint.host), 500)
            case "garbage":
                text = _PAGE.format("Please log in") if value is None else value
                body = text.encode() if isinstance(text, str) else bytes(text)  # type: ignore[arg-type]  # checked by Fault
                return web.Response(body=body, content_type="text/html")
            case "unauthorized":
                return self._challenged(self.authenticator.challenge(connection))
            case "die":
                if done and request is not None:
                    await self.endpoint.finish(request)
                self._dying = asyncio.create_task(self.stop())
        self._cut(exchange.http.transport)
        raise _Gone

    def _cut(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError):  # the client was faster
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        abort: Callable[[], None] = getattr(transport, "abort", transport.close)
        abort()


def _base64(token: bytes) -> str:
    return base64.b64encode(token).decode()
