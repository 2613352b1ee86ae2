"""Say that two hosts' clocks differ by more than Kerberos tolerates, and how the time service is put right.

Kerberos refuses what is older than five minutes (0x80090324, the domain's default policy). A clock is not set from here: it
would jump under everything that runs on the host, and come back as long as its source is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from remediations.catalogue.remediation import Reads
from remediations.catalogue.subjects import OfHosts
from remediations.facts.trust import HostClock, host_clock
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

TOLERATED = 300.0
"""Seconds that Kerberos tolerates between two clocks (Maximum tolerance for computer clock synchronization, default)."""


class ExplainTimeSkew(OfHosts):
    """Whether the clocks of two hosts are near enough for Kerberos."""

    id: ClassVar[str] = "explain-time-skew"
    title: ClassVar[str] = "Clocks that differ"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.TIME_SKEW,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Both clocks, asked at the same time."""
        del evidence
        return Reads(here=host_clock(site.host(self.source).name), there=host_clock(site.host(self.destination).name))

    def plan(self, *, here: HostClock, there: HostClock) -> Iterator[Item]:
        """One item."""
        seconds = (there.now - here.now).total_seconds()
        if abs(seconds) <= TOLERATED:
            yield Satisfied(why=f"the clocks of {here.subject} and {there.subject} are near enough for Kerberos (5 minutes)")
            return
        ahead, behind = (there, here) if seconds > 0 else (here, there)
        yield Manual(
            why=f"{ahead.subject}'s clock is {abs(seconds) / 60:.0f} minutes ahead of {behind.subject}'s; Kerberos tolerates 5",
            instructions=(
                "On both hosts, to see which one is wrong and whom it follows: w32tm /monitor and w32tm /query /status",
                "On the wrong one, as administrator: w32tm /config /syncfromflags:domhier /update, then "
                "w32tm /resync /rediscover; a host never follows a virtual machine that it runs itself",
                "If it is wrong again after a restart, its battery or firmware clock is: set that first",
                "Then move the virtual machine again",
            ),
        )
