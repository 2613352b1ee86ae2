"""Raise the limit of migrations at a time to what the site expects, or wait until one of them has ended.

A limit that is reached is an episode: it ends by itself, and a low limit is a choice, not a fault. So nothing is raised
beyond `expect:` in site.yaml, nothing is ever lowered, and without an expectation the plan is to wait and try again. A
cluster with the 2022-09 update or newer has a limit of its own, which wins over its nodes' and resets them (Set-VMHost,
-MaximumVirtualMachineMigrations; Get-Cluster, example 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediations.catalogue.managed import left_to_others
from remediations.catalogue.remediation import Reads, Repair, Seen, unread
from remediations.facts.cluster import ClusterLimit, cluster_limit, from_any, witnesses
from remediations.facts.host import HostLimits, HostLoad, host_limits, host_load
from remediations.facts.managers import managers
from remediations.facts.module import Module, lacking, module
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.incident import Incident
from remediations.model.names import ClusterName, HostName
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step, Wait
from remediations.model.site import Expectation, Site
from remediations.model.tier import Proof, Reversal, Tier


@dataclass(frozen=True)
class _Kind:
    """One of a host's two limits: how facts, commands, site.yaml and people call it, and how patiently it is waited for."""

    field: str
    moving: str
    parameter: str
    expectation: str
    words: str
    poll: float
    at_most: float


_KINDS = {
    "live": _Kind(
        "migrations", "migrating", "MaximumVirtualMachineMigrations", "simultaneous_migrations", "live migrations", 10, 3600
    ),
    "storage": _Kind(
        "storage_migrations",
        "storage_migrating",
        "MaximumStorageMigrations",
        "storage_migrations",
        "storage migrations",
        60,
        21600,
    ),
}


class SetMigrationLimits(Repair):
    """Raise a migration limit that is below what site.yaml expects; else wait for a free slot. Never lowers one."""

    id: ClassVar[str] = "set-migration-limits"
    title: ClassVar[str] = "Set the limits of migrations at a time"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.MIGRATION_LIMIT_REACHED,)
    proof: ClassVar[Proof] = Proof.EPISODE
    tier: ClassVar[Tier] = Tier.LOCAL
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Set-RemediationClusterLimit", "Set-VMHost"})

    host: HostName | None = Field(default=None, description="A standalone Hyper-V host; or name a cluster")
    cluster: ClusterName | None = Field(default=None, description="A failover cluster (tier 2); or name a standalone host")

    of: Literal["live", "storage"] = Field(default="live", description="Which limit: of live or of storage migrations")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.host is None) == (self.cluster is None):
            raise ValueError("host, cluster: name exactly one of the two")
        return self

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The cluster whose limit counts on the way, and both limits of each standalone host: a move there may take storage."""
        found: dict[str, Self] = {}
        for host in (incident.source, incident.destination):
            cluster = site.cluster_of(host) if host else None
            if cluster:
                found[cluster.name] = cls(cluster=cluster.name)
            elif host:
                found |= {f"{host} {of}": cls(host=host, of=of) for of in ("live", "storage")}
        if not found and incident.cluster:
            found[incident.cluster] = cls(cluster=incident.cluster)
        return list(found.values())

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Limits and what is moving, of the hosts on the incident's way; of all nodes where nobody says which."""
        hosts: tuple[str, ...]
        asked: tuple[str, ...]
        if self.cluster is None:
            hosts = asked = (site.host(str(self.host)).name,)
            home, expect = site.cluster_of(hosts[0]), site.expect(hosts[0])
        else:
            home = site.cluster(self.cluster)
            incident, expect = evidence.incident, home.expect
            way = (incident.source, incident.destination) if incident else ()
            asked = witnesses(home, *way)
            on_way = [site.host(host).name for host in way if host]
            hosts = tuple(node for node in home.nodes if node in on_way) or home.nodes
        often = any(seen.cause is Cause.MIGRATION_LIMIT_REACHED for seen in evidence.sightings)
        return Reads(
            {"expect": expect, "often": often, "node_of": home.name if home and self.cluster is None else ""},
            limit=from_any(cluster_limit, of=asked),
            modules={host: module(host) for host in asked},
            hosts={host: host_limits(host) for host in hosts},
            loads={host: host_load(host) for host in hosts},
            managed={host: managers(host) for host in dict.fromkeys((*asked, *hosts))},
        )

    def risk(self, inputs: Mapping[str, Any]) -> Tier:
        """A cluster's limit counts on all its nodes."""
        del inputs
        return Tier.DIRECTORY if self.cluster else Tier.LOCAL

    def plan(
        self,
        *,
        expect: Expectation,
        often: bool,
        node_of: str,
        limit: ClusterLimit | Unknown | NotApplicable,
        modules: Mapping[str, Seen],
        hosts: Mapping[str, Seen],
        loads: Mapping[str, Seen],
        managed: Mapping[str, Seen],
    ) -> Iterator[Item]:
        """One item for the cluster's limit, or for each host's; where they are as wanted, one for each host's free slots."""
        kind = _KINDS[self.of]
        wanted: int | None = getattr(expect, kind.expectation)
        if isinstance(limit, Unknown):
            yield unread("the cluster's limit", limit)
            return
        allowed: dict[str, int] = {}
        if isinstance(limit, ClusterLimit) and self.of == "live":
            if self.cluster is None:
                node = f"{self.host} is a node of {node_of or limit.name}"
                why = f"{node}, whose own limit ({limit.migrations}) wins and resets the host's: ask for cluster {limit.name}"
                yield Blocked(obstacle=Obstacle.CONFLICT, why=why)
                return
            if wanted is not None and limit.migrations < wanted:
                item = _raise_cluster(limit, wanted, modules[limit.seen_from])
                yield left_to_others(item, managed[limit.seen_from], "migration limits")
                return
            allowed = dict.fromkeys(hosts, limit.migrations)
        else:
            own = {host: seen for host, seen in hosts.items() if isinstance(seen, HostLimits)}
            yield from (unread(f"limits of {host}", seen) for host, seen in hosts.items() if host not in own)
            allowed = {host: getattr(limits, kind.field) for host, limits in own.items()}
            low = [host for host, now in allowed.items() if wanted is not None and now < wanted]
            if wanted is not None and low:
                steps = [_raise_host(kind, own[host], wanted) for host in low]
                yield from (left_to_others(step, managed[step.host], "migration limits") for step in steps)
                high = {host: now for host, now in allowed.items() if host not in low}
                yield from (Satisfied(why=f"{host} allows {now} {kind.words} at a time") for host, now in high.items())
                return
        for host, most in allowed.items():
            yield _slot(kind, host, loads[host], most, wanted=wanted, often=often)


