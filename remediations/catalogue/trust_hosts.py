"""Let a host's WinRM client take a peer that Kerberos cannot vouch for, by its exact name.

Between hosts of a domain Kerberos proves who the other is, and TrustedHosts is not needed; without a domain the client refuses
(0x803380E4) until the name is on the list. A name is added and none is replaced; `*` is never written. The list concerns WinRM
only: what travels on the migration's own connection does not ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from remediations.catalogue.remediation import Reads, unread
from remediations.catalogue.subjects import OfPeer
from remediations.facts.module import Module, lacking, module, unseen
from remediations.facts.winrm import ManagementChannel, management_channel
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown, changes
from remediations.model.names import HostName
from remediations.model.plan import Item, Manual, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class TrustHosts(OfPeer):
    """Add a peer's exact name to TrustedHosts where one of the two belongs to no domain."""

    id: ClassVar[str] = "trust-hosts"
    title: ClassVar[str] = "Trust a host"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.TRUSTED_HOSTS,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Add-RemediationTrustedHost", "Remove-RemediationTrustedHost"})

    host: HostName = Field(description="The source: the host whose WinRM client refuses")
    peer: HostName = Field(description="The destination: the host that is to be trusted")

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """WinRM's settings at both ends."""
        host, peer = site.host(self.host).name, site.host(self.peer).name
        given = {"name": site.fqdn(peer), "suspected": evidence.points_to(Cause.TRUSTED_HOSTS)}
        return Reads(given, own=management_channel(host), its=management_channel(peer), installed=module(host))

    def plan(
        self,
        *,
        name: str,
        suspected: bool,
        own: ManagementChannel | Unknown | NotApplicable,
        its: ManagementChannel | Unknown | NotApplicable,
        installed: Module | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item."""
        both = ((self.host, own), (self.peer, its))
        for host, channel in both:
            if isinstance(channel, Unknown):
                yield unread(f"WinRM of {host}", channel)
                return
        if not isinstance(own, ManagementChannel) or not isinstance(its, ManagementChannel):
            missing = lacking(self.host, installed, "reading TrustedHosts")
            if not suspected:
                yield Satisfied(why=f"nothing points to TrustedHosts of {self.host}")
            elif missing:
                yield unseen(missing)
            elif isinstance(own, ManagementChannel) and own.trusts(name):
                yield Satisfied(why=f"WinRM of {self.host} trusts {name}")
            else:
                yield from (unread(f"WinRM of {host}", each) for host, each in both if isinstance(each, NotApplicable))
        elif own.joined and its.joined:
            yield Satisfied(why=f"{self.host} and {self.peer} belong to the domain: Kerberos proves who they are")
        elif own.trusts(name):
            yield Satisfied(why=f"WinRM of {self.host} trusts {name}")
        elif not suspected:
            yield Satisfied(why=f"WinRM of {self.host} does not trust {name}, and nothing points to it")
        elif own.trusted_by_policy:
            yield Manual(
                why=f"WinRM of {self.host} does not trust {name}, and a group policy sets its TrustedHosts",
                instructions=(
                    f"Add {name} in that policy: Computer Configuration, Administrative Templates, Windows Components, Windows "
                    f"Remote Management, WinRM Client, Trusted Hosts. Which one it is: gpresult /scope computer /r",
                    f"Then on {self.host}: gpupdate /target:computer",
                ),
            )
        else:
            alone = [host for host, each in ((self.host, own), (self.peer, its)) if not each.joined]
            verb = "belongs" if len(alone) == 1 else "belong"
            yield Step(
                target=own.target,
                host=own.subject,
                command=command("Add-RemediationTrustedHost", Name=name),
                why=f"{' and '.join(alone)} {verb} to no domain, and WinRM of {self.host} does not trust {name}. Whoever takes "
                f"that name on the network is trusted then: HTTPS listeners would be safer",
                changes=changes(own, own.model_copy(update={"trusted": own.trusted | {name}})),
                undo=command("Remove-RemediationTrustedHost", Name=name),
            )
