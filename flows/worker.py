"""The worker that runs our flows: Prefect's process worker, patient with a run that was answered before its process had ended.

Run as a program it works until it is told to stop (SIGTERM, SIGINT): `python -m flows.worker --pool NAME --limit N`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import warnings

from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.utilities.processutils import setup_signal_handlers_worker
from prefect.workers.process import ProcessWorker

with warnings.catch_warnings():
    # It takes the place of Prefect's own for pools of this type, on purpose.
    warnings.simplefilter("ignore")

    class PatientWorker(ProcessWorker):
        """A process worker that starts a resumed run only after the run's former process has ended.

        A suspended run can be answered while the process that asked is still ending. Prefect 3.8.8's own worker then takes
        the run a second time, its limiter raises for it ("already holding one of this CapacityLimiter's tokens"), and the
        worker dies with whatever it was starting: those runs stay Pending for ever. Here the run waits for the next poll.
        """

        async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
            going_on = set(self.limiter.statistics().borrowers)
            free = [each for each in flow_run_response if each.flow_run.id not in going_on]
            return await super()._submit_scheduled_flow_runs(free)


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
