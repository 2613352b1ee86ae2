"""What the directory holds: computer accounts, service principal names, and when attributes changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from remediations.facts.query import Query
from remediations.facts.read import one, texts
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

_ATTRIBUTES = ("servicePrincipalName", "msDS-AllowedToDelegateTo", "userAccountControl", "dNSHostName")


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

    def has_spn(self, spn: str) -> bool:
        """Whether the account holds this SPN; the directory compares without case, so do we."""
        return any(same_name(spn, each) for each in self.spns)

    def with_spn(self, spn: str) -> ComputerAccount:
        """The account with this SPN added."""
        return self.model_copy(update={"spns": self.spns | {spn}})

    @property
    def target(self) -> Target:
        """The account as a plan names it."""
        return Target(kind="computer account", name=f"{self.name}$", id=self.subject)


class SpnHolders(Fact):
    """Which accounts of the forest hold any of some SPNs; `subject` is the host they should belong to."""

    holders: Mapping[str, tuple[str, ...]]
    """SPN (lower case) → names of the accounts that hold it."""

    def others(self, spn: str, account: ComputerAccount) -> tuple[str, ...]:
        """Accounts other than `account` that hold `spn`."""
        return tuple(name for name in self.holders.get(spn.casefold(), ()) if not same_name(name.rstrip("$"), account.name))


def migration_spns(host: str, site: Site) -> tuple[str, str]:
    """The two names that a host must be known by to the migration service: short and fully qualified."""
    return f"{MIGRATION_SERVICE}/{short_name(host)}", f"{MIGRATION_SERVICE}/{site.fqdn(host)}"


def computer_account(host: str, site: Site) -> Query[ComputerAccount]:
    """Reads a host's computer account from the run's domain controller. Raises `LookupError` if the site names none."""
    asked, server = _controller(site)
    read = command("Get-ADComputer", Identity=short_name(host), Properties=_ATTRIBUTES, Server=server)
    return Query(asked, (read,), partial(_computer_account, asked, server))


def spn_holders(host: str, spns: Sequence[str], site: Site) -> Query[SpnHolders]:
    """Reads who holds any of `spns`, across the forest (the global catalog, port 3268, has every domain)."""
    asked, server = _controller(site)
    terms = "".join(f"(servicePrincipalName={_ldap(spn)})" for spn in spns)
    read = command(
        "Get-ADObject", LDAPFilter=f"(|{terms})", Properties=("servicePrincipalName", "sAMAccountName"), Server=f"{server}:3268"
    )
    return Query(asked, (read,), partial(_spn_holders, host, tuple(spns)))


def add_spn(account: ComputerAccount, spn: str) -> Command:
    """Adds one SPN and touches no other."""
    return command("Set-ADComputer", Identity=account.subject, ServicePrincipalNames={"Add": spn}, Server=account.server)


def remove_spn(account: ComputerAccount, spn: str) -> Command:
    """Removes one SPN and touches no other."""
    return command("Set-ADComputer", Identity=account.subject, ServicePrincipalNames={"Remove": spn}, Server=account.server)


def _controller(site: Site) -> tuple[str, str]:
    """The run's controller: its name in the inventory, and its fully qualified name."""
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
        delegates_to=frozenset(texts(record.get("msDS-AllowedToDelegateTo"))),
        any_protocol=bool(int(record["userAccountControl"]) & TRUSTED_TO_AUTH_FOR_DELEGATION),
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
