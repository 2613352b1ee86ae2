"""Purge LocalSystem's Kerberos tickets on a host where they are older than the change that would let them work.

A ticket keeps what was true when it was given, for up to ten hours: new SPNs and delegation do not show before it is
replaced (0x8009030E although both are right). `klist -li 0x3e7 purge` drops the tickets of LocalSystem only, and Windows
asks for new ones when it needs them. New ones are no better while the domain controller that gives them has not heard of
the change, so that is waited for first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfPeer, two_ends
from remediations.facts.directory import AttributeTimes, attribute_times
from remediations.facts.module import Module, lacking, module, unseen
from remediations.facts.tickets import Ticket, Tickets, tickets
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.incident import Incident
from remediations.model.names import HostName, same_host
from remediations.model.plan import Blocked, Item, Obstacle, Satisfied, Step, Wait
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

REPLICATION_TIME = 3600.0
"""Seconds that a change may take to every controller; beyond it replication itself needs a person."""


class PurgeKerberosTickets(OfPeer):
    """Drop a host's own Kerberos tickets if they predate the last change of its account or its peer's."""

    id: ClassVar[str] = "purge-kerberos-tickets"
    title: ClassVar[str] = "Purge stale Kerberos tickets"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.KERBEROS_TICKETS_STALE,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED  # Windows asks for new tickets when it needs them
    sends: ClassVar[frozenset[str]] = frozenset({"Clear-RemediationTicket"})

    host: HostName = Field(description="The Hyper-V host whose tickets are looked at")
    peer: HostName = Field(description="The other host of the migration")

    @property
    def summary(self) -> str:
        """Whose tickets, for moves with whom."""
        return f"{self.title}: {self.host} (moves to and from {self.peer})"

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """Both ends, the source first: it asks for the tickets."""
        del site
        ends = two_ends(incident)
        return [cls(host=here, peer=there) for here, there in (ends, ends[::-1])] if ends else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The host's tickets, and when both accounts changed, as each controller of the site shows it."""
        del evidence
        host, peer = site.host(self.host).name, site.host(self.peer).name
        controllers = [each.name for each in site.controllers]
        if not controllers:
            raise LookupError("site.yaml names no domain controller (controllers:), which this needs")
        return Reads(
            {},
            found=tickets(host),
            installed=module(host),
            own={each: attribute_times(host, each, site) for each in controllers},
            peers={each: attribute_times(peer, each, site) for each in controllers},
        )

    def plan(
        self,
        *,
        found: Tickets | Unknown | NotApplicable,
        installed: Module | Unknown | NotApplicable,
        own: Mapping[str, Seen],
        peers: Mapping[str, Seen],
    ) -> Iterator[Item]:
        """The purge, behind a wait for each controller that the tickets come from; or why none is needed."""
        missing = lacking(self.host, installed, "reading and purging LocalSystem's tickets")
        if missing:
            yield unseen(missing)
            return
        if not isinstance(found, Tickets):
            yield unread(f"tickets of {self.host}", found)
            return
        views = [_views(own), _views(peers)]
        blind = [
            unread(f"changes of {name}", _any(seen))
            for name, seen in ((self.host, own), (self.peer, peers))
            if not _views(seen)
        ]
        if blind:
            yield from blind
            return
        matters = concerned(found, self.peer)
        last = max(each.latest for view in views for each in view.values())
        stale = [each for each in matters if _is_stale(each, views, last)]
        if not stale:
            oldest = f"the oldest is of {_when(matters[0].start)}" if matters else "there is none"
            yield Satisfied(why=f"no ticket of {self.host} is older than the last change ({_when(last)}): {oldest}")
            return
        givers = dict.fromkeys(each.kdc for each in matters if each.kdc)
        known = {name for giver in givers for view in views for name in view if same_host(name, giver)}
        strangers = [giver for giver in givers if not any(same_host(name, giver) for name in known)]
        if strangers:
            why = f"tickets of {self.host} come from {', '.join(strangers)}, whose view of the change could not be read"
            more = f"{why}: list each domain controller in site.yaml (controllers:), and see that it answers"
            yield Blocked(obstacle=Obstacle.UNKNOWN, why=more)
            return
        # Waited for even where it holds already, so that the plan stays the same while replication goes on; but not on the
        # controller that this program writes to.
        first = next(iter(own))
        yield from (_until_shown(name, views) for name in sorted(known) if name != first or _lags(name, views))
        names = ", ".join(dict.fromkeys(each.server for each in stale))
        told = f"{len(stale)} tickets of {self.host} ({names}) do not know the last change of the accounts, of {_when(last)}"
        yield purge(found, stale, told)


def concerned(found: Tickets, peer: str) -> list[Ticket]:
    """The tickets that a move to or from `peer` stands on, oldest first: granting ones, and those for the peer's services."""
    return sorted((each for each in found.tickets if each.granting or each.is_for(peer)), key=lambda each: each.start)


def purge(found: Tickets, old: Iterable[Ticket], why: str) -> Step:
    """The step that drops a host's tickets, `old` ones among them. No undo: Windows asks for new ones when it needs them."""
    return Step(
        target=found.target,
        host=found.subject,
        command=command("Clear-RemediationTicket"),
        why=why,
        changes=tuple(
            each.model_copy(update={"fading": True})
            for each in changes(found, found.model_copy(update={"tickets": found.tickets - set(old)}))
        ),
    )


def _views(seen: Mapping[str, Seen]) -> dict[str, AttributeTimes]:
    return {name: each for name, each in seen.items() if isinstance(each, AttributeTimes)}


def _any(seen: Mapping[str, Seen]) -> Seen:
    return next(iter(seen.values()))


def _is_stale(ticket: Ticket, views: list[dict[str, AttributeTimes]], last: datetime) -> bool:
    """Older than the last change, or given by a controller that does not show it yet."""
    givers = {name for view in views for name in view if same_host(name, ticket.kdc)}
    return ticket.start < last or any(_lags(name, views) for name in givers)


def _lags(controller: str, views: list[dict[str, AttributeTimes]]) -> bool:
    """Whether a controller does not show the last change of one of the accounts yet."""
    return any(view[controller].latest < max(each.latest for each in view.values()) for view in views if controller in view)


def _until_shown(controller: str, views: list[dict[str, AttributeTimes]]) -> Wait:
    shown = tuple(
        guard(view[controller], "latest", Test.AT_LEAST, max(view.values(), key=lambda each: each.latest).to_json()["latest"])
        for view in views
        if controller in view
    )
    why = f"{controller}, which gives the tickets, has to show the last change; a new ticket is no better before"
    return Wait(until=shown, poll=15, at_most=REPLICATION_TIME, why=why)


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
