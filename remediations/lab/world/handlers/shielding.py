"""Key protectors, and the certificates that open them, by the functions of our own module.

- Get-RemediationShieldedCertificate: Thumbprint, Subject, NotAfter, HasPrivateKey, Exportable
- Get-RemediationKeyProtector: Signing, Encryption; nothing for a virtual machine without a protector
- Export-RemediationShieldedCertificate: one SecureString
- Import-RemediationShieldedCertificate, Remove-RemediationShieldedCertificate: nothing
"""

from __future__ import annotations

from dataclasses import replace

from remediations.lab.cmdlet import Call, CommandError, Object, SecureString
from remediations.lab.world import certificates
from remediations.lab.world.certificates import Certificate
from remediations.lab.world.handlers.hyperv import machines_asked
from remediations.lab.world.world import World

_CRYPTOGRAPHY = "System.Security.Cryptography.CryptographicException"
_NOT_EXPORTABLE, _NOT_ITS_PASSWORD = -2146893813, -2147024810
"""0x8009000B NTE_BAD_KEY_STATE; 0x80070056 ERROR_INVALID_PASSWORD, which .NET has for a PFX that does not open."""


def get_certificates(world: World, call: Call) -> None:
    """Get-RemediationShieldedCertificate: nothing where the store is empty, or is not there."""
    for each in world.host(call.host).shielded.values():
        properties = {
            "Thumbprint": each.thumbprint,
            "Subject": each.subject,
            "NotAfter": each.expires,
            "HasPrivateKey": bool(each.pfx),
            "Exportable": bool(each.pfx) and each.exportable,
        }
        call.output(Object(("System.Management.Automation.PSCustomObject", "System.Object"), properties, custom=True))


def get_protector(world: World, call: Call) -> None:
    """Get-RemediationKeyProtector -Name."""
    for machine in machines_asked(world, call, "Name"):
        if machine.owner:
            signing, encryption = machine.owner
            properties = {"Signing": signing, "Encryption": encryption}
            call.output(Object(("System.Management.Automation.PSCustomObject", "System.Object"), properties, custom=True))


def export(world: World, call: Call) -> None:
    """Export-RemediationShieldedCertificate -Thumbprint."""
    held = _held(world, call)
    if not held.pfx:
        raise _thrown(call, f"The certificate {held.thumbprint} has no private key here.")
    if not held.exportable:
        text = 'Exception calling "Export" with "2" argument(s): "Key not valid for use in specified state.\r\n"'
        raise CommandError(
            text, "CryptographicException", exception=_CRYPTOGRAPHY, command_type=call.name, hresult=_NOT_EXPORTABLE
        )
    call.output(SecureString(held.pfx))


def bring_in(world: World, call: Call) -> None:
    """Import-RemediationShieldedCertificate -Thumbprint -Pfx: what it says it is, or nothing; its key never leaves again."""
    thumbprint, secret = str(call.parameters["Thumbprint"]).upper(), call.parameters["Pfx"]
    try:
        found = certificates.read(secret.value, thumbprint)
    except ValueError as error:
        raise CommandError(
            "The specified network password is not correct.",
            "CryptographicException",
            exception=_CRYPTOGRAPHY,
            command_type=call.name,
            hresult=_NOT_ITS_PASSWORD,
        ) from error
    if found.thumbprint != thumbprint:
        raise _thrown(call, f"That is not the certificate {thumbprint} with its private key.")
    store = world.host(call.host).shielded
    held = store.get(thumbprint)
    if held is not None and not held.pfx:
        raise _thrown(call, f"The certificate {thumbprint} is here without its private key: a person decides.")
    if held is None:
        store[thumbprint] = replace(found, exportable=False)


def take_out(world: World, call: Call) -> None:
    """Remove-RemediationShieldedCertificate -Thumbprint: the certificate and its key, unless a machine there needs it."""
    thumbprint = str(call.parameters["Thumbprint"]).upper()
    for machine in world.machines_on(call.host):
        if thumbprint in machine.owner:
            raise _thrown(
                call, f"The virtual machine {machine.name} of this host is sealed to the certificate {thumbprint} and needs it."
            )
    del world.host(call.host).shielded[_held(world, call).thumbprint]


def _held(world: World, call: Call) -> Certificate:
    thumbprint = str(call.parameters["Thumbprint"]).upper()
    held = world.host(call.host).shielded.get(thumbprint)
    if held is not None:
        return held
    path = f"Cert:\\LocalMachine\\Shielded VM Local Certificates\\{thumbprint}"
    raise CommandError(
        f"Cannot find path '{path}' because it does not exist.",
        "PathNotFound",
        "ObjectNotFound",
        exception="System.Management.Automation.ItemNotFoundException",
        command_type="Microsoft.PowerShell.Commands.GetItemCommand",
        target=path,
    )


def _thrown(call: Call, text: str) -> CommandError:
    """What `throw` makes of a text: the text is the error's id too."""
    return CommandError(text, text, "OperationStopped", command_type="", target=text)
