"""What policy wants left of a cluster while one of its nodes is drained: which of it would be missing, by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from remediations.catalogue.remediation import Seen, unread
from remediations.facts.quorum import Peers
from remediations.facts.room import Holder, HostMemory
from remediations.model.fact import Guard, Test, Unknown, guard
from remediations.model.maintenance import OneMore, Spare
from remediations.model.names import same_host
from remediations.model.plan import Blocked, Obstacle

_ENTRY = "policy.yaml, maintenance"


@dataclass(frozen=True)
class Capacity:
    """A node's peers, the memory of all, and what policy wants left of them."""

    node: str
    around: Peers
    memory: Mapping[str, Seen]
    """By node, itself included: `HostMemory` or why it is not known."""
    staying: frozenset[str]
    """Virtual machines that no drain moves."""
    spare: Spare

    def missing(self) -> Iterator[Blocked]:
        """A block for each rule that would not be kept, with its figures; none where all are."""
        up, least = len(self.around.ready), self.spare.least_nodes_up
        if self.around.away or not up or self.around.votes_left < self.around.votes_needed:
            return  # no drain begins then, whatever policy says
        if up < least:
            yield _blocked(f"{up} other nodes would stay up, {least} have to ({_ENTRY}.least_nodes_up)")
        if self._one_more and not self.around.survives:
            left, needed = max(0, self.around.then_left), self.around.then_needed
            rule = f"{_ENTRY}.quorum_survives_one_more: {self.spare.quorum_survives_one_more}"
            votes = f"{left} of the {needed} votes that quorum needs"
            yield _blocked(f"once {self.node} has left, one more failure would leave {votes} ({rule})")
        yield from self._memory()

    def guards(self) -> tuple[Guard, ...]:
        """What has to hold of it right before the node is paused, by bounds that do not move with the figures."""
        found = []
        if self._one_more:
            found.append(guard(self.around, "then_left", Test.AT_LEAST, self.around.then_needed))
        for peer in sorted(self.around.ready, key=str.casefold):
            seen = self._of(peer)
            if isinstance(seen, HostMemory):
                found.append(guard(seen, "free", Test.AT_LEAST, self._floor(seen), f"{peer} keeps what policy wants free"))
        return tuple(found)

    @property
    def _one_more(self) -> bool:
        wanted = self.spare.quorum_survives_one_more
        return wanted is OneMore.ALWAYS or (wanted is OneMore.WHERE_POSSIBLE and self.around.could_survive)

    def _memory(self) -> Iterator[Blocked]:
        room: dict[str, int] = {}
        for name in (self.node, *sorted(self.around.ready, key=str.casefold)):
            seen = self._of(name)
            if not isinstance(seen, HostMemory):
                yield unread(f"memory of {name}", seen)
            elif name != self.node:
                room[name] = seen.free - self._floor(seen)
        own = self._of(self.node)
        if not isinstance(own, HostMemory) or len(room) < len(self.around.ready) or not room:
            return
        if short := [name for name, free in room.items() if free < 0]:
            for name in short:
                seen = self._of(name)
                if isinstance(seen, HostMemory):
                    floor = f"{_gib(self._floor(seen))} GiB ({self.spare.least_free_memory_percent:g} %)"
                    rule = f"{_ENTRY}.least_free_memory_percent"
                    yield _blocked(f"{name} has {_gib(seen.free)} GiB of memory free, and {floor} have to stay free ({rule})")
            return
        leaving = [each for each in own.holders if each.name not in self.staying]
        before = dict(room)
        for machine in leaving:
            most = max(room, key=lambda name: room[name])
            room[most] -= machine.assigned
            if room[most] < 0:
                yield _blocked(self._no_place(machine, leaving, before, room[most] + machine.assigned))
                return

    def _no_place(self, machine: Holder, leaving: list[Holder], before: Mapping[str, int], most: int) -> str:
        """The largest first, each to where most is free: which machine finds no place, and what the nodes could spare."""
        moved = sum(each.assigned for each in leaving)
        spared = ", ".join(f"{name} {_gib(max(0, free))}" for name, free in sorted(before.items()))
        percent = f"{self.spare.least_free_memory_percent:g} %"
        return (
            f"{_gib(moved)} GiB of memory would leave {self.node}, and beyond the {percent} that stay free "
            f"({_ENTRY}.least_free_memory_percent) its peers can spare: {spared} GiB; {machine.name} ({_gib(machine.assigned)} "
            f"GiB) would find {_gib(max(0, most))} GiB at most"
        )

    def _floor(self, memory: HostMemory) -> int:
        return int(memory.total * self.spare.least_free_memory_percent // 100)

    def _of(self, name: str) -> Seen:
        # The cluster may list a node that nobody has written into site.yaml: such a one is asked nothing.
        nobody = Unknown(reason=f"{name} is no node of the cluster in site.yaml: add it")
        return next((seen for host, seen in self.memory.items() if same_host(host, name)), nobody)


def _blocked(why: str) -> Blocked:
    return Blocked(obstacle=Obstacle.PRECONDITION, why=why)


def _gib(mebibytes: int) -> str:
    return f"{mebibytes / 1024:.1f}"
