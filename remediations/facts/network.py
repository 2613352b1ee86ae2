"""The network of a host as migrations use it: what Hyper-V is set to, adapters and addresses, the cluster's networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import ClassVar

from remediations.facts.cluster import NO_CLUSTER
from remediations.facts.query import Query, asked_often
from remediations.facts.read import flag, lacks_command, many, one
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import same_host, same_name
from remediations.model.plan import Target
from remediations.model.reply import Reply


class MigrationSettings(Fact):
    """How a host takes part in live migrations; `subject` is the host."""

    enabled: bool
    """VirtualMachineMigrationEnabled: off, nothing listens on TCP 6600."""
    any_network: bool
    """UseAnyNetworkForMigration; if not, only the listed networks are used."""
    performance: str
    """TCPIP, Compression or SMB: how this host sends."""

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.subject, id=self.subject.casefold())


class MigrationNetworks(Fact):
    """The networks that a host takes migrations on, where it does not take any; `subject` is the host."""

    subnets: frozenset[str]
    """As 10.0.20.0/24."""


class Interface(Frozen):
    """A network adapter with its addresses."""

    name: str
    status: str
    """As Get-NetAdapter says it: Up, Disconnected, Disabled, Not Present, …"""
    mtu: int
    """Bytes; 0 where it is not known."""
    addresses: frozenset[str]
    """With prefix, as 10.0.20.4/24; no loopback and no link-local ones."""

    @property
    def up(self) -> bool:
        """Whether it carries traffic."""
        return self.status == "Up"

    def within(self, subnet: str) -> bool:
        """Whether it has an address in a network."""
        return any(ip_interface(each).ip in ip_network(subnet) for each in self.addresses)


class Interfaces(Fact):
    """A host's adapters; `subject` is the host."""

    adapters: frozenset[Interface]

    def ordered(self) -> Iterator[Interface]:
        """The adapters by name."""
        yield from sorted(self.adapters, key=lambda each: each.name)

    @property
    def ips(self) -> frozenset[str]:
        """Every address of the host, without prefix."""
        return frozenset(str(ip_interface(address).ip) for each in self.adapters for address in each.addresses)

    @property
    def subnets(self) -> frozenset[str]:
        """Every network that it has an address in, whether the cable is in or not."""
        return frozenset(str(ip_interface(address).network) for each in self.adapters for address in each.addresses)

    def has(self, subnet: str) -> bool:
        """Whether it has an address in a network."""
        return any(each.within(subnet) for each in self.adapters)


class Reach(Fact):
    """Whether one host gets a TCP connection to another; `subject` is host>peer:port."""

    volatile: ClassVar[frozenset[str]] = frozenset({"connected", "address"})

    connected: bool
    address: str
    """The address that it tried; empty if it found none."""


class ClusterNetwork(Frozen):
    """A network of a cluster."""

    name: str
    subnet: str
    used: bool
    """Whether the cluster uses it at all (its role is not None)."""
    up_at: frozenset[str]
    """Nodes whose interface in it is up."""
    excluded: bool | None
    """Whether migrations are kept off it; None where that could not be read."""


class ClusterNetworks(Fact):
    """The networks between a cluster's nodes; `subject` is the cluster's name in the inventory."""

    networks: frozenset[ClusterNetwork]

    @property
    def complete(self) -> bool:
        """Whether the node that showed them has the module, which tells what migrations are kept off."""
        return all(each.excluded is not None for each in self.networks)


@asked_often
def migration_settings(host: str) -> Query[MigrationSettings]:
    """Reads how a host takes part in migrations."""
    return Query(host, (command("Get-VMHost"),), partial(_settings, host))


@asked_often
def migration_networks(host: str) -> Query[MigrationNetworks]:
    """Reads which networks a host takes migrations on."""
    return Query(host, (command("Get-VMMigrationNetwork"),), partial(_networks, host))


@asked_often
def interfaces(host: str) -> Query[Interfaces]:
    """Reads a host's adapters and addresses."""
    return Query(host, (command("Get-NetAdapter"), command("Get-NetIPAddress")), partial(_interfaces, host))


