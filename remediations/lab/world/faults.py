"""What can be broken: each fault edits the world's state and nothing else, and the world's rules do the failing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from remediations.lab.world import drain, migration
from remediations.lab.world.cluster_faults import CLUSTER_FAULTS
from remediations.lab.world.directory import DELEGATION, MIGRATION_SERVICE, SPN
from remediations.lab.world.fault import Fault
from remediations.lab.world.hosts import HASWELL
from remediations.lab.world.identity_faults import IDENTITY_FAULTS
from remediations.lab.world.machine_faults import MACHINE_FAULTS
from remediations.lab.world.network_faults import NETWORK_FAULTS
from remediations.lab.world.processor_faults import PROCESSOR_FAULTS
from remediations.lab.world.world import World

LONG = 3600.0
"""Seconds that the migration takes which holds the only slot."""


def _spn_missing(world: World) -> None:
    """Two hours ago somebody removed the destination's full name from its account; the source has no ticket for it left."""
    account = world.directory.computer("HV04")
    lost = f"{MIGRATION_SERVICE}/hv04.{world.directory.domain}"
    with world.agenda.playing(world.now - timedelta(hours=2)):
        world.directory.remove_spns("DC1", account.guid, (lost,))
    cache = world.host("HV03").tickets
    cache.tickets = [ticket for ticket in cache.tickets if not ticket.server.startswith(MIGRATION_SERVICE)]


def _kerberos_tickets_stale(world: World) -> None:
    """Delegation was set anew ten minutes ago; the source's tickets are from before, when it had none."""
    directory = world.directory
    source = directory.computer("HV03").guid
    listed = directory.controllers["DC1"].value(source, DELEGATION)
    with world.agenda.playing(world.now - timedelta(hours=3)):
        directory.write("DC1", source, DELEGATION, ())
    with world.agenda.playing(world.now - timedelta(minutes=10)):
        directory.write("DC1", source, DELEGATION, listed)
        account = directory.computer("HV04").guid
        directory.write("DC1", account, SPN, directory.controllers["DC1"].value(account, SPN))


def _migration_limit_reached(world: World) -> None:
    """The cluster allows one migration at a time, and a long one is under way."""
    cluster = world.cluster
    assert cluster is not None
    cluster.maximum_parallel_migrations = 1
    for name in cluster.nodes:
        world.host(name).migration.maximum = 1
    migration.start(world, world.machine("VM43"), world.host("HV01"), seconds=LONG)


def _cpu_incompatible(world: World) -> None:
    """HV02 was replaced by an older machine; what runs there was started there."""
    host = world.host("HV02")
    host.cpu = HASWELL
    for machine in world.machines_on(host.name):
        machine.power_on(host.cpu, machine.started)


def _node_drain_failed(world: World) -> None:
    """A minute ago HV01 was drained while a backup held VM44; the backup is done, the node is still paused."""
    cluster = world.cluster
    assert cluster is not None
    machine = world.machine("VM44")
    with world.agenda.playing(world.now - timedelta(minutes=1)):
        machine.busy = "BackingUp"
        drain.suspend(world, cluster, cluster.nodes["HV01"], drain=True)
        world.agenda.after(30, lambda: setattr(machine, "busy", ""))
    world.settle()


FAULTS: Mapping[str, Fault] = {
    fault.cause: fault
    for fault in (
        Fault(
            "spn_missing",
            "HV04's migration service is not registered under its full name",
            _spn_missing,
            "HV03",
            "HV04",
            "VM51",
        ),
        Fault(
            "kerberos_tickets_stale",
            "HV03's Kerberos tickets are older than its delegation",
            _kerberos_tickets_stale,
            "HV03",
            "HV04",
            "VM51",
        ),
        Fault(
            "migration_limit_reached",
            "CLUSTER1 allows one live migration at a time, and one is under way",
            _migration_limit_reached,
            "HV01",
            "HV02",
            "VM42",
        ),
        Fault("cpu_incompatible", "HV02's processor lacks features that VM42 uses", _cpu_incompatible, "HV01", "HV02", "VM42"),
        Fault("node_drain_failed", "a drain of HV01 failed and left it paused", _node_drain_failed, "HV01", "HV02"),
        *IDENTITY_FAULTS,
        *NETWORK_FAULTS,
        *CLUSTER_FAULTS,
        *MACHINE_FAULTS,
        *PROCESSOR_FAULTS,
    )
}
"""Every fault, by the id of its cause."""
