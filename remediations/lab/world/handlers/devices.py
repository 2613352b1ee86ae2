"""The Hyper-V module's commands for what is attached to a virtual machine.

- DvdDrive: Name, Id (text), Path, DvdMediaType (enum: None, ISO, Physical), ControllerType (enum), ControllerNumber,
  ControllerLocation, PoolName, VMName, VMId, ComputerName
- HardDiskDrive: Path, DiskNumber (of a disk that is passed through), SupportPersistentReservations, ControllerNumber, …
- VMIntegrationComponent: Name (in the host's language), Enabled, PrimaryOperationalStatus, SecondaryOperationalStatus (enums)
"""

from __future__ import annotations

from uuid import UUID

from remediations.lab.cmdlet import Call, Object
from remediations.lab.world.handlers.hyperv import machines_asked
from remediations.lab.world.handlers.shape import hyperv, vm_error, vm_object
from remediations.lab.world.machines import Disk, Machine
from remediations.lab.world.text import say
from remediations.lab.world.world import World

_SERVICES = ("Guest Service Interface", "Heartbeat", "Key-Value Pair Exchange", "Shutdown", "Time Synchronization", "VSS")


def get_dvd_drive(world: World, call: Call) -> None:
    """Get-VMDvdDrive -VMName."""
    for machine in machines_asked(world, call, "VMName"):
        for place, path in machine.drives.items():
            call.output(_drive(machine, place, path))


def set_dvd_drive(world: World, call: Call) -> None:
    """Set-VMDvdDrive -VMName -ControllerNumber -ControllerLocation -Path, whatever the power state; $null empties the drive."""
    place = (int(call.parameters["ControllerNumber"]), int(call.parameters["ControllerLocation"]))
    for machine in machines_asked(world, call, "VMName"):
        if place not in machine.drives:
            text = say("vm.no_drive", world.host(call.host).culture, number=place[0], location=place[1])
            call.error(vm_error(call, text, "InvalidParameter", "InvalidArgument", target=machine.name))
        elif "Path" in call.parameters and call.parameters["Path"] is None:
            machine.media.pop(place, None)
        elif "Path" in call.parameters:
            machine.media[place] = str(call.parameters["Path"])


def get_hard_disk_drive(world: World, call: Call) -> None:
    """Get-VMHardDiskDrive -VMName."""
    for machine in machines_asked(world, call, "VMName"):
        first = Disk(f"{machine.path}\\Virtual Hard Disks\\{machine.name}.vhdx")
        for location, disk in enumerate([first, *machine.disks]):
            call.output(_disk(machine, location, disk))


def get_integration_service(world: World, call: Call) -> None:
    """Get-VMIntegrationService -VMName."""
    for machine in machines_asked(world, call, "VMName"):
        for name in _SERVICES:
            outdated = name == machine.outdated
            status = hyperv("VMIntegrationComponentOperationalStatus", "ProtocolMismatch" if outdated else "Ok")
            call.output(
                vm_object(
                    "VMIntegrationComponent",
                    name,
                    {
                        "VMName": machine.name,
                        "VMId": machine.id,
                        "Name": name,
                        "Id": f"Microsoft:{str(machine.id).upper()}\\{name}",
                        "Enabled": True,
                        "OperationalStatus": [status],
                        "PrimaryOperationalStatus": status,
                        "PrimaryStatusDescription": "",
                        "SecondaryOperationalStatus": None,
                        "SecondaryStatusDescription": "",
                        "StatusDescription": None,
                        "VMSnapshotId": UUID(int=0),
                        "VMSnapshotName": "",
                        "ComputerName": machine.host,
                        "IsDeleted": False,
                    },
                )
            )


def _disk(machine: Machine, location: int, disk: Disk) -> Object:
    name = f"Hard Drive on SCSI controller number 0 at location {location}"
    return vm_object(
        "HardDiskDrive",
        name,
        {
            "Path": disk.path,
            "DiskNumber": disk.number,
            "MaximumIOPS": 0,
            "MinimumIOPS": 0,
            "QoSPolicyID": UUID(int=0),
            "SupportPersistentReservations": disk.shared,
            "WriteHardeningMethod": 0,
            "ControllerLocation": location,
            "ControllerNumber": 0,
            "ControllerType": hyperv("ControllerType", "SCSI"),
            "PoolName": "Primordial",
            "Name": name,
            "Id": f"Microsoft:{str(machine.id).upper()}\\83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\0\\{location}\\D",
            "VMId": machine.id,
            "VMName": machine.name,
            "VMSnapshotId": UUID(int=0),
            "VMSnapshotName": "",
            "ComputerName": machine.host,
            "IsDeleted": False,
        },
    )


def _drive(machine: Machine, place: tuple[int, int], path: str) -> Object:
    number, location = place
    kind = "None" if not path else "Physical" if len(path) == 2 else "ISO"
    name = f"DVD Drive on SCSI controller number {number} at location {location}"
    return vm_object(
        "DvdDrive",
        name,
        {
            "DvdMediaType": hyperv("DvdMediaType", kind),
            "ControllerLocation": location,
            "ControllerNumber": number,
            "ControllerType": hyperv("ControllerType", "SCSI"),
            "Path": path or None,
            "PoolName": "Primordial",
            "Name": name,
            "Id": f"Microsoft:{str(machine.id).upper()}\\83F8638B-8DCA-4152-9EDA-2CA8B33039B4\\{number}\\{location}\\D",
            "VMId": machine.id,
            "VMName": machine.name,
            "VMSnapshotId": UUID(int=0),
            "VMSnapshotName": "",
            "ComputerName": machine.host,
            "IsDeleted": False,
        },
    )
