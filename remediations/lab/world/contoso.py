"""The domain that the lab starts with: contoso.com, a cluster of two nodes or more, and two standalone hosts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from remediations.lab.world.clock import Agenda, Clock
from remediations.lab.world.cluster import Cluster, ClusterNetwork, Node, Role, Volume
from remediations.lab.world.directory import (
    CONTROL,
    DELEGATION,
    MIGRATION_SERVICE,
    NORMAL,
    NOT_DELEGATED,
    SERVER_TRUST,
    SPN,
    TRUSTED_TO_AUTH,
    WORKSTATION_TRUST,
    Account,
    Directory,
    guid,
)
from remediations.lab.world.events import ON_NODES
from remediations.lab.world.hosts import CASCADE_LAKE, EDITIONS, GIB, Edition, Host, MigrationSettings, Module
from remediations.lab.world.machines import Machine
from remediations.lab.world.network import wire
from remediations.lab.world.switches import standard
from remediations.lab.world.tickets import Ticket
from remediations.lab.world.world import Pace, World

DOMAIN, NETBIOS = "contoso.com", "CONTOSO"
OPERATOR = "CONTOSO\\svc-remediate"
"""The account that the lab's site connects as; it may write computer accounts."""

_SID = "S-1-5-21-1004336348-1177238915-682003330"
_SERVICES = (
    "HOST",
    "RestrictedKrbHost",
    "WSMAN",
    "TERMSRV",
    MIGRATION_SERVICE,
    "Microsoft Virtual Console Service",
    "Hyper-V Replica Service",
)
_ALONE = ("HV03", "HV04")
"""The standalone hosts."""
_Plan = tuple[tuple[str, Edition, str, int], ...]


def contoso(
    *,
    clock: Clock | None = None,
    pace: Pace | None = None,
    module: Module | None = None,
    modules: Mapping[str, Module | None] | None = None,
    lag: float = 0.0,
    operator: str = OPERATOR,
    nodes: int = 2,
) -> World:
    """The lab's domain.

    `module` is installed on every host, except where `modules` says otherwise (None: not installed); `lag` is how many
    seconds a write on one controller takes to the other. `nodes`: how many nodes the cluster has, two or more; further ones
    are HV05, HV06 and so on, each with a virtual machine of its own (VM45, VM46). Raises `ValueError` for fewer than two.
    """
    if nodes < 2:
        raise ValueError(f"nodes: the lab's cluster has two nodes or more, not {nodes}")
    agenda = Agenda(clock or Clock())
    directory = Directory(DOMAIN, NETBIOS, ("DC1", "DC2"), agenda)
    directory.lag = lag
    directory.writers.add(operator.casefold())
    world = World(directory, agenda, pace)
    further = tuple(f"HV{number:02}" for number in range(5, 3 + nodes))
    plan: _Plan = (
        ("HV01", EDITIONS[2022], "en-US", -5),
        ("HV02", EDITIONS[2022], "en-US", -5),
        ("HV03", EDITIONS[2019], "en-US", -5),
        ("HV04", EDITIONS[2025], "de-DE", 1),
        *((name, EDITIONS[2022], "en-US", -5) for name in further),
    )
    for number, (name, edition, culture, hours) in enumerate(plan, 1):
        world.hosts[name] = Host(
            name,
            DOMAIN,
            edition,
            CASCADE_LAKE,
            controller="DC1",
            culture=culture,
            offset=timedelta(hours=hours),
            booted=agenda.now - timedelta(days=21),
            module=(modules or {}).get(name, module),
            network=wire(number),
            switches=standard(name),
        )
        world.names[world.hosts[name].fqdn] = f"10.0.10.{number}"
    members = ("HV01", "HV02", *further)
    peers = {name: tuple(each for each in home if each != name) for home in (members, _ALONE) for name in home}
    _computers(world, peers)
    _users(world, operator)
    _cluster(world, members)
    _standalone(world)
    _warm(world, peers)
    return world


def _computers(world: World, peers: Mapping[str, tuple[str, ...]]) -> None:
    directory = world.directory
    created = world.now - timedelta(days=400)
    for number, name in enumerate((*directory.controllers, *world.hosts)):
        host = world.hosts.get(name)
        unit = "OU=Hyper-V" if host else "OU=Domain Controllers"
        fqdn = f"{name.lower()}.{directory.domain}"
        account = Account(
            guid(f"account {name}"),
            f"{name}$",
            f"CN={name},{unit},{directory.base}",
            f"{_SID}-{1103 + number}",
            "computer",
            created,
        )
        services = _SERVICES if host else ("HOST", "ldap", "GC", "DNS")
        directory.create(
            account,
            {
                "sAMAccountName": account.name,
                "dNSHostName": fqdn,
                SPN: tuple(f"{service}/{form}" for service in services for form in (name, fqdn)),
                DELEGATION: _delegation(peers[name], directory.domain) if host else None,
                CONTROL: (WORKSTATION_TRUST | TRUSTED_TO_AUTH) if host else SERVER_TRUST,
                "operatingSystem": host.edition.caption.removeprefix("Microsoft ")
                if host
                else "Windows Server 2022 Datacenter",
                "operatingSystemVersion": f"10.0 ({host.edition.build if host else 20348})",
                "msDS-SupportedEncryptionTypes": 28,
            },
        )


