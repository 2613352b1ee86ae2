"""Law 5 at every request of every changing remediation: applied and verified, undone, or stopped and reported.

Everyday a handful of points; with `-m long` a sample of each remediation, always the same; `tests/benchmarks/fault_cross.py`
tries as many as one has time for, and prints the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from law_cross import found_of
from law_wire import BREAKS, MISSING, RIGHT, SCENARIOS, Became, points, tried

SAMPLE = 5
"""Points of each remediation that CI tries."""


def test_every_changing_remediation_has_its_scenario() -> None:
    assert MISSING == []


@pytest.mark.parametrize("name", ["register-spns", "resume-node"])
def test_nothing_broken_nothing_lost(name: str) -> None:
    """Also: what a person asks for by name is not taken for drift because another node of the cluster is read first."""
    assert tried(name, 0, None).became is Became.MENDED


@pytest.mark.parametrize(
    ("name", "request_number", "way"),
    [
        ("register-spns", 5, ("reset", "after", None)),
        ("enable-processor-compatibility", 12, ("late", "before", 0.1)),
        ("resume-node", 5, ("die", "after", None)),
    ],
    ids=str,
)
def test_a_broken_request_is_neither_silent_nor_doubled(
    name: str, request_number: int, way: tuple[str, str, float | None]
) -> None:
    assert way in BREAKS
    found = tried(name, request_number, way)
    assert found.struck, "the fault must strike, or the law shows nothing"
    assert found.became in RIGHT, found


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """A process without other threads, which can be forked at a question."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_break_of_any_request_loses_doubles_or_half_does_anything(elsewhere: ProcessPoolExecutor, name: str) -> None:
    (clean,) = elsewhere.submit(found_of, name, [(0, None)]).result()
    assert clean.became is Became.MENDED, clean
    found = elsewhere.submit(found_of, name, points(name, clean.requests, SAMPLE)).result()
    print(f"{name}: {len(found)} of {clean.requests * len(BREAKS)} points tried")
    assert len(found) == SAMPLE
    assert [str(each) for each in found if each.became not in RIGHT] == []
    assert sum(each.struck for each in found) >= len(found) // 2, "most points must break something"
