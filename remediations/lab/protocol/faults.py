"""Faults of wire and host as data: what goes wrong, at which request, before or after the work was done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

Action = Literal["Create", "Command", "Receive", "Send", "Signal", "Delete", "Get", "Disconnect", "Reconnect", "Connect", "*"]
Moment = Literal["before", "after"]
Kind = Literal["reset", "hang", "delay", "late", "http", "wsman", "garbage", "unauthorized", "die"]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with the `nth` matching request, and with the `count - 1` that follow it.

    | kind | what the client sees | `value` |
    | --- | --- | --- |
    | reset | its connection is reset (RST) | – |
    | hang | no answer, until `FaultPlan.release`; then a reset | – |
    | delay | the answer comes late | seconds; None: until `FaultPlan.release` |
    | late | no answer at all; what it asked for is done later, behind its back | seconds; None: until `FaultPlan.release` |
    | http | an HTTP status with a little HTML, as from a proxy | status, 500 by default |
    | wsman | a WS-Management fault | code, 5 (access denied) by default |
    | garbage | 200 with a body that is no SOAP | the body, a login page by default; may be empty |
    | unauthorized | 401, and the connection is no longer authenticated | – |
    | die | the host drops every connection and shell and refuses new ones until it is started again | – |

    Before: the request was not carried out (except delay and late, which carry it out afterwards). After: it was, and only the
    answer is lost; `late` knows only before. `die` after a Command waits until the command has run.

    Raises `ValueError` for a value that does not fit the kind.
    """

    host: str = "*"
    """Short name, without regard to case; `*`: any host."""
    action: Action = "*"
    kind: Kind = "reset"
    moment: Moment = "before"
    nth: int = 1
    count: int | None = 1
    """None: every one from the `nth` on."""
    value: float | int | str | bytes | None = None
    command: str | None = None
    """Only requests about a pipeline that has this command, without regard to case."""

    def __post_init__(self) -> None:
        for name, known in (("action", get_args(Action)), ("kind", get_args(Kind)), ("moment", get_args(Moment))):
            if getattr(self, name) not in known:
                raise ValueError(f"a fault's {name} is one of {', '.join(known)}, not {getattr(self, name)!r}")
        if self.nth < 1 or (self.count is not None and self.count < 1):
            raise ValueError(
                f"a fault strikes from the first request on, at least once, not nth={self.nth}, count={self.count}"
            )
        if self.kind == "late" and self.moment == "after":
            raise ValueError("what is done late is done after the answer is lost: use moment='before'")
        wants: tuple[type, ...] = {
            "delay": (int, float),
            "late": (int, float),
            "http": (int,),
            "wsman": (int,),
            "garbage": (str, bytes),
        }.get(self.kind, ())
        if self.value is not None and not isinstance(self.value, wants):
            raise ValueError(f"a fault of kind {self.kind} does not take the value {self.value!r}")

    def concerns(self, host: str, action: str, commands: Sequence[str]) -> bool:
        """Whether it is about such a request."""
        return (
            self.host.casefold() in ("*", host.casefold())
            and self.action in ("*", action)
            and (self.command is None or self.command.casefold() in {each.casefold() for each in commands})
        )


@dataclass(frozen=True)
class Fired:
    """One fault that struck."""

    fault: Fault
    host: str
    action: str
    commands: tuple[str, ...]


@dataclass
class _Armed:
    fault: Fault
    seen: int = 0


@dataclass
class FaultPlan:
    """The faults of one lab. Safe to change from any thread while the lab runs."""

    fired: list[Fired] = field(default_factory=list)
    """What struck, in order."""
    _armed: list[_Armed] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop | None = None
    _gate: asyncio.Event | None = None

    def add(self, *faults: Fault) -> None:
        """Arm faults; each counts the requests that it is about from now on."""
        self._armed += [_Armed(each) for each in faults]

    def clear(self) -> None:
        """Disarm every fault and forget what struck; what hangs keeps hanging."""
        self._armed.clear()
        self.fired.clear()

    def release(self) -> None:
        """Let everything go on that waits without a time of its own."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._open)

    def strike(self, host: str, action: str, commands: tuple[str, ...]) -> Fault | None:
        """The fault for this request, if one is armed for it; every armed fault counts it."""
        hit = None
        for armed in tuple(self._armed):
            if armed.fault.concerns(host, action, commands):
                armed.seen += 1
                past = armed.seen - armed.fault.nth
                if hit is None and past >= 0 and (armed.fault.count is None or past < armed.fault.count):
                    hit = armed.fault
        if hit is not None:
            self.fired.append(Fired(hit, host, action, commands))
        return hit

    async def pause(self, seconds: float | None) -> None:
        """Wait so long, or until `release`."""
        if seconds is not None:
            await asyncio.sleep(seconds)
            return
        self._loop = asyncio.get_running_loop()
        self._gate = self._gate or asyncio.Event()
        await self._gate.wait()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to a running lab."""
        self._loop = loop

    def _open(self) -> None:
        if self._gate is not None:
            self._gate.set()
        self._gate = None
