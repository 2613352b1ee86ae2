"""A storm of 10,000 alerts that hold 200 groups, four receivers on one PostgreSQL: how many runs, how fast. Prints only.

`python tests/benchmarks/storm.py [alerts] [groups]`. Prefect is only counted with; its own rate is another matter.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "ledger"))

import storming
from own_postgres import own_postgres

from remediations.ledger import Ledger

RECEIVERS, MOST = 4, 10


def main(alerts: int, groups: int) -> None:
    told = storming.alerts(groups, alerts // groups)
    with tempfile.TemporaryDirectory() as folder, own_postgres(durable=True) as url:
        with ProcessPoolExecutor(RECEIVERS, mp_context=multiprocessing.get_context("spawn"), initializer=quiet) as pool:
            list(pool.map(storming.alerts, [1] * RECEIVERS, [1] * RECEIVERS))  # imports what they need
            shares = [told[which::RECEIVERS] for which in range(RECEIVERS)]
            going = [pool.submit(storming.accept, url, folder, share, MOST) for share in shares]
            accepted = [each.result() for each in going]
            took = max(each for _, each in accepted)
        number = sum(each for each, _ in accepted)
        print(f"{number:,} alerts accepted by {RECEIVERS} processes in {took:.1f} s: {number / took:,.0f} a second")
        quiet()
        began = time.monotonic()
        executed = storming.finish(url, folder, MOST)
        runs, twice = len(storming.CountingPrefect(Path(folder)).runs()), sum(each > 1 for each in executed.values())
        print(f"{runs} flow runs, never more than {MOST} at once; {twice} incidents executed twice")
        print(f"the runs began and ended, one after another, in {time.monotonic() - began:.1f} s more")
        with Ledger(url) as ledger:
            began = time.monotonic()
            ledger.verify()
            print(f"the audit trail holds, read in {time.monotonic() - began:.1f} s; {len(ledger.open_incidents())} open")


def quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(given[0] if given else 10_000, given[1] if len(given) > 1 else 200)
