"""Let WinRM's connections to a peer go past WinHTTP's proxy.

"The server does not support WS-Management Identify operations" is what a client says that got a proxy's answer instead of
WinRM's, often because it uses a short name and only full ones go past the proxy. The peer's two names are added to the bypass
list; the proxy itself stays.
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
from remediations.model.names import HostName, short_name
from remediations.model.plan import Item, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class BypassProxy(OfPeer):
    """Add a peer's names to WinHTTP's bypass list where a proxy stands in the way."""

    id: ClassVar[str] = "bypass-proxy"
    title: ClassVar[str] = "Bypass the proxy"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.WINRM_MISCONFIGURED,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-RemediationProxyBypass"})

    host: HostName = Field(description="The source: the host whose connections go to the proxy")
    peer: HostName = Field(description="The destination: the host that is to be reached directly")

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """WinHTTP's settings at the source."""
        host, peer = site.host(self.host).name, site.host(self.peer).name
        names = (short_name(peer).lower(), site.fqdn(peer))
        given = {"names": names, "suspected": evidence.points_to(Cause.WINRM_MISCONFIGURED)}
        return Reads(given, channel=management_channel(host), installed=module(host))

    def plan(
        self,
        *,
        names: tuple[str, str],
        suspected: bool,
        channel: ManagementChannel | Unknown | NotApplicable,
        installed: Module | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item."""
        if isinstance(channel, Unknown):
            yield unread(f"proxy of {self.host}", channel)
        elif isinstance(channel, NotApplicable):
            missing = lacking(self.host, installed, "reading WinHTTP's proxy")
            if not suspected:
                yield Satisfied(why=f"nothing points to a proxy of {self.host}")
            else:
                yield unseen(missing) if missing else unread(f"proxy of {self.host}", channel)
        elif not channel.proxy:
            yield Satisfied(why=f"{self.host} uses no proxy")
        elif all(channel.goes_past_proxy(name) for name in names):
            yield Satisfied(why=f"connections from {self.host} to {names[1]} go past the proxy {channel.proxy}")
        elif not suspected:
            yield Satisfied(why=f"{self.host} uses the proxy {channel.proxy}, and nothing points to it")
        elif missing := lacking(self.host, installed, "changing WinHTTP's bypass list"):
            yield missing
        else:
            for name in names:
                if channel.goes_past_proxy(name):
                    continue
                more = channel.model_copy(update={"bypass": (*channel.bypass, name)})
                yield Step(
                    target=channel.target,
                    host=channel.subject,
                    command=command("Set-RemediationProxyBypass", Name=name, Bypass=True),
                    why=f"connections from {self.host} to {name} go to the proxy {channel.proxy}, which does not speak for it",
                    changes=changes(channel, more),
                    undo=command("Set-RemediationProxyBypass", Name=name, Bypass=False),
                )
                channel = more
