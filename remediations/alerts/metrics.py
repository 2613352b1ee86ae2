"""`/metrics` for Prometheus: what the ledger holds, read anew when it is asked for.

Labels come from closed lists (endings, reasons, causes, levels, the catalogue's ids), never from names of hosts or machines:
the number of series is bounded. Where the ledger cannot be read, `hyperv_remediation_ledger_up` is 0 and everything else is
left out, so that an old number never passes for a new one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from remediations.engine.ports import Switches
from remediations.ledger import Ledger, utc_now
from remediations.model.outcome import Refused
from remediations.model.policy import Policy
from remediations.model.readiness import Level

PREFIX = "hyperv_remediation_"
BUCKETS = (60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600)
"""Seconds to mitigate: a minute, five, a quarter and half an hour, one, four and twelve hours, a day, a week."""

FRESH = 5.0
"""Seconds for which what was read is given again: whoever asks more often puts no more load on the ledger."""

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The metrics of one ledger, as text. Safe to ask from several threads."""

    def __init__(
        self,
        ledger: Ledger,
        policy: Policy,
        *,
        switches: Switches = dict,
        clock: Callable[[], datetime] = utc_now,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`switches` are those that pause changes beside the ledger's own, by what they are, with why if they do."""
        self._ledger, self._policy, self._switches = ledger, policy, switches
        self._clock, self._seconds = clock, seconds
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._lock = threading.Lock()
        self._text, self._until = b"", float("-inf")

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        with self._lock:
            if self._seconds() >= self._until:
                self._text = generate_latest(self._registry)
                self._until = self._seconds() + FRESH
            return self._text

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for."""
        up = GaugeMetricFamily(f"{PREFIX}ledger_up", "Whether the ledger could be read: 1, or 0 and nothing else is shown")
        try:
            found = list(self._read())
        except Refused:
            up.add_metric((), 0)
            yield up
        else:
            up.add_metric((), 1)
            yield from (up, *found)

    def _read(self) -> Iterator[Metric]:
        yield from self._incidents()
        yield from self._standing()
        yield from self._ahead()

    def _incidents(self) -> Iterator[Metric]:
        tally = self._ledger.tally()
        yield CounterMetricFamily(f"{PREFIX}incidents", "Incidents that were opened", value=tally.incidents)
        yield _gauge("incidents_open", "Incidents that have not ended", tally.open)
        outcomes = CounterMetricFamily(
            f"{PREFIX}outcomes",
            "Incidents that ended: how, for which reason, of which cause",
            labels=("ending", "reason", "cause"),
        )
        for (ending, reason, cause), number in sorted(tally.outcomes.items()):
            outcomes.add_metric((ending, reason, cause), number)
        yield outcomes
        counts = [(str(float(most)), float(sum(each <= most for each in tally.mended_after))) for most in BUCKETS]
        counts.append(("+Inf", float(len(tally.mended_after))))
        yield HistogramMetricFamily(
            f"{PREFIX}time_to_mitigate_seconds",
            "From the report of a failed migration to its verified success",
            buckets=counts,
            sum_value=sum(tally.mended_after),
        )

    def _standing(self) -> Iterator[Metric]:
        now = self._clock()
        waiting = self._ledger.waiting()
        oldest = min((each.sealed_at for each in waiting), default=now)
        yield _gauge("approvals_waiting", "Plans that wait for a decision", len(waiting))
        yield _gauge("approvals_oldest_seconds", "Age of the oldest plan that waits", (now - oldest).total_seconds())
        yield _gauge("runs_unfinished", "Runs that have begun and not ended", len(self._ledger.unfinished_runs()))
        yield _gauge("brackets_open", "Machines that we switched off, nodes that we paused", len(self._ledger.open_brackets()))
        # Not by the policy of this process's start: `pause: true` may have been written, or taken out, since.
        paused = self._ledger.paused() is not None or any(self._switches().values())
        yield _gauge("paused", "Whether changes are paused, by whichever switch", int(paused))
        breakers = GaugeMetricFamily(f"{PREFIX}breaker_open", "Remediations whose breaker is open", labels=("remediation",))
        for each in sorted({each.remediation for each in self._ledger.open_breakers()}):
            breakers.add_metric((each,), 1)
        yield breakers
        yield from self._caps(now)

    def _caps(self, now: datetime) -> Iterator[Metric]:
        """How much of what policy allows in all is used up."""
        caps = self._policy.caps
        changes = self._ledger.changes_since(now - timedelta(days=1))
        used = GaugeMetricFamily(f"{PREFIX}changes", "Changes of late, in all: what policy's caps count", labels=("within",))
        most = GaugeMetricFamily(f"{PREFIX}changes_cap", "Changes that policy allows in all", labels=("within",))
        for within, length, cap in (("hour", timedelta(hours=1), caps.per_hour), ("day", timedelta(days=1), caps.per_day)):
            used.add_metric((within,), sum(each.at >= now - length for each in changes))
            most.add_metric((within,), cap)
        yield from (used, most)

    def _ahead(self) -> Iterator[Metric]:
        """The newest look ahead: how old it is, and how many ways were at each level."""
        seen = self._ledger.last_counts()
        if seen is None:
            return
        at, counts = seen
        yield _gauge("readiness_age_seconds", "Age of the newest readiness report", (self._clock() - at).total_seconds())
        ways = GaugeMetricFamily(
            f"{PREFIX}readiness_ways", "Ways between hosts, by what is expected of them", labels=("level",)
        )
        for level in Level:
            ways.add_metric((level.name_in_pages,), counts[level])
        yield ways


def shown_in(app: FastAPI, metrics: Metrics) -> None:
    """Have a receiver answer `/metrics`, to whoever its edge lets in: with the token of the alerts, if there is one."""

    @app.get("/metrics", description="For Prometheus, with the same token as the alerts.", response_class=Response)
    def told() -> Response:  # in a thread: it reads the ledger
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}{name}", about, value=value)
