"""Shells: runspace pools with their pipelines, and what waits to be received from each."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from psrpcore import (
    CreatePipelineEvent,
    GetAvailableRunspacesEvent,
    GetCommandMetadataEvent,
    ResetRunspaceStateEvent,
    SetMaxRunspacesEvent,
    SetMinRunspacesEvent,
)
from psrpcore.types import ErrorRecord

from remediations.lab.cmdlet import CommandError
from remediations.lab.protocol.commands import Runner, statements
from remediations.lab.protocol.psrp import Pipeline, Pool, record

ENVELOPE = 512000
"""MaxEnvelopeSize of Windows since 2012, in bytes: what one Receive brings stays below it."""


class Turns:
    """Lets the pipelines of a lab begin one at a time.

    All hosts live in one loop, and a handler that waits for nothing holds it. Between two pipelines every host answers what it
    was asked meanwhile, or a busy machine would make one host's silence out of the others' work.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def mine(self) -> None:
        """Wait for a turn."""
        async with self._turn:
            await asyncio.sleep(0)


class Out:
    """PSRP fragments that wait for a Receive."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self.finished = False
        """Nothing more will come."""

    def put(self, fragment: bytes) -> None:
        """One more fragment."""
        self._waiting.append(fragment)
        self._changed.set()

    def finish(self) -> None:
        """That was the last one."""
        self.finished = True
        self._changed.set()

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    async def ready(self, seconds: float) -> bool:
        """Wait until there is something or nothing more comes; False if neither happened in time."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def take(self, most: int | None = None) -> list[bytes]:
        """Whole fragments, as many as one envelope holds: a client cannot read half of one."""
        taken: list[bytes] = []
        room = ENVELOPE * 3 // 4 - 4096  # base64 makes four bytes of three
        while self._waiting and len(taken) != most and (not taken or len(self._waiting[0]) <= room):
            taken.append(self._waiting.popleft())
            room -= len(taken[-1])
        if not self._waiting and not self.finished:
            self._changed.clear()
        return taken


@dataclass
class Command:
    """One pipeline of a shell, known by its CommandId."""

    id: str
    pipeline: Pipeline
    names: tuple[str, ...] = ()
    out: Out = field(default_factory=Out)
    task: asyncio.Task[None] | None = None
    ended: bool = False
    """Its last data and Done were given to the client."""

    @property
    def running(self) -> bool:
        """Whether it has not come to its end."""
        return self.task is not None and not self.task.done()

    async def stop(self) -> None:
        """Cancel it and wait until it has noticed."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])


class Shell:
    """One runspace pool, owned by the account that opened it."""

    def __init__(
        self, identity: str, runner: Runner, turns: Turns, *, resource: str, owner: str, idle: str, version: str
    ) -> None:
        self.id, self.resource, self.owner, self.idle = identity, resource, owner, idle
        self.state = "Connected"
        self.pool = Pool(version)
        self.out = Out()
        self.batch = 2
        """Fragments in one Receive of the pool: Windows brings the pool's state in a second one."""
        self.commands: dict[str, Command] = {}
        self.touched = self.created = time.monotonic()
        self._runner, self._turns = runner, turns
        self._slots: asyncio.Semaphore | None = None
        self._warm = runner.surface.visible is not None

    def flush(self) -> None:
        """Put what psrpcore has to say where the right Receive finds it."""
        for identity, fragment in self.pool.fragments():
            command = self.commands.get(str(identity).upper()) if identity else None
            (command.out if command else self.out).put(fragment)

    def feed(self, data: bytes, command: Command | None = None) -> None:
        """Take PSRP data of the client. Raises `Fault` if it cannot be decoded."""
        for event in self.pool.events(data, uuid.UUID(command.id) if command else None):
            target = self.commands.get(str(event.pipeline_id).upper()) if event.pipeline_id else None
            if isinstance(event, CreatePipelineEvent) and target:
                target.pipeline.start()
                target.task = asyncio.create_task(self._run(target, event.pipeline))
            elif isinstance(event, GetCommandMetadataEvent) and target:
                target.pipeline.start()
                target.pipeline.complete()
                target.out.finish()
            elif isinstance(event, GetAvailableRunspacesEvent):
                busy = sum(each.running for each in self.commands.values())
                self.pool.available(event.ci, self.pool.size - busy)
            elif isinstance(event, (SetMaxRunspacesEvent, SetMinRunspacesEvent, ResetRunspaceStateEvent)):
                self.pool.available(event.ci, True)
        self.flush()

    async def _run(self, command: Command, sent: Any) -> None:
        try:
            failure = await self._outcome(command, sent)
        except asyncio.CancelledError:
            command.pipeline.stop()
        else:
            if failure is None:
                command.pipeline.complete()
            else:
                command.pipeline.fail(failure)
        self.flush()
        command.out.finish()

    async def _outcome(self, command: Command, sent: Any) -> ErrorRecord | None:
        self._slots = self._slots or asyncio.Semaphore(self.pool.size)
        async with self._slots:
            await self._turns.mine()
            try:
                if not self._warm:  # a module is loaded; captured from pools whose first command needs one
                    self._warm = True
                    command.pipeline.progress("Preparing modules for first use.", " ", -1)
                    self.flush()
                if not sent.no_input:
                    return record(CommandError("The lab takes no pipeline input.", "LabUnsupported", "NotImplemented"), "")
                return await self._runner.run(command.pipeline, statements(sent), self.owner, command.id, self.flush)
            except Exception as error:  # whatever the lab did wrong must end the pipeline, never hang it
                return record(CommandError(f"The lab has a defect: {error!r}", "LabDefect"), "")

    async def close(self) -> None:
        """Stop everything that runs and let every waiting Receive end."""
        for command in self.commands.values():
            await command.stop()
        self.out.finish()
