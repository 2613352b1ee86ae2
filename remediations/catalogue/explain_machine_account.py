"""Say that the domain does not take a host's machine password any more, and how a person gives it a new one.

It happens after a host was set back to an older image, or its account was reset or made again. The host then gets no tickets
(0x8009030C), or its peer none that it can read (0x80090322). Repairing takes domain credentials at the host's console.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Repair
from remediations.facts.trust import SecureChannel, secure_channel
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainMachineAccount(Repair):
    """Whether the domain takes a host's machine password."""

    id: ClassVar[str] = "explain-machine-account"
    title: ClassVar[str] = "Machine password that the domain does not take"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.MACHINE_ACCOUNT,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    host: HostName = Field(description="The Hyper-V host whose machine account is tested")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """Both ends."""
        del site
        return [cls(host=host) for host in (incident.source, incident.destination) if host]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The host's own test of its secure channel."""
        del evidence
        return Reads(channel=secure_channel(site.host(self.host).name))

    def plan(self, *, channel: SecureChannel) -> Iterator[Item]:
        """One item."""
        host = channel.subject
        if channel.healthy:
            yield Satisfied(why=f"the domain takes {host}'s machine password")
            return
        yield Manual(
            why=f"the domain does not take {host}'s machine password: it gets no tickets, and nobody gets any for it",
            instructions=(
                f"Look whether its account is there and enabled: Get-ADComputer -Identity {host} -Properties PasswordLastSet",
                f"At {host}'s console, as a local administrator: Test-ComputerSecureChannel -Repair -Credential "
                "DOMAIN\\admin, an account that may reset it",
                "A node of a cluster: pause and drain it first; do not take it out of the domain",
                f"Then on {host}: klist -li 0x3e7 purge, and restart the service vmms once nothing is migrating, so that it "
                "registers its names again",
            ),
        )
