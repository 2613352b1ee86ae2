"""Active Directory: accounts, what each domain controller knows of them, and when each attribute changed there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from remediations.lab.world.clock import Agenda

MIGRATION_SERVICE = "Microsoft Virtual System Migration Service"
NORMAL, WORKSTATION_TRUST, SERVER_TRUST = 0x200, 0x1000, 0x82000
NOT_DELEGATED, TRUSTED_TO_AUTH = 0x100000, 0x1000000

SPN, DELEGATION, CONTROL = "servicePrincipalName", "msDS-AllowedToDelegateTo", "userAccountControl"
LETS_ACT = "msDS-AllowedToActOnBehalfOfOtherIdentity"
"""Resource-based delegation: here the distinguished names of who may act, in Windows a security descriptor."""

NAMESPACE = UUID("5b3f4a62-0d0a-4c0e-9d0b-0c0d0e0f1011")
"""Everything in the lab that has a GUID gets it from its name, so two labs are alike."""


def guid(name: str) -> UUID:
    """The lab's GUID of a thing."""
    return uuid5(NAMESPACE, name.casefold())


class DirectoryError(Exception):
    """A write that the directory refuses: Win32 code and its text."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Stamp:
    """One value of one attribute on one controller, with its replication metadata."""

    value: Any
    version: int
    time: datetime
    """When it was written, where it was written."""
    server: str
    """Where it was written."""
    local_time: datetime
    """When this controller got it."""
    usn: int


@dataclass(frozen=True)
class Account:
    """What of an object never changes."""

    guid: UUID
    name: str
    dn: str
    sid: str
    object_class: str
    created: datetime


@dataclass
class Controller:
    """A domain controller: its replica, and its update sequence number."""

    name: str
    fqdn: str
    usn: int = 41_200
    history: dict[UUID, dict[str, list[Stamp]]] = field(default_factory=dict)

    @property
    def invocation(self) -> UUID:
        """Its database's invocation id."""
        return guid(f"invocation {self.name}")

    def stamps(self, account: UUID) -> dict[str, Stamp]:
        """The present values by attribute."""
        return {name: stamps[-1] for name, stamps in self.history[account].items()}

    def value(self, account: UUID, attribute: str, moment: datetime | None = None) -> Any:
        """An attribute as this controller shows it, or showed it at a moment; None if it has none."""
        stamps = self.history[account].get(attribute, [])
        known = [stamp for stamp in stamps if moment is None or stamp.local_time <= moment]
        return known[-1].value if known else (stamps[0].value if stamps else None)

    def changed(self, account: UUID, *attributes: str) -> datetime:
        """When the newest of some attributes came to this controller."""
        stamps = self.stamps(account)
        return max(stamps[name].local_time for name in attributes if name in stamps)