def reach(host: str, peer: str, port: int) -> Query[Reach]:
    """Has a host connect to another and close again; where nothing answers it takes the host some twenty seconds."""
    return Query(host, (command("Test-NetConnection", ComputerName=peer, Port=port),), partial(_reach, f"{host}>{peer}:{port}"))


def cluster_networks(cluster: str, via: str) -> Query[ClusterNetworks]:
    """Reads a cluster's networks, and which of them it keeps migrations off (through the module, where that is there)."""
    reads = ("Get-ClusterNetwork", "Get-ClusterNetworkInterface", "Get-RemediationClusterMigration")
    return Query(via, tuple(map(command, reads)), partial(_cluster_networks, cluster))


def _settings(host: str, replies: Sequence[Reply]) -> MigrationSettings:
    record = one(replies[0])
    return MigrationSettings(
        subject=host,
        enabled=flag(record, "VirtualMachineMigrationEnabled"),
        any_network=flag(record, "UseAnyNetworkForMigration"),
        performance=str(record["VirtualMachineMigrationPerformanceOption"]),
    )


def _networks(host: str, replies: Sequence[Reply]) -> MigrationNetworks:
    found = (str(each["Subnet"]) for each in many(replies[0]))
    return MigrationNetworks(subject=host, subnets=frozenset(str(ip_network(each, strict=False)) for each in found))


def _interfaces(host: str, replies: Sequence[Reply]) -> Interfaces:
    addresses: dict[str, list[str]] = {}
    for record in many(replies[1]):
        address = str(record["IPAddress"]).partition("%")[0]
        if str(record["PrefixOrigin"]) != "WellKnown" and not _is_local(ip_address(address)):
            addresses.setdefault(str(record["InterfaceAlias"]), []).append(f"{address}/{int(record['PrefixLength'])}")
    return Interfaces(
        subject=host,
        adapters=frozenset(
            Interface(
                name=str(record["Name"]),
                status=str(record["Status"]),
                mtu=int(record.get("MtuSize") or 0),
                addresses=frozenset(addresses.get(str(record["Name"]), ())),
            )
            for record in many(replies[0])
        ),
    )


def _reach(subject: str, replies: Sequence[Reply]) -> Reach:
    record = one(replies[0])
    address = str(record.get("RemoteAddress") or "")
    return Reach(subject=subject, connected=flag(record, "TcpTestSucceeded"), address=address)


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    return address.is_loopback or address.is_link_local


def _cluster_networks(cluster: str, replies: Sequence[Reply]) -> ClusterNetworks | NotApplicable:
    if any(error.error_id in NO_CLUSTER for error in replies[0].errors):
        return NotApplicable(reason=f"{cluster} is no running cluster")
    ends = [(str(each["Network"]), str(each["Node"]), str(each["State"])) for each in many(replies[1])]
    excluded: frozenset[str] | None = None
    if not lacks_command(replies[2]):
        told = str(one(replies[2])["Exclude"] or "").split(";")
        excluded = frozenset(each.strip(" {}").casefold() for each in told if each.strip(" {}"))
    found = []
    for record in many(replies[0]):
        name = str(record["Name"])
        up_at = frozenset(node for network, node, state in ends if same_name(network, name) and state == "Up")
        found.append(
            ClusterNetwork(
                name=name,
                subnet=f"{record.get('Address') or ''}/{record.get('AddressMask') or ''}".strip("/"),
                used=str(record["Role"]) not in ("None", "0"),
                up_at=up_at,
                excluded=None if excluded is None else str(record.get("Id") or "").strip("{}").casefold() in excluded,
            )
        )
    return ClusterNetworks(subject=cluster, networks=frozenset(found))


def joins(network: ClusterNetwork, one_node: str, other: str) -> bool:
    """Whether a network joins two nodes right now."""
    return all(any(same_host(each, node) for each in network.up_at) for node in (one_node, other))