def _raise_host(kind: _Kind, limits: HostLimits, wanted: int) -> Step:
    now: int = getattr(limits, kind.field)
    return Step(
        target=limits.target,
        host=limits.subject,
        command=command("Set-VMHost", **{kind.parameter: wanted}),
        why=f"{limits.subject} allows {now} {kind.words} at a time; site.yaml expects {wanted}",
        changes=changes(limits, limits.model_copy(update={kind.field: wanted})),
        undo=command("Set-VMHost", **{kind.parameter: now}),
    )


def _raise_cluster(limit: ClusterLimit, wanted: int, found: Seen) -> Item:
    missing = lacking(
        limit.seen_from, _as_module(found), "setting a cluster's limit (a property assignment, no cmdlet does it)"
    )
    if missing:
        return missing
    return Step(
        target=limit.target,
        host=limit.seen_from,
        command=command("Set-RemediationClusterLimit", Maximum=wanted),
        why=f"cluster {limit.name} allows {limit.migrations} migrations at a time on each node; site.yaml expects {wanted}",
        changes=changes(limit, limit.model_copy(update={"migrations": wanted})),
        undo=command("Set-RemediationClusterLimit", Maximum=limit.migrations),
    )


def _as_module(found: Seen) -> Module | Unknown | NotApplicable:
    return found if isinstance(found, (Module, Unknown, NotApplicable)) else Unknown(reason="something else was read")


def _slot(kind: _Kind, host: str, load: Seen, limit: int, *, wanted: int | None, often: bool) -> Item:
    """What is left where the limit itself is as wanted: a free slot, a wait for one, or a person's word."""
    if not isinstance(load, HostLoad):
        return unread(f"running {kind.words} of {host}", load)
    running: int = getattr(load, kind.moving)
    state = f"{host} runs {running} of {limit} {kind.words} at a time"
    expected = "" if wanted is None else f"; site.yaml expects {wanted}, and nothing is lowered"
    if running < limit:
        return Satisfied(why=f"{state}{expected}")
    if wanted is None and (often or limit == 0):
        return Manual(
            why=f"{state}, which {'lets none through' if limit == 0 else 'is reached again and again'}",
            instructions=(f"Say which limit is right in site.yaml, expect.{kind.expectation}; it is then raised up to there",),
        )
    return Wait(
        until=(guard(load, kind.moving, Test.AT_MOST, limit - 1, "a slot is free"),),
        poll=kind.poll,
        at_most=kind.at_most,
        why=f"{state}{expected}: one of them has to end first",
    )
