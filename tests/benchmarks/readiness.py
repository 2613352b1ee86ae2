"""Prints what a look ahead costs, beside the floor that the network alone would cost.

    python tests/benchmarks/readiness.py [HOSTS VMS NODES] [--profile] [--readers N] [--all-vms]

Real sockets, TLS and NTLM to simulated hosts, each answer 20 ms late (not the handshakes of TCP and TLS). They answer from
memory (recorded.py), in a process of their own, whose processor time is told apart: it is what the hosts would bear. The
program runs as it does in production: as many hosts at a time, as patient, as many readers. NODES hosts form a cluster each;
0: all stand alone, and each may move to each. Nothing is asserted.
"""

from __future__ import annotations

import cProfile
import multiprocessing
import os
import pstats
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from many_hosts import elsewhere

from remediations import logs
from remediations.engine import gather
from remediations.engine.readers import Readers
from remediations.engine.readiness import Scope, assess
from remediations.engine.readiness_page import page
from remediations.model.readiness import Readiness
from remediations.model.site import Site
from remediations.remoting import Remoting, RemotingSettings
from remediations.settings import resolve

ROUND_TRIP = 0.02
SIZES = ((64, 1000, 64), (64, 1000, 0), (1000, 16_000, 64))


def processor() -> float:
    """Processor seconds of this process so far, its ended children's too."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def readers_peak() -> float:
    """Megabytes that the reading processes took at most, together."""
    found = 0.0
    for child in multiprocessing.active_children():
        lines = Path(f"/proc/{child.pid}/status").read_text("utf-8").splitlines()
        found += sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    return found


def warm(site: Site, *, all_vms: bool) -> None:
    """Ask a few hosts of each cluster once, so that the simulated hosts have what they repeat from then on."""
    some = [node for cluster in site.clusters for node in cluster.nodes[:3]] or [host.name for host in site.hosts[:3]]
    settings = RemotingSettings(connect=120, operation=240, slack=240)
    with Remoting(site, resolve, settings=settings) as remoting:
        patience, gather.READ_DEADLINE = gather.READ_DEADLINE, 600.0
        report = assess(
            remoting, site, Scope(hosts=tuple(some), all_vms=all_vms), clock=lambda: datetime.now(UTC), now=time.perf_counter
        )
        gather.READ_DEADLINE = patience
    silent = [host.silent for host in report.hosts if host.silent]
    if silent:
        raise RuntimeError(f"the simulated hosts did not answer: {silent[0]}")


def run(hosts: int, vms: int, nodes: int, *, readers: int, all_vms: bool) -> None:
    """One look ahead at hosts of this number and kind."""
    title = f"clusters of {nodes}" if nodes else "all standalone"
    print(f"\n{hosts} hosts ({title}), {vms} virtual machines, {1000 * ROUND_TRIP:.0f} ms round trip")
    with tempfile.TemporaryDirectory() as directory, elsewhere(hosts, vms, nodes, ROUND_TRIP, Path(directory)) as lab:
        parts: list[tuple[str, float]] = []

        def timed(name: str, work: object) -> object:
            started = time.perf_counter()
            try:
                return work()
            finally:
                parts.append((name, time.perf_counter() - started))

        warm(lab.site, all_vms=all_vms)
        lab_before, requests_before = lab.spent()
        own_before = processor()
        with Remoting(lab.site, resolve) as remoting, Readers(lab.site, resolve, most=readers) as several:
            began = time.perf_counter()
            report: Readiness = assess(
                remoting,
                lab.site,
                Scope(all_vms=all_vms),
                clock=lambda: datetime.now(UTC),
                now=time.perf_counter,
                observe=timed,  # a function cannot be generic in its own annotation
                read=several.read,
            )
            took = time.perf_counter() - began
            lab_after, requests_after = lab.spent()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, readers_peak()
            began = time.perf_counter()
            size = len(page(report)) / 1024
            drawn = time.perf_counter() - began
            closing = time.perf_counter()
        closed, own = time.perf_counter() - closing, processor() - own_before
        requests = requests_after - requests_before
        floor = requests * ROUND_TRIP / gather.AT_ONCE
        print(f"  {len(report.ways)} ways: {', '.join(f'{number} {level.value}' for level, number in report.counts.items())}")
        for finding in report.findings[:3]:
            print(f"    {finding.level.value}: {finding.title}: {finding.why[0][:150]}")
        for name, seconds in parts:
            print(f"  {seconds:7.2f} s  {name}")
        print(f"  {took:7.2f} s  in all; {drawn:.2f} s more for the page ({size:.0f} kB), {closed:.2f} s to close the sessions")
        print(
            f"  {floor:7.2f} s  floor: {requests} requests x {ROUND_TRIP} s / {gather.AT_ONCE} at a time ({took / floor:.1f} x)"
        )
        print(
            f"  {own:7.2f} s  processor time of the program, closing and page too; {lab_after - lab_before:.2f} s of the hosts"
        )
        print(
            f"  {sum(peak):7.0f} MB  at most: {peak[0]:.0f} here, {peak[1]:.0f} in the readers; load {os.getloadavg()[0]:.1f}"
        )


def main() -> None:
    """Measure what the command line asks for."""
    logs.configure(level="ERROR", stream=sys.stderr)
    words = sys.argv[1:]
    readers = int(words.pop(words.index("--readers") + 1)) if "--readers" in words else 0
    given = [int(each) for each in words if each.isdigit()]
    profile = cProfile.Profile() if "--profile" in words else None
    if profile is not None:
        profile.enable()
    for size in [(given[0], given[1], given[2])] if given else SIZES:
        run(*size, readers=readers, all_vms="--all-vms" in words)
    if profile is not None:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
