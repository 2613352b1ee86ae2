"""Say what is wrong with a virtual switch that the destination has: it is of another type, without a link, or bound to a node.

A cluster refuses the move (event 21145: disconnected; 21158: the switch is internal or private to the source); between
standalone hosts the virtual machine moves and is cut off. Which adapters a switch should have, only a person knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfKnownWay
from remediations.facts.switches import Connections, HostSwitches, Switch, connections, host_switches
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.names import same_host
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainSwitchMismatch(OfKnownWay):
    """Compare the switches that a virtual machine uses at both ends, and say what a person has to mend."""

    id: ClassVar[str] = "explain-switch-mismatch"
    title: ClassVar[str] = "Explain a switch that does not match"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.SWITCH_MISMATCH,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """What it is connected to, and both hosts' switches."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        home = site.cluster_of(source)
        return Reads(
            {
                "clustered": home is not None and home is site.cluster_of(destination),
                "suspected": evidence.points_to(Cause.SWITCH_MISMATCH),
            },
            used={host: connections(self.vm, host) for host in (source, destination)},
            switches={host: host_switches(host) for host in (source, destination)},
        )

    def plan(self, *, clustered: bool, suspected: bool, used: Connections, switches: Mapping[str, Seen]) -> Iterator[Item]:
        """One item for each switch that the virtual machine uses."""
        here, there = (
            next(seen for host, seen in switches.items() if same_host(host, end)) for end in (self.source, self.destination)
        )
        if not isinstance(here, HostSwitches) or not isinstance(there, HostSwitches):
            pairs = ((self.source, here), (self.destination, there))
            yield from (unread(f"switches of {host}", seen) for host, seen in pairs if not isinstance(seen, HostSwitches))
            return
        if not used.switches:
            yield Satisfied(why=f"{self.vm} is connected to no switch")
        for name in sorted(used.switches):
            own, match = here.named(name), there.named(name)
            if own is not None and own.kind != "External" and suspected:
                yield self._bound(own)
            elif match is None:
                yield Satisfied(why=f"{self.destination} has no switch {name} that could differ")
            else:
                yield self._compared(match, own, there, stops=clustered or suspected)

    def _bound(self, own: Switch) -> Manual:
        return Manual(
            why=f"{self.vm} depends on {own.name}, which is {own.kind.lower()} to {self.source} (event 21158)",
            instructions=(
                f"On {self.source}: Connect-VMNetworkAdapter -VMName {quoted(self.vm)} -SwitchName 'AN EXTERNAL SWITCH OF "
                f"BOTH'",
                "Or leave it where it is: what an internal or private switch joins is on this host only",
            ),
        )

    def _compared(self, match: Switch, own: Switch | None, there: HostSwitches, *, stops: bool) -> Item:
        name = match.name
        differs = own is not None and own.kind != match.kind
        if not stops or not (differs or there.disconnected(match)):
            team = (
                f"; it is teamed {match.teaming}, on {self.source} {own.teaming}"
                if own and own.teaming != match.teaming
                else ""
            )
            return Satisfied(why=f"{self.destination} has the {match.kind} switch {name}{team}")
        if differs and own:
            state = f"{name} is {match.kind} on {self.destination} and {own.kind} on {self.source}"
        else:
            state = f"no adapter of {name} on {self.destination} has a link: {', '.join(sorted(match.uplinks)) or 'none'}"
        return Manual(
            why=f"{state}. {self.vm} would be cut off there (event 21145)",
            instructions=(
                f"On {self.destination}: Get-VMSwitch -Name {quoted(name)}, and Get-NetAdapter: look for the adapters that it "
                "should have, their cables and drivers",
                f"If it lost them: Set-VMSwitch -Name {quoted(name)} -NetAdapterName 'ADAPTER' (of a team: Set-VMSwitchTeam "
                f"-Name {quoted(name)} -NetAdapterName 'ONE','OTHER')",
                "If Network ATC (Get-NetIntentStatus) or VMM manages the switch, mend it there: they set it again",
            ),
        )
