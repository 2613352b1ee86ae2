"""Rules of the network between two hosts: what keeps a migration off it (with Windows' code), and what does not."""

from __future__ import annotations

from world_rules import ALONE, CLUSTERED, Change, Rule, settings

from remediations.lab.world.network import FirewallRule
from remediations.lab.world.world import World

REFUSED, TIMED_OUT, FORBIDDEN = 0x8007274D, 0x8007274C, 0x8007271D
UNKNOWN_HOST, WRONG_PRINCIPAL, NO_CLUSTER_NETWORK = 0x80072AF9, 0x80090322, 0x800713AB
NO_WINRM = 0x80338012
TARGET = "hv04.contoso.com"
OF_ANOTHER, OF_NOBODY = "10.0.10.2", "10.0.10.99"
MIGRATIONS, SMB, MANAGEMENT = "VIRT-MIGL-In-TCP-NoScope", "FPS-SMB-In-TCP", "WINRM-HTTP-In-TCP"

IN_CLUSTER = ("FailoverClustering-NetFt-UDP-In", "FailoverClustering-ClusSvc-TCP-In")


def adapters(host: str, status: str, *names: str) -> Change:
    def apply(world: World) -> None:
        for each in world.host(host).network.adapters:
            if not names or each.name in names:
                each.status = status

    return apply


def rdma(host: str, technology: str) -> Change:
    def apply(world: World) -> None:
        for each in world.host(host).network.adapters:
            each.rdma = technology

    return apply


def renumbered(host: str, name: str, address: str) -> Change:
    def apply(world: World) -> None:
        (adapter,) = (each for each in world.host(host).network.adapters if each.name == name)
        adapter.address = address

    return apply


def cluster_networks(**changes: object) -> Change:
    def apply(world: World) -> None:
        assert world.cluster is not None
        for each in world.cluster.networks.values():
            each.__dict__.update(changes)

    return apply


def one_cluster_network(**changes: object) -> Change:
    def apply(world: World) -> None:
        assert world.cluster is not None
        world.cluster.networks["Cluster Network 2"].__dict__.update(changes)

    return apply


def rule(host: str, name: str, **changes: object) -> Change:
    return lambda world: world.host(host).network.firewall.rules[name].__dict__.update(changes)


def firewall(host: str, **changes: object) -> Change:
    return lambda world: world.host(host).network.firewall.__dict__.update(changes)


def blocks(host: str, port: int, *, inbound: bool) -> Change:
    def apply(world: World) -> None:
        made = FirewallRule("{3F2C}", "Hardening", "", port, inbound=inbound, action="Block")
        world.host(host).network.firewall.rules[made.name] = made

    return apply


def unblocks(host: str) -> Change:
    return lambda world: world.host(host).network.firewall.rules.pop("{3F2C}")


def winrm(host: str, **changes: object) -> Change:
    return lambda world: world.host(host).network.winrm.__dict__.update(changes)


def listed(host: str, *subnets: str) -> Change:
    def apply(world: World) -> None:
        world.host(host).migration.any_network = not subnets
        world.host(host).network.migration_subnets = dict.fromkeys(subnets, 0)

    return apply


def served(address: str) -> Change:
    return lambda world: world.names.update({TARGET: address})


def in_hosts_file(host: str, address: str = "") -> Change:
    def apply(world: World) -> None:
        entries = world.host(host).network.hosts_file
        entries.pop(TARGET, None)
        if address:
            entries[TARGET] = address

    return apply


def remembers(host: str, address: str) -> Change:
    return lambda world: world.host(host).network.remembered.update({TARGET: address})


def forgets(host: str) -> Change:
    return lambda world: world.host(host).network.remembered.clear()


