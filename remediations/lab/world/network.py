"""The network between the lab's hosts: adapters, names, firewalls, WinRM, and what keeps one host from another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remediations.lab.world.hosts import Host
    from remediations.lab.world.world import World

REFUSED, TIMED_OUT, FORBIDDEN = 0x8007274D, 0x8007274C, 0x8007271D
UNKNOWN_HOST, WRONG_HOST = 0x80072AF9, 0x80090322
NO_WINRM, NOT_TRUSTED = 0x80338012, 0x803380E4
NOT_WINRM = -1
"""What a proxy answered instead of WinRM: Windows says so without a code."""
NO_CLUSTER_NETWORK = 0x800713AB
STALLED = 0x800705B4

MIGRATION_PORT, SMB_PORT, WINRM_PORT, IWARP_PORT, CLUSTER_PORT = 6600, 445, 5985, 5445, 3343


@dataclass
class Adapter:
    """A network adapter of a host with its address."""

    name: str
    index: int
    address: str
    """With prefix, as 10.0.20.4/24."""
    status: str = "Up"
    """Up, Disconnected or Disabled."""
    mtu: int = 1500
    rdma: str = ""
    """*NetworkDirectTechnology: 1 iWARP, 3 RoCE, 4 RoCEv2; empty for an adapter without RDMA."""

    @property
    def up(self) -> bool:
        """Whether it carries traffic."""
        return self.status == "Up"

    @property
    def ip(self) -> str:
        """Its address alone."""
        return str(ip_interface(self.address).ip)

    @property
    def subnet(self) -> str:
        """The network that it is in."""
        return str(ip_interface(self.address).network)


@dataclass
class FirewallRule:
    """One rule of Windows' firewall."""

    name: str
    display: str
    group: str
    port: int
    enabled: bool = True
    inbound: bool = True
    action: str = "Allow"
    """Allow or Block."""
    policy: str = ""
    """Name of the group policy object that it comes from; empty for a local rule."""
    protocol: str = "TCP"


def _rules() -> dict[str, FirewallRule]:
    known = (
        FirewallRule("VIRT-MIGL-In-TCP-NoScope", "Hyper-V (MIG-TCP-In)", "@%systemroot%\\system32\\vmms.exe,-210", 6600),
        FirewallRule("FPS-SMB-In-TCP", "File and Printer Sharing (SMB-In)", "@FirewallAPI.dll,-28502", 445),
        FirewallRule("WINRM-HTTP-In-TCP", "Windows Remote Management (HTTP-In)", "@FirewallAPI.dll,-30267", 5985),
        FirewallRule(
            "FPSSMBD-iWARP-In-TCP",
            "File and Printer Sharing over SMBDirect (iWARP-In)",
            "@FirewallAPI.dll,-28602",
            IWARP_PORT,
            enabled=False,
        ),
        FirewallRule(
            "FailoverClustering-NetFt-UDP-In", "Failover Clusters (UDP-In)", "Failover Clusters", CLUSTER_PORT, protocol="UDP"
        ),
        FirewallRule("FailoverClustering-ClusSvc-TCP-In", "Failover Clusters (TCP-In)", "Failover Clusters", CLUSTER_PORT),
    )
    return {rule.name: rule for rule in known}


