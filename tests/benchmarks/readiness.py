"""Prints what a look ahead costs, beside the floor that the network alone would cost.

    python tests/benchmarks/readiness.py [HOSTS VMS NODES]

Real sockets, TLS and NTLM to simulated hosts, each answer 20 ms late (not the handshakes of TCP and TLS). The lab has a process
of its own, which plays all hosts on one core: its processor time is told apart, and is what the hosts would bear. Fewer hosts
are asked at a time than in production, and more patiently, or the lab would not keep up. Nothing is asserted.
"""

from __future__ import annotations

import cProfile
import pstats
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from many_hosts import elsewhere

from remediations import logs
from remediations.engine import gather
from remediations.engine.readiness import Scope, assess
from remediations.model.readiness import Readiness
from remediations.remoting import Remoting
from remediations.remoting.settings import RemotingSettings
from remediations.settings import resolve

ROUND_TRIP = 0.02
AT_ONCE = 8
PATIENT = RemotingSettings(connect=120, operation=240, slack=240)
SIZES = ((64, 1000, 64), (64, 1000, 0), (1000, 16_000, 16))
T = TypeVar("T")


def processor() -> float:
    """Processor seconds of this process so far, its ended children's too."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def run(hosts: int, vms: int, nodes: int) -> None:
    """One look ahead at a lab of this size."""
    title = f"clusters of {nodes}" if nodes else "all standalone"
    print(f"\n{hosts} hosts ({title}), {vms} virtual machines, {1000 * ROUND_TRIP:.0f} ms round trip")
    with tempfile.TemporaryDirectory() as directory, elsewhere(hosts, vms, nodes, ROUND_TRIP, Path(directory)) as lab:
        with Remoting(lab.site, resolve, settings=PATIENT) as remoting:
            lab_before, requests_before = lab.spent()
            own_before, began = processor(), time.perf_counter()
            parts: list[tuple[str, float]] = []

            def timed(name: str, work: object) -> object:
                started = time.perf_counter()
                try:
                    return work()  # type: ignore[operator]
                finally:
                    parts.append((name, time.perf_counter() - started))

            report: Readiness = assess(
                remoting,
                lab.site,
                Scope(),
                clock=lambda: datetime.now(UTC),
                now=time.perf_counter,
                observe=timed,  # type: ignore[arg-type] # a function cannot be generic in its own annotation
            )
            took, own = time.perf_counter() - began, processor() - own_before
            lab_after, requests_after = lab.spent()
            closing = time.perf_counter()
        closed = time.perf_counter() - closing
        requests = requests_after - requests_before
        floor = requests * ROUND_TRIP / AT_ONCE
        print(f"  {len(report.ways)} ways: {', '.join(f'{number} {level.value}' for level, number in report.counts.items())}")
        for finding in report.findings[:3]:
            print(f"    {finding.level.value}: {finding.title}: {finding.why[0][:150]}")
        for name, seconds in parts:
            print(f"  {seconds:7.2f} s  {name}")
        print(f"  {took:7.2f} s  in all; {closed:.2f} s more to close the sessions")
        print(f"  {floor:7.2f} s  floor: {requests} requests x {ROUND_TRIP} s / {AT_ONCE} at a time ({took / floor:.1f} x)")
        print(f"  {own:7.2f} s  processor time of the program, {lab_after - lab_before:.2f} s of the lab (two cores)")
        print(f"  {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f} MB  at most")


if __name__ == "__main__":
    logs.configure(level="ERROR", stream=sys.stderr)
    gather.AT_ONCE, gather.READ_DEADLINE = AT_ONCE, 600.0
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    given = [int(each) for each in sys.argv[1:] if each.isdigit()]
    if profile is not None:
        profile.enable()
    for size in [(given[0], given[1], given[2])] if given else SIZES:
        run(*size)
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
