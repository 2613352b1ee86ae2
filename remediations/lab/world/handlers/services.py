"""Windows services, and the writers of the Volume Shadow Copy Service.

- ServiceController: Name, ServiceName, DisplayName, Status (enum), StartType (enum), MachineName
- Get-RemediationVssWriter: Lines (vssadmin's, in the host's language)
"""

from __future__ import annotations

from remediations.lab.cmdlet import Call, CommandError, Enum, Object
from remediations.lab.world.directory import guid
from remediations.lab.world.handlers.shape import asked
from remediations.lab.world.hosts import Host
from remediations.lab.world.world import World

_ENGLISH = (
    "vssadmin 1.1 - Volume Shadow Copy Service administrative command-line tool",
    "Writer name",
    "Writer Id",
    "Writer Instance Id",
    "State",
    "Stable",
    "Waiting for completion",
    "Failed",
    "Last error",
    "No error",
    "Retryable error",
)
_GERMAN = (
    "vssadmin 1.1 - Verwaltungsbefehlszeilenprogramm des Volumeschattenkopie-Dienstes",
    "Verfassername",
    "Verfasserkennung",
    "Verfasserinstanzkennung",
    "Status",
    "Stabil",
    "Warten auf Abschluss",
    "Fehlgeschlagen",
    "Letzter Fehler",
    "Kein Fehler",
    "Wiederholbarer Fehler",
)
"""vssadmin's words: English from its output in many threads, German from published scripts that read it (Verfassername,
Verfasserkennung, …, names in double quotes); "Warten auf Abschluss" is from memory. Nothing of the program reads them.
"""
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
        host.writer = 1
        for machine in world.machines_on(host.name):
            if machine.busy and name in (machine.held_by, "vmms"):
                machine.busy = machine.held_by = ""
                machine.snapshots = [each for each in machine.snapshots if each.kind != "Recovery"]


def get_vss_writers(world: World, call: Call) -> None:
    """Get-RemediationVssWriter: the registry's writer and Hyper-V's."""
    host = world.host(call.host)
    german = host.culture.startswith("de")
    labels = _GERMAN if german else _ENGLISH
    states = labels[5:]
    lines = [labels[0], "", ""]
    for name, identity, state in (
        ("Registry Writer", "afbab4a2-367d-4d15-a586-71dbb18f8485", 1),
        ("Microsoft Hyper-V VSS Writer", "66841cd4-6ded-4f4b-8f17-fd23f8ddc3de", host.writer),
    ):
        shown = states[0] if state == 1 else states[1] if state < 6 else states[2]
        lines += [
            f'{labels[1]}: "{name}"' if german else f"{labels[1]}: '{name}'",
            f"   {labels[2]}: {{{identity}}}",
            f"   {labels[3]}: {{{guid(f'{host.name} {name}')}}}",
            f"   {labels[4]}: [{state}] {shown}",
            f"   {states[3]}: {states[4] if state < 6 else states[5]}",
            "",
        ]
    properties = {"Lines": lines}
    call.output(Object(("System.Management.Automation.PSCustomObject", "System.Object"), properties, custom=True))


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
