"""The whole simulated domain: what there is, how time passes in it, and its state for comparison."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediations.lab.world import migration
from remediations.lab.world.clock import Agenda, Clock
from remediations.lab.world.cluster import Cluster
from remediations.lab.world.directory import CONTROL, DELEGATION, SPN, Directory
from remediations.lab.world.drain import obstacle
from remediations.lab.world.hosts import Host
from remediations.lab.world.machines import Machine
from remediations.lab.world.migration import Migration
from remediations.model.base import digest
from remediations.model.names import short_name


@dataclass
class Pace:
    """How long things take, in seconds."""

    migration: float = 0.3
    shutdown: float = 0.2
    shutdown_timeout: float = 5.0
    """How long Stop-VM waits for a guest that does not react."""
    start: float = 0.1
    drain: float = 0.05
    """From the drain's beginning to its first move."""
    reset: float = 0.5
    """Until a node's migration limit is again the cluster's."""
    poll: float = 0.02
    """How often a waiting command looks."""


class World:
    """A domain with its hosts, cluster and virtual machines. Every access goes through `lock`; `settle` lets time catch up."""

    def __init__(self, directory: Directory, agenda: Agenda, pace: Pace | None = None) -> None:
        self.lock = threading.RLock()
        self.agenda, self.directory, self.pace = agenda, directory, pace or Pace()
        self.hosts: dict[str, Host] = {}
        self.machines: dict[str, Machine] = {}
        self.cluster: Cluster | None = None
        self.migrations: list[Migration] = []
        self.names: dict[str, str] = {}
        """What the domain's DNS servers answer: full name in lower case → address."""
        self.shares: dict[str, set[str]] = {}
        """File shares: path → computer accounts that have full access, as `HV03$`."""
        self.second_hops: dict[str, str] = {}
        """Host → none, gmsa, credssp or delegated: what its endpoints can do elsewhere as their caller. None if left out."""

    @classmethod
    def contoso(cls, **wanted: Any) -> World:
        """The domain that the lab starts with; what may be wanted of it, `contoso.contoso` says."""
        from remediations.lab.world.contoso import contoso  # noqa: PLC0415 it builds on this module

        return contoso(**wanted)

    @property
    def clock(self) -> Clock:
        """The clock, for tests to move."""
        return self.agenda.clock

    @property
    def now(self) -> datetime:
        """The moment that is being played, in UTC."""
        return self.agenda.now

    def settle(self) -> None:
        """Let everything happen whose time has come."""
        with self.lock:
            self.directory.replicate()
            self.agenda.settle()
            self.directory.replicate()

    def find_host(self, name: str) -> Host | None:
        """The Hyper-V host of this name, short or full, without case."""
        wanted = short_name(name).casefold()
        found = next((host for host in self.hosts.values() if host.name.casefold() == wanted), None)
        return None if found is None or ("." in name and name.casefold() != found.fqdn) else found

    def host(self, name: str) -> Host:
        """As `find_host`. Raises `LookupError`."""
        found = self.find_host(name)
        if found is None:
            raise LookupError(f"the lab has no host {name}; it has {', '.join(self.hosts)}")
        return found

    def machine(self, name: str) -> Machine:
        """The virtual machine of this name. Raises `LookupError`."""
        found = next((each for each in self.machines.values() if each.name.casefold() == name.casefold()), None)
        if found is None:
            raise LookupError(f"the lab has no virtual machine {name}; it has {', '.join(self.machines)}")
        return found

    def machines_on(self, host: str) -> list[Machine]:
        """The virtual machines that are registered on a host."""
        return [machine for machine in self.machines.values() if machine.host == host]

    def cluster_of(self, host: str) -> Cluster | None:
        """The cluster that a host is a node of."""
        return self.cluster if self.cluster is not None and host in self.cluster.nodes else None

    def active_migrations(self) -> list[Migration]:
        """Moves under way."""
        return [move for move in self.migrations if not move.over]

    def migration_of(self, machine: str) -> Migration | None:
        """The move of a virtual machine that is under way."""
        return next((move for move in self.active_migrations() if move.machine == machine), None)

    def may_hop(self, host: str) -> bool:
        """Whether an endpoint of this host can act on another computer as its caller."""
        return self.second_hops.get(host, "none") != "none"

    def move(self, machine: str, destination: str, *, storage: bool = False, elsewhere: bool = False) -> Migration:
        """Begin to move a virtual machine, as an administrator would at the source's console, or from `elsewhere`.

        Raises `ValueError` for a clustered virtual machine and a host outside its cluster.
        """
        with self.lock:
            self.settle()
            moved, goal = self.machine(machine), self.host(destination)
            cluster = self.cluster_of(moved.host)
            if cluster is not None and (role := cluster.role_of(moved.name)) is not None:
                if goal.name not in cluster.nodes:
                    raise ValueError(f"{machine} is highly available and {destination} is no node of {cluster.name}")
                if code := obstacle(cluster, role, cluster.nodes[goal.name]):
                    return migration.refuse(self, moved, goal, code)
            return migration.start(self, moved, goal, storage=storage, delegates=not elsewhere)

    def wait(self, until: Callable[[], bool], at_most: float = 30.0) -> None:
        """Let time pass until something is so. Raises `TimeoutError` after `at_most` seconds of the lab's time."""
        begun = self.clock.now()
        while True:
            with self.lock:
                self.settle()
                if until():
                    return
            if (self.clock.now() - begun).total_seconds() > at_most:
                raise TimeoutError(f"it did not happen within {at_most} s of the lab's time")
            self.clock.wait(self.pace.poll)

    def state(self) -> dict[str, Any]:
        """Configuration and placement as plain JSON: no caches, logs, counters, uptime, clock or replication metadata."""
        with self.lock:
            self.settle()
            return {
                "directory": {account.name: self._account(account.guid) for account in self.directory.accounts.values()},
                "hosts": {host.name: _host(host) for host in self.hosts.values()},
                "machines": {machine.name: _machine(machine) for machine in self.machines.values()},
                "shares": {path: sorted(accounts) for path, accounts in self.shares.items()},
                "cluster": _cluster(self.cluster) if self.cluster else None,
            }

    def state_hash(self) -> str:
        """SHA-256 of `state`."""
        return digest(self.state())

    def _account(self, account: Any) -> dict[str, Any]:
        values = self.directory.newest(account)
        return {
            SPN: sorted(values.get(SPN) or (), key=str.casefold),
            DELEGATION: sorted(values.get(DELEGATION) or (), key=str.casefold),
            CONTROL: values.get(CONTROL),
        }


