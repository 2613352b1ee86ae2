"""The Hyper-V module's commands for the version and the saved state of a virtual machine.

- VMHostSupportedVersion: Name (the release's name), Version (System.Version), IsDefault
"""

from __future__ import annotations

from functools import partial

from remediations.lab.cmdlet import Call
from remediations.lab.world import power
from remediations.lab.world.handlers.hyperv import machines_asked, state_error
from remediations.lab.world.handlers.shape import asked, vm_object
from remediations.lab.world.world import World


def get_supported_version(world: World, call: Call) -> None:
    """Get-VMHostSupportedVersion."""
    edition = world.host(call.host).edition
    for version in edition.versions:
        name = f"Microsoft Windows Server (configuration version {version})"
        call.output(
            vm_object(
                "VMHostSupportedVersion",
                name,
                {"Name": name, "Version": version, "IsDefault": version == edition.versions[-1]},
            )
        )


def update_version(world: World, call: Call) -> None:
    """Update-VMVersion -Name -Force: to the host's default, only while the virtual machine is off."""
    host = world.host(call.host)
    for machine in machines_asked(world, call, "Name"):
        if machine.state != "Off":
            call.error(state_error(call, machine, host.culture))
        else:
            machine.version = host.edition.versions[-1]


def save_vm(world: World, call: Call) -> None:
    """Save-VM -Name: only a running virtual machine."""
    for machine in machines_asked(world, call, "Name"):
        if machine.state not in ("Running", "Paused"):
            call.error(state_error(call, machine, world.host(call.host).culture))
        else:
            power.save(world, machine)


def remove_saved_state(world: World, call: Call) -> None:
    """Remove-VMSavedState -VMName: what was in memory is lost, and the virtual machine is off."""
    for machine in machines_asked(world, call, "VMName"):
        if machine.state != "Saved":
            call.error(state_error(call, machine, world.host(call.host).culture))
        else:
            machine.power_off()


def remove_snapshot(world: World, call: Call) -> None:
    """Remove-VMSnapshot -VMName -Name: returns at once; its disk is merged after a while."""
    for machine in machines_asked(world, call, "VMName"):
        wanted = {name.casefold() for name in asked(call, "Name") or []}
        found = [each for each in machine.snapshots if each.name.casefold() in wanted]
        if machine.busy or not found:
            call.error(state_error(call, machine, world.host(call.host).culture))
            continue
        machine.busy = "Merging"
        machine.snapshots = [each for each in machine.snapshots if each not in found]
        world.agenda.after(world.pace.start, partial(setattr, machine, "busy", ""))
