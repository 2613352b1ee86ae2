"""Votes: what a cluster keeps of them when a node leaves, and whether one more failure could then be survived.

Windows counts anew as nodes come and go (dynamic quorum, on by default since Windows Server 2012 R2): a node that leaves
cleanly takes its vote with it, the witness votes only where the number of voting nodes is even, and of an even number
without a witness one loses its vote. Microsoft's table of what survives what ("Understanding cluster and pool quorum",
learn.microsoft.com/windows-server/storage/storage-spaces/quorum) follows from these rules; tests/facts holds it. Where that
is switched off (`(Get-Cluster).DynamicQuorum` 0), every assigned vote counts for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import many, one
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.names import same_host, same_name
from remediations.model.reply import Record, Reply


class Peers(Fact):
    """The other nodes of a node's cluster; `subject` is cluster/node."""

    ready: frozenset[str]
    """Up: they take roles."""
    away: frozenset[str]
    """Paused, down or joining."""
    votes_left: int
    """Assigned votes that stay if the node goes: those of the ready peers, and the witness's while it is online."""
    votes_needed: int
    """More than half of all assigned votes."""
    then_left: int
    """Votes that are left if, once the node has left, one more vote fails."""
    then_needed: int
    """Votes that quorum needs then: more than half of those that count once the node has left."""
    best_left: int
    """`then_left` if all peers were up and the witness online: what the cluster could give at its best."""
    best_needed: int
    """`then_needed` likewise."""

    @property
    def survives(self) -> bool:
        """Whether quorum survives one more failure once the node has left."""
        return self.then_left >= self.then_needed

    @property
    def could_survive(self) -> bool:
        """Whether it would if everything else were well."""
        return self.best_left >= self.best_needed


def peers(cluster: str, name: str, via: str) -> Query[Peers]:
    """Reads a node's peers, and what becomes of the votes without it."""
    reads = (command("Get-ClusterNode"), command("Get-ClusterQuorum"), command("Get-ClusterResource"), command("Get-Cluster"))
    return Query(via, reads, partial(_peers, cluster, name, via))


def found(records: Sequence[Record], name: str) -> Record:
    """The node of this name among those of a cluster. Raises `Unreadable` that names those there are."""
    for record in records:
        if same_name(str(record["Name"]), name):
            return record
    raise Unreadable(f"the cluster lists no node {name}: it has {', '.join(str(each['Name']) for each in records) or 'none'}")


def _peers(cluster: str, name: str, via: str, replies: Sequence[Reply]) -> Peers:
    records = many(replies[0])
    own = found(records, name)
    others = [each for each in records if not same_host(str(each["Name"]), str(own["Name"]))]
    ready = [each for each in others if str(each["State"]) == "Up"]
    witness = str(one(replies[1]).get("QuorumResource") or "")
    states = [str(each["State"]) for each in many(replies[2]) if same_name(str(each["Name"]), witness)] if witness else []
    if witness and not states:
        raise Unreadable(f"the cluster's witness {witness} is not among its resources")
    online = bool(witness) and states[0] == "Online"
    shown = one(replies[3]).get("DynamicQuorum")
    if shown is None:
        raise Unreadable(f"{via} does not show {cluster}'s DynamicQuorum: whether votes are counted anew is not known")
    dynamic = bool(int(shown))
    assigned = _votes(records) + bool(witness)
    now = _after(_votes(ready), online, assigned if not dynamic else None)
    best = _after(_votes(others), bool(witness), assigned if not dynamic else None)
    return Peers(
        subject=f"{cluster}/{name}",
        ready=frozenset(str(each["Name"]) for each in ready),
        away=frozenset(str(each["Name"]) for each in others if each not in ready),
        votes_left=_votes(ready) + online,
        votes_needed=assigned // 2 + 1,
        then_left=now[0],
        then_needed=now[1],
        best_left=best[0],
        best_needed=best[1],
    )


def _votes(nodes: Sequence[Record]) -> int:
    """Votes that administrators gave to these nodes: what `DynamicWeight` is reckoned from."""
    return sum(int(each["NodeWeight"]) for each in nodes)


def _after(voting: int, witness: bool, assigned: int | None) -> tuple[int, int]:
    """Votes left after one more failure, and votes needed then; `assigned` is how many count where they count for ever."""
    if assigned is not None:
        return voting + witness - 1, assigned // 2 + 1
    even = voting % 2 == 0
    counted = voting + (1 if witness else -1) if even and voting else voting
    return counted - 1, counted // 2 + 1
