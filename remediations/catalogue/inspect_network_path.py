"""Say what is wrong on the way between two hosts: an adapter that is down, frames of different size, a connection that fails.

The codes tell the causes apart: dropped (0x8007274C), refused (0x8007274D), cut in transfer (0x80072746), no route
(0x80072743, 0x80072751), stalled (0x800705B4). Cables, switches and adapters are a person's; what the hosts show is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Any, ClassVar

from remediations.catalogue.remediation import Reads, unread
from remediations.catalogue.subjects import OfHosts
from remediations.facts.network import Interface, Interfaces, MigrationSettings, Reach, interfaces, migration_settings, reach
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

PORT = 6600

_CODES = {
    "0x8007274C": "dropped without an answer: something on the way, or a firewall, swallows it, or nobody has the address",
    "0x8007274D": "refused: the host is there, and nothing listens on the port, or a firewall rejects it",
    "0x80072746": "cut in the middle of the transfer, by the other host or by something on the way",
    "0x80072743": "without a route to that network",
    "0x80072751": "without a route to that host",
    "0x800705B4": "stalled: frames are lost or too large on the way, typically with RDMA or jumbo frames",
}
"""What a code says of how a connection ended."""


class InspectNetworkPath(OfHosts):
    """Find what is wrong between two hosts' adapters, and say what to look at."""

    id: ClassVar[str] = "inspect-network-path"
    title: ClassVar[str] = "Inspect the network path"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.NETWORK_UNREACHABLE,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Adapters of both ends; with evidence, whether the source gets a connection now."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        suspected = evidence.points_to(Cause.NETWORK_UNREACHABLE)
        text = " ".join(
            [evidence.incident.message if evidence.incident else ""]
            + [quoted for each in evidence.hypotheses for quoted in each.evidence]
        ).casefold()
        codes = tuple(code for code in _CODES if code.casefold() in text)
        given: dict[str, Any] = {"suspected": suspected, "codes": codes}
        unasked = {"connection": NotApplicable(reason="nothing points to the network")}
        queries = {"connection": reach(source, destination, PORT)} if suspected else {}
        return Reads(
            given | ({} if suspected else unasked),
            here=interfaces(source),
            there=interfaces(destination),
            listener=migration_settings(destination),
            **queries,
        )

    def plan(
        self,
        *,
        suspected: bool,
        codes: tuple[str, ...],
        here: Interfaces,
        there: Interfaces,
        listener: MigrationSettings,
        connection: Reach | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item for each thing that is wrong, or that the way is clear."""
        ways = list(_ways(here, there))
        open_ways = [(own, its) for own, its in ways if own.up and its.up]
        ended = [f"{code}: the connection was {_CODES[code]}" for code in codes]
        reached = isinstance(connection, Reach) and connection.connected
        wrong: list[Manual] = []
        if (ways and not open_ways) or (suspected and len(open_ways) < len(ways)):
            wrong += _down(here, there, ways, ended)
        elif not ways and suspected and not reached:
            wrong.append(_apart(here, there, ended))
        if suspected:
            wrong += [_frames(here, there, own, its) for own, its in open_ways if own.mtu and its.mtu and own.mtu != its.mtu]
        failed = not reached and listener.enabled and listener.any_network
        if failed and isinstance(connection, Reach) and connection.address in there.ips and not wrong:
            wrong.append(_unanswered(here, there, connection, ended))
        yield from wrong
        if isinstance(connection, Unknown) and not wrong:
            yield unread(f"connection from {here.subject} to {there.subject}", connection)
        elif not ways and not suspected:
            yield Blocked(obstacle=Obstacle.UNKNOWN, why=f"{_own(here, there)}; whether a router joins them was not looked at")
        elif not ways and not wrong:
            yield Satisfied(why=f"{_own(here, there)}, and {here.subject} gets a connection all the same: a router joins them")
        elif not wrong:
            names = ", ".join(sorted({f"{own.name} to {its.name}" for own, its in open_ways}))
            yield Satisfied(why=f"{here.subject} and {there.subject} are joined by adapters that are up ({names})")


def _ways(here: Interfaces, there: Interfaces) -> Iterator[tuple[Interface, Interface]]:
    """Pairs of adapters with addresses in one network."""
    for own in here.ordered():
        for its in there.ordered():
            if {ip_interface(each).network for each in own.addresses} & {ip_interface(each).network for each in its.addresses}:
                yield own, its


def _down(here: Interfaces, there: Interfaces, ways: list[tuple[Interface, Interface]], ended: list[str]) -> Iterator[Manual]:
    for host, adapters in (
        (here.subject, {own for own, _ in ways}),
        (there.subject, {its for _, its in ways}),
    ):
        for each in sorted(adapters, key=lambda adapter: adapter.name):
            if not each.up:
                yield Manual(
                    why=f"adapter {each.name} of {host} ({', '.join(sorted(each.addresses))}) is {each.status}",
                    instructions=(
                        *ended,
                        f"On {host}: Get-NetAdapter -Name {quoted(each.name)} | Format-List Name, Status, LinkSpeed, "
                        f"MediaConnectionState, DriverInformation",
                        "Disabled: Enable-NetAdapter. Disconnected: cable, transceiver, and the port of the switch",
                        f"Then, on {here.subject}: Test-NetConnection {there.subject} -Port {PORT}",
                    ),
                )


def _own(here: Interfaces, there: Interfaces) -> str:
    return (
        f"{here.subject} ({', '.join(sorted(here.subnets))}) and {there.subject} ({', '.join(sorted(there.subnets))}) have no "
        "network in common"
    )


def _apart(here: Interfaces, there: Interfaces, ended: list[str]) -> Manual:
    return Manual(
        why=_own(here, there),
        instructions=(
            *ended,
            f"If a router joins them, on {here.subject}: Test-NetConnection {there.subject} -Port {PORT}",
            "Else give both an address in one network",
        ),
    )


def _frames(here: Interfaces, there: Interfaces, own: Interface, its: Interface) -> Manual:
    return Manual(
        why=f"{own.name} of {here.subject} sends frames of {own.mtu} bytes, {its.name} of {there.subject} of {its.mtu}: large "
        f"ones are lost, small ones arrive",
        instructions=(
            f"On both: Get-NetAdapterAdvancedProperty -RegistryKeyword '*JumboPacket'. {own.name} and {its.name} need the same "
            "value, and every port of the switches between them at least that",
            f"Try it, on {here.subject}: ping -f -l {min(own.mtu, its.mtu) - 28} {there.subject}",
        ),
    )


def _unanswered(here: Interfaces, there: Interfaces, connection: Reach, ended: list[str]) -> Manual:
    return Manual(
        why=f"{here.subject} gets no connection to TCP {PORT} of {there.subject} ({connection.address}), where live migration "
        f"is on and listens",
        instructions=(
            *ended,
            f"On {here.subject}: Test-NetConnection {there.subject} -Port {PORT} -InformationLevel Detailed",
            f"On {there.subject}: Get-NetTCPConnection -LocalPort {PORT} -State Listen, and Get-Service vmms",
            f"Firewalls between the two hosts: TCP {PORT}, and 445 where migrations are sent over SMB",
        ),
    )
