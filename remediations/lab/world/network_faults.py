"""What can be broken between the hosts: migrations switched off, networks that do not match, firewalls, names, WinRM."""

from __future__ import annotations

from remediations.lab.world.fault import Fault
from remediations.lab.world.world import World


def _migration_not_enabled(world: World) -> None:
    """HV04 was set up anew, and nobody enabled live migration."""
    world.host("HV04").migration.enabled = False


def _migration_network_missing(world: World) -> None:
    """HV04 takes migrations on a network alone that it left when its adapters were replaced."""
    host = world.host("HV04")
    host.migration.any_network = False
    host.network.migration_subnets = {"10.0.99.0/24": 0}


def _firewall_blocked(world: World) -> None:
    """Somebody disabled the rule for migrations on HV04 while hardening it."""
    world.host("HV04").network.firewall.rules["VIRT-MIGL-In-TCP-NoScope"].enabled = False


def _name_resolution(world: World) -> None:
    """HV03 asked for HV04 before its record was there, and remembers that there is none."""
    world.host("HV03").network.remembered[world.host("HV04").fqdn] = ""


def _network_unreachable(world: World) -> None:
    """HV01 sends over SMB Direct, and HV02's new switch drops RDMA's frames."""
    world.host("HV01").migration.performance = "SMB"
    world.host("HV02").network.lossless = False


def _winrm_misconfigured(world: World) -> None:
    """HV04 was hardened to HTTPS alone: it answers us, and its peers no more."""
    world.host("HV04").network.winrm.listens = False


def _trusted_hosts(world: World) -> None:
    """HV03 was taken out of the domain: its WinRM client is told so here, its account and tickets go on as they are."""
    world.host("HV03").joined = False


NETWORK_FAULTS = (
    Fault("winrm_misconfigured", "HV04 has no HTTP listener", _winrm_misconfigured, "HV03", "HV04", "VM51"),
    Fault("trusted_hosts", "HV03 belongs to no domain and does not trust HV04", _trusted_hosts, "HV03", "HV04", "VM51"),
    Fault(
        "network_unreachable", "moves over SMB Direct stall on the way to HV02", _network_unreachable, "HV01", "HV02", "VM42"
    ),
    Fault("name_resolution", "HV03 remembers that HV04 does not exist", _name_resolution, "HV03", "HV04", "VM51"),
    Fault("firewall_blocked", "HV04's firewall drops TCP 6600", _firewall_blocked, "HV03", "HV04", "VM51"),
    Fault("migration_not_enabled", "live migration is off on HV04", _migration_not_enabled, "HV03", "HV04", "VM51"),
    Fault(
        "migration_network_missing",
        "HV04 takes migrations on a network that HV03 does not have",
        _migration_network_missing,
        "HV03",
        "HV04",
        "VM51",
    ),
)
"""Faults by what is broken; `faults.FAULTS` has all."""
