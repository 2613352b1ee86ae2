"""Set how a host sends migrations to what the site expects: TCP/IP, compressed, or over SMB.

SMB Direct needs a lossless network (RoCE with priority flow control), TCP 445 or 5445 and delegation for cifs; where one of
them is missing, moves stall (0x800705B4) or are cut (0x80072746), and going back to compression is the known remedy
(SMBClient event 30804). Each option is a good choice somewhere, so nothing is a fault here without evidence, and nothing is
set that site.yaml does not say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Repair
from remediations.facts.network import MigrationSettings, migration_settings
from remediations.model.causes import Cause
from remediations.model.command import Command, command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import changes
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Item, Manual, Satisfied, Step
from remediations.model.site import Expectation, Site
from remediations.model.tier import Proof, Reversal, Tier


class SetPerformanceOption(Repair):
    """Send migrations the way that site.yaml expects, where the evidence points to the data path."""

    id: ClassVar[str] = "set-performance-option"
    title: ClassVar[str] = "Set the performance option of live migration"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.NETWORK_UNREACHABLE,)
    proof: ClassVar[Proof] = Proof.EXCLUSION
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-VMHost"})

    host: HostName = Field(description="The Hyper-V host that sends: the source")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The source: its option decides how a move is sent."""
        del site
        return [cls(host=incident.source)] if incident.source else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The host's settings."""
        host = site.host(self.host).name
        given = {"expect": site.expect(host), "suspected": evidence.points_to(Cause.NETWORK_UNREACHABLE)}
        return Reads(given, settings=migration_settings(host))

    def plan(self, *, expect: Expectation, suspected: bool, settings: MigrationSettings) -> Iterator[Item]:
        """One item."""
        wanted, now, host = expect.performance, settings.performance, settings.subject
        if wanted == now:
            yield Satisfied(why=f"{host} sends migrations by {now}, as site.yaml expects")
        elif not suspected:
            told = "says nothing of it" if wanted is None else f"expects {wanted}"
            yield Satisfied(why=f"{host} sends migrations by {now}; site.yaml {told}, and nothing points to the data path")
        elif wanted is not None:
            yield Step(
                target=settings.target,
                host=host,
                command=_set(wanted),
                why=f"{host} sends migrations by {now}; site.yaml expects {wanted}, and the data path failed",
                changes=changes(settings, settings.model_copy(update={"performance": wanted})),
                undo=_set(now),
            )
        elif now == "SMB":
            yield Manual(
                why=f"{host} sends migrations by SMB and the data path failed; site.yaml does not say whether it should",
                instructions=(
                    "Say how it should send in site.yaml, expect.performance (TCPIP, Compression or SMB); it is then set",
                    "If SMB is right: look at priority flow control and RDMA on the way (events of SMBClient and SMBDirect)",
                ),
            )
        else:
            yield Satisfied(why=f"{host} sends migrations by {now}, which needs nothing special of the network")


def _set(option: str) -> Command:
    return command("Set-VMHost", VirtualMachineMigrationPerformanceOption=option)
