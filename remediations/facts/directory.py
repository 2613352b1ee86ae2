"""What the directory holds: computer accounts, service principal names, and when attributes changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from pydantic import AwareDatetime

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import aware, one, texts
from remediations.model.command import Command, command
from remediations.model.fact import Fact, Unknown
from remediations.model.names import same_name, short_name
from remediations.model.plan import Target
from remediations.model.reply import Reply
from remediations.model.site import Site

MIGRATION_SERVICE = "Microsoft Virtual System Migration Service"
"""Service class that live migration asks tickets for (Set up hosts for live migration without Failover Clustering)."""

TRUSTED_TO_AUTH_FOR_DELEGATION = 0x1000000
"""userAccountControl bit: delegation with any authentication protocol ([MS-ADTS] 2.2.16)."""

TRUSTED_FOR_DELEGATION = 0x80000
"""userAccountControl bit: unconstrained delegation. Never set by this program."""

DELEGATION = "msDS-AllowedToDelegateTo"
"""Attribute that lists the services to which an account may delegate."""

_METADATA = "msDS-ReplAttributeMetaData"
_CHANGE = re.compile(
    r"<pszAttributeName>(?P<name>[^<]+)</pszAttributeName>.*?"
    r"<ftimeLastOriginatingChange>(?P<time>[^<]+)</ftimeLastOriginatingChange>",
    re.DOTALL,
)
_TICKETS_DEPEND_ON = frozenset({"serviceprincipalname", "msds-allowedtodelegateto", "useraccountcontrol"})

_LETS_ACT = "PrincipalsAllowedToDelegateToAccount"
"""Who may act for others at an account (resource-based delegation), as the cmdlet shows it: distinguished names."""

_ATTRIBUTES = ("servicePrincipalName", DELEGATION, "userAccountControl", "dNSHostName", _LETS_ACT)


class ComputerAccount(Fact):
    """A computer object as one domain controller shows it; `subject` is its objectGUID."""

    name: str
    """sAMAccountName without the trailing $."""
    fqdn: str
    """dNSHostName; empty if the account has none."""
    server: str
    """The domain controller that showed it, fully qualified: changes go to the same one."""
    seen_from: str
    """The same controller by its name in the inventory."""
    spns: frozenset[str]
    delegates_to: frozenset[str]
    any_protocol: bool
    """TRUSTED_TO_AUTH_FOR_DELEGATION: needed since Windows Server 2016."""
    unconstrained: bool = False
    """TRUSTED_FOR_DELEGATION: whoever logs on to the host can be acted for anywhere."""
    dn: str = ""
    """Its distinguished name."""
    lets_act: frozenset[str] = frozenset()
    """Distinguished names of the accounts that may act for others at this one: resource-based constrained delegation."""

    def has_spn(self, spn: str) -> bool:
        """Whether the account holds this SPN; the directory compares without case, so do we."""
        return any(same_name(spn, each) for each in self.spns)

    def with_spn(self, spn: str) -> ComputerAccount:
        """The account with this SPN added."""
        return self.model_copy(update={"spns": self.spns | {spn}})

    def lets(self, other: ComputerAccount) -> bool:
        """Whether this account lets another one act for others at it, whatever that one itself is allowed."""
        return bool(other.dn) and any(same_name(other.dn, each) for each in self.lets_act)

    def undelegated(self, services: Sequence[str]) -> tuple[str, ...]:
        """Those of `services` that the account may not delegate to; without case, as the directory compares."""
        held = {each.casefold() for each in self.delegates_to}
        return tuple(each for each in services if each.casefold() not in held)

    @property
    def target(self) -> Target:
        """The account as a plan names it."""
        return Target(kind="computer account", name=f"{self.name}$", id=self.subject)


class AttributeTimes(Fact):
    """When an account last changed in what tickets depend on, as one controller shows it; `subject` is account@controller."""

    account: str
    controller: str
    """The controller's name in the inventory."""
    latest: AwareDatetime
    """The newest originating change of the account's SPNs, delegation or userAccountControl; whole seconds, UTC."""
    attribute: str
    """Which one it was."""


class SpnHolders(Fact):
    """Which accounts of the forest hold any of some SPNs; `subject` is the host they should belong to."""

    holders: Mapping[str, tuple[str, ...]]
    """SPN (lower case) → names of the accounts that hold it."""

    def others(self, spn: str, account: ComputerAccount) -> tuple[str, ...]:
        """Accounts other than `account` that hold `spn`; a user may be called like the host, without its $."""
        return tuple(name for name in self.holders.get(spn.casefold(), ()) if not same_name(name, f"{account.name}$"))


def migration_spns(host: str, site: Site) -> tuple[str, str]:
    """The two names that a host must be known by to the migration service: short and fully qualified."""
    return f"{MIGRATION_SERVICE}/{short_name(host)}", f"{MIGRATION_SERVICE}/{site.fqdn(host)}"


