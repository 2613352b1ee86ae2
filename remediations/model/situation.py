"""What policy judges, and what it judges by: a plan as rules see it, and what the ledger says at one moment. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from pydantic import AwareDatetime

from remediations.model.base import Frozen
from remediations.model.causes import Cause
from remediations.model.names import same_host, short_name
from remediations.model.outcome import Refused
from remediations.model.plan import Plan, Step
from remediations.model.site import Site
from remediations.model.tier import Tier
from remediations.model.trust import OpenBreaker, Trial


class Aim(Frozen):
    """One thing that a plan changes, as cooldowns know it."""

    id: str
    name: str


class Subject(Frozen):
    """A plan as the rules of the policy see it; or a remediation and where it would act, before anything was read."""

    title: str
    remediations: tuple[str, ...]
    """Ids of its parts, in order."""
    tier: Tier
    causes: tuple[Cause, ...] = ()
    hosts: tuple[str, ...] = ()
    """Every host that it touches: where its commands go, what they change, what its request names."""
    controllers: tuple[str, ...] = ()
    """Those of `hosts` that are domain controllers: what is sent through them changes others, so that caps do not count it."""
    receiving: tuple[str, ...] = ()
    """Further hosts that what runs may move to by it, where a cluster chooses: gates ask them too, caps do not count them."""
    clusters: Mapping[str, tuple[str, ...]] = {}
    """The clusters that it touches, by name, with their nodes."""
    aims: tuple[Aim, ...] | None = None
    """What its steps change; none while no plan was made."""
    retry: bool = False
    """Whether it is the move that had failed, asked for again."""

    @classmethod
    def of(cls, plan: Plan, site: Site, causes: Sequence[Cause] = (), *, retry: bool = False) -> Self:
        """A plan. `causes` is what it mends; nothing for an operation."""
        hosts = set(_named(plan.request, site))
        clusters: set[str] = set()
        receiving: set[str] = set()
        for step in plan.steps:
            hosts.update(touched(step))
            receiving.update(_receiving(step, site))
            if step.target.kind == "cluster":
                clusters.add(short_name(step.target.name))
        spelt = _spelt(hosts, site)
        return cls(
            title=plan.title,
            remediations=tuple(plan.remediation.split("+")),
            tier=plan.tier,
            causes=tuple(causes),
            hosts=spelt,
            controllers=tuple(host for host in spelt if _is_controller(host, site)),
            receiving=tuple(host for host in _spelt(receiving, site) if host not in spelt),
            clusters=_clusters(hosts, clusters, site),
            aims=tuple({step.target.id: Aim(id=step.target.id, name=step.target.name) for step in plan.steps}.values()),
            retry=retry,
        )

    @classmethod
    def unread(
        cls, remediation: str, tier: Tier, causes: Sequence[Cause], *, hosts: Sequence[str], cluster: str, site: Site
    ) -> Self:
        """A remediation and where it would act (`cluster` may be empty). Raises `LookupError` for names that no file has."""
        known = [site.host(host).name for host in hosts]
        named = [site.cluster(cluster).name] if cluster else []
        where = ", ".join([*known, *named]) or "anywhere"
        return cls(
            title=f"{remediation}: {where}",
            remediations=(remediation,),
            tier=tier,
            causes=tuple(causes),
            hosts=tuple(known),
            controllers=tuple(host for host in known if _is_controller(host, site)),
            clusters=_clusters(known, named, site),
        )


def touched(step: Step) -> Iterator[str]:
    """The hosts that a step touches: where it is sent, what it changes, and where its bracket is closed."""
    yield step.host
    if step.close is not None:
        yield step.close.host
    if step.target.kind in ("host", "computer account", "cluster node"):
        yield step.target.name.rstrip("$")


def _receiving(step: Step, site: Site) -> Iterator[str]:
    """Where what runs may come to by a step: where its command says, or wherever the cluster sends it."""
    name, given = step.command.name, step.command.parameters
    named = [str(given[key]) for key in ("Node", "DestinationHost", "TargetNode") if key in given]
    empties = name == "Suspend-ClusterNode" and "Drain" in given
    refills = name == "Resume-ClusterNode" and given.get("Failback", "NoFailback") != "NoFailback"
    cluster = site.cluster_of(step.host)
    if named:
        yield from named
    elif cluster is not None and (name == "Move-ClusterVirtualMachineRole" or empties or refills):
        yield from cluster.nodes


def _named(request: Mapping[str, Any], site: Site) -> Iterator[str]:
    """The hosts of the inventory that a request names, in whichever field, as the destination of a move."""
    for value in request.values():
        if isinstance(value, str):
            yield from (host.name for host in site.all_hosts() if same_host(host.name, value))
        elif isinstance(value, Mapping):
            yield from _named(value, site)
        elif isinstance(value, list):
            yield from (name for each in value for name in _named({"": each}, site))


def _is_controller(host: str, site: Site) -> bool:
    return any(same_host(each.name, host) for each in site.controllers)


def _spelt(hosts: set[str], site: Site) -> tuple[str, ...]:
    """As the inventory spells them, each once; one that it does not have as it was given."""
    known = [host.name for host in site.all_hosts()]
    return tuple(sorted({next((each for each in known if same_host(each, host)), host) for host in hosts}))


def _clusters(hosts: Sequence[str] | set[str], named: Sequence[str] | set[str], site: Site) -> dict[str, tuple[str, ...]]:
    of_hosts = (site.cluster_of(host) for host in hosts)
    found = {cluster.name: cluster.nodes for cluster in of_hosts if cluster is not None}
    for name in named:
        there = next((each for each in site.clusters if each.name.casefold() == name.casefold()), None)
        found[there.name if there else name] = there.nodes if there else ()
    return dict(sorted(found.items()))


class Changed(Frozen):
    """One plan of which something was sent: what a cap counts, whatever became of it."""

    at: AwareDatetime
    """When its last step was sent."""
    hosts: frozenset[str]
    """Every host that its steps touched, short and in lower case."""
    causes: frozenset[Cause] | None
    """What it was to mend; none if it was sealed without saying, so that it counts for every cause."""


class Mend(Frozen):
    """The last time that a repair for a cause was begun at a target, and what became of it there."""

    at: AwareDatetime
    """When its last step was sent."""
    taken_back: AwareDatetime | None = None
    """When everything that it had done was taken back; none while anything of it stands, or may."""
    failed: bool = False
    """Whether nothing of it had worked, so that there was nothing to take back."""


Room = Callable[[Sequence[Changed], datetime], Refused | None]
"""Says of what was changed within the last day, at a time, whether it leaves room for one more plan; None if it does."""


def unlimited(changed: Sequence[Changed], now: datetime) -> Refused | None:
    """There is always room."""
    del changed, now
    return None


@dataclass(frozen=True)
class Situation:
    """What the switches and the ledger say at one moment, as far as it bears on one subject."""

    now: datetime
    paused: Mapping[str, str | None]
    """Each pause switch by name: why it pauses, or None if it does not."""
    changed: Sequence[Changed] = ()
    """What was changed within the last day."""
    mended: Mapping[tuple[Cause, str], Mend] = field(default_factory=dict)
    """The last mend of a cause on a target, by its id; pairs that never had one are left out."""
    trials: Sequence[Trial] = ()
    """Every trial of the subject's remediations."""
    breakers: Sequence[OpenBreaker] = ()
    """The breakers that are open."""
