"""A lab of many hosts in a process of its own, so that what it costs is not counted as the program's.

    python tests/benchmarks/many_hosts.py HOSTS VMS NODES ROUND_TRIP DIRECTORY

`NODES` hosts at a time form a cluster (0: all stand alone). Writes `site.json` to the directory once it answers; tells its
processor seconds and its requests for every line that it reads, and ends with its input.
"""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from recorded import Recorded

from remediations.lab.lab import Lab, shipped_module
from remediations.lab.protocol import server
from remediations.lab.world.clock import Agenda, Clock
from remediations.lab.world.cluster import Cluster, ClusterNetwork, Node, Role, Volume
from remediations.lab.world.contoso import DOMAIN, NETBIOS, OPERATOR
from remediations.lab.world.directory import (
    CONTROL,
    DELEGATION,
    MIGRATION_SERVICE,
    NORMAL,
    SERVER_TRUST,
    SPN,
    TRUSTED_TO_AUTH,
    WORKSTATION_TRUST,
    Account,
    Directory,
    guid,
)
from remediations.lab.world.hosts import CASCADE_LAKE, EDITIONS, GIB, Host
from remediations.lab.world.machines import Machine
from remediations.lab.world.network import Adapter, Network
from remediations.lab.world.switches import standard
from remediations.lab.world.world import World
from remediations.model import site as model
from remediations.model.site import Expectation, Site

CONTROLLERS = ("DC1", "DC2")
MANAGEMENT, MIGRATION = "10.1.0.0/16", "10.2.0.0/16"


class Many(World):
    """A domain of many clusters."""

    clusters: dict[str, Cluster]

    def cluster_of(self, host: str) -> Cluster | None:
        """The cluster that a host is a node of."""
        return self.clusters.get(host)


def many(hosts: int, vms: int, nodes: int) -> Many:
    """A domain in which every migration would succeed."""
    agenda = Agenda(Clock())
    directory = Directory(DOMAIN, NETBIOS, CONTROLLERS, agenda)
    directory.writers.add(OPERATOR.casefold())
    world = Many(directory, agenda)
    world.clusters = {}
    names = [f"HV{number:04}" for number in range(1, hosts + 1)]
    for number, name in enumerate(names):
        place = f"{number // 250}.{number % 250 + 1}"
        world.hosts[name] = Host(
            name,
            DOMAIN,
            EDITIONS[2022],
            CASCADE_LAKE,
            controller="DC1",
            culture="en-US",
            offset=timedelta(),
            booted=agenda.now - timedelta(days=21),
            module=shipped_module(),
            network=Network([Adapter("Management", 7, f"10.1.{place}/16"), Adapter("Migration", 11, f"10.2.{place}/16")]),
            switches=standard(name),
        )
        world.names[world.hosts[name].fqdn] = f"10.1.{place}"
    groups = [names[start : start + nodes] for start in range(0, hosts, nodes)] if nodes else []
    for number, group in enumerate(groups, 1):
        _cluster(world, f"CL{number:03}", group)
    _accounts(world, names, clustered=bool(nodes))
    for number in range(vms):
        name, host = f"VM{number:05}", names[number % hosts]
        cluster = world.clusters.get(host)
        path = f"C:\\ClusterStorage\\Volume1\\{name}" if cluster else f"D:\\VMs\\{name}"
        machine = world.machines[name] = Machine(name, host, path, version="10.0", memory=4 * GIB)
        machine.power_on(CASCADE_LAKE, agenda.now - timedelta(days=20))
        if cluster:
            cluster.roles[name] = Role(name, host, name)
    return world


def _cluster(world: Many, name: str, group: list[str]) -> None:
    cluster = Cluster(name, DOMAIN, {host: Node(host, number) for number, host in enumerate(group, 1)})
    cluster.roles["Cluster Group"] = Role("Cluster Group", group[0], kind="Cluster", priority=4294967295)
    volume = Volume("Cluster Virtual Disk (Volume1)", group[0], "C:\\ClusterStorage\\Volume1")
    cluster.volumes[volume.name] = volume
    for network, subnet, role in (("Cluster Network 1", MANAGEMENT, 3), ("Cluster Network 2", MIGRATION, 1)):
        cluster.networks[network] = ClusterNetwork(network, subnet, role)
    for host in group:
        world.clusters[host] = cluster
        world.hosts[host].cluster_tools = True
    world.cluster = world.cluster or cluster


