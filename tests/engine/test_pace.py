"""How long a drain will take: by the cluster's own drains where there are any, else an estimate, and which it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from remediations.engine.foresight import Foresight
from remediations.model.drain import Drained, pace

NOW = datetime(2026, 11, 2, 22, tzinfo=UTC)


def drained(gib: float, seconds: float, days: int = 1) -> Drained:
    return Drained(node="HV01", mebibytes=int(gib * 1024), seconds=seconds, at=NOW - timedelta(days=days))


@pytest.mark.parametrize(
    ("drains", "rate", "count"),
    [
        ([drained(10, 100)], 10, 1),
        ([drained(10, 100), drained(10, 5000), drained(20, 160)], 10, 3),  # one that stood still says little
        ([drained(0.5, 60), drained(10, 100)], 10, 1),  # what moved next to nothing says nothing
    ],
)
def test_the_median_of_what_moved_enough(drains: list[Drained], rate: float, count: int) -> None:
    found = pace(drains)
    assert found is not None
    assert (found.seconds_per_gib, found.drains, found.newest) == (rate, count, NOW - timedelta(days=1))


def test_nothing_is_learnt_of_nothing() -> None:
    assert pace([]) is None
    assert pace([drained(0.1, 30)]) is None


def ahead(*drains: Drained, cluster: str = "CLUSTER1") -> str:
    known = Foresight(
        host="HV01",
        machines=2,
        stays=(),
        unknown=(),
        mebibytes=60 * 1024,
        whole=True,
        cluster=cluster,
        measured=pace(drains),
    )
    return known.markdown


def test_it_is_said_how_the_time_is_known() -> None:
    assert "10 min (10.0 s a GiB, as measured: the one drain on record of CLUSTER1, the newest of 2026-11-01)" in ahead(
        drained(10, 100)
    )
    assert "the median of the last 2 drains of CLUSTER1" in ahead(drained(10, 100), drained(10, 100))
    estimate = ahead()
    assert "12 min at 1 Gbit/s" in estimate
    assert "an estimate, for no drain of CLUSTER1 is on record: 70% of the link" in estimate
    assert "on record" not in ahead(cluster="")
