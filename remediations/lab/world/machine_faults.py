"""What can be wrong with a virtual machine: media, versions, saved states, checkpoints, backups."""

from __future__ import annotations

from remediations.lab.world.fault import Fault
from remediations.lab.world.world import World


def _dvd_or_iso_attached(world: World) -> None:
    """Somebody put an image into VM44's drive that lies on HV01's own disk."""
    world.machine("VM44").media[0, 1] = "D:\\iso\\SW_DVD9_SQL_Svr_2019.ISO"


MACHINE_FAULTS: tuple[Fault, ...] = (
    Fault(
        "dvd_or_iso_attached", "an image on HV01's own disk is in VM44's drive", _dvd_or_iso_attached, "HV01", "HV02", "VM44"
    ),
)
