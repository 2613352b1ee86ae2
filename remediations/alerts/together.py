"""Writes that come at once are written together: one turn at the ledger, and one wait for the disk, for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from remediations.model.outcome import Refused

S = TypeVar("S")
R = TypeVar("R")

MOST = 1_000
"""Items of one write, so that nobody waits long for others' alerts; one caller's are never parted."""


@dataclass(frozen=True)
class _Waiting(Generic[S, R]):
    items: Sequence[S]
    written: asyncio.Future[Sequence[R]]


class Together(Generic[S, R]):
    """Calls `write`, in a thread and one call at a time, with the items of everybody who waits.

    An awaited call ends only after its items were written, and raises what kept them from it. What comes while one write
    is under way goes into the next; a call that is alone waits for nobody. Belongs to one event loop at a time.
    """

    def __init__(self, write: Callable[[Sequence[S]], Sequence[R]]) -> None:
        self._write = write
        self._waiting: deque[_Waiting[S, R]] = deque()
        self._writer: asyncio.Task[None] | None = None

    async def __call__(self, items: Sequence[S]) -> Sequence[R]:
        """Write these, with others'; one result for each, in order."""
        mine = _Waiting[S, R](items, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        return await mine.written

    async def _write_all(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft()]
            many = len(batch[0].items)
            while self._waiting and (many := many + len(self._waiting[0].items)) <= MOST:
                batch.append(self._waiting.popleft())
            error = await self._written(batch)
            # What is wrong with one caller's items is not the others'. A refusal is of the ledger, and so everybody's: each
            # that was tried alone would wait for it as long again.
            if error is not None and len(batch) > 1 and not isinstance(error, Refused):
                for each in batch:
                    _tell([each], await self._written([each]))
            else:
                _tell(batch, error)

    async def _written(self, batch: Sequence[_Waiting[S, R]]) -> Exception | None:
        """Write and tell who waits; what kept it from being written, if anything did."""
        try:
            written = await run_in_threadpool(self._write, [item for each in batch for item in each.items])
        except Exception as error:
            return error
        place = 0
        for each in batch:
            if not each.written.done():  # its sender may have gone away
                each.written.set_result(written[place : place + len(each.items)])
            place += len(each.items)
        return None


def _tell(batch: Sequence[_Waiting[S, R]], error: Exception | None) -> None:
    for each in batch:
        if error is not None and not each.written.done():
            each.written.set_exception(error)
