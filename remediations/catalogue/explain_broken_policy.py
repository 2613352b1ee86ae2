"""Say that a host cannot read its registry policy, and how a person makes the file anew.

A Registry.pol that is damaged (it has to begin with the letters PReg) stops policy processing (event 1096 of GroupPolicy);
Hyper-V then disables its migration listener, and peers time out (0x8007274C).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, Repair
from remediations.facts.policy import PolicyProcessing, policy_processing
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

_FILE = "C:\\Windows\\System32\\GroupPolicy\\Machine\\Registry.pol"


class ExplainBrokenPolicy(Repair):
    """Whether a host can read its registry policy."""

    id: ClassVar[str] = "explain-broken-policy"
    title: ClassVar[str] = "Registry policy that cannot be read"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.GPO_REGISTRY_POL_CORRUPT,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    host: HostName = Field(description="The Hyper-V host whose policy is looked at")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """Both ends, the destination first: its listener is what goes missing."""
        del site
        return [cls(host=host) for host in (incident.destination, incident.source) if host]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """How policy processing went of late."""
        pointed = evidence.points_to(Cause.GPO_REGISTRY_POL_CORRUPT)
        return Reads({"pointed": pointed}, policy=policy_processing(site.host(self.host).name))

    def plan(self, *, pointed: bool, policy: PolicyProcessing) -> Iterator[Item]:
        """One item."""
        host = policy.subject
        if not policy.broken:
            yield Satisfied(why=f"{host} shows no failure to read its registry policy")
        elif not pointed:
            yield Satisfied(why=f"{host} fails to read its registry policy, which nothing ties to this move: {policy.told}")
        else:
            since = f"{policy.failed:%Y-%m-%d %H:%M} UTC" if policy.failed else ""
            yield Manual(
                why=f"{host} has not read its registry policy since {since}: {policy.told}",
                instructions=(
                    f"On {host}: look for the file in the event's details; for LocalGPO it is {_FILE}. It has to begin with "
                    f"PReg: Format-Hex -Path {_FILE} (first line)",
                    f"If it does not, move it aside, never delete it: Move-Item {_FILE} {_FILE}.broken; what was set only in "
                    "the local policy has to be set again, or taken from a healthy host of the same kind",
                    "If the event names an object of the domain, its file in SYSVOL is damaged: whoever owns it restores it",
                    f"Then on {host}, as administrator: gpupdate /target:computer /force, and restart the service vmms once "
                    "nothing is migrating or being backed up",
                ),
            )
