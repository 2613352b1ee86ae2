"""Constrained delegation: what a host's account has to be allowed, what each controller shows of it, and who may be acted for.

Live migration with Kerberos lets the source act at the destination for whoever asked for the move. Since Windows Server 2016
that takes the peer's services `cifs` and `Microsoft Virtual System Migration Service`, by short and full name, in
msDS-AllowedToDelegateTo, and "use any authentication protocol" (Set up hosts for live migration without Failover Clustering).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.directory import (
    DELEGATION,
    MIGRATION_SERVICE,
    TRUSTED_TO_AUTH_FOR_DELEGATION,
    ComputerAccount,
    controller_of,
)
from remediations.facts.query import Query, Unreadable
from remediations.facts.read import is_absent, one, texts
from remediations.model.command import Command, command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import short_name
from remediations.model.reply import Reply
from remediations.model.site import Site

NOT_DELEGATED = 0x100000
"""userAccountControl bit: the account is sensitive and cannot be delegated ([MS-ADTS] 2.2.16)."""

_PROTECTED_USERS = "-525"
"""End of the SID of Protected Users, whatever the group is called in the domain's language ([MS-DTYP] 2.4.2.4)."""

_NOBODY = "ADIdentityNotFoundException"


class DelegationShown(Fact):
    """What one controller shows of a host's delegation to a peer; `subject` is host→peer@controller."""

    lacking: frozenset[str]
    """Services of the peer that the account may not delegate to, as this controller shows it."""
    any_protocol: bool


class Mover(Fact):
    """The account that asks for moves; `subject` is its name without the domain."""

    sensitive: bool
    """"Account is sensitive and cannot be delegated"."""
    protected: bool
    """Member of Protected Users, itself or through another group."""


def delegation_services(peer: str, site: Site) -> tuple[str, ...]:
    """The services of a peer that a host has to be allowed to delegate to."""
    names = (short_name(peer), site.fqdn(peer))
    return tuple(f"{service}/{name}" for service in ("cifs", MIGRATION_SERVICE) for name in names)


def delegation_shown(host: str, peer: str, controller: str, site: Site) -> Query[DelegationShown]:
    """Reads a host's delegation to a peer from one controller, on itself."""
    wanted = ("userAccountControl", DELEGATION)
    read = command("Get-ADComputer", Identity=short_name(host), Properties=wanted, Server=site.fqdn(controller))
    subject = f"{host}\N{RIGHTWARDS ARROW}{peer}@{controller}"
    return Query(controller, (read,), partial(_shown, subject, delegation_services(peer, site)))


def mover(account: str, site: Site) -> Query[Mover]:
    """Reads an account, given with its domain, from the run's controller; `NotApplicable` if it is no user there."""
    asked, server = controller_of(site)
    name = account.rpartition("\\")[2].partition("@")[0]
    read = command("Get-ADUser", Identity=name, Properties=("userAccountControl", "tokenGroups"), Server=server)
    return Query(asked, (read,), partial(_mover, name))


def allow_service(account: ComputerAccount, service: str) -> Command:
    """Adds a service to those that an account may delegate to, and touches no other."""
    return command("Set-ADComputer", Identity=account.subject, Add={DELEGATION: service}, Server=account.server)


def disallow_service(account: ComputerAccount, service: str) -> Command:
    """Removes a service from those that an account may delegate to, and touches no other."""
    return command("Set-ADComputer", Identity=account.subject, Remove={DELEGATION: service}, Server=account.server)


def any_protocol(account: ComputerAccount, *, allowed: bool) -> Command:
    """Sets or clears "use any authentication protocol" of constrained delegation; never unconstrained delegation."""
    return command("Set-ADAccountControl", Identity=account.subject, TrustedToAuthForDelegation=allowed, Server=account.server)


def _shown(subject: str, services: tuple[str, ...], replies: Sequence[Reply]) -> DelegationShown:
    record = one(replies[0])
    held = {each.casefold() for each in texts(record.get(DELEGATION))}
    return DelegationShown(
        subject=subject,
        lacking=frozenset(each for each in services if each.casefold() not in held),
        any_protocol=bool(int(record["userAccountControl"]) & TRUSTED_TO_AUTH_FOR_DELEGATION),
    )


def _mover(name: str, replies: Sequence[Reply]) -> Mover | NotApplicable:
    reply = replies[0]
    if is_absent(reply) or any(_NOBODY in error.error_id for error in reply.errors):
        return NotApplicable(reason=f"{name} is no user account of the domain")
    record = one(reply)
    groups = texts(record.get("tokenGroups"))
    if not groups:
        raise Unreadable(f"no groups of {name} are shown, and everybody is in one: may our account read tokenGroups?")
    return Mover(
        subject=name,
        sensitive=bool(int(record["userAccountControl"]) & NOT_DELEGATED),
        protected=any(sid.endswith(_PROTECTED_USERS) for sid in groups),
    )
