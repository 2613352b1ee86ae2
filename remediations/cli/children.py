"""Child processes that never outlive us: own process group, output to a file, stopped within a bound."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1
_LONGEST_LINE = 4096  # bytes of a log's line that are looked back for

AGAIN_SECONDS = 1.0
"""After which a `KeyboardInterrupt` that got lost is raised again."""


class ChildFailed(Exception):
    """A child ended, or did not come up. Names its log and shows its last lines."""


class Child:
    """A running child process and everything that it starts itself. Start it in the main thread."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, keep_open: Sequence[int] = ()
    ) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=keep_open,
                # Even if we are killed outright. Safe: it only calls the kernel, and no other thread of ours forks.
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - as said
            )

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def left_others(self) -> bool:
        """Whether it ended and something that it had started goes on."""
        if self.running:
            return False
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def check(self) -> None:
        """Raise `ChildFailed`, with its last words, if it has ended."""
        if not self.running:
            raise ChildFailed(
                f"{self.name} ended with exit code {self._process.returncode}; its log is {self.log}\n{self.tail()}"
            )

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        with self.log.open("rb") as file:  # it is months old perhaps, and larger than our memory
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - lines * _LONGEST_LINE))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])

    def stop(self, grace: float = 15.0) -> None:
        """End it: TERM, and after `grace` seconds, or for what it left, KILL to its whole group. Returns when it is gone."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def until_told() -> Iterator[None]:
    """SIGTERM, and a terminal that is gone, count as Ctrl-C, and none gets lost; once stopping has begun none disturbs it.

    For the main thread. What a terminal that is gone was to show goes nowhere; where it is to be outlived (nohup), it is.

    Python raises `KeyboardInterrupt` in whatever runs at that moment. If that is a destructor or the callback of a weak
    reference (a database library has many), it is printed as ignored and gone: it is raised again each second until it got
    through, which is when it is being handled.
    """
    asked, over = False, threading.Event()

    def told(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        if number == signal.SIGHUP:
            _leave(terminals)
        if not _stopping():
            raise KeyboardInterrupt

    def remind() -> None:
        while not over.wait(AGAIN_SECONDS):
            if asked:
                signal.pthread_kill(main, signal.SIGINT)

    main = threading.get_ident()
    reminder = threading.Thread(target=remind, name="until told", daemon=True)
    terminals = [each for each in (0, 1, 2) if os.isatty(each)]
    signals = [each for each in _TOLD if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, told) for each in signals}
    reminder.start()
    try:
        yield
    finally:
        over.set()
        reminder.join()
        for each, handler in before.items():
            signal.signal(each, handler)


_TOLD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _leave(terminals: Iterable[int]) -> None:
    """Nothing can be written to what is gone, and trying would be an error in the middle of stopping."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for each in terminals:
        os.dup2(nowhere, each)
    os.close(nowhere)


def _stopping() -> bool:
    """Whether what this thread runs is the handling of a `KeyboardInterrupt`, or of what went wrong in it."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
