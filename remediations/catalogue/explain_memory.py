"""Say that the destination cannot give a virtual machine its memory, and what holds it there.

A migration fails below 10 % then (0x8007000E, 0x800705AA). It may pass by itself when something else moves away, and no other
virtual machine is moved or shrunk to make room unasked: which one can go is a person's choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfWay
from remediations.facts.room import HostMemory, VmMemory, host_memory, vm_memory
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.names import same_host
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainMemory(OfWay):
    """Whether the destination has the memory that a virtual machine needs."""

    id: ClassVar[str] = "explain-memory"
    title: ClassVar[str] = "Memory at the destination"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.INSUFFICIENT_MEMORY,)
    proof: ClassVar[Proof] = Proof.EPISODE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """What it needs, and what the destination has."""
        return Reads(
            {"suspected": evidence.points_to(Cause.INSUFFICIENT_MEMORY)},
            needs={host: vm_memory(self.vm, host) for host in homes(self.source, site)},
            room=host_memory(site.host(self.destination).name),
        )

    def plan(self, *, suspected: bool, needs: VmMemory, room: HostMemory) -> Iterator[Item]:
        """One item: there is room, or what holds it."""
        host = room.subject
        figures = f"{self.vm} needs {needs.needed} MiB; {host} has {room.free} of {room.total} MiB free"
        if same_host(needs.host, host):
            yield Satisfied(why=f"{self.vm} runs on {host} already")
            return
        if needs.needed <= room.free:
            note = ", less what Hyper-V keeps for the host and what one NUMA node can give" if suspected else ""
            yield Satisfied(why=f"{figures}{note}")
            return
        largest = ", ".join(f"{each.name} ({each.assigned} MiB)" for each in room.holders[:8]) or "no virtual machine"
        grows = "" if needs.dynamic else f"; {self.vm} has no dynamic memory, so it needs all of it at once"
        yield Manual(
            why=f"{figures}{grows}. There hold: {largest}",
            instructions=(
                f"Move {self.vm} to a host with more than {needs.needed} MiB free, or move one of these away from {host} first",
                f"If {host} has less than it should ({room.total} MiB): look for failed memory in its firmware's log",
                f"Or let {self.vm} need less: with it shut down, Set-VMMemory -VMName {quoted(self.vm)} -StartupBytes 'LESS'",
                "Then move the virtual machine again",
            ),
        )
