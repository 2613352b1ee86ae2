"""The functions of our own module about WinRM, trusted hosts and the proxy, and what the registry holds.

- Get-RemediationWinRM: Listeners (as "HTTP true"), TrustedHosts, TrustedHostsByPolicy, WinHttp (bytes)
- Add-/Remove-RemediationListener, Add-/Remove-RemediationTrustedHost, Set-RemediationProxyBypass: nothing
"""

from __future__ import annotations

from remediations.lab.cmdlet import Call, CommandError, Object
from remediations.lab.world.world import World


def get_winrm(world: World, call: Call) -> None:
    """Get-RemediationWinRM."""
    winrm = world.host(call.host).network.winrm
    found = {
        "Listeners": ["HTTPS true"] + ["HTTP true"] * winrm.listens,
        "TrustedHosts": winrm.trusted,
        "TrustedHostsByPolicy": winrm.trusted_by_policy,
        "WinHttp": winhttp(winrm.proxy, winrm.bypass),
    }
    call.output(Object(("System.Management.Automation.PSCustomObject", "System.Object"), found, custom=True))


def winhttp(proxy: str, bypass: str) -> bytes:
    """WinHttpSettings as the registry has it."""
    head = (0x28).to_bytes(4, "little") + (0).to_bytes(4, "little") + (3 if proxy else 1).to_bytes(4, "little")
    return head + b"".join(len(each).to_bytes(4, "little") + each.encode() for each in (proxy, bypass))


def add_listener(world: World, call: Call) -> None:
    """Add-RemediationListener: a second one for the same transport is refused."""
    winrm = world.host(call.host).network.winrm
    if winrm.listens:
        raise _refused(call, "The WS-Management service cannot create the resource because it already exists.")
    winrm.listens = True


def remove_listener(world: World, call: Call) -> None:
    """Remove-RemediationListener."""
    winrm = world.host(call.host).network.winrm
    if not winrm.listens:
        raise _refused(call, "The service cannot find the resource identified by the resource URI and selectors.")
    winrm.listens = False


def trust(world: World, call: Call) -> None:
    """Add-RemediationTrustedHost -Name."""
    winrm, name = world.host(call.host).network.winrm, str(call.parameters["Name"])
    if winrm.trusted_by_policy:
        raise _refused(call, "The config setting TrustedHosts cannot be changed because it is controlled by policies.")
    names = [each for each in winrm.trusted.split(",") if each]
    if name.casefold() not in map(str.casefold, names):
        winrm.trusted = ",".join([*names, name])


def distrust(world: World, call: Call) -> None:
    """Remove-RemediationTrustedHost -Name."""
    winrm, name = world.host(call.host).network.winrm, str(call.parameters["Name"])
    winrm.trusted = ",".join(each for each in winrm.trusted.split(",") if each.casefold() != name.casefold())


def set_bypass(world: World, call: Call) -> None:
    """Set-RemediationProxyBypass -Name -Bypass."""
    winrm, name = world.host(call.host).network.winrm, str(call.parameters["Name"])
    kept = [each for each in winrm.bypass.split(";") if each and each.casefold() != name.casefold()]
    winrm.bypass = ";".join([*kept, name] if call.parameters["Bypass"] else kept)


def _refused(call: Call, text: str) -> CommandError:
    return CommandError(
        text, "WsManError", "InvalidOperation", exception="System.InvalidOperationException", command_type=call.name
    )
