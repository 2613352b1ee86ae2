"""What can be wrong with a virtual machine: media, versions, saved states, checkpoints, backups."""

from __future__ import annotations

from datetime import timedelta

from remediations.lab.world import power
from remediations.lab.world.fault import Fault
from remediations.lab.world.hosts import EDITIONS
from remediations.lab.world.machines import Disk, Snapshot
from remediations.lab.world.world import World


def _dvd_or_iso_attached(world: World) -> None:
    """Somebody put an image into VM44's drive that lies on HV01's own disk."""
    world.machine("VM44").media[0, 1] = "D:\\iso\\SW_DVD9_SQL_Svr_2019.ISO"


def _config_version_mismatch(world: World) -> None:
    """CLUSTER1 is being upgraded, and HV01 still runs Windows Server 2019; VM42 is from 2012 R2, HV02 no longer knows that."""
    world.host("HV01").edition = EDITIONS[2019]
    for machine in world.machines_on("HV01"):
        machine.version = "9.0"
    world.machine("VM42").version = "5.0"


def _left_saved(world: World) -> None:
    """HV01 was restarted an hour ago without being drained: it saved VM44, and nobody started that since."""
    with world.agenda.playing(world.now - timedelta(hours=1)):
        power.save(world, world.machine("VM44"))
    world.host("HV01").booted = world.now - timedelta(minutes=55)


def _saved_state_corrupt(world: World) -> None:
    """As before, but the state cannot be read: somebody tried to start VM44 three minutes ago."""
    _left_saved(world)
    machine = world.machine("VM44")
    machine.unreadable = True
    with world.agenda.playing(world.now - timedelta(minutes=3)):
        power.switch_on(world, machine)
        world.agenda.settle()


def _shared_disk(world: World) -> None:
    """VM44 is a node of a guest cluster, whose shared disk somebody made on HV01's own disk."""
    world.machine("VM44").disks.append(Disk("D:\\shared\\quorum.vhds", shared=True))


def _pass_through_disk(world: World) -> None:
    """VM44 was given a LUN of HV01."""
    world.machine("VM44").disks.append(Disk("Disk 3 500.00 GB Bus 0 Lun 2 Target 0", number=3))


def _stuck_stopping(world: World) -> None:
    """VM44 was told to shut down two minutes ago, and hangs."""
    machine = world.machine("VM44")
    machine.state = "Stopping"
    assert world.cluster is not None
    role = world.cluster.role_of(machine.name)
    assert role is not None
    role.state = "Pending"
    with world.agenda.playing(world.now - timedelta(minutes=2)):
        world.host("HV01").log.write(21109, world.now, resource=role.resource(machine.name))


def _integration_services(world: World) -> None:
    """VM44's guest brings a driver of another generation."""
    world.machine("VM44").outdated = "Heartbeat"


def _backing_up_stuck(world: World) -> None:
    """Windows Server Backup began to back VM44 up three hours ago, and hangs."""
    machine = world.machine("VM44")
    machine.busy, machine.held_by = "BackingUp", "wbengine"
    machine.snapshots.append(Snapshot("VM44 - Backup", world.now - timedelta(hours=3), "Recovery"))
    world.host("HV01").services["wbengine"] = "Running"
    world.host("HV01").writer = 5


def _checkpoint_problem(world: World) -> None:
    """A checkpoint of VM44 was taken while its folder for checkpoints was on HV01's own disk."""
    taken = world.now - timedelta(days=9)
    world.machine("VM44").snapshots.append(Snapshot("before update", taken, folder="D:\\Checkpoints"))


MACHINE_FAULTS: tuple[Fault, ...] = (
    Fault(
        "dvd_or_iso_attached", "an image on HV01's own disk is in VM44's drive", _dvd_or_iso_attached, "HV01", "HV02", "VM44"
    ),
    Fault("config_version_mismatch", "HV02 no longer runs VM42's version", _config_version_mismatch, "HV01", "HV02", "VM42"),
    Fault("vm_in_use_or_busy", "HV01 restarted and left VM44 saved", _left_saved, "HV01", "HV02", "VM44"),
    Fault("saved_state_corrupt", "VM44's saved state cannot be read", _saved_state_corrupt, "HV01", "HV02", "VM44"),
    Fault("shared_disk_unsupported", "VM44 shares a disk that only HV01 has", _shared_disk, "HV01", "HV02", "VM44"),
    Fault("pass_through_disk", "a disk of HV01 is passed through to VM44", _pass_through_disk, "HV01", "HV02", "VM44"),
    Fault("stuck_stopping", "VM44 hangs in Stopping", _stuck_stopping, "HV01", "HV02", "VM44"),
    Fault("integration_services_outdated", "VM44's Heartbeat is too old", _integration_services, "HV01", "HV02", "VM44"),
    Fault("backing_up_stuck", "a backup has held VM44 for hours", _backing_up_stuck, "HV01", "HV02", "VM44"),
    Fault("checkpoint_problem", "a checkpoint of VM44 lies on HV01's own disk", _checkpoint_problem, "HV01", "HV02", "VM44"),
)
