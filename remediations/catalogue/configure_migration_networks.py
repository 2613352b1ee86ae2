"""Let two hosts find a network that both take migrations on.

Standalone hosts take migrations on any network, or only on those that they list; where the lists leave no network in common,
nothing listens for the other (0x8007274D), and a listed address that is gone cannot be listened on (0x80072741). What
site.yaml expects (`expect.migration_networks`) is added, and nothing is taken from a list. Cluster nodes use the cluster's
networks instead (0x13AB, events 21123 and 21126): which of them may carry migrations is a person's choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, ClassVar, Self

from pydantic import Field

from remediations.catalogue.places import same_cluster
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfPeer, two_ends
from remediations.facts.cluster import from_any, witnesses
from remediations.facts.network import (
    ClusterNetworks,
    Interfaces,
    MigrationNetworks,
    MigrationSettings,
    cluster_networks,
    interfaces,
    joins,
    migration_networks,
    migration_settings,
)
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown, changes
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step
from remediations.model.site import Expectation, Site
from remediations.model.tier import Proof, Reversal, Tier

_EXCLUDED = "(Get-ClusterResourceType -Name 'Virtual Machine' | Get-ClusterParameter -Name MigrationExcludeNetworks).Value"


class ConfigureMigrationNetworks(OfPeer):
    """Add the expected networks to a standalone host's list if it has none in common with its peer."""

    id: ClassVar[str] = "configure-migration-networks"
    title: ClassVar[str] = "Configure migration networks"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.MIGRATION_NETWORK_MISSING,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.DIRECTORY  # memory of running machines crosses another network from then on
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Add-VMMigrationNetwork", "Remove-VMMigrationNetwork"})

    host: HostName = Field(description="The Hyper-V host whose networks are looked at")
    peer: HostName = Field(description="The other host of the migration")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """Both ends; within one cluster once, for its networks are the same for both."""
        ends = two_ends(incident)
        if ends is None:
            return []
        once = [cls(host=ends[1], peer=ends[0])]
        return once if same_cluster(*ends, site) else [*once, cls(host=ends[0], peer=ends[1])]

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Lists and adapters of both, or the networks of the cluster that both are nodes of."""
        ends = (site.host(self.host).name, site.host(self.peer).name)
        home = site.cluster_of(ends[0])
        clustered = home is not None and home is site.cluster_of(ends[1])
        given: dict[str, Any] = {
            "ends": ends,
            "clustered": clustered,
            "expect": site.expect(ends[0]),
            "suspected": evidence.points_to(Cause.MIGRATION_NETWORK_MISSING),
        }
        if home is not None and clustered:
            nothing: dict[str, Any] = {"settings": {}, "networks": {}, "adapters": {}}
            return Reads(given | nothing, cluster=from_any(cluster_networks, home.name, of=witnesses(home, *ends)))
        return Reads(
            given | {"cluster": NotApplicable(reason=f"{ends[0]} and {ends[1]} are not nodes of one cluster")},
            settings={end: migration_settings(end) for end in ends},
            networks={end: migration_networks(end) for end in ends},
            adapters={end: interfaces(end) for end in ends},
        )

    def plan(
        self,
        *,
        ends: tuple[str, str],
        clustered: bool,
        expect: Expectation,
        suspected: bool,
        settings: Mapping[str, Seen],
        networks: Mapping[str, Seen],
        adapters: Mapping[str, Seen],
        cluster: ClusterNetworks | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """What the two have in common, or what would give them something in common."""
        if isinstance(cluster, ClusterNetworks):
            yield _in_cluster(cluster, ends, suspected=suspected)
            return
        if clustered:
            # Also where no node runs the cluster, or has the commands for it: that makes none of them a standalone host.
            yield unread("networks of the cluster", cluster)
            return
        every: list[_End] = []
        for end in ends:
            seen = settings[end], networks[end], adapters[end]
            if (
                isinstance(seen[0], MigrationSettings)
                and isinstance(seen[1], MigrationNetworks)
                and isinstance(seen[2], Interfaces)
            ):
                every.append(_End(seen[0], seen[1], seen[2]))
            else:
                yield from (unread(f"networks of {end}", each) for each in seen if isinstance(each, (Unknown, NotApplicable)))
        if len(every) == len(ends):
            yield from _alone(every[0], every[1], expect, suspected=suspected)


class _End:
    """One end of the way: what it is set to, and where it has addresses."""

    def __init__(self, settings: MigrationSettings, listed: MigrationNetworks, adapters: Interfaces) -> None:
        self.settings, self.listed, self.adapters, self.name = settings, listed, adapters, settings.subject

    @property
    def takes(self) -> frozenset[str]:
        """The networks that it takes migrations on and has an address in."""
        if self.settings.any_network:
            return self.adapters.subnets
        return frozenset(each for each in self.listed.subnets if self.adapters.has(each))


def _overlap(one: Iterable[str], other: Iterable[str]) -> list[str]:
    pairs = ((ip_network(each), ip_network(its)) for each in sorted(one) for its in other)
    return list(dict.fromkeys(str(each) for each, its in pairs if each.version == its.version and each.overlaps(its)))


def _alone(own: _End, peer: _End, expect: Expectation, *, suspected: bool) -> Iterator[Item]:
    """Between hosts that are not nodes of one cluster."""
    common = _overlap(own.takes, peer.takes)
    if common:
        yield Satisfied(why=f"{own.name} and {peer.name} both take migrations on {', '.join(common)}")
        return
    listed = "any network" if own.settings.any_network else ", ".join(sorted(own.listed.subnets)) or "no network"
    state = f"{own.name} takes migrations on {listed}, and has none in common with {peer.name}"
    wanted = [str(ip_network(each, strict=False)) for each in expect.migration_networks or () if _is_subnet(each)]
    if own.settings.any_network and peer.settings.any_network and not wanted and not suspected:
        yield Satisfied(why=f"{own.name} and {peer.name} take migrations on any network: no list keeps them apart")
        return
    usable = [each for each in wanted if own.adapters.has(each) and peer.adapters.has(each)]
    missing = [each for each in usable if not own.settings.any_network and each not in own.listed.subnets]
    grown = own.listed
    for subnet in missing:
        more = grown.model_copy(update={"subnets": grown.subnets | {subnet}})
        yield Step(
            target=own.settings.target,
            host=own.name,
            command=command("Add-VMMigrationNetwork", Subnet=subnet),
            why=f"{state}; site.yaml expects {subnet}, and both have an address in it",
            changes=changes(grown, more),
            undo=command("Remove-VMMigrationNetwork", Subnet=subnet),
        )
        grown = more
    if missing:
        return
    if usable:
        yield Satisfied(why=f"{own.name} takes migrations on {', '.join(usable)}, as site.yaml expects: {peer.name} does not")
    elif not wanted:
        shared = _overlap(own.adapters.subnets, peer.adapters.subnets)
        hint = f" Both have addresses in {', '.join(shared)}." if shared else ""
        yield Manual(
            why=f"{state}; site.yaml does not say which networks are right",
            instructions=(f"Say which subnets are right in site.yaml, expect.migration_networks; they are then added.{hint}",),
        )
    else:
        yield Manual(
            why=f"{state}; of what site.yaml expects ({', '.join(wanted)}) the two share no network",
            instructions=(
                f"On both hosts: Get-NetIPAddress -AddressFamily IPv4. {own.name} has addresses in "
                f"{', '.join(sorted(own.adapters.subnets)) or 'no network'}, {peer.name} in "
                f"{', '.join(sorted(peer.adapters.subnets)) or 'no network'}",
                "Give both an address in an expected network, or correct expect.migration_networks in site.yaml",
            ),
        )


def _is_subnet(text: str) -> bool:
    """Whether an expectation is a subnet; for clusters it may be the name of a network."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _in_cluster(cluster: ClusterNetworks, ends: tuple[str, str], *, suspected: bool) -> Item:
    """Within a cluster: some network joins both nodes, is used, and migrations are not kept off it."""
    own, peer = ends
    ways = sorted((each for each in cluster.networks if each.used and joins(each, own, peer)), key=lambda each: each.name)
    free = [each.name for each in ways if not each.excluded]
    if free and (not suspected or any(each.excluded is False for each in ways)):
        return Satisfied(why=f"{', '.join(free)} of {cluster.subject} joins {own} and {peer}")
    if free:
        return Blocked(
            obstacle=Obstacle.UNKNOWN,
            why=f"{', '.join(free)} of {cluster.subject} joins {own} and {peer}; whether migrations are kept off it could not "
            f"be read without the module. On {own}: {_EXCLUDED}",
        )
    if ways:
        names = ", ".join(each.name for each in ways)
        return Manual(
            why=f"{cluster.subject} keeps migrations off every network that joins {own} and {peer}: {names}",
            instructions=(
                "Failover Cluster Manager, Networks, Live Migration Settings: select the networks that may carry migrations",
                f"Or on {own}, to see what is excluded (ids of Get-ClusterNetwork): {_EXCLUDED}",
            ),
        )
    if not suspected and all(any(each.used and joins(each, end, end) for each in cluster.networks) for end in ends):
        return Blocked(
            obstacle=Obstacle.UNKNOWN,
            why=f"{own} and {peer} are up in different networks of {cluster.subject}; whether a router joins them is not known",
        )
    told = "; ".join(
        f"{each.name} ({each.subnet}): {'up at ' + ', '.join(sorted(each.up_at)) if each.up_at else 'down'}"
        + ("" if each.used else ", not used by the cluster")
        for each in sorted(cluster.networks, key=lambda each: each.name)
    )
    return Manual(
        why=f"no network of {cluster.subject} joins {own} and {peer}: {told or 'it has none'}",
        instructions=(
            f"On {own} and {peer}: Get-NetAdapter, and Get-ClusterNetworkInterface: bring the interface up that is not",
            "If a network is not used by the cluster (role None) and should be: Failover Cluster Manager, Networks, Properties",
            "If Network ATC manages the adapters (Get-NetIntentStatus), change its intent; it reverts what is set by hand",
        ),
    )
