"""Writes that come at once go together, and each caller learns of its own."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from remediations.alerts.together import MOST, Together
from remediations.model.outcome import Reason, Refused


class Disk:
    """Writes when it is let; `bad` items cannot be written."""

    def __init__(self, bad: frozenset[int] = frozenset()) -> None:
        self.bad, self.writes = bad, list[list[int]]()
        self.free = threading.Event()

    def __call__(self, items: Sequence[int]) -> list[str]:
        assert self.free.wait(10)
        self.writes.append(list(items))
        if self.bad & set(items):
            raise ValueError(f"cannot write {sorted(self.bad & set(items))}")
        return [f"w{each}" for each in items]


async def all_at_once(together: Together[int, str], disk: Disk, calls: Sequence[Sequence[int]]) -> list[object]:
    tasks = [asyncio.create_task(_called(together, items)) for items in calls]
    await asyncio.sleep(0)
    disk.free.set()
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def _called(together: Together[int, str], items: Sequence[int]) -> Sequence[str]:
    return await together(items)


def test_who_is_alone_waits_for_nobody_and_who_comes_meanwhile_goes_together() -> None:
    disk = Disk()
    results = asyncio.run(all_at_once(Together(disk), disk, [[1, 2], [3], [4, 5], [6]]))
    assert results == [["w1", "w2"], ["w3"], ["w4", "w5"], ["w6"]]
    assert [item for each in disk.writes for item in each] == [1, 2, 3, 4, 5, 6]
    assert len(disk.writes) <= 2


def test_what_is_wrong_with_one_caller_s_is_not_the_others() -> None:
    disk = Disk(bad=frozenset({3}))
    together = Together(disk)
    first, *rest = asyncio.run(all_at_once(together, disk, [[0], [1, 2], [3, 7], [4]]))
    assert first == ["w0"]
    assert (rest[0], rest[2]) == (["w1", "w2"], ["w4"])
    assert isinstance(rest[1], ValueError)
    assert asyncio.run(all_at_once(together, disk, [[9]])) == [["w9"]], "it goes on, in another loop too"


def test_a_ledger_that_is_away_is_waited_for_once_and_not_by_each_of_those_who_wait() -> None:
    disk = Disk()

    def write(items: Sequence[int]) -> list[str]:
        disk(items)
        raise Refused(Reason.LEDGER_UNAVAILABLE, "its database is locked")

    calls = [[each] for each in range(21)]
    results = asyncio.run(all_at_once(Together(write), disk, calls))
    assert [type(each) for each in results] == [Refused] * 21
    assert [item for each in disk.writes for item in each] == list(range(21)), "each was tried once"
    assert len(disk.writes) <= 2


def test_nobody_is_answered_before_the_disk_and_a_caller_that_left_harms_nobody() -> None:
    disk = Disk()

    async def work() -> None:
        together = Together(disk)
        gone, stays = (asyncio.create_task(_called(together, [each])) for each in (1, 2))
        await asyncio.sleep(0.05)
        assert not gone.done()
        assert not stays.done()
        gone.cancel()
        disk.free.set()
        assert await stays == ["w2"]

    asyncio.run(work())


@pytest.mark.parametrize("size", [1, 400, MOST + 5])
def test_a_write_is_no_larger_than_it_must_be_and_nobody_s_items_are_parted(size: int) -> None:
    disk = Disk()
    calls = [[number * 10_000 + each for each in range(size)] for number in range(5)]
    results = asyncio.run(all_at_once(Together(disk), disk, calls))
    assert [len(each) for each in results if isinstance(each, list)] == [size] * 5
    assert all(len(each) <= max(MOST, size) for each in disk.writes)
    assert all(len(each) % size == 0 for each in disk.writes)
