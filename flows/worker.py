"""The worker that runs our flows, and no other program that Prefect's API could name.

Of a run it takes from Prefect which flow it is of, and its parameters. Prefect's own process worker also takes the command to
run, its environment, and steps that fetch code, from whoever may write to the API: with that, whoever may press a button there
could do all that this account can, without any approval.

Run as a program it works until it is told to stop (SIGTERM, SIGINT): `python -m flows.worker --pool NAME --limit N`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import os
import shlex
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import anyio.abc
from prefect import Flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.processutils import setup_signal_handlers_worker
from prefect.workers import process
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.deployments import ALL
from remediations.settings import Settings

ENTRYPOINT = "PREFECT__FLOW_ENTRYPOINT"
"""What a flow run's process loads its flow by, instead of what its deployment says (prefect.flow_engine.load_flow, 3.8.8)."""


@functools.cache
def own_flows() -> Mapping[str, str]:
    """Module and name of every flow that is run here, by the flow's name: ours, and what REMEDIATE_FLOWS names beside."""
    further = [each.strip() for each in Settings.load().flows.split(",") if each.strip()]
    named = {load_flow_from_entrypoint(each, use_placeholder_flow=False).name: each for each in further}
    return named | {flow.name: f"{flow.fn.__module__}.{flow.fn.__name__}" for flow in ALL}


async def entrypoint_of(client: PrefectClient, run: FlowRun) -> str:
    """Module and name of a run's flow. Raises `LookupError` for a flow that is not ours."""
    name = (await client.read_flow(run.flow_id)).name
    found = own_flows().get(name)
    if found is None:
        raise LookupError(f"this worker runs the flows of hyperv-remediation, and {name!r} is none (see REMEDIATE_FLOWS)")
    return found


async def _flow_of(run: FlowRun) -> Flow[..., Any]:
    """A run's flow, for what Prefect calls when it was cancelled or has crashed."""
    async with get_client() as client:
        return load_flow_from_entrypoint(await entrypoint_of(client, run), use_placeholder_flow=False)


# Its own carries out the deployment's steps, in this very process.
process.load_flow_from_flow_run = _flow_of  # type: ignore[attr-defined, assignment] # a name that the module imported

with warnings.catch_warnings():
    # It takes the place of Prefect's own for pools of this type, on purpose.
    warnings.simplefilter("ignore")

    class PatientWorker(ProcessWorker):
        """A process worker for our flows alone, which starts a resumed run only after the run's former process has ended.

        A suspended run can be answered while the process that asked is still ending. Prefect 3.8.8's own worker then takes
        the run a second time, its limiter raises for it ("already holding one of this CapacityLimiter's tokens"), and the
        worker dies with whatever it was starting: those runs stay Pending for ever. Here the run waits for the next poll.
        """

        async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
            going_on = set(self.limiter.statistics().borrowers)
            free = [each for each in flow_run_response if each.flow_run.id not in going_on]
            return await super()._submit_scheduled_flow_runs(free)

        async def run(
            self,
            flow_run: FlowRun,
            configuration: ProcessJobConfiguration,
            task_status: anyio.abc.TaskStatus[int] | None = None,
        ) -> ProcessWorkerResult:
            """Run one of our flows as a process, as this worker would, whatever work pool, deployment or run say of how."""
            # Named outright, Prefect starts the engine itself instead of through a second interpreter.
            configuration.command = shlex.join([sys.executable, "-m", "prefect.engine"])
            configuration._command_configured = True
            configuration.env = {**os.environ, ENTRYPOINT: await entrypoint_of(self.client, flow_run)}
            configuration.working_dir, configuration.stream_output = None, True
            return await super().run(flow_run, configuration, task_status)


def main() -> None:
    """Work on a pool until told to stop; what runs then is told to end after the step in hand."""
    told = argparse.ArgumentParser(description="Run the flows of a Prefect work pool as processes.")
    told.add_argument("--pool", required=True, help="name of the work pool")
    told.add_argument("--limit", type=int, required=True, help="flows at once")
    asked = told.parse_args()
    setup_signal_handlers_worker(os.getpid(), "the worker", print)
    worker = PatientWorker(work_pool_name=asked.pool, limit=asked.limit, create_pool_if_not_found=False)
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(worker.start())


if __name__ == "__main__":
    main()
