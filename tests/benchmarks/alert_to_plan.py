"""Prints how long it takes from a posted alert to a plan that waits for approval, and how much of it is Prefect's.

    python tests/benchmarks/alert_to_plan.py [times]

Everything runs as in production (`remediate serve`): receiver, ledger, Prefect server (SQLite), worker, flow process.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from remediations import logs
from remediations.lab.lab import Lab
from remediations.model.causes import Cause


def main(times: int) -> None:
    """Post `times` alerts, one after the other, each rejected once its plan was ready."""
    from flows.approvals import NotTaken, NotWaiting, answer, client_for, find
    from flows.runtime import configuration
    from remediations.cli.console import progress
    from remediations.cli.serve import serving
    from remediations.settings import Settings

    logs.configure(level="ERROR", stream=sys.stderr)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        lab = stack.enter_context(Lab())
        lab.write_site(directory / "site.yaml")
        os.environ |= {
            "REMEDIATE_CONFIG": str(directory),
            "REMEDIATE_STATE": str(directory / "state"),
            "REMEDIATE_RECEIVER_PORT": "0",
        }
        running = stack.enter_context(serving(Settings.load(), configuration(), observe=progress))
        failure = lab.fail(Cause.SPN_MISSING.value)
        rows = []
        for number in range(times):
            labels = {"vm": failure.vm, "source": failure.source, "destination": failure.destination}
            alert = {"status": "firing", "labels": labels, "annotations": {"description": failure.message}}
            began = time.time()
            posted = httpx.post(f"{running.receiver}/alertmanager", json={"version": "4", "alerts": [alert]})
            incident = posted.raise_for_status().json()["accepted"][0]["incident"]
            while not (waiting := running.ledger.waiting()):
                time.sleep(0.01)
            ready = time.time()
            run = waiting[0].run
            started = next(note.at for note in running.ledger.trail(run)).timestamp()
            rows.append((ready - began, started - began, ready - started))
            whole, prefect, ours = (1000 * each for each in rows[-1])
            print(f"{number + 1:>3}  {whole:6.0f} ms in all, {prefect:6.0f} until the flow's code runs, {ours:5.0f} ours")
            with client_for(running.api) as client:
                end = time.time() + 60
                while time.time() < end:
                    try:
                        answer(client, find(client, waiting[0].digest), "reject", approver="benchmark")
                        break
                    except (NotTaken, NotWaiting):
                        time.sleep(0.2)
            while running.ledger.incident(incident).closed_at is None:
                time.sleep(0.05)
    for name, column in (("alert to plan", 0), ("until the flow's code runs (Prefect)", 1), ("ours", 2)):
        values = sorted(row[column] for row in rows)
        p95 = values[min(len(values) - 1, round(0.95 * len(values)))]
        print(f"{name}: median {values[len(values) // 2]:.2f} s, p95 {p95:.2f} s over {len(values)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