def _users(world: World, operator: str) -> None:
    """The operator; an account that may not be delegated; and one of Protected Users."""
    directory = world.directory
    protected = f"CN=Protected Users,CN=Users,{directory.base}"
    plan = (
        (operator.rpartition("\\")[2], NORMAL, ()),
        ("adm-smith", NORMAL | NOT_DELEGATED, ()),
        ("adm-jones", NORMAL, (protected,)),
    )
    for number, (name, control, groups) in enumerate(plan):
        dn = f"CN={name},CN=Users,{directory.base}"
        created = world.now - timedelta(days=300)
        account = Account(guid(f"account {name}"), name, dn, f"{_SID}-{1601 + number}", "user", created)
        upn = f"{name}@{directory.domain}"
        directory.create(
            account, {"sAMAccountName": name, CONTROL: control, "userPrincipalName": upn, "memberOf": groups or None}
        )


def _delegation(peers: tuple[str, ...], domain: str) -> tuple[str, ...]:
    names = tuple((peer, f"{peer.lower()}.{domain}") for peer in peers)
    return tuple(f"{service}/{name}" for both in names for service in ("cifs", MIGRATION_SERVICE) for name in both)


def _cluster(world: World, members: tuple[str, ...]) -> None:
    nodes = {name: Node(name, number) for number, name in enumerate(members, 1)}
    cluster = world.cluster = Cluster("CLUSTER1", DOMAIN, nodes)
    cluster.roles["Cluster Group"] = Role("Cluster Group", "HV01", kind="Cluster", priority=4294967295)
    cluster.roles["Available Storage"] = Role(
        "Available Storage", "HV01", kind="AvailableStorage", state="Offline", priority=4294967295
    )
    for number, owner in ((1, "HV01"), (2, "HV02")):
        volume = Volume(f"Cluster Virtual Disk (Volume{number})", owner, f"C:\\ClusterStorage\\Volume{number}")
        cluster.volumes[volume.name] = volume
    for network, subnet, role in (("Cluster Network 1", "10.0.10.0/24", 3), ("Cluster Network 2", "10.0.20.0/24", 1)):
        cluster.networks[network] = ClusterNetwork(network, subnet, role)
    for name in nodes:
        world.hosts[name].log.channels |= ON_NODES
        world.hosts[name].cluster_tools = True
        world.hosts[name].migration.maximum = cluster.maximum_parallel_migrations
    own = (("VM42", "HV01", 8), ("VM43", "HV02", 16), ("VM44", "HV01", 4))
    for name, host, size in (*own, *((f"VM{45 + number}", host, 8) for number, host in enumerate(members[2:]))):
        _machine(world, name, host, f"C:\\ClusterStorage\\Volume1\\{name}", version="10.0", memory=size * GIB)
        cluster.roles[name] = Role(name, host, name)


def _standalone(world: World) -> None:
    world.shares[f"\\\\fs01.{DOMAIN}\\vms"] = {"HV03$", "HV04$"}
    world.hosts["HV04"].cluster_tools = True
    for name, host in zip(("VM51", "VM52"), _ALONE, strict=True):
        world.hosts[host].migration = MigrationSettings()
        _machine(world, name, host, f"\\\\fs01.{DOMAIN}\\vms\\{name}", version="9.0", memory=6 * GIB)
        world.second_hops[host] = "delegated"


def _machine(world: World, name: str, host: str, path: str, *, version: str, memory: int) -> None:
    machine = world.machines[name] = Machine(name, host, path, version=version, memory=memory)
    machine.power_on(world.hosts[host].cpu, world.now - timedelta(days=20))


def _warm(world: World, peers: Mapping[str, tuple[str, ...]]) -> None:
    """Give every host the tickets that it would have after an hour's work."""
    realm, taken = DOMAIN.upper(), world.now - timedelta(hours=1)
    for host in world.hosts.values():
        kdc = f"{host.controller}.{DOMAIN}"
        host.tickets.add(Ticket(f"krbtgt/{realm}", taken, kdc))
        later = taken + timedelta(minutes=7)
        servers = [f"LDAP/{kdc}/{DOMAIN}"]
        for peer in peers[host.name]:
            full = f"{peer.lower()}.{DOMAIN}"
            servers += [f"cifs/{full}", f"{MIGRATION_SERVICE}/{full}", f"{MIGRATION_SERVICE}/{peer}"]
        for server in servers:
            host.tickets.add(Ticket(server, later, kdc))
