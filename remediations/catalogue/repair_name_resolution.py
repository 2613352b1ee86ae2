"""Let the source find the destination by its name: forget what is remembered wrongly, say what else is wrong.

A name that is not found ends a move before it begins (0x80072AF9); a wrong address leads nowhere (0x8007274C) or to another
host, which cannot prove to be the one that was asked for (0x80090322). What is right, the destination's own adapters say.
Cached answers are dropped; a hosts file and the records of a DNS zone are somebody's work, and are left to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, unread
from remediations.catalogue.subjects import OfPeer, two_ends
from remediations.facts.names import NameView, name_view
from remediations.facts.network import Interfaces, interfaces
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown, changes
from remediations.model.incident import Incident
from remediations.model.names import HostName, short_name
from remediations.model.plan import Item, Manual, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

HOSTS_FILE = "$env:SystemRoot\\System32\\drivers\\etc\\hosts"


class RepairNameResolution(OfPeer):
    """Drop a host's cached answers if they keep it from its peer; say what a person has to correct elsewhere."""

    id: ClassVar[str] = "repair-name-resolution"
    title: ClassVar[str] = "Repair name resolution"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.NAME_RESOLUTION,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED  # the cache fills again by itself
    sends: ClassVar[frozenset[str]] = frozenset({"Clear-DnsClientCache"})

    host: HostName = Field(description="The source: the Hyper-V host that looks the name up")
    peer: HostName = Field(description="The destination: the host whose name it is")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The source looks the destination up, and the destination answers to the source's name."""
        del site
        ends = two_ends(incident)
        return [cls(host=here, peer=there) for here, there in (ends, ends[::-1])] if ends else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """What the host takes the name for, and which addresses the peer has."""
        del evidence
        host, peer = site.host(self.host).name, site.host(self.peer).name
        return Reads({"peer": peer}, view=name_view(host, peer, site), adapters=interfaces(peer))

    def plan(self, *, peer: str, view: NameView | Unknown, adapters: Interfaces | Unknown | NotApplicable) -> Iterator[Item]:
        """One item: the name leads to the peer, or what has to be mended."""
        if isinstance(view, Unknown):
            yield unread("what it finds by name", view)
            return
        if not isinstance(adapters, Interfaces):
            yield unread(f"addresses of {peer}", adapters)
            return
        own = adapters.ips
        if _right(view.seen, own):
            yield Satisfied(why=f"{view.host} takes {view.name} for {_listed(view.seen)}, which {peer} has")
            return
        state = f"{view.host} takes {view.name} for {_listed(view.seen)}; {peer} has {_listed(own)}"
        if _right(view.past_hosts_file, own):
            yield _hosts_file(view, peer, state)
        elif view.served is not None and _right(view.served, own):
            yield _remembered(view, state) if view.remembered else _other_server(view, state)
        else:
            yield _zone(view, peer, state)


def _right(addresses: frozenset[str], own: frozenset[str]) -> bool:
    return bool(addresses) and addresses <= own


def _listed(addresses: frozenset[str]) -> str:
    return ", ".join(sorted(addresses)) or "nothing (not found)"


def _hosts_file(view: NameView, peer: str, state: str) -> Manual:
    return Manual(
        why=f"{state}: the hosts file of {view.host} says so, DNS alone would say {_listed(view.past_hosts_file)}",
        instructions=(
            f"On {view.host}: Get-Content {HOSTS_FILE}",
            f"Remove or correct the line for {view.name} or {short_name(peer)} in it (it needs an administrator's editor), "
            f"and compare the file on the other hosts: they should have the same lines, or none",
            "Then: Clear-DnsClientCache",
        ),
    )


def _remembered(view: NameView, state: str) -> Step:
    return Step(
        target=view.target,
        host=view.host,
        command=command("Clear-DnsClientCache"),
        why=f"{state}: it remembers an old answer, the DNS server answers {_listed(view.served or frozenset())}",
        changes=changes(view, view.model_copy(update={"seen": view.served})),
    )


def _other_server(view: NameView, state: str) -> Manual:
    return Manual(
        why=f"{state}: the domain controller's DNS server answers {_listed(view.served or frozenset())}, so {view.host} asks "
        f"another one",
        instructions=(
            f"On {view.host}: Get-DnsClientServerAddress -AddressFamily IPv4: it should name the domain's DNS servers only",
            "Correct it with Set-DnsClientServerAddress, or have the server that it names know the domain's zone",
        ),
    )


def _zone(view: NameView, peer: str, state: str) -> Manual:
    zone = view.name.partition(".")[2]
    asked = "could not be asked" if view.served is None else f"answers {_listed(view.served)}"
    return Manual(
        why=f"{state}: the DNS server {asked}",
        instructions=(
            f"On a DNS server of {zone}: Get-DnsServerResourceRecord -ZoneName {zone} -Name {short_name(peer)}",
            f"Remove the records with addresses that {peer} does not have: Remove-DnsServerResourceRecord",
            f"On {peer}: Register-DnsClient, then wait for replication; on {view.host}: Clear-DnsClientCache",
        ),
    )
