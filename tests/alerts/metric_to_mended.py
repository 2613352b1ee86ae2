"""In a process of its own: a metric appears, Prometheus and Alertmanager report it, and the lab's machine is mended and moves.

Everything between is what production runs; the demo's own steps show and approve.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from real_stack import Stack, eventually

from remediations import logs
from remediations.cli.demo import Approve, _follow, _served, _site, _succeeded
from remediations.model.outcome import Ending


def main() -> int:
    """0 if the machine that would not move was mended and moves."""
    logs.configure(level="ERROR", stream=sys.stderr)
    directory = Path(tempfile.mkdtemp())
    try:
        with _site(directory) as lab, _served(directory) as running:
            failure = lab.fail("spn_missing")
            with Stack(directory / "stack", running.receiver, None).running() as stack:
                labels = {
                    "vm": failure.vm,
                    "source": failure.source,
                    "destination": failure.destination,
                    "computer": failure.source,
                    "event_id": str(failure.event_id),
                    "channel": failure.channel,
                    "code": next(iter(re.findall("0x[0-9A-Fa-f]{8}", failure.message)), ""),  # as config.alloy finds it
                }
                stack.fail({name: value for name, value in labels.items() if value})
                opened, *_ = eventually(running.ledger.open_incidents, "the incident", stack.told)
                _follow(running, opened.id, Approve.AUTO)
            outcome = running.ledger.incident(opened.id).outcome
            print(outcome.summary if outcome else "no outcome")
            if outcome is None or outcome.ending is not Ending.MENDED or not _succeeded(lab, failure):
                return 1
            print("MENDED")
            return 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