@dataclass
class Firewall:
    """A host's firewall, as its domain profile has it."""

    on: bool = True
    inbound: str = "Block"
    """What becomes of what no rule names: Block or Allow."""
    local_rules: bool = True
    """AllowLocalFirewallRules: whether rules that no policy brought count."""
    policy: str = ""
    """The group policy object that sets the profile; empty if it is set locally."""
    rules: dict[str, FirewallRule] = field(default_factory=_rules)

    def lets_in(self, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection to a port comes in."""
        counting = [
            rule
            for rule in self.rules.values()
            if rule.enabled
            and rule.inbound
            and (rule.port, rule.protocol) == (port, protocol)
            and (self.local_rules or rule.policy)
        ]
        if not self.on:
            return True
        if any(rule.action == "Block" for rule in counting):
            return False
        return bool(counting) or self.inbound == "Allow"

    def lets_out(self, port: int) -> bool:
        """Whether a connection to a port of another host goes out."""
        return not self.on or not any(
            rule.enabled and not rule.inbound and rule.port == port and rule.action == "Block" for rule in self.rules.values()
        )


@dataclass
class WinRm:
    """The management channel of a host, as other hosts use it: the HTTP listener on 5985, trusted hosts, WinHTTP's proxy."""

    running: bool = True
    start: str = "Automatic"
    listens: bool = True
    """Whether there is an HTTP listener; the lab's own endpoints are another one, on HTTPS."""
    trusted: str = ""
    """TrustedHosts, as it is written: names with commas between."""
    trusted_by_policy: bool = False
    proxy: str = ""
    bypass: str = ""
    """What goes past the proxy: patterns with semicolons between."""


@dataclass
class Network:
    """All of a host's network."""

    adapters: list[Adapter] = field(default_factory=list)
    firewall: Firewall = field(default_factory=Firewall)
    winrm: WinRm = field(default_factory=WinRm)
    migration_subnets: dict[str, int] = field(default_factory=dict)
    """Networks that migrations are taken on, with their priority, where not any network is."""
    lossless: bool = True
    """Whether its adapters and switches keep RDMA's frames (priority flow control): else moves over SMB Direct stall."""
    hosts_file: dict[str, str] = field(default_factory=dict)
    """Name → address, as in %SystemRoot%\\System32\\drivers\\etc\\hosts."""
    remembered: dict[str, str] = field(default_factory=dict)
    """The DNS client's cache: name → address; an empty one for a name that was not found."""

    dns_silent: float | None = None
    """Seconds after which a question to its DNS servers is given up, since none of them answers; None where they do."""

    def adapter_in(self, subnet: str) -> Adapter | None:
        """The adapter with an address in a network."""
        return next((each for each in self.adapters if ip_interface(each.address).ip in ip_network(subnet)), None)

    def state(self) -> dict[str, Any]:
        """What is configuration of it: no caches, and no cables."""
        return {
            "firewall": {name: rule.enabled for name, rule in self.firewall.rules.items()},
            "profile": [self.firewall.on, self.firewall.inbound, self.firewall.local_rules],
            "winrm": dict(vars(self.winrm)),
            "migration": dict(self.migration_subnets),
            "hosts file": dict(self.hosts_file),
            "adapters": {each.name: [each.address, each.mtu] for each in self.adapters},
        }


def wire(number: int) -> Network:
    """The network of the lab's host of this number: one adapter for management, one for migrations."""
    return Network([Adapter("Management", 7, f"10.0.10.{number}/24"), Adapter("Migration", 11, f"10.0.20.{number}/24")])


def resolve(world: World, host: Host, name: str, *, hosts_file: bool = True, cache: bool = True) -> str:
    """The address that a host takes a name for; empty if it knows none, or its DNS servers do not answer."""
    known = without_dns(host, name, hosts_file=hosts_file, cache=cache)
    if known is not None or host.network.dns_silent is not None:
        return known or ""
    return world.names.get(_full(host, name), "")


def without_dns(host: Host, name: str, *, hosts_file: bool = True, cache: bool = True) -> str | None:
    """The address that a host takes a name for without asking a DNS server; None if it has to ask."""
    own, full = host.network, _full(host, name)
    for known in (name.casefold(), full):
        if hosts_file and known in own.hosts_file:
            return own.hosts_file[known]
    return own.remembered.get(full) if cache else None


def _full(host: Host, name: str) -> str:
    return (name if "." in name else f"{name}.{host.domain}").casefold()


def owner(world: World, address: str) -> Host | None:
    """The host that has an address."""
    return next((host for host in world.hosts.values() if any(each.ip == address for each in host.network.adapters)), None)


def obstacle(world: World, source: Host, destination: Host) -> int:
    """What keeps a migration's connection from the destination: a code, or 0. In the order in which Windows comes upon it."""
    cluster = world.cluster_of(source.name)
    together = cluster is not None and cluster is world.cluster_of(destination.name)
    if together and cluster is not None:
        ways = list(_cluster_ways(world, source, destination))
        wall = destination.network.firewall
        if not ways or not all(wall.lets_in(CLUSTER_PORT, protocol) for protocol in ("UDP", "TCP")):
            return NO_CLUSTER_NETWORK
    else:
        address = resolve(world, source, destination.fqdn)
        if not address:
            return UNKNOWN_HOST
        reached = owner(world, address)
        if reached is not destination:
            return WRONG_HOST if reached else TIMED_OUT
        if code := winrm_obstacle(source, destination):
            return code
        ways = list(_ways(source, destination))
        if not ways:
            return REFUSED
    if not source.network.firewall.lets_out(MIGRATION_PORT):
        return FORBIDDEN
    smb = source.migration.performance == "SMB"
    iwarp = smb and any(there.rdma == "1" for _, there in ways)
    ports = [MIGRATION_PORT] + [SMB_PORT] * smb + [IWARP_PORT] * iwarp
    if not any(here.up and there.up for here, there in ways):
        return TIMED_OUT
    if not all(destination.network.firewall.lets_in(port) for port in ports):
        return TIMED_OUT
    return 0 if destination.migration.enabled else REFUSED


def stall(source: Host, destination: Host) -> int:
    """What becomes of a transfer that was begun: a code, or 0."""
    lossless = source.network.lossless and destination.network.lossless
    return STALLED if source.migration.performance == "SMB" and not lossless else 0


def winrm_obstacle(source: Host, destination: Host) -> int:
    """What keeps the source's management client from the destination's WinRM on 5985: a code, or 0."""
    here, there = source.network.winrm, destination.network
    if not _trusts(source, destination):
        return NOT_TRUSTED
    if here.proxy and not any(_covers(each, destination.fqdn) for each in here.bypass.split(";")):
        return NOT_WINRM
    if not (there.winrm.running and there.winrm.listens and there.firewall.lets_in(WINRM_PORT)):
        return NO_WINRM
    return 0


def _trusts(source: Host, destination: Host) -> bool:
    """Kerberos proves who the other is; without a domain only its name in TrustedHosts does."""
    if source.joined and destination.joined:
        return True
    names = {each.strip().casefold() for each in source.network.winrm.trusted.split(",")}
    return bool(names & {"*", destination.name.casefold(), destination.fqdn})


def _covers(pattern: str, name: str) -> bool:
    pattern = pattern.strip().casefold()
    return pattern == name or (pattern.startswith("*.") and name.endswith(pattern[1:]))


def _ways(source: Host, destination: Host) -> Iterator[tuple[Adapter, Adapter]]:
    """Pairs of adapters in one network that both ends take migrations on."""
    for here in source.network.adapters:
        for there in destination.network.adapters:
            if here.subnet == there.subnet and _takes(source, here) and _takes(destination, there):
                yield here, there


def _takes(host: Host, adapter: Adapter) -> bool:
    listed = host.network.migration_subnets
    return host.migration.any_network or any(ip_address(adapter.ip) in ip_network(each) for each in listed)


def _cluster_ways(world: World, source: Host, destination: Host) -> Iterator[tuple[Adapter, Adapter]]:
    cluster = world.cluster_of(source.name)
    for each in cluster.networks.values() if cluster else ():
        here, there = source.network.adapter_in(each.subnet), destination.network.adapter_in(each.subnet)
        if each.role and not each.excluded and here and there:
            yield here, there
