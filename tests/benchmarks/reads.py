"""Prints what reading costs: requests per host for all facts of an incident, cold and warm, and what the engine adds to a step.

    python tests/benchmarks/reads.py

Real sockets, TLS and NTLM to the lab on loopback; objects as wide as Windows'. Nothing is asserted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from remediations.catalogue import CATALOGUE
from remediations.catalogue.remediation import Repair
from remediations.engine import Answer, Engine
from remediations.engine.gather import gather, queries_of
from remediations.engine.propose import asked_for
from remediations.lab.lab import Lab
from remediations.ledger import Ledger
from remediations.model.causes import Cause
from remediations.model.incident import Incident, What
from remediations.model.policy import Policy
from remediations.remoting import Remoting
from remediations.settings import resolve


class Timed:
    """The sessions, with the seconds that were spent waiting for hosts."""

    def __init__(self, hosts: Remoting) -> None:
        self.hosts, self.spent = hosts, 0.0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.hosts, name)

        def call(*args: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                found = method(*args, **named)
                if name == "submit":
                    found.exception()
                return found
            finally:
                self.spent += time.perf_counter() - began

        return call


def requests(lab: Lab, read: Callable[[], object]) -> tuple[dict[str, int], float]:
    """Requests per host, and milliseconds, of one read."""
    names = [host.name for host in lab.site().all_hosts()]
    lab.requests.clear()
    began = time.perf_counter()
    read()
    took = 1000 * (time.perf_counter() - began)
    return {name: lab.requests.count(name) for name in names if lab.requests.count(name)}, took


def reading() -> None:
    """All facts that all repairs need for one incident, on a cluster and between standalone hosts."""
    for title, incident in (
        ("cluster", Incident(vm="VM42", source="HV01", destination="HV02", cluster="CLUSTER1")),
        ("standalone", Incident(vm="VM51", source="HV03", destination="HV04")),
    ):
        with Lab() as lab, Remoting(lab.site(), resolve) as hosts:
            site = lab.site()
            repairs = [
                each for entry in CATALOGUE.values() if issubclass(entry, Repair) for each in entry.for_incident(incident, site)
            ]
            queries = queries_of(each.reads(site, asked_for(each)) for each in repairs)
            commands = sum(len(query.commands) for query in queries)
            print(f"\n{title}: {len(repairs)} repairs, {len(queries)} queries, {commands} commands")
            for temperature in ("cold", "warm", "warm"):
                counts, took = requests(lab, partial(gather, hosts, site, queries))
                print(f"  {temperature}: {took:6.0f} ms   requests {counts}")


def stepping() -> None:
    """What the engine itself adds to a step, beside waiting for hosts."""
    rows = []
    for _ in range(5):
        with (
            Lab() as lab,
            tempfile.TemporaryDirectory() as directory,
            Ledger(f"sqlite:///{Path(directory) / 'ledger.db'}") as ledger,
            Remoting(lab.site(), resolve) as remoting,
        ):
            failure = lab.fail(Cause.CPU_INCOMPATIBLE.value)
            hosts = Timed(remoting)
            engine = Engine(site=lab.site(), policy=Policy(windows={}), ledger=ledger, remoting=hosts, pause=lambda _: None)
            incident = Incident(
                what=What.MIGRATION,
                vm=failure.vm,
                source=failure.source,
                destination=failure.destination,
                cluster=failure.cluster,
                message=failure.message,
                occurred_at=failure.time,
            )

            def approve(_: object) -> Answer:
                return Answer(decision="approve", approver="anna")

            began = time.perf_counter()
            report = engine.remediate("run", incident, dry_run=False, gate=approve, requested_by="benchmark")
            took = time.perf_counter() - began
            steps = len(report.plan.steps if report.plan else ()) + len(report.retry.steps if report.retry else ())
            rows.append((took, hosts.spent, steps, report.outcome.ending.value))
    own = [1000 * (took - waited) / steps for took, waited, steps, _ in rows]
    whole, hosts_took = median(row[0] for row in rows), median(row[1] for row in rows)
    print(f"\none run of {rows[0][2]} steps ({rows[0][3]}): {whole:.2f} s, of which hosts {hosts_took:.2f} s")
    print(f"the engine's own time per step (ledger, planning, drift and verification): median {median(own):.0f} ms")


if __name__ == "__main__":
    reading()
    stepping()
