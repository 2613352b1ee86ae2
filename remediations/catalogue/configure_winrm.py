"""Give a host the WinRM listener that other hosts reach it by: HTTP on 5985, encrypted by Kerberos.

"The client cannot connect to the destination" (0x80338012) is said by the source's management client. Windows manages its
peers over the HTTP listener; a host that was hardened to HTTPS alone answers us and not them. `winrm quickconfig` would also
start the service, open the firewall and change an account policy: only the listener is added here, and it can be taken away
again. What keeps us out as well has to be mended at the console.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Repair, unread
from remediations.facts.module import Module, lacking, module, unseen
from remediations.facts.winrm import ManagementChannel, management_channel
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown, changes
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Blocked, Item, Obstacle, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ConfigureWinRm(Repair):
    """Add the HTTP listener to a host that other hosts cannot manage."""

    id: ClassVar[str] = "configure-winrm"
    title: ClassVar[str] = "Configure WinRM"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.WINRM_MISCONFIGURED,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Add-RemediationListener", "Remove-RemediationListener"})

    host: HostName = Field(description="The destination: the Hyper-V host that is to be reached")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The destination; nodes of one cluster do not talk over WinRM to move."""
        home = site.cluster_of(incident.source) if incident.source else None
        there = incident.destination
        return [cls(host=there)] if there and (home is None or home is not site.cluster_of(there)) else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The host's listeners."""
        host = site.host(self.host).name
        given = {"host_name": host, "suspected": evidence.points_to(Cause.WINRM_MISCONFIGURED)}
        return Reads(given, channel=management_channel(host), installed=module(host))

    def plan(
        self,
        *,
        host_name: str,
        suspected: bool,
        channel: ManagementChannel | Unknown | NotApplicable,
        installed: Module | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item."""
        missing = lacking(host_name, installed, "adding a WinRM listener")
        if isinstance(channel, ManagementChannel) and "HTTP" in channel.transports:
            yield Satisfied(why=f"WinRM of {host_name} listens on HTTP, where other hosts look for it")
        elif isinstance(channel, Unknown):
            console = f"If it answers nobody, at the console of {host_name} as administrator: winrm quickconfig"
            yield Blocked(obstacle=Obstacle.UNKNOWN, why=f"WinRM of {host_name} could not be read: {channel.reason}. {console}")
        elif not suspected:
            yield Satisfied(why=f"nothing points to WinRM of {host_name}")
        elif not isinstance(channel, ManagementChannel):
            yield unseen(missing) if missing else unread(f"WinRM of {host_name}", channel)
        elif missing:
            yield missing
        else:
            yield Step(
                target=channel.target,
                host=host_name,
                command=command("Add-RemediationListener"),
                why=f"WinRM of {host_name} has no HTTP listener (it has {', '.join(sorted(channel.transports)) or 'none'}): "
                f"other hosts cannot reach it",
                changes=changes(channel, channel.model_copy(update={"transports": channel.transports | {"HTTP"}})),
                undo=command("Remove-RemediationListener"),
            )
