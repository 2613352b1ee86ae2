"""Windows services.

- ServiceController: Name, ServiceName, DisplayName, Status (enum), StartType (enum), MachineName
"""

from __future__ import annotations

from remediations.lab.cmdlet import Call, CommandError, Enum, Object
from remediations.lab.world.handlers.shape import asked
from remediations.lab.world.hosts import Host
from remediations.lab.world.world import World

_STATUS = {"Stopped": 1, "Running": 4}
_NAMES = {"vmms": "Hyper-V Virtual Machine Management", "wbengine": "Block Level Backup Engine Service"}


def get_service(world: World, call: Call) -> None:
    """Get-Service -Name: an error for each name that there is no service of."""
    host = world.host(call.host)
    known = _services(host)
    for name in _known(host, call):
        properties = {
            "Name": name,
            "RequiredServices": [],
            "CanPauseAndContinue": False,
            "CanShutdown": True,
            "CanStop": True,
            "DisplayName": _NAMES.get(name, name),
            "DependentServices": [],
            "MachineName": ".",
            "ServiceName": name,
            "ServicesDependedOn": [],
            "Status": Enum("System.ServiceProcess.ServiceControllerStatus", known[name], _STATUS[known[name]]),
            "StartType": Enum("System.ServiceProcess.ServiceStartMode", "Manual", 3),
        }
        call.output(
            Object(
                ("System.ServiceProcess.ServiceController", "System.ComponentModel.Component", "System.Object"),
                properties,
                name,
            )
        )


def restart_service(world: World, call: Call) -> None:
    """Restart-Service -Name: whatever it did is over, and what it held is free. Migrations end with Hyper-V's own."""
    host = world.host(call.host)
    for name in _known(host, call):
        host.services[name] = "Running"
        for machine in world.machines_on(host.name):
            if machine.busy and name in (machine.held_by, "vmms"):
                machine.busy = machine.held_by = ""
                machine.snapshots = [each for each in machine.snapshots if each.kind != "Recovery"]


def _services(host: Host) -> dict[str, str]:
    return {"vmms": "Running", "WinRM": "Running", "LanmanServer": "Running", **host.services}


def _known(host: Host, call: Call) -> list[str]:
    spelled = {name.casefold(): name for name in _services(host)}
    found = []
    for name in asked(call, "Name") or []:
        if name.casefold() in spelled:
            found.append(spelled[name.casefold()])
            continue
        call.error(
            CommandError(
                f"Cannot find any service with service name '{name}'.",
                "NoServiceFoundForGivenName",
                "ObjectNotFound",
                exception="Microsoft.PowerShell.Commands.ServiceCommandException",
                command_type=f"Microsoft.PowerShell.Commands.{call.name.replace('-', '')}Command",
                target=name,
            )
        )
    return found
