"""Let a host act at its peer for whoever asked for a move: constrained delegation, which Kerberos live migration needs.

The peer's `cifs` and migration services, by short and full name, and "use any authentication protocol" (needed since Windows
Server 2016: "Kerberos only" fails with 0x8009030E although the services are listed). Entries are added, never replaced, and
delegation is never made unconstrained. A ticket keeps what was true when it was given, for up to ten hours, and a controller
that has not heard of the change gives no better ones: so the plan goes on to wait for the controllers that give the host its
tickets, and to purge those that the host has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.places import same_cluster
from remediations.catalogue.purge_kerberos_tickets import REPLICATION_TIME, concerned, purge
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfHosts, two_ends
from remediations.facts.authentication import HostAuthentication, host_authentication
from remediations.facts.delegation import (
    DelegationShown,
    Mover,
    allow_service,
    any_protocol,
    delegation_services,
    delegation_shown,
    disallow_service,
    mover,
)
from remediations.facts.directory import ComputerAccount, computer_account
from remediations.facts.module import Module, lacking, module
from remediations.facts.tickets import Tickets, tickets
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.incident import Incident
from remediations.model.names import same_host
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step, Wait
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

LIFETIME = "a ticket lives up to 10 hours"


class ConfigureDelegation(OfHosts):
    """Allow a host's account to delegate to its peer's services for moves to that peer. Adds, never replaces."""

    id: ClassVar[str] = "configure-delegation"
    title: ClassVar[str] = "Configure constrained delegation"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.ACCESS_DENIED_DELEGATION,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.DIRECTORY
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Clear-RemediationTicket", "Set-ADAccountControl", "Set-ADComputer"})

    way_back: bool = Field(
        default=False, description="Only if the hosts are about to change to Kerberos, which takes both directions"
    )

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The incident's direction, and the way back, of hosts that are not nodes of one cluster."""
        ends = two_ends(incident)
        if ends is None or same_cluster(*ends, site):
            return []
        here, there = ends
        return [cls(source=here, destination=there), cls(source=there, destination=here, way_back=True)]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The source's account, its tickets, what each controller shows, and the account that asks for the move."""
        del evidence
        source, destination = site.host(self.source).name, site.host(self.destination).name
        username = site.host(source).endpoint.username
        asks = {"asking": mover(username, site)} if username and not self.way_back else {}
        return Reads(
            {
                "cluster": same_cluster(source, destination, site),
                "wanted": site.expect(source).authentication == "Kerberos",
                "services": delegation_services(destination, site),
            },
            account=computer_account(source, site),
            peer=computer_account(destination, site),
            authentication=host_authentication(source),
            found=tickets(source),
            installed=module(source),
            shown={each.name: delegation_shown(source, destination, each.name, site) for each in site.controllers},
            movers=asks,
        )

    def plan(
        self,
        *,
        cluster: str,
        wanted: bool,
        services: tuple[str, ...],
        account: ComputerAccount,
        peer: ComputerAccount,
        authentication: HostAuthentication,
        found: Tickets | Unknown | NotApplicable,
        installed: Module | Unknown | NotApplicable,
        shown: Mapping[str, Seen],
        movers: Mapping[str, Seen],
    ) -> Iterator[Item]:
        """The missing services, the missing protocol transition, and fresh tickets after either; or why none is needed."""
        reason = self._idle(cluster, authentication, wanted=wanted)
        if reason:
            yield Satisfied(why=reason)
            return
        yield from self._cannot_be_acted_for(movers)
        if peer.lets(account):
            yield Satisfied(why=f"{peer.name} lets {account.name} act for others at it (resource-based delegation)")
            return
        missing = account.undelegated(services)
        if account.unconstrained and (missing or not account.any_protocol):
            why = f"{account.name} has unconstrained delegation, which a person should take away: nothing is added beside it"
            yield Blocked(obstacle=Obstacle.CONFLICT, why=why)
            return
        for service in services:
            if service not in missing:
                yield Satisfied(why=f"{account.name} may delegate to {service}")
        for service in missing:
            step, account = _add(account, service)
            yield step
        if account.any_protocol:
            yield Satisfied(why=f"{account.name} may delegate with any authentication protocol")
        else:
            yield _transition(account)
        if missing or not account.any_protocol:
            yield from self._renewed(found, installed, shown)

    def _idle(self, cluster: str, authentication: HostAuthentication, *, wanted: bool) -> str:
        """Why delegation does not matter to moves this way."""
        if cluster:
            return f"nodes of {cluster} act for themselves: moves within it need no delegation"
        if authentication.kind == "CredSSP":
            return "" if wanted else f"{self.source} uses CredSSP: delegation does not matter to its moves"
        if self.way_back:
            return f"{self.source} uses Kerberos already: the way back is not the way that failed"
        return ""

    def _cannot_be_acted_for(self, movers: Mapping[str, Seen]) -> Iterator[Item]:
        for who in movers.values():
            if isinstance(who, Unknown):
                yield unread("the account that asks for the move", who)
            if not isinstance(who, Mover) or not (who.sensitive or who.protected):
                continue
            state = "is a member of Protected Users" if who.protected else 'is "sensitive and cannot be delegated"'
            mend = (
                "Let moves be asked for by a service account of its own that is neither (site.yaml, endpoint.username), with "
                "Hyper-V Administrators on both hosts and nothing more",
                f"Or use an endpoint that runs as a group managed service account on {self.source} (second_hop: gmsa)",
                "Do not take a person's administrative account out of Protected Users for this",
            )
            why = f"{who.subject}, which asks for the move, {state}: no host may act for it, whatever delegation says"
            yield Manual(why=why, instructions=mend)

    def _renewed(
        self, found: Tickets | Unknown | NotApplicable, installed: Module | Unknown | NotApplicable, shown: Mapping[str, Seen]
    ) -> Iterator[Item]:
        """What makes the change count now: the controllers that give the source's tickets show it, and the old ones go."""
        first, *others = shown
        old = concerned(found, self.destination) if isinstance(found, Tickets) else []
        givers = dict.fromkeys(ticket.kdc for ticket in old if ticket.kdc)
        views = [shown[name] for name in others if any(same_host(name, giver) for giver in givers)]
        known = [name for name in (first, *others) for giver in givers if same_host(name, giver)]
        seen = [view for view in views if isinstance(view, DelegationShown)]
        if not isinstance(found, Tickets) or lacking(self.source, installed, "purging tickets"):
            yield self._by_hand("its tickets cannot be read or purged from here")
        elif len(known) < len(givers) or len(seen) < len(views):
            yield self._by_hand(f"its tickets come from {', '.join(givers)}, of which not all could be read")
        elif not old:
            yield Satisfied(why=f"{self.source} has no ticket that would be too old")
        else:
            for view in seen:
                there = (guard(view, "lacking", Test.EQUALS, []), guard(view, "any_protocol", Test.EQUALS, True))
                name = view.subject.rpartition("@")[2]
                why = f"{name}, which gives {self.source} its tickets, has to show the change (directory replication)"
                yield Wait(until=there, poll=15, at_most=REPLICATION_TIME, why=why)
            why = f"tickets of {self.source} are from before the change, and {LIFETIME} unless it is purged"
            yield purge(found, old, why)

    def _by_hand(self, reason: str) -> Manual:
        return Manual(
            why=f"{self.source} goes on with the tickets that it has ({LIFETIME}), and {reason}",
            instructions=(
                "Wait until every domain controller shows the change: repadmin /syncall, or about 15 minutes",
                f"Then on {self.source}, as administrator: klist -li 0x3e7 purge",
            ),
        )


def _add(account: ComputerAccount, service: str) -> tuple[Step, ComputerAccount]:
    """The step, and the account after it: one service a command, which cannot be given a list of them (`Contract.check`)."""
    grown = account.model_copy(update={"delegates_to": account.delegates_to | {service}})
    step = Step(
        target=account.target,
        host=account.seen_from,
        command=allow_service(account, service),
        why=f"{account.name} may not act for others at {service}; with Kerberos, a move needs it",
        changes=changes(account, grown),
        undo=disallow_service(account, service),
    )
    return step, grown


def _transition(account: ComputerAccount) -> Step:
    return Step(
        target=account.target,
        host=account.seen_from,
        command=any_protocol(account, allowed=True),
        why=f'{account.name} delegates with "Kerberos only": since Windows Server 2016 it has to be any protocol',
        changes=changes(account, account.model_copy(update={"any_protocol": True})),
        undo=any_protocol(account, allowed=False),
        # What others let it act for since, they did with any protocol.
        undo_guards=(
            guard(account, "delegates_to", Test.EQUALS, account.to_json()["delegates_to"], "others use it meanwhile"),
        ),
    )
