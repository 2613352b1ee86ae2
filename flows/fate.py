"""Whether a run will come back: a flow run by what Prefect says of it, a call of the command line by its process."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events import emit_event
from prefect.exceptions import ObjectNotFound
from prefect.states import Scheduled

from flows.alive import may_go_on
from remediations.engine import Over, Recovered
from remediations.model.outcome import Reason
from remediations.model.roll import parent

_GONE = "if its process is gone for good, say so: remediate recover --gone"

NEVER_RESUMED = "never resumed"
"""How Prefect's server words the end of a suspended run whose time is up (its services/pause_expirations.py)."""


def fate(client: SyncPrefectClient | None, run: str) -> Over | None:
    """Why a run is over, as the ledger keeps it; None while it may go on, or where that cannot be seen from here.

    A run that another one began goes on as long as that one.

    Without a client, as where Prefect does not answer, no flow run is over.
    """
    if run.startswith(TERMINAL):
        return _of_process(run)
    if client is None:
        return None
    try:
        flow_run = client.read_flow_run(UUID(parent(run)))
    except ValueError:
        return None
    except ObjectNotFound:
        return Over(reason=None, words="Its flow run was deleted in Prefect")
    state = flow_run.state
    if state is None or not state.is_final() or may_go_on(state, datetime.now(UTC)):
        return None
    message = state.message or ""
    if state.type is StateType.CANCELLED:
        return Over(reason=None, words="The run was cancelled")
    if state.type is StateType.FAILED and message.rstrip(".").endswith(NEVER_RESUMED):
        if not _asked(client, flow_run.id):
            return Over(reason=None, words="The run was suspended in Prefect, without a question, and not resumed in time")
        return Over(reason=Reason.APPROVAL_EXPIRED, words="The approval expired without an answer")
    if state.type is StateType.CRASHED:
        return Over(reason=None, words=f"The run crashed ({message})")
    return Over(reason=None, words=f"The run ended as {state.name} without telling what became of it ({message})")


def _asked(client: SyncPrefectClient, run: UUID) -> bool:
    """Whether a run put a question when it was suspended last; else a person suspended it on its page."""
    states = client.read_flow_run_states(run)
    slept = max((each for each in states if each.is_paused()), key=lambda each: each.timestamp, default=None)
    return slept is None or slept.state_details.run_input_keyset is not None


def unseen(client: SyncPrefectClient | None, run: str) -> str:
    """Why it cannot be told from here whether a run goes on, and what to do; nothing where it can, as by `fate`."""
    if run.startswith(TERMINAL):
        machine = _machine_of(run)
        here = machine == socket.gethostname()
        return "" if here else f"it was begun at a terminal of {machine}, and is recovered there; {_GONE} {parent(run)}"
    return "" if client is not None else f"only Prefect knows whether it goes on, and does not answer; {_GONE} {parent(run)}"


LOST = timedelta(minutes=5)
"""A run that a worker took and did not start for so long was lost with its worker; a process starts in seconds."""


def start_lost(client: SyncPrefectClient, pool: str, *, after: timedelta = LOST) -> list[FlowRun]:
    """Schedule again the runs of a work pool that a worker took (Pending) and never started, `after` having passed.

    Nobody else would: Prefect waits for the worker for ever. Should the process come all the same, Prefect lets one of the
    two begin, and the ledger's leases and single-use approvals hold even if it let both.
    """
    taken = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING])))
    ours = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    before = datetime.now(UTC) - after
    found = client.read_flow_runs(flow_run_filter=taken, work_pool_filter=ours, limit=200)
    lost = [run for run in found if run.state is not None and run.state.timestamp <= before]
    for run in lost:
        client.set_flow_run_state(run.id, Scheduled(message="its worker took it and never started it"), force=True)
    return lost


RECOVERED = "remediation.recovered"
"""The event that tells of a run that was finished for it: what an automation of Prefect can send on, by mail or chat."""


def tell(recovered: Recovered) -> None:
    """Emit the event of one recovered run; lost if Prefect is down, the ledger has it all the same."""
    emit_event(
        RECOVERED,
        resource={
            "prefect.resource.id": f"remediation.run.{recovered.run}",
            "prefect.resource.name": recovered.incident_id or recovered.run,
        },
        payload={
            "incident": recovered.incident_id,
            "why": recovered.what,
            "ending": recovered.outcome.ending.value,
            "summary": recovered.outcome.summary,
        },
    )


TERMINAL = "cli:"
"""How the id of a run at a terminal begins: `cli:<machine>:<process>:<when it began>:<random>`."""

_OVER = Over(reason=None, words="The command that ran it ended without finishing it")


def terminal_run() -> str:
    """The id of a new run of this process, from which others on this machine can tell whether it is still there."""
    process = os.getpid()
    return f"{TERMINAL}{socket.gethostname()}:{process}:{_began(process)}:{uuid4().hex[:8]}"


def _machine_of(run: str) -> str:
    return run.removeprefix(TERMINAL).rsplit(":", 3)[0]


def _of_process(run: str) -> Over | None:
    if _machine_of(run) != socket.gethostname():
        return None
    _, process, began, _ = run.rsplit(":", 3)
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return _OVER
    except PermissionError:
        pass  # somebody else's: of that number, but perhaps not the one that ran it
    now = _began(int(process))
    return _OVER if began and now and now != began else None


def _began(process: int) -> str:
    """What no other process of this number has: the machine's boot, and the clock's ticks since. Empty where that is not told.

    Numbers are given again, soonest after a boot and in a container that was started again. Source: proc(5), starttime.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    return f"{boot[:8]}-{stat.rpartition(')')[2].split()[19]}"
