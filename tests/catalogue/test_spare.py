"""What policy wants left: nothing is let through that has no place, however memory is spread."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from remediations.catalogue.spare import Capacity
from remediations.facts.quorum import Peers
from remediations.facts.room import Holder, HostMemory
from remediations.model.fact import Fact
from remediations.model.maintenance import OneMore, Spare, Stricter

GIB = 1024


def capacity(free: list[int], machines: list[int], percent: int, *, total: int = 64) -> Capacity:
    """HV01 with machines of so many GiB, and peers with so much free."""
    peers = {
        f"HV{number:02}": HostMemory(subject=f"HV{number:02}", total=total * GIB, free=each * GIB, holders=())
        for number, each in enumerate(free, 2)
    }
    holders = tuple(Holder(name=f"VM{number}", assigned=each * GIB) for number, each in enumerate(sorted(machines)[::-1]))
    own = HostMemory(subject="HV01", total=total * GIB, free=0, holders=holders)
    around = Peers(
        subject="C/HV01",
        ready=frozenset(peers),
        away=frozenset(),
        votes_left=len(peers) + 1,
        votes_needed=2,
        then_left=2,
        then_needed=2,
        best_left=2,
        best_needed=2,
    )
    spare = Spare(least_nodes_up=1, quorum_survives_one_more=OneMore.ALWAYS, least_free_memory_percent=percent)
    return Capacity("HV01", around, {"HV01": own, **peers}, frozenset(), spare)


def has_a_place(free: list[int], machines: list[int], percent: int, *, total: int = 64) -> bool:
    """By trying every way there is."""
    for way in product(range(len(free)), repeat=len(machines)):
        left = list(free)
        for machine, peer in zip(machines, way, strict=True):
            left[peer] -= machine
        if all(each * 100 >= total * percent for each in left):
            return True
    return False


@settings(max_examples=300, deadline=None)
@given(
    free=st.lists(st.integers(0, 64), min_size=1, max_size=3),
    machines=st.lists(st.integers(1, 40), max_size=4),
    percent=st.sampled_from([0, 5, 10, 25, 50]),
)
def test_nothing_is_let_through_that_has_no_place(free: list[int], machines: list[int], percent: int) -> None:
    blocked = list(capacity(free, machines, percent).missing())
    if not has_a_place(free, machines, percent):
        assert blocked
    if not machines and min(free) * 100 >= 64 * percent:
        assert not blocked
    # And each guard holds that the first step will look at.
    found = capacity(free, machines, percent)
    facts = {each.key: each for each in (found.around, *found.memory.values()) if isinstance(each, Fact)}
    assert blocked or all(guard.holds(facts) for guard in found.guards())


def test_a_cluster_is_held_to_the_stricter_of_both() -> None:
    both = Spare().and_also(Stricter(least_nodes_up=3, quorum_survives_one_more=OneMore.NEVER))
    assert (both.least_nodes_up, both.quorum_survives_one_more) == (3, OneMore.WHERE_POSSIBLE)
    assert both.least_free_memory_percent == Spare().least_free_memory_percent