def _host(host: Host) -> dict[str, Any]:
    return {
        "migration": dict(vars(host.migration)),
        "cpu": [host.cpu.name, host.cpu.microcode, host.mitigated],
        "build": [host.edition.build, host.edition.revision],
        "controller": host.controller,
        "network": host.network.state(),
        "identity": {
            "skew": host.skew.total_seconds(),
            "secure channel": host.secure_channel,
            "log on as a service": host.logon_as_service,
            "registry.pol": not host.registry_pol_corrupt,
        },
        "shielded": sorted([each.thumbprint, bool(each.pfx)] for each in host.shielded.values()),
        "planned": sorted(map(str, host.planned)),
        "switches": sorted([each.name, each.kind, str(each.id)] for each in host.switches.values()),
    }


def _machine(machine: Machine) -> dict[str, Any]:
    return {
        "host": machine.host,
        "state": machine.state,
        "path": machine.path,
        "version": machine.version,
        "processors": machine.processors,
        "memory": machine.memory,
        "compatible": machine.compatible,
        "features": sorted(machine.features),
        "disks": [disk.path for disk in machine.disks],
        "media": {f"{number}:{location}": path for (number, location), path in sorted(machine.media.items())},
        "switch": machine.switch,
        "tpm": list(machine.owner),
        "snapshots": [snapshot.name for snapshot in machine.snapshots if snapshot.kind != "Recovery"],
    }


def _cluster(cluster: Cluster) -> Mapping[str, Any]:
    return {
        "maximum_parallel_migrations": cluster.maximum_parallel_migrations,
        "nodes": {node.name: {"state": node.state, "drain": node.drain} for node in cluster.nodes.values()},
        "roles": {
            role.name: {
                "owner": role.owner,
                "others": list(role.others),
                "state": role.state,
                "possible": [list(role.possible), list(role.possible_configuration)],
            }
            for role in cluster.roles.values()
        },
        "volumes": {volume.name: volume.owner for volume in cluster.volumes.values()},
        "witness": cluster.witness_online,
        "networks": {each.name: [each.role, each.excluded] for each in cluster.networks.values()},
    }
