"""The cross of remediation × request × way to break the wire: how many points were tried, and what became of each.

    python tests/benchmarks/fault_cross.py --into points.jsonl [--most 40] [--only drain-node] [--processes 2] [--part 1/4]

Every point is a line in the file as soon as it was tried; called again with that file, it goes on where it was stopped.
`--most` is for each remediation, the same points every time; without it all of them are tried (hours). `--part 1/4` takes each
fourth point, as the first of four machines would. The points of all remediations are tried in turn, so that wherever it is
stopped each has had its share. Prints a table; the exit code is 1 if anything was lost, doubled or half done.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from itertools import chain, zip_longest
from multiprocessing import get_context
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "laws"))

from law_cross import Point, crossed, read
from law_wire import BREAKS, RIGHT, SCENARIOS, Became, Tried, points

TOGETHER = 24
"""Points that share what leads to their question."""


def quiet() -> None:
    """What a broken wire makes the program log is of no interest here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def some(name: str, wanted: Sequence[Point], into: Path) -> None:
    """Try some points of a remediation; each has its line in the file at once, in one write."""
    with into.open("a", encoding="utf-8", buffering=1) as file:
        crossed(name, wanted, lambda each: print(json.dumps(asdict(each)), file=file))


def known(into: Path) -> dict[tuple[str, int, str, str], Tried]:
    """The points that the file tells of, by remediation, request and way."""
    lines = into.read_text("utf-8").splitlines() if into.exists() else []
    found = [read(line) for line in lines]
    return {(each.remediation, each.request, each.kind, each.moment): each for each in found}


def left(name: str, requests: int, asked: argparse.Namespace, done: dict[tuple[str, int, str, str], Tried]) -> list[Point]:
    """The points of a remediation that are to be tried and were not."""
    part, parts = asked.part
    wanted = points(name, requests, asked.most)[part - 1 :: parts]
    return [(request, way) for request, way in wanted if way and (name, request, *way[:2]) not in done]


def in_turn(wanted: dict[str, list[Point]]) -> Iterator[tuple[str, list[Point]]]:
    """Some points of each remediation, then some more of each, until there are none left."""
    rows = [[(name, each) for each in _some(found)] for name, found in wanted.items()]
    return (each for each in chain.from_iterable(zip_longest(*rows)) if each is not None)


def _some(found: list[Point]) -> list[list[Point]]:
    return [found[start : start + TOGETHER] for start in range(0, len(found), TOGETHER)]


def table(tried: Sequence[Tried], seconds: float) -> int:
    """Print what became of the points; gives the exit code."""
    clean = {each.remediation: each.requests for each in tried if each.kind == "none"}
    broken = [each for each in tried if each.kind != "none"]
    print(f"{'remediation':32} {'requests':>8} {'points':>7} {'struck':>7}  " + "  ".join(each.value for each in Became))
    for name, requests in clean.items():
        mine = [each for each in broken if each.remediation == name]
        counted = Counter(each.became for each in mine)
        row = "  ".join(f"{counted[each]:>{len(each.value)}}" for each in Became)
        print(f"{name:32} {requests:>8} {len(mine):>7} {sum(each.struck for each in mine):>7}  {row}")
    total = Counter(each.became for each in broken)
    words = ", ".join(f"{total[each]} {each.value}" for each in Became)
    print(f"\n{len(broken)} of {sum(clean.values()) * len(BREAKS)} points tried, now {seconds:.0f} s: {words}")
    wrong = [each for each in tried if each.became not in RIGHT or (each.kind == "none" and each.became is not Became.MENDED)]
    for each in wrong:
        print(each)
    return 1 if wrong else 0


def _part(text: str) -> tuple[int, int]:
    part, parts = (int(each) for each in text.split("/"))
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"a part is one of all, as 1/4, not {text}")
    return part, parts


def main() -> int:
    """Try the points that were not tried yet, and print what became of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, required=True, help="file with a line for each point; gone on with if it is there")
    parser.add_argument("--most", type=int, help="points of each remediation; all if left out")
    parser.add_argument("--only", choices=SCENARIOS, action="append", help="only this remediation; may be repeated")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="1/4", help="only this part of the points")
    asked = parser.parse_args()
    started, names = time.monotonic(), asked.only or list(SCENARIOS)
    # What forks must have no other thread: not as a fork of this process, whose pool has some.
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn"), initializer=quiet) as pool:
        done = known(asked.into)
        clean = [name for name in names if (name, 0, "none", "before") not in done]
        for waiting in [pool.submit(some, name, [(0, None)], asked.into) for name in clean]:
            waiting.result()
        done = known(asked.into)
        requests = {name: done[name, 0, "none", "before"].requests for name in names}
        wanted = {name: left(name, requests[name], asked, done) for name in names}
        for waiting in [pool.submit(some, name, batch, asked.into) for name, batch in in_turn(wanted)]:
            waiting.result()
    return table(list(known(asked.into).values()), time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
