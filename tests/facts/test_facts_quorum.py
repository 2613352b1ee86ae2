"""Votes: which stay when a node goes, and whether one more failure is survived then."""

from __future__ import annotations

from typing import Any

import pytest

from remediations.facts.query import Unreadable
from remediations.facts.quorum import Peers, peers
from remediations.model.reply import HostError, Reply

WITNESS = "Cluster Disk 1"


def node(number: int, state: str = "Up", weight: int = 1) -> dict[str, Any]:
    return {"Name": f"HV{number:02}", "State": state, "NodeWeight": weight, "DynamicWeight": weight}


def seen(nodes: list[dict[str, Any]], witness: str = "", *, dynamic: object = 1) -> Peers:
    """What HV01's peers are; `witness` is the state of the witness, empty without one."""
    resources = [{"Name": "Cluster Name", "State": "Online"}, *([{"Name": WITNESS, "State": witness}] if witness else [])]
    told = (nodes, [{"QuorumResource": WITNESS if witness else None}], resources, [{"Name": "C", "DynamicQuorum": dynamic}])
    found = peers("CLUSTER1", "HV01", "HV02").parse([Reply(objects=tuple(each)) for each in told])
    assert isinstance(found, Peers)
    return found


def several(count: int) -> list[dict[str, Any]]:
    return [node(number) for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "witness", "survives"),
    [
        (2, False, False),
        (2, True, False),
        (3, False, False),  # the table says 50/50: it depends on which of the two fails
        (3, True, True),
        (4, False, True),
        (4, True, True),
        (5, False, True),
        (5, True, True),
        (8, True, True),
    ],
)
def test_what_survives_one_more_failure_is_what_microsofts_table_says(count: int, witness: bool, survives: bool) -> None:
    """The column "can survive one server node failure, then another" of "Understanding cluster and pool quorum"."""
    found = seen(several(count), "Online" if witness else "")
    assert found.survives is found.could_survive is survives


def test_votes_are_those_that_stay_and_those_that_quorum_needs() -> None:
    two = seen(several(2), "Online")
    assert (two.votes_left, two.votes_needed, two.ready, two.away) == (2, 2, {"HV02"}, frozenset())
    alone = seen(several(2))
    assert (alone.votes_left, alone.votes_needed) == (1, 2)
    paused = seen([node(1), node(2, "Paused"), node(3, weight=0)], "Online")
    assert (paused.votes_left, paused.votes_needed, paused.away) == (1, 2, {"HV02"})


def test_a_witness_that_is_not_online_has_no_vote() -> None:
    two = seen(several(2), "Failed")
    assert (two.votes_left, two.votes_needed) == (1, 2)
    three = seen(several(3), "Failed")
    assert (three.survives, three.could_survive) == (False, True)


def test_where_votes_are_not_counted_anew_each_counts_for_ever() -> None:
    """Without dynamic quorum three nodes and a witness are four votes, of which three are needed."""
    three = seen(several(3), "Online", dynamic=0)
    assert (three.votes_left, three.votes_needed, three.then_left, three.then_needed) == (3, 3, 2, 3)
    five = seen(several(5), "Online", dynamic=0)
    assert (five.then_left, five.then_needed, five.survives) == (4, 4, True)
    assert seen(several(5), dynamic=0).survives


@pytest.mark.parametrize("cluster", [{"Name": "C"}, {"Name": "C", "DynamicQuorum": None}])
def test_what_is_not_shown_of_dynamic_quorum_is_not_off(cluster: dict[str, Any]) -> None:
    """Every supported Windows Server has the property."""
    told = (several(3), [{"QuorumResource": None}], [], [cluster])
    with pytest.raises(Unreadable, match="HV02 does not show CLUSTER1's DynamicQuorum"):
        peers("CLUSTER1", "HV01", "HV02").parse([Reply(objects=tuple(each)) for each in told])


def test_nodes_without_a_vote_do_not_count() -> None:
    """Four nodes, two of which may not vote: as two."""
    found = seen([node(1), node(2), node(3, weight=0), node(4, weight=0)], "Online")
    assert (found.votes_left, found.votes_needed, found.survives) == (2, 2, False)


def test_a_witness_that_is_no_resource_is_no_witness_that_is_fine() -> None:
    replies = [
        Reply(objects=tuple(several(2))),
        Reply(objects=({"QuorumResource": WITNESS},)),
        Reply(objects=()),
        Reply(objects=({"DynamicQuorum": 1},)),
    ]
    with pytest.raises(Unreadable, match="not among its resources"):
        peers("CLUSTER1", "HV01", "HV02").parse(replies)
    refused = Reply(errors=(HostError(message="Access is denied", error_id="x", category="PermissionDenied"),))
    with pytest.raises(Unreadable):
        peers("CLUSTER1", "HV01", "HV02").parse([*replies[:3], refused])
