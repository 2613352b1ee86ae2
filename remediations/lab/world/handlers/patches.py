"""What a host was brought up to: Windows' update, microcode, firmware, speculation control.

- Win32_BIOS: SMBIOSBIOSVersion, SystemBiosMajorVersion, SystemBiosMinorVersion, ReleaseDate, Manufacturer
- Get-RemediationPatchLevel: Build, Revision (UBR), Microcode (8 bytes; the revision is in the upper half)
- Get-RemediationSpeculation: Settings (as "BTIWindowsSupportEnabled True"); nothing without the module SpeculationControl
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Any

from remediations.lab.cmdlet import Call, Object
from remediations.lab.world.hosts import SPECULATION, Host
from remediations.lab.world.world import World


def bios(world: World, host: Host) -> Iterator[Mapping[str, Any]]:
    """Win32_BIOS: one."""
    del world
    version = host.bios
    yield {
        "Status": "OK",
        "Name": version.family,
        "Caption": version.family,
        "SMBIOSPresent": True,
        "Description": version.family,
        "BuildNumber": None,
        "CurrentLanguage": None,
        "Manufacturer": "HPE",
        "PrimaryBIOS": True,
        "BIOSVersion": ["HPE    - 1", version.family, "HPE - 25A00"],
        "EmbeddedControllerMajorVersion": 2,
        "EmbeddedControllerMinorVersion": 78,
        "ReleaseDate": datetime.combine(version.released, time(), UTC).astimezone(host.zone),
        "SerialNumber": f"CZJ9300{host.network.adapters[0].index}{host.name}",
        "SMBIOSBIOSVersion": version.family,
        "SMBIOSMajorVersion": 3,
        "SMBIOSMinorVersion": 3,
        "SystemBiosMajorVersion": version.major,
        "SystemBiosMinorVersion": version.minor,
        "Version": "HPE    - 1",
    }


def get_patch_level(world: World, call: Call) -> None:
    """Get-RemediationPatchLevel."""
    host = world.host(call.host)
    microcode = bytes(4) + host.cpu.microcode.to_bytes(4, "little")
    call.output(_custom(Build=str(host.edition.build), Revision=host.edition.revision, Microcode=microcode))


def get_speculation(world: World, call: Call) -> None:
    """Get-RemediationSpeculation."""
    host = world.host(call.host)
    if not host.speculation_module:
        return
    hardware, used = host.cpu.features >= SPECULATION, host.offers.features >= SPECULATION
    settings = {
        "BTIHardwarePresent": hardware,
        "BTIWindowsSupportPresent": True,
        "BTIWindowsSupportEnabled": used,
        "BTIDisabledBySystemPolicy": not host.mitigated,
        "BTIDisabledByNoHardwareSupport": not hardware,
        "BTIKernelRetpolineEnabled": False,
        "BTIKernelImportOptimizationEnabled": host.mitigated,
        "RdclHardwareProtectedReported": True,
        "RdclHardwareProtected": True,
        "KVAShadowRequired": False,
        "KVAShadowWindowsSupportPresent": True,
        "KVAShadowWindowsSupportEnabled": False,
        "KVAShadowPcidEnabled": False,
        "SSBDWindowsSupportPresent": True,
        "SSBDHardwareVulnerable": True,
        "SSBDHardwarePresent": hardware,
        "SSBDWindowsSupportEnabledSystemWide": used,
        "L1TFHardwareVulnerable": False,
        "L1TFWindowsSupportPresent": True,
        "L1TFWindowsSupportEnabled": False,
        "L1TFInvalidPteBit": 0,
        "L1DFlushSupported": True,
        "HvL1tfStatusAvailable": True,
        "HvL1tfProcessorNotAffected": True,
        "MDSWindowsSupportPresent": True,
        "MDSHardwareVulnerable": False,
        "MDSWindowsSupportEnabled": "md-clear" in host.cpu.features,
        "FBClearWindowsSupportPresent": True,
        "SBDRSSDPHardwareVulnerable": True,
        "FBSDPHardwareVulnerable": True,
        "PSDPHardwareVulnerable": True,
        "FBClearWindowsSupportEnabled": host.mitigated,
    }
    call.output(_custom(Settings=[f"{name} {value}" for name, value in settings.items()]))


def _custom(**properties: Any) -> Object:
    return Object(("System.Management.Automation.PSCustomObject", "System.Object"), properties, custom=True)