class Directory:
    """The domain. A write goes to one controller and reaches the others `lag` seconds later; None holds replication."""

    def __init__(self, domain: str, netbios: str, controllers: tuple[str, ...], agenda: Agenda) -> None:
        self.domain, self.netbios, self.agenda = domain, netbios, agenda
        self.controllers = {name: Controller(name, f"{name}.{domain}") for name in controllers}
        self.accounts: dict[UUID, Account] = {}
        self.lag: float | None = 0.0
        self.writers: set[str] = set()
        """Principals that may write computer accounts, as `contoso\\svc-remediate`, lower case."""
        self._queue: list[tuple[str, UUID, str, Stamp]] = []

    @property
    def base(self) -> str:
        """The domain's distinguished name."""
        return ",".join(f"DC={label}" for label in self.domain.split("."))

    def create(self, account: Account, attributes: dict[str, Any]) -> None:
        """Add an object that every controller has known since it was created."""
        self.accounts[account.guid] = account
        first = next(iter(self.controllers))
        for controller in self.controllers.values():
            controller.history[account.guid] = {}
            for name, value in attributes.items():
                if value is None:
                    continue
                controller.usn += 1
                stamp = Stamp(value, 1, account.created, first, account.created, controller.usn)
                controller.history[account.guid][name] = [stamp]

    def find(self, name: str) -> Account | None:
        """The account with this sAMAccountName, with or without its $."""
        wanted = name.casefold().rstrip("$")
        return next((each for each in self.accounts.values() if each.name.casefold().rstrip("$") == wanted), None)

    def of_class(self, kind: str) -> tuple[Account, ...]:
        """Every account of a class: computer or user."""
        return tuple(each for each in self.accounts.values() if each.object_class == kind)

    def computer(self, host: str) -> Account:
        """The computer account of a host."""
        account = self.find(host)
        if account is None:
            raise LookupError(f"{host} has no computer account in {self.domain}")
        return account

    def protected(self, account: UUID) -> bool:
        """Whether an account is a member of Protected Users."""
        groups = self.newest(account).get("memberOf") or ()
        return any(group.casefold().startswith("cn=protected users,") for group in groups)

    def may_be_delegated(self, principal: str) -> bool:
        """Whether anybody may act for an account, given with its domain; for one that is not of this domain, yes."""
        account = self.find(principal.rpartition("\\")[2])
        if account is None:
            return True
        control = int(self.newest(account.guid).get(CONTROL) or 0)
        return not control & NOT_DELEGATED and not self.protected(account.guid)

    def write(self, controller: str, account: UUID, attribute: str, value: Any) -> None:
        """Set an attribute on one controller; the others follow."""
        here = self.controllers[controller]
        stamps = here.history[account].setdefault(attribute, [])
        here.usn += 1
        now = self.agenda.now
        stamp = Stamp(value, stamps[-1].version + 1 if stamps else 1, now, controller, now, here.usn)
        stamps.append(stamp)
        self._queue += [(other, account, attribute, stamp) for other in self.controllers if other != controller]
        self.replicate()

    def replicate(self) -> None:
        """Let what has waited long enough arrive."""
        if self.lag is None:
            return
        lag = timedelta(seconds=self.lag)
        waiting = []
        for each in self._queue:
            name, account, attribute, stamp = each
            if stamp.time + lag > self.agenda.now:
                waiting.append(each)
                continue
            there = self.controllers[name]
            stamps = there.history[account].setdefault(attribute, [])
            if not stamps or (stamps[-1].version, stamps[-1].time) < (stamp.version, stamp.time):
                there.usn += 1
                stamps.append(Stamp(stamp.value, stamp.version, stamp.time, stamp.server, stamp.time + lag, there.usn))
        self._queue = waiting

    def newest(self, account: UUID) -> dict[str, Any]:
        """The attributes as they will be everywhere once replication is done."""
        found: dict[str, Stamp] = {}
        for controller in self.controllers.values():
            for name, stamp in controller.stamps(account).items():
                if name not in found or (found[name].version, found[name].time) < (stamp.version, stamp.time):
                    found[name] = stamp
        return {name: stamp.value for name, stamp in found.items()}

    def holders(self, controller: str, spn: str) -> tuple[Account, ...]:
        """Who holds an SPN, as one controller shows it; compared without case."""
        here = self.controllers[controller]
        wanted = spn.casefold()
        return tuple(
            account
            for account in self.accounts.values()
            if wanted in (each.casefold() for each in here.value(account.guid, SPN) or ())
        )

    def change(
        self, controller: str, account: UUID, attribute: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
    ) -> None:
        """Remove and add values of a list in one write: all or none. Values are compared without case.

        Raises `DirectoryError` for one to add that is there already (an SPN: here or on another account), and for one to
        remove that is not there.
        """
        held: tuple[str, ...] = self.controllers[controller].value(account, attribute) or ()
        for value in remove:
            if value.casefold() not in (each.casefold() for each in held):
                raise DirectoryError(8310, "The attribute cannot be modified because it does not exist on the object")
            held = tuple(each for each in held if each.casefold() != value.casefold())
        for value in add:
            if "/" not in value:
                raise DirectoryError(8239, "The attribute syntax specified to the directory service is invalid")
            if value.casefold() in (each.casefold() for each in held):
                raise DirectoryError(8323, "The specified value already exists")
            if attribute == SPN and any(other.guid != account for other in self.holders(controller, value)):
                text = "The operation failed because SPN value provided for addition/modification is not unique forest-wide"
                raise DirectoryError(8647, text)
            held = (*held, value)
        self.write(controller, account, attribute, held)

    def remove_spns(self, controller: str, account: UUID, spns: tuple[str, ...]) -> None:
        """As `change`, only removing SPNs."""
        self.change(controller, account, SPN, remove=spns)
