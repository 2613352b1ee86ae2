"""The cross of remediation × request × way to break the wire: how many points were tried, and what became of each.

    python tests/benchmarks/fault_cross.py [--most 40] [--only drain-node] [--processes 2]

`--most` is for each remediation, the same points every time; 0 tries all of them (hours). Prints a table and asserts nothing.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))

from law_wire import BREAKS, RIGHT, SCENARIOS, Became, Tried, points, tried


def _quiet() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> None:
    """Try the points and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=40, help="points of each remediation; 0: all")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="only this remediation; may be repeated")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    names = asked.only or list(SCENARIOS)
    started = time.monotonic()
    found: dict[str, list[Tried]] = {}
    with ProcessPoolExecutor(asked.processes, initializer=_quiet) as pool:
        clean = dict(zip(names, pool.map(tried, names, [0] * len(names), [None] * len(names)), strict=True))
        wanted = [(name, *each) for name in names for each in points(name, clean[name].requests, asked.most or None)]
        for each in pool.map(tried, *zip(*wanted, strict=True), chunksize=4):
            found.setdefault(each.remediation, []).append(each)
    print(f"{'remediation':32} {'requests':>8} {'points':>7} {'struck':>7}  " + "  ".join(each.value for each in Became))
    total: Counter[Became] = Counter()
    for name, tries in found.items():
        counted = Counter(each.became for each in tries)
        total += counted
        struck = sum(each.struck for each in tries)
        row = "  ".join(f"{counted[each]:>{len(each.value)}}" for each in Became)
        print(f"{name:32} {clean[name].requests:>8} {len(tries):>7} {struck:>7}  {row}")
    points_in_all = sum(each.requests for each in clean.values()) * len(BREAKS)
    words = ", ".join(f"{total[each]} {each.value}" for each in Became)
    print(f"\n{total.total()} of {points_in_all} points tried in {time.monotonic() - started:.0f} s: {words}")
    for each in (one for tries in found.values() for one in tries if one.became not in RIGHT):
        print(each)


if __name__ == "__main__":
    main()
