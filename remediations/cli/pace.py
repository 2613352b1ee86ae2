"""Keeps slow and many connections from taking the receiver away from those who send, and its process from its other work.

uvicorn ends an idle connection only after an answer. One that never sends its first request whole would stay for ever, without
a token; enough of them take every file that a process may open, and then neither an alert nor the ledger can be opened.
"""

from __future__ import annotations

import asyncio
from typing import Any

SECONDS = 30.0
"""For which a connection may go without a whole request, twice that at most."""

CONNECTIONS = 256
"""Open at once in one process: a quarter of the files that Linux lets a process open by default. Others are hung up on."""


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
