"""Keeps slow and many connections from taking the receiver away from those who send, and its process from its other work.

uvicorn ends an idle connection only after an answer. One that never sends its first request whole would stay for ever, without
a token; enough of them take every file that a process may open, and then neither an alert nor the ledger can be opened.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

SECONDS = 30.0
"""For which a connection may go without a whole request, twice that at most."""

CONNECTIONS = 256
"""Open at once in one process: a quarter of the files that Linux lets a process open by default. Others are hung up on."""


class Doorway(socket.socket):
    """A listening socket, taken over from its owner, for TLS: it hangs up on who is one too many as soon as they come.

    Nothing later could: nobody hears of a connection before hands are shaken, for which a minute is waited. It is asyncio's own
    event loop that asks here; uvloop accepts by itself.
    """

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(listening.family, listening.type, listening.proto, fileno=listening.detach())
        self._within: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection. Raises `ConnectionAbortedError`, as for one that is gone already, where it is one too many."""
        connection, address = super().accept()
        self._within = [each for each in self._within if each.fileno() >= 0]
        if len(self._within) >= CONNECTIONS:
            connection.close()
            raise ConnectionAbortedError
        self._within.append(connection)
        return connection, address


def paced(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """What uvicorn speaks HTTP by, which hangs up on who is too slow, or one too many."""

    class Paced(protocol):  # type: ignore[misc, valid-type]  # uvicorn chooses it by what is installed
        """One connection."""

        _looked: asyncio.TimerHandle | None = None
        _before: Any = object()

        def connection_made(self, transport: asyncio.Transport) -> None:
            """Begin, unless there are too many."""
            super().connection_made(transport)
            if len(self.connections) > CONNECTIONS:
                transport.abort()
            else:
                self._looked = self.loop.call_later(SECONDS, self._look)

        def connection_lost(self, exc: Exception | None) -> None:
            """End."""
            if self._looked is not None:
                self._looked.cancel()
            super().connection_lost(exc)

        def _look(self) -> None:
            cycle = self.cycle
            waits = cycle is None or cycle.more_body or cycle.response_complete
            if waits and cycle is self._before:
                self.transport.abort()
                return
            self._before = cycle if waits else object()
            self._looked = self.loop.call_later(SECONDS, self._look)

    return Paced
