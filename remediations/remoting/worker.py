"""One thread for each host: owns the dialogue, does one thing after the other, tidies up when there is nothing to do."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from remediations.remoting.dialogue import Dialogue

T = TypeVar("T")


@dataclass
class _Job:
    work: Callable[[], Any]
    future: Future[Any]
    context: contextvars.Context


class Worker:
    """Everything that goes to one host goes through here, in turn. `dialogue` is only used inside `submit`ted work."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.dialogue = dialogue
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"remoting {dialogue.host}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do `work` on the host's thread, in the caller's context, after what was submitted before."""
        future: Future[T] = Future()
        self._jobs.put(_Job(work, future, contextvars.copy_context()))
        return future

    def close(self) -> None:
        """Let go: what waits is cancelled, a running read is stopped, a running change is left to its host."""
        self.dialogue.ending.set()
        self._jobs.put(None)

    def join(self, seconds: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self.dialogue.nap())
            except Empty:
                self.dialogue.idle(busy=lambda: not self._jobs.empty())
                continue
            if job is None:
                break
            _do(job, cancelled=self.dialogue.ending.is_set())
            del job  # and with it what the caller has bound to it
        self.dialogue.close()


def _do(job: _Job, *, cancelled: bool) -> None:
    if cancelled:
        job.future.cancel()
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        result = job.context.run(job.work)
    except BaseException as error:  # it is the caller's, who waits for it in another thread
        job.future.set_exception(error)
    else:
        job.future.set_result(result)
