"""Register the service principal names that Kerberos live migration needs.

The Virtual Machine Management service registers them when it starts; where it could not (event 14050), the source gets
no ticket for the destination's migration service (0x80090303, often shown as 0x8009030E). `cifs/…` is never registered:
HOST covers it, and an explicit one collides with it unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Repair
from remediations.facts.directory import (
    ComputerAccount,
    SpnHolders,
    add_spn,
    computer_account,
    migration_spns,
    remove_spn,
    spn_holders,
)
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.fact import changes
from remediations.model.incident import Incident
from remediations.model.names import HostName, same_name, short_name
from remediations.model.plan import Blocked, Item, Obstacle, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class RegisterSpns(Repair):
    """Add missing Migration Service SPNs to a host's computer account. Never moves one from another account."""

    id: ClassVar[str] = "register-spns"
    title: ClassVar[str] = "Register the migration service's SPNs"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.SPN_MISSING,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.DIRECTORY
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-ADComputer"})

    host: HostName = Field(description="The Hyper-V host whose computer account is checked")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """Both ends: the source asks for a ticket by the destination's names, and back."""
        return [cls(host=host) for host in (incident.destination, incident.source) if host]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The account, and who in the forest holds the names it needs."""
        spns = migration_spns(site.host(self.host).name, site)
        return Reads({"spns": spns}, account=computer_account(self.host, site), holders=spn_holders(self.host, spns, site))

    def plan(self, *, spns: tuple[str, ...], account: ComputerAccount, holders: SpnHolders) -> Iterator[Item]:
        """One item for each of the two names."""
        for spn in spns:
            others = holders.others(spn, account)
            owner = short_name(spn.partition("/")[2])
            if others:
                why = f"{spn} is registered on {', '.join(others)}: moving it could break Kerberos there; a person decides"
                yield Blocked(obstacle=Obstacle.CONFLICT, why=why)
            elif account.has_spn(spn):
                yield Satisfied(why=f"{spn} is registered on {account.name}")
            elif not same_name(owner, account.name):
                why = f"{spn} is not {account.name}'s own name: an account may only carry names of its own"
                yield Blocked(obstacle=Obstacle.CONFLICT, why=why)
            else:
                grown = account.with_spn(spn)
                yield Step(
                    target=account.target,
                    host=account.seen_from,
                    command=add_spn(account, spn),
                    why=f"{account.name} cannot be asked for by the migration service's name",
                    changes=changes(account, grown),
                    undo=remove_spn(account, spn),
                )
                account = grown
