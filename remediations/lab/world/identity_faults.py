"""What can be broken of who a host is: delegation, CredSSP, clocks, machine accounts, rights, shares."""

from __future__ import annotations

from datetime import timedelta

from remediations.lab.world.directory import CONTROL, DELEGATION, MIGRATION_SERVICE, TRUSTED_TO_AUTH
from remediations.lab.world.fault import Fault
from remediations.lab.world.world import World


def _access_denied_delegation(world: World) -> None:
    """Two hours ago HV03's delegation was cut down to file access and Kerberos only; it has no ticket for the service left."""
    directory, account = world.directory, world.directory.computer("HV03").guid
    first = directory.controllers["DC1"]
    with world.agenda.playing(world.now - timedelta(hours=2)):
        kept = tuple(each for each in first.value(account, DELEGATION) if not each.startswith(MIGRATION_SERVICE))
        directory.write("DC1", account, DELEGATION, kept)
        directory.write("DC1", account, CONTROL, first.value(account, CONTROL) & ~TRUSTED_TO_AUTH)
    cache = world.host("HV03").tickets
    cache.tickets = [ticket for ticket in cache.tickets if not ticket.server.startswith(MIGRATION_SERVICE)]


def _credssp(world: World) -> None:
    """Both hosts were left with Windows' default, CredSSP; the move is asked for from another computer."""
    for name in ("HV03", "HV04"):
        world.host(name).migration.authentication = "CredSSP"


def _credential_guard(world: World) -> None:
    """Both hosts use CredSSP, and Credential Guard runs on HV04, as it does by default on Windows Server 2025."""
    _credssp(world)
    world.host("HV04").credential_guard = True


def _no_common_tls(world: World) -> None:
    """Both hosts use CredSSP, and somebody left HV04 nothing but TLS 1.3, which HV03 does not know."""
    _credssp(world)
    world.host("HV04").tls = frozenset({"1.3"})


def _time_skew(world: World) -> None:
    """HV04's clock runs 40 minutes ahead: its time service lost its source."""
    world.host("HV04").skew = timedelta(minutes=40)


def _machine_account(world: World) -> None:
    """HV03 was set back to an image from before its machine password changed."""
    world.host("HV03").secure_channel = False


def _logon_right(world: World) -> None:
    """A group policy object that lists who may log on as a service reached HV02, without virtual machines."""
    world.host("HV02").logon_as_service = ("*S-1-5-80-0", "CONTOSO\\svc-sql")


def _registry_pol(world: World) -> None:
    """HV04's Registry.pol was damaged an hour ago: it reads no policy any more, and its migration listener is gone."""
    host = world.host("HV04")
    host.log.write(1502, world.now - timedelta(hours=3), count=4)
    host.log.write(1096, world.now - timedelta(hours=1), object="LocalGPO")
    host.registry_pol_corrupt = True


def _smb_permissions(world: World) -> None:
    """When the share was restored from a backup, HV04's computer account was forgotten."""
    for accounts in world.shares.values():
        accounts.discard("HV04$")


_ALONE = ("HV03", "HV04", "VM51")

IDENTITY_FAULTS = (
    Fault("access_denied_delegation", "HV03 may not act for others at HV04's service", _access_denied_delegation, *_ALONE),
    Fault("credssp_no_credentials", "both use CredSSP, the move is started elsewhere", _credssp, *_ALONE, elsewhere=True),
    Fault(
        "credential_guard_blocks_credssp",
        "both use CredSSP, and Credential Guard runs on HV04",
        _credential_guard,
        "HV04",
        "HV03",
        "VM52",
    ),
    Fault("credssp_protocol_mismatch", "both use CredSSP, and have no version of TLS in common", _no_common_tls, *_ALONE),
    Fault("time_skew", "HV04's clock is 40 minutes ahead", _time_skew, *_ALONE),
    Fault("machine_account", "the domain does not take HV03's machine password", _machine_account, *_ALONE),
    Fault(
        "user_rights_logon_as_service",
        "on HV02 virtual machines may not log on as a service",
        _logon_right,
        "HV01",
        "HV02",
        "VM42",
    ),
    Fault("gpo_registry_pol_corrupt", "HV04 cannot read its registry policy", _registry_pol, *_ALONE),
    Fault("smb_permissions", "HV04's account has no access to the share of VM51", _smb_permissions, *_ALONE),
)
"""Faults by what is broken; `faults.FAULTS` has all."""