NETWORK_RULES = (
    Rule(
        "not enabled at the source",
        (settings("HV03", enabled=False),),
        *ALONE,
        0,
        "migration.disabled",
        (settings("HV03", enabled=True),),
    ),
    Rule(
        "not enabled at the source, in a cluster",
        (settings("HV01", enabled=False),),
        *CLUSTERED,
        0,
        "migration.disabled",
        (settings("HV01", enabled=True),),
    ),
    Rule(
        "every cluster network is kept from migrations",
        (cluster_networks(excluded=True),),
        *CLUSTERED,
        NO_CLUSTER_NETWORK,
        "ha.no_network",
        (one_cluster_network(excluded=False),),
    ),
    Rule(
        "the cluster uses none of its networks",
        (cluster_networks(role=0),),
        *CLUSTERED,
        NO_CLUSTER_NETWORK,
        "ha.no_network",
        (one_cluster_network(role=1),),
    ),
    Rule(
        "the only network left does not reach the destination",
        (one_cluster_network(excluded=True), renumbered("HV02", "Management", "10.0.77.2/24")),
        *CLUSTERED,
        NO_CLUSTER_NETWORK,
        "ha.no_network",
        (one_cluster_network(excluded=False),),
    ),
    Rule("one cluster network is enough", (one_cluster_network(excluded=True),), *CLUSTERED, 0, "", ()),
    Rule(
        "a cluster asks neither DNS nor WinRM",
        (lambda world: world.names.clear(), winrm("HV02", listens=False), winrm("HV01", proxy="proxy:8080")),
        *CLUSTERED,
        0,
        "",
        (),
    ),
    Rule(
        "blocked on the way out",
        (blocks("HV03", 6600, inbound=False),),
        *ALONE,
        FORBIDDEN,
        "migration.connect",
        (unblocks("HV03"),),
    ),
    Rule(
        "blocked on the way out, in a cluster",
        (blocks("HV01", 6600, inbound=False),),
        *CLUSTERED,
        FORBIDDEN,
        "migration.connect",
        (unblocks("HV01"),),
    ),
    Rule("another port is blocked on the way out", (blocks("HV03", 445, inbound=False),), *ALONE, 0, "", ()),
    Rule(
        "blocked on the way in although another rule allows it",
        (blocks("HV04", 6600, inbound=True),),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (unblocks("HV04"),),
    ),
    Rule(
        "no rule lets it in",
        (rule("HV04", MIGRATIONS, enabled=False),),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (firewall("HV04", inbound="Allow"),),
    ),
    Rule(
        "local rules do not count",
        (firewall("HV02", local_rules=False), *(rule("HV02", each, policy="Cluster nodes") for each in IN_CLUSTER)),
        *CLUSTERED,
        TIMED_OUT,
        "migration.connect",
        (rule("HV02", MIGRATIONS, policy="Hyper-V hosts"),),
    ),
    Rule("the firewall is off", (rule("HV04", MIGRATIONS, enabled=False), firewall("HV04", on=False)), *ALONE, 0, "", ()),
    Rule(
        "SMB does not get in",
        (settings("HV03", performance="SMB"), rule("HV04", SMB, enabled=False)),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (rule("HV04", SMB, enabled=True),),
    ),
    Rule(
        "SMB Direct does not get in over iWARP",
        (settings("HV03", performance="SMB"), rdma("HV04", "1")),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (rule("HV04", "FPSSMBD-iWARP-In-TCP", enabled=True),),
    ),
    Rule("SMB Direct over RoCE needs no port", (settings("HV03", performance="SMB"), rdma("HV04", "3")), *ALONE, 0, "", ()),
    Rule(
        "a node that hears no heartbeats is reached on no cluster network",
        (rule("HV02", "FailoverClustering-NetFt-UDP-In", enabled=False),),
        *CLUSTERED,
        NO_CLUSTER_NETWORK,
        "ha.no_network",
        (rule("HV02", "FailoverClustering-NetFt-UDP-In", enabled=True),),
    ),
    Rule(
        "nor is one whose cluster service hears nothing",
        (rule("HV02", "FailoverClustering-ClusSvc-TCP-In", enabled=False),),
        *CLUSTERED,
        NO_CLUSTER_NETWORK,
        "ha.no_network",
        (rule("HV02", "FailoverClustering-ClusSvc-TCP-In", enabled=True),),
    ),
    Rule("SMB is not needed for compression", (rule("HV04", SMB, enabled=False),), *ALONE, 0, "", ()),
    Rule(
        "SMB is what the source sends with",
        (settings("HV04", performance="SMB"), rule("HV04", SMB, enabled=False)),
        *ALONE,
        0,
        "",
        (),
    ),
    Rule(
        "the name is that of another host",
        (served(OF_ANOTHER),),
        *ALONE,
        WRONG_PRINCIPAL,
        "migration.connect",
        (served("10.0.10.4"),),
    ),
    Rule(
        "the name is an address that nobody has",
        (served(OF_NOBODY),),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (served("10.0.10.4"),),
    ),
    Rule(
        "the name does not exist",
        (lambda world: world.names.pop(TARGET),),
        *ALONE,
        UNKNOWN_HOST,
        "migration.connect",
        (served("10.0.10.4"),),
    ),
    Rule(
        "the source's hosts file names another host",
        (in_hosts_file("HV03", OF_ANOTHER),),
        *ALONE,
        WRONG_PRINCIPAL,
        "migration.connect",
        (in_hosts_file("HV03"),),
    ),
    Rule(
        "the source's hosts file names an address that nobody has",
        (in_hosts_file("HV03", OF_NOBODY),),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (in_hosts_file("HV03"),),
    ),
    Rule(
        "a hosts file wins over what is remembered",
        (remembers("HV03", OF_ANOTHER), in_hosts_file("HV03", "10.0.10.4")),
        *ALONE,
        0,
        "",
        (),
    ),
    Rule("the destination's own hosts file is not asked", (in_hosts_file("HV04", OF_NOBODY),), *ALONE, 0, "", ()),
    Rule(
        "an old address is remembered",
        (remembers("HV03", OF_ANOTHER),),
        *ALONE,
        WRONG_PRINCIPAL,
        "migration.connect",
        (forgets("HV03"),),
    ),
    Rule(
        "what answers is a proxy",
        (winrm("HV03", proxy="proxy.contoso.com:8080", bypass="*.fabrikam.com"),),
        *ALONE,
        0,
        "winrm.identify",
        (winrm("HV03", bypass="*.fabrikam.com;*.contoso.com"),),
    ),
    Rule(
        "names without a dot go past the proxy, and the full one does not",
        (winrm("HV03", proxy="proxy.contoso.com:8080", bypass="<local>"),),
        *ALONE,
        0,
        "winrm.identify",
        (winrm("HV03", bypass=f"<local>;{TARGET}"),),
    ),
    Rule("the destination's own proxy does no harm", (winrm("HV04", proxy="proxy.contoso.com:8080"),), *ALONE, 0, "", ()),
    Rule(
        "WinRM has stopped there",
        (winrm("HV04", running=False),),
        *ALONE,
        NO_WINRM,
        "migration.connect",
        (winrm("HV04", running=True),),
    ),
    Rule(
        "WinRM does not get in",
        (rule("HV04", MANAGEMENT, enabled=False),),
        *ALONE,
        NO_WINRM,
        "migration.connect",
        (rule("HV04", MANAGEMENT, enabled=True),),
    ),
    Rule(
        "every adapter of the destination is down",
        (adapters("HV04", "Disconnected"),),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (adapters("HV04", "Up"),),
    ),
    Rule(
        "every adapter of the source is down, in a cluster",
        (adapters("HV01", "Disabled"),),
        *CLUSTERED,
        TIMED_OUT,
        "migration.connect",
        (adapters("HV01", "Up", "Migration"),),
    ),
    Rule(
        "the only network that is taken is down",
        (listed("HV04", "10.0.20.0/24"), adapters("HV04", "Disconnected", "Migration")),
        *ALONE,
        TIMED_OUT,
        "migration.connect",
        (listed("HV04"),),
    ),
    Rule("another adapter is up", (adapters("HV04", "Disconnected", "Migration"),), *ALONE, 0, "", ()),
    Rule(
        "the ends take different networks",
        (listed("HV03", "10.0.10.0/24"), listed("HV04", "10.0.20.0/24")),
        *ALONE,
        REFUSED,
        "migration.connect",
        (listed("HV03", "10.0.10.0/24", "10.0.20.0/24"),),
    ),
)