def computer_account(host: str, site: Site) -> Query[ComputerAccount]:
    """Reads a host's computer account from the run's domain controller. Raises `LookupError` if the site names none."""
    asked, server = controller_of(site)
    read = command("Get-ADComputer", Identity=short_name(host), Properties=_ATTRIBUTES, Server=server)
    return Query(asked, (read,), partial(_computer_account, asked, server))


def spn_holders(host: str, spns: Sequence[str], site: Site) -> Query[SpnHolders]:
    """Reads who holds any of `spns`, across the forest (the global catalog, port 3268, has every domain)."""
    asked, server = controller_of(site)
    terms = "".join(f"(servicePrincipalName={_ldap(spn)})" for spn in spns)
    read = command(
        "Get-ADObject", LDAPFilter=f"(|{terms})", Properties=("servicePrincipalName", "sAMAccountName"), Server=f"{server}:3268"
    )
    return Query(asked, (read,), partial(_spn_holders, host, tuple(spns)))


def attribute_times(host: str, controller: str, site: Site) -> Query[AttributeTimes]:
    """Reads from one controller, on itself, when a host's account last changed.

    The constructed attribute msDS-ReplAttributeMetaData ([MS-ADTS] 3.1.1.4.5) is what Get-ADReplicationAttributeMetadata
    shows too; but that cmdlet takes only a distinguished name or a GUID, which nobody knows before the account was read.
    """
    read = command("Get-ADComputer", Identity=short_name(host), Properties=(_METADATA,), Server=site.fqdn(controller))
    return Query(controller, (read,), partial(_attribute_times, short_name(host), controller))


def add_spn(account: ComputerAccount, spn: str) -> Command:
    """Adds one SPN and touches no other."""
    return command("Set-ADComputer", Identity=account.subject, ServicePrincipalNames={"Add": spn}, Server=account.server)


def remove_spn(account: ComputerAccount, spn: str) -> Command:
    """Removes one SPN and touches no other."""
    return command("Set-ADComputer", Identity=account.subject, ServicePrincipalNames={"Remove": spn}, Server=account.server)


def controller_of(site: Site) -> tuple[str, str]:
    """The run's controller: its name in the inventory, and its fully qualified name. Raises `LookupError` without any."""
    if site.controller is None:
        raise LookupError("site.yaml names no domain controller (controllers:), which this needs")
    return site.controllers[0].name, site.controller


def _ldap(value: str) -> str:
    """RFC 4515: what has a meaning in a filter is written as its code."""
    return "".join(f"\\{ord(char):02x}" if char in "*()\\\0" else char for char in value)


def _computer_account(seen_from: str, server: str, replies: Sequence[Reply]) -> ComputerAccount | Unknown:
    record = one(replies[0])
    return ComputerAccount(
        subject=str(record["ObjectGUID"]),
        name=str(record["SamAccountName"]).rstrip("$"),
        fqdn=str(record.get("dNSHostName") or ""),
        server=server,
        seen_from=seen_from,
        spns=frozenset(texts(record.get("servicePrincipalName"))),
        delegates_to=frozenset(texts(record.get(DELEGATION))),
        any_protocol=bool(int(record["userAccountControl"]) & TRUSTED_TO_AUTH_FOR_DELEGATION),
        dn=str(record.get("DistinguishedName") or ""),
        lets_act=frozenset(texts(record.get(_LETS_ACT))),
        unconstrained=bool(int(record["userAccountControl"]) & TRUSTED_FOR_DELEGATION),
    )


def _spn_holders(host: str, spns: tuple[str, ...], replies: Sequence[Reply]) -> SpnHolders | Unknown:
    if not replies[0].ok:
        return Unknown(reason=replies[0].errors[0].message)
    found: dict[str, tuple[str, ...]] = {spn.casefold(): () for spn in spns}
    for record in replies[0].objects:
        for spn in texts(record.get("servicePrincipalName")):
            if spn.casefold() in found:
                found[spn.casefold()] += (str(record.get("sAMAccountName") or record["Name"]),)
    return SpnHolders(subject=host, holders=found)


def _attribute_times(account: str, controller: str, replies: Sequence[Reply]) -> AttributeTimes:
    fragments = texts(one(replies[0]).get(_METADATA))
    times = {found["name"]: found["time"] for each in fragments for found in _CHANGE.finditer(each)}
    dated = {name: datetime.fromisoformat(time) for name, time in times.items() if name.casefold() in _TICKETS_DEPEND_ON}
    if not dated:
        raise Unreadable(f"{controller} shows no change times of {account}: may our account read {_METADATA}?")
    attribute = max(dated, key=lambda name: dated[name])
    return AttributeTimes(
        subject=f"{account}@{controller}",
        account=account,
        controller=controller,
        latest=aware(dated[attribute]).astimezone(UTC).replace(microsecond=0),
        attribute=attribute,
    )
