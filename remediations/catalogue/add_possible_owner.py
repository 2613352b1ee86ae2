"""Let a node own a clustered virtual machine that site.yaml wants it to own.

The cluster service refuses to move a role to a node that is not a possible owner of all its resources (0x80071398). The
virtual machine and its configuration are two resources with a list each (Microsoft's troubleshooting article names both).
Set-ClusterOwnerNode sets a whole list: so the list as it was read is sent with the node added, and only while it is still so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field

from remediations.catalogue.places import same_cluster, ways
from remediations.catalogue.remediation import Reads, Repair, Seen, unread
from remediations.facts.cluster import from_any, witnesses
from remediations.facts.owners import PossibleOwners, possible_owners, resources_of, set_owners
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.incident import Incident
from remediations.model.names import HostName, VmName, same_host
from remediations.model.plan import Item, Manual, Satisfied, Step
from remediations.model.site import Expectation, Site
from remediations.model.tier import Proof, Reversal, Tier


class AddPossibleOwner(Repair):
    """Add a node to the possible owners of a clustered virtual machine and of its configuration. Never takes one away."""

    id: ClassVar[str] = "add-possible-owner"
    title: ClassVar[str] = "Add a possible owner"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.POSSIBLE_OWNER_EXCLUDED,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.DIRECTORY
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-ClusterOwnerNode"})

    vm: VmName = Field(description="The clustered virtual machine")
    node: HostName = Field(description="The node that is to be a possible owner of it")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The destination, where it is a node of the source's cluster; with any destination, every other node of it."""
        if incident.vm is None:
            return []
        if incident.destination is None:
            within = (way for way in ways(incident, site) if same_cluster(*way[1:], site))
            return [cls(vm=vm, node=there) for vm, _, there in within]
        home = site.cluster_of(incident.destination)
        away = home is None or (incident.source is not None and site.cluster_of(incident.source) is not home)
        return [] if away else [cls(vm=incident.vm, node=incident.destination)]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Both lists, as up to three nodes show them. Raises `LookupError` for a host that is no node of a cluster."""
        node = site.host(self.node).name
        home = site.cluster_of(node)
        if home is None:
            raise LookupError(f"{node} is no node of a cluster in site.yaml: nothing there has possible owners")
        asked = witnesses(home, evidence.incident.source if evidence.incident else None)
        configuration, machine = resources_of(self.vm)
        return Reads(
            {"expect": site.expect(node), "cluster": home.name},
            configuration=from_any(possible_owners, configuration, of=asked),
            machine=from_any(possible_owners, machine, of=asked),
        )

    def plan(
        self,
        *,
        expect: Expectation,
        cluster: str,
        configuration: PossibleOwners | Unknown | NotApplicable,
        machine: PossibleOwners | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item for each of the two resources."""
        for seen in (configuration, machine):
            yield self._resource(seen, expect, cluster)

    def _resource(self, seen: Seen, expect: Expectation, cluster: str) -> Item:
        if isinstance(seen, NotApplicable):
            return Satisfied(why=seen.reason)
        if not isinstance(seen, PossibleOwners):
            return unread(f"possible owners of {self.vm}", seen)
        if seen.may_own(self.node):
            return Satisfied(why=f"{self.node} is a possible owner of {seen.name}")
        listed = ", ".join(sorted(seen.owners))
        state = f"{self.node} is not a possible owner of {seen.name} ({listed})"
        if expect.possible_owners is None:
            why = f"{state}; site.yaml does not say who should be"
            say = f"Say which nodes of {cluster} may own it in site.yaml, expect.possible_owners; missing ones are then added"
            return Manual(why=why, instructions=(say, f"Or move {self.vm} to a node that may own it: {listed}"))
        if not any(same_host(each, self.node) for each in expect.possible_owners):
            wanted = ", ".join(expect.possible_owners)
            why = f"{state}, and site.yaml expects {wanted}: the move asks for what the site does not want"
            say = f"Move {self.vm} to one of {wanted}, or correct expect.possible_owners in site.yaml"
            return Manual(why=why, instructions=(say,))
        grown = seen.model_copy(update={"owners": seen.owners | {self.node}})
        return Step(
            target=seen.target,
            host=seen.seen_from,
            command=set_owners(seen, tuple(grown.owners)),
            why=f"{state}; site.yaml expects it to be",
            changes=changes(seen, grown),
            undo=set_owners(seen, tuple(seen.owners)),
            guards=(guard(seen, "owners", Test.EQUALS, seen.to_json()["owners"], "the whole list is set"),),
        )
