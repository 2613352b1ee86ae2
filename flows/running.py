"""How a flow runs the engine: each piece of work a Prefect task, cancelling between steps, and how it ends in Prefect."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause, TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows import notify
from flows.alive import staying
from flows.artifacts import publish_report
from flows.gate import prefect_gate
from flows.runtime import configure_logs, engine
from remediations.engine import Engine, Gate, Observe, Report
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.settings import ConfigError

T = TypeVar("T")


class Cancelled(BaseException):
    """The run was cancelled: raised before the next piece of work, once, so that closing what is open still works.

    Not an `Exception`: nothing may take it for a step's failure and go on.
    """


@task(cache_policy=NO_CACHE, retries=0, persist_result=False)
def _piece(work: Callable[[], Any]) -> Any:
    """One piece of work: a read, a plan, a step, a wait, a verification, the retry."""
    return work()


class Tasks:
    """An `Observe` that makes each piece of work a Prefect task with a speaking name; asks before each if to go on.

    Whatever ends the run is raised once, instead of the next piece. What follows takes back and closes, and nothing stops it.
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._ending = self._suspended = False

    def cancel(self) -> None:
        """Let the piece in hand end and raise `Cancelled` instead of the next; nothing more once the run is ending."""
        if not self._ending:
            self._cancelled.set()

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        """Do `work` as a task called `name`. Outside a flow run (the engine's own threads) it is simply done.

        Raises Prefect's `Pause`, with `work` not begun, once somebody has suspended the run in Prefect's pages.
        """
        if self._cancelled.is_set():
            self._cancelled.clear()
            self._ending = True
            raise Cancelled
        if self._suspended or FlowRunContext.get() is None:
            return work()
        try:
            return cast(T, _piece.with_options(task_run_name=lambda: name)(work))
        except Pause:
            # Prefect raises it instead of every task from now on: a machine that is off would stay so while the run sleeps.
            self._suspended = self._ending = True
            raise


def conclude(work: Callable[[Engine, str, Gate], Report]) -> State[Any]:
    """Run `work(engine, run, gate)` in this flow run, show its report, and say how the flow run ends.

    The work has a thread of its own, so that a cancelled run (SIGTERM, which Prefect raises in the main thread) ends between
    two steps and never within one. Prefect's own exceptions (suspended, aborted) pass through.
    """
    tasks = Tasks()
    future: Future[State[Any]] = Future()
    go = threading.Event()
    context = copy_context()

    def engine_thread() -> None:
        go.wait()
        try:
            future.set_result(context.run(_carry_out, work, tasks))
        except BaseException as error:  # Prefect's own are no `Exception`; all of them are raised again below
            future.set_exception(error)

    # Nothing is begun before `go`, so a signal until then has nothing to wait for.
    threading.Thread(target=engine_thread, name="engine", daemon=True).start()
    stopped: TerminationSignal | None = None
    with staying(_run_id()):
        while True:
            try:
                go.set()
                state = future.result()
                break
            except TerminationSignal as signal:
                stopped = signal
                tasks.cancel()
            except Cancelled:
                break
    if stopped is not None:
        raise stopped
    return state


def _carry_out(work: Callable[[Engine, str, Gate], Report], observe: Observe) -> State[Any]:
    configure_logs()
    try:
        with engine(observe) as built:
            told = built.site.notify
            report = work(built, _run_id(), prefect_gate(partial(notify.tell_asked, told)))
    except (ConfigError, LookupError) as error:
        if isinstance(error, (KeyError, IndexError)):
            raise
        return Failed(message=f"failed: {error}")
    except Refused as refused:
        return state_of(Outcome(ending=Ending.REFUSED, reason=refused.reason, summary=refused.detail))
    publish_report(report)
    notify.tell_ended(told, report)
    return state_of(report.outcome)


def _run_id() -> str:
    run = flow_run.get_id()
    if run is None:
        raise RuntimeError("the engine is carried out within a flow run only")
    return run


def state_of(outcome: Outcome) -> State[Any]:
    """The flow run's last state: Failed for what failed (taken back or not), Completed for every other ending, in words."""
    failed = outcome.ending in (Ending.FAILED, Ending.UNDONE) or outcome.reason is Reason.LEDGER_UNAVAILABLE
    return Failed(message=outcome.words) if failed else Completed(message=outcome.words)
