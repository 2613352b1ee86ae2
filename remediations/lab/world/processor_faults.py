"""What can differ below two nodes although their processors are the same: microcode, updates, settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from remediations.lab.world.fault import Fault
from remediations.lab.world.hosts import OLD_MICROCODE, Bios
from remediations.lab.world.world import World


def _patch_or_firmware_mismatch(world: World) -> None:
    """HV02 was left out when HV01 got this year's firmware and updates; VM42, long set to be compatible, started since."""
    host = world.host("HV02")
    host.cpu, host.bios = OLD_MICROCODE, Bios(2, 4, date(2019, 2, 2))
    host.edition = replace(host.edition, revision=1906)
    for machine in world.machines_on(host.name):
        machine.power_on(host.offers, machine.started)
    _compatible(world)


def _speculation_control_mismatch(world: World) -> None:
    """Somebody switched the mitigations off on HV02, to see whether it would be faster."""
    host = world.host("HV02")
    host.mitigated = False
    for machine in world.machines_on(host.name):
        machine.power_on(host.offers, machine.started)
    _compatible(world)


def _compatible(world: World) -> None:
    machine = world.machine("VM42")
    machine.compatible = True
    machine.power_on(world.host(machine.host).offers, machine.started)


PROCESSOR_FAULTS = (
    Fault(
        "patch_or_firmware_mismatch",
        "HV02 has older firmware, microcode and updates than HV01",
        _patch_or_firmware_mismatch,
        "HV01",
        "HV02",
        "VM42",
    ),
    Fault(
        "speculation_control_mismatch",
        "speculation control is switched off on HV02",
        _speculation_control_mismatch,
        "HV01",
        "HV02",
        "VM42",
    ),
)
"""Faults by what differs; `faults.FAULTS` has all."""
