"""What can be wrong with a virtual machine: media, versions, saved states, checkpoints, backups."""

from __future__ import annotations

from datetime import timedelta

from remediations.lab.world import power
from remediations.lab.world.fault import Fault
from remediations.lab.world.hosts import EDITIONS
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


MACHINE_FAULTS: tuple[Fault, ...] = (
    Fault(
        "dvd_or_iso_attached", "an image on HV01's own disk is in VM44's drive", _dvd_or_iso_attached, "HV01", "HV02", "VM44"
    ),
    Fault("config_version_mismatch", "HV02 no longer runs VM42's version", _config_version_mismatch, "HV01", "HV02", "VM42"),
    Fault("vm_in_use_or_busy", "HV01 restarted and left VM44 saved", _left_saved, "HV01", "HV02", "VM44"),
    Fault("saved_state_corrupt", "VM44's saved state cannot be read", _saved_state_corrupt, "HV01", "HV02", "VM44"),
)
