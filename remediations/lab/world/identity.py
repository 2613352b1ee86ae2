"""Who a host is to its peer, and whom it acts for: CredSSP, Kerberos, and what its own accounts may do.

Nothing here knows why the lab's state is as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from remediations.lab.world.directory import (
    CONTROL,
    DELEGATION,
    LETS_ACT,
    MIGRATION_SERVICE,
    SPN,
    TRUSTED_TO_AUTH,
    Account,
    Controller,
)
from remediations.lab.world.hosts import Host
from remediations.lab.world.machines import Machine
from remediations.lab.world.text import Sentence, sentence, system_message
from remediations.lab.world.tickets import Ticket

if TYPE_CHECKING:
    from remediations.lab.world.world import World

NO_CREDENTIALS, WRONG_PRINCIPAL = 0x8009030E, 0x80090322
TIME_SKEW, LOGON_DENIED, NO_ALGORITHM = 0x80090324, 0x8009030C, 0x80090331
ACCESS_DENIED, LOGON_TYPE = 0x80070005, 0x80070569

MOST_SKEW = timedelta(minutes=5)
"""What Kerberos tolerates between two clocks (the domain's default policy)."""


def authenticate(world: World, source: Host, destination: Host, *, delegates: bool, mover: str) -> int:
    """Make whoever asks for a move known at the destination. 0, or the code of what went wrong.

    Within a cluster the nodes act for themselves. Else CredSSP needs credentials that it can pass on, which Credential Guard
    keeps it from; and Kerberos lets the source act for the mover, if that account may be acted for.
    """
    if not same_cluster(world, source, destination):
        if source.migration.authentication == "CredSSP":
            if not delegates or source.credential_guard:
                return NO_CREDENTIALS
            return 0 if source.tls & destination.tls else NO_ALGORITHM
        if not world.directory.may_be_delegated(mover):
            return NO_CREDENTIALS
    return kerberos(world, source, destination)


def kerberos(world: World, source: Host, destination: Host) -> int:
    """Let the source's LocalSystem ask for the destination's migration service. 0, or the code of what went wrong.

    A ticket-granting ticket carries the source's rights as they were when it was given, so new delegation does not show until
    it is renewed or purged. A cached service ticket that is older than the last change of either account is worth nothing.
    """
    if any(abs(host.skew) > MOST_SKEW for host in (source, destination)):
        return TIME_SKEW
    if not (source.secure_channel and destination.secure_channel):
        return WRONG_PRINCIPAL if source.secure_channel else LOGON_DENIED
    now, directory = world.now, world.directory
    here, there = directory.computer(source.name), directory.computer(destination.name)
    granting = source.tickets.granting(now)
    controller = directory.controllers[source.controller]
    if granting is None:
        granting = Ticket(f"krbtgt/{directory.domain.upper()}", now, f"{controller.name}.{directory.domain}")
        source.tickets.add(granting)
    for name in (destination.name, destination.fqdn):
        spn = f"{MIGRATION_SERVICE}/{name}"
        ticket = source.tickets.service(spn, now)
        if ticket:
            changed = max(controller.changed(there.guid, SPN, CONTROL), controller.changed(here.guid, DELEGATION, CONTROL))
            if ticket.start < changed:
                return NO_CREDENTIALS
            continue
        holders = directory.holders(controller.name, spn)
        if len(holders) != 1:
            return NO_CREDENTIALS
        if holders[0] != there:
            return WRONG_PRINCIPAL
        allowed = _delegated(controller, here, spn, granting.start) or here.dn in (controller.value(there.guid, LETS_ACT) or ())
        if not same_cluster(world, source, destination) and not allowed:
            return NO_CREDENTIALS
    for name in (destination.name, destination.fqdn):
        if source.tickets.service(f"{MIGRATION_SERVICE}/{name}", now) is None:
            source.tickets.add(Ticket(f"{MIGRATION_SERVICE}/{name}", now, granting.kdc))
    return 0


def denied(world: World, machine: Machine, destination: Host) -> Iterator[tuple[int, Sentence]]:
    """What the destination's own accounts may not do: run a virtual machine, or reach its files on a share; code and reason."""
    if not destination.runs_machines:
        why, code = system_message(LOGON_TYPE), f"0x{LOGON_TYPE:08X}"
        yield LOGON_TYPE, sentence("migration.logon_type", vm=machine.name, id=machine.id, why=why, code=code)
    for share, accounts in world.shares.items():
        if machine.path.casefold().startswith(f"{share}\\".casefold()) and f"{destination.name}$" not in accounts:
            why, code = system_message(ACCESS_DENIED), f"0x{ACCESS_DENIED:08X}"
            yield ACCESS_DENIED, sentence("migration.register", path=machine.path, id=machine.id, why=why, code=code)


def _delegated(controller: Controller, source: Account, spn: str, moment: datetime) -> bool:
    listed = controller.value(source.guid, DELEGATION, moment) or ()
    control = controller.value(source.guid, CONTROL, moment) or 0
    return spn.casefold() in (each.casefold() for each in listed) and bool(control & TRUSTED_TO_AUTH)


def same_cluster(world: World, source: Host, destination: Host) -> bool:
    """Whether both hosts are nodes of one cluster."""
    cluster = world.cluster_of(source.name)
    return cluster is not None and cluster is world.cluster_of(destination.name)