def _accounts(world: Many, names: list[str], *, clustered: bool) -> None:
    directory, sid = world.directory, "S-1-5-21-1004336348-1177238915-682003330"
    created = world.now - timedelta(days=400)
    peers = [each for name in names for each in (name, f"{name.lower()}.{DOMAIN}")]
    delegation = tuple(f"{service}/{peer}" for service in ("cifs", MIGRATION_SERVICE) for peer in peers)
    for number, name in enumerate((*CONTROLLERS, *names)):
        host = world.hosts.get(name)
        unit = "OU=Hyper-V" if host else "OU=Domain Controllers"
        account = Account(
            guid(f"account {name}"),
            f"{name}$",
            f"CN={name},{unit},{directory.base}",
            f"{sid}-{1103 + number}",
            "computer",
            created,
        )
        fqdn = f"{name.lower()}.{DOMAIN}"
        services = ("HOST", "WSMAN", MIGRATION_SERVICE) if host else ("HOST", "ldap")
        directory.create(
            account,
            {
                "sAMAccountName": account.name,
                "dNSHostName": fqdn,
                SPN: tuple(f"{service}/{form}" for service in services for form in (name, fqdn)),
                DELEGATION: delegation if host and not clustered else None,
                CONTROL: (WORKSTATION_TRUST | TRUSTED_TO_AUTH) if host else SERVER_TRUST,
            },
        )
    operator = OPERATOR.rpartition("\\")[2]
    dn = f"CN={operator},CN=Users,{directory.base}"
    user = Account(guid("account operator"), operator, dn, f"{sid}-99601", "user", created)
    directory.create(user, {"sAMAccountName": operator, CONTROL: NORMAL, "userPrincipalName": f"{operator}@{DOMAIN}"})


def site_of(lab: Lab, world: Many) -> Site:
    """The inventory that reaches such a lab."""
    clusters = {each.name: each for each in world.clusters.values()}
    return Site(
        domain=DOMAIN,
        hosts=tuple(
            model.Host(name=name, endpoint=lab.endpoint(name), expect=Expectation(authentication="Kerberos"))
            for name in world.hosts
        ),
        clusters=tuple(model.Cluster(name=name, nodes=tuple(each.nodes)) for name, each in clusters.items()),
        controllers=tuple(model.Host(name=name, endpoint=lab.endpoint(name)) for name in CONTROLLERS),
    )


class Elsewhere:
    """A lab in another process."""

    def __init__(self, process: subprocess.Popen[str], site: Site) -> None:
        self._process, self.site = process, site

    def spent(self) -> tuple[float, int]:
        """Processor seconds that it took so far, and requests that came."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return float(found["seconds"]), int(found["requests"])


@contextmanager
def elsewhere(hosts: int, vms: int, nodes: int, round_trip: float, directory: Path) -> Iterator[Elsewhere]:
    """Such a lab, running in a process of its own for as long as the block lasts."""
    arguments = [str(each) for each in (hosts, vms, nodes, round_trip, directory)]
    with subprocess.Popen(
        [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "up\n":
                raise RuntimeError(f"the lab of {hosts} hosts did not come up")
            yield Elsewhere(process, Site.model_validate_json((directory / "site.json").read_text("utf-8")))
        finally:
            process.stdin.close()
            process.wait(60)


def main() -> None:
    """Run one until the input ends."""
    hosts, vms, nodes, round_trip, directory = sys.argv[1:]
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # it tells of each connection that is cut
    world = many(int(hosts), int(vms), int(nodes))
    server.Endpoint = Recorded  # the lab's own hosts, with a memory
    Recorded.homes = {name: cluster.name for name, cluster in world.clusters.items()}
    with Lab(world, round_trip=float(round_trip)) as lab:
        Path(directory, "site.json").write_text(site_of(lab, world).model_dump_json(), "utf-8")
        print("up", flush=True)
        for _ in sys.stdin:
            used = resource.getrusage(resource.RUSAGE_SELF)
            print(json.dumps({"seconds": used.ru_utime + used.ru_stime, "requests": lab.requests.count()}), flush=True)


if __name__ == "__main__":
    main()
