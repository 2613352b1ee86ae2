"""Where the virtual machines of a cluster node's roles could go: what a drain would leave behind, and what one has left."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from remediations.catalogue.drain_node import home
from remediations.catalogue.remediation import anywhere, unread
from remediations.engine.gather import gather
from remediations.engine.ports import Clock, Reading
from remediations.engine.readiness import Scope, assess
from remediations.facts.cluster import from_any, witnesses
from remediations.facts.health import InRoles, in_roles
from remediations.model.names import same_host, same_name
from remediations.model.readiness import Level, Readiness, VmSeen
from remediations.model.site import Site

LISTED = 3
"""Reasons that are told of one virtual machine."""

Named = tuple[tuple[str, str], ...]
"""Names, each with a reason."""


@dataclass(frozen=True)
class Whereabouts:
    """The virtual machines of a node's roles, by what is known of each."""

    count: int
    """How many there are; a role of which it is not known what it holds counts as one."""
    placed: tuple[str, ...]
    """Those that the node shows."""
    stays: Named
    """Those that could go nowhere as things are, and why."""
    unknown: Named
    """Those of which it is not known, and why; by the role's name where it is not known what that holds."""


def whereabouts(hosts: Reading, site: Site, node: str, roles: Iterable[str], clock: Clock) -> Whereabouts:
    """Look, by reads only, at where the virtual machines of these roles of `node` could go.

    People name groups as they like, and SCVMM does too: the roles' resources tell what they hold. A virtual machine that the
    node does not show (deleted, renamed or moved since, or not registered while its configuration is offline) is unknown.
    Raises `LookupError` only if `node` is no node of a cluster in site.yaml.
    """
    cluster, node = home(node, site)
    machines, dark = _inside(hosts, site, node, roles)
    if not machines:
        return Whereabouts(len(dark), (), (), dark)
    ahead = assess(hosts, site, Scope((), (cluster.name,), machines, lenient=True), clock=clock, now=time.monotonic)
    seen, lost = [], list(dark)
    for vm in machines:
        shown = [each for each in ahead.vms if same_name(each.name, vm)]
        # What could not be placed has no ways: it may be on any host that could not be read.
        best = sorted((each for each in shown if same_host(each.host, node) or not each.ways), key=lambda each: not each.ways)
        elsewhere = f": it is on {shown[0].host} by now" if shown else ""
        seen += best[:1]
        lost += [] if best else [(vm, f"{node} does not show it{elsewhere}")]
    return Whereabouts(
        count=len(machines) + len(dark),
        placed=tuple(each.name for each in seen if each.ways),
        stays=tuple((each.name, in_the_way(each, ahead)) for each in seen if each.level is Level.FAILS),
        unknown=(*((each.name, in_the_way(each, ahead)) for each in seen if each.level is Level.UNKNOWN), *lost),
    )


def in_the_way(vm: VmSeen, ahead: Readiness) -> str:
    """The worst of what is in its way, whatever the destination first."""
    ids = [*vm.findings, *(each for way in vm.ways for each in way.findings)]
    told = [ahead.by_id[each] for each in dict.fromkeys(ids) if ahead.by_id[each].level in (Level.FAILS, Level.UNKNOWN)]
    return "; ".join(reason for finding in told[:LISTED] for reason in finding.why[:1]) or "no other host could be asked"


def _inside(hosts: Reading, site: Site, node: str, roles: Iterable[str]) -> tuple[tuple[str, ...], Named]:
    """The virtual machines in these roles; and the roles of which it is not known, and why."""
    cluster, _ = home(node, site)
    asked = from_any(in_roles, cluster.name, of=witnesses(cluster, node))
    found = gather(hosts, site, asked.values())
    held = anywhere({via: found.of(query) for via, query in asked.items()})
    ordered = sorted(roles, key=str.casefold)
    if not isinstance(held, InRoles):
        why = f"the virtual machine in this role is not known: {unread('what roles hold', held).why}"
        return (), tuple((role, why) for role in ordered)
    inside = {role: held.of(role) for role in ordered}
    empty = tuple((role, "this role holds no virtual machine's resource") for role in ordered if not inside[role])
    return tuple(dict.fromkeys(vm for each in inside.values() for vm in each)), empty
