"""Where the virtual machines of a cluster node's roles could go: what a drain would leave behind, and what one has left."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from remediations.catalogue.drain_node import home
from remediations.catalogue.remediation import anywhere, unread
from remediations.engine.gather import gather
from remediations.engine.ports import Clock, Reading
from remediations.engine.readiness import Scope, assess
from remediations.facts.cluster import from_any, witnesses
from remediations.facts.health import InRoles, in_roles
from remediations.model.causes import Cause
from remediations.model.names import same_host, same_name
from remediations.model.plan import Verdict
from remediations.model.readiness import Finding, Level, Readiness, VmSeen
from remediations.model.site import Site

LISTED = 3
"""Reasons that are told of one virtual machine."""

Named = tuple[tuple[str, str], ...]
"""Names, each with a reason."""

_WEIGHED = frozenset({Cause.POSSIBLE_OWNER_EXCLUDED, Cause.INSUFFICIENT_MEMORY, Cause.QUORUM_OR_CLUSTER_HEALTH})
"""What a cluster looks at itself before it chooses a node for a role. Of anything else it learns by the move that fails."""


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
    narrow: Named = ()
    """Those that can go to some of the other nodes only, and to which, and why not to the rest."""


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
        by_now = f": it is on {shown[0].host} by now" if shown else ""
        seen += best[:1]
        lost += [] if best else [(vm, f"{node} does not show it{by_now}")]
    found = [(each.name, _Look(each, ahead)) for each in seen]
    return Whereabouts(
        count=len(machines) + len(dark),
        placed=tuple(each.name for each in seen if each.ways),
        stays=tuple((vm, look.why) for vm, look in found if look.stays),
        unknown=(*((vm, look.why) for vm, look in found if look.unknown), *lost),
        narrow=tuple((vm, look.narrow) for vm, look in found if look.narrow),
    )


def elsewhere(  # noqa: PLR0917 - who moves, and what is known of why it did not
    hosts: Reading, site: Site, vm: str, node: str, failed: str | None, cause: Cause | None, clock: Clock
) -> tuple[str, ...]:
    """The other nodes of its cluster that nothing keeps a virtual machine of `node` from, by reads only.

    Empty if the look does not see what keeps it from `failed`, or without that from any node: then it may miss the same of the
    others. Of the `cause` that is proven a doubt is enough: nodes without even that are other than the one that failed.
    Raises `LookupError` if `node` is no node of a cluster in site.yaml.
    """
    cluster, node = home(node, site)
    ahead = assess(hosts, site, Scope((), (cluster.name,), (vm,), lenient=True), clock=clock, now=time.monotonic)
    mine = [way for each in ahead.vms if same_name(each.name, vm) and same_host(each.host, node) for way in each.ways]
    shut = [way.destination for way in mine if any(_tells(ahead.by_id[each], cause) for each in way.findings)]
    explained = any(failed is None or same_host(each, failed) for each in shut)
    return tuple(way.destination for way in mine if explained and way.level is Level.READY)


class _Look:
    """What a look ahead says of one virtual machine that is to move now."""

    def __init__(self, vm: VmSeen, ahead: Readiness) -> None:
        closed = {way.destination: any(_against(ahead.by_id[each]) for each in way.findings) for way in vm.ways}
        self.open = [node for node, against in closed.items() if not against]
        self.closed = [node for node, against in closed.items() if against]
        found = [[ahead.by_id[each] for each in ids] for ids in (vm.findings, *(way.findings for way in vm.ways))]
        # One of each destination before the second of any.
        in_turn = [each for row in zip_longest(*(filter(_against, part) for part in found)) for each in row if each is not None]
        self.told = list({each.id: each for each in in_turn}.values())
        shut = all(any(_shut(ahead.by_id[each]) for each in way.findings) for way in vm.ways)
        self.stays = not self.open and shut and bool(vm.ways or vm.level is Level.FAILS)
        self.unknown = not self.open and not self.stays

    @property
    def why(self) -> str:
        """What is in its way: whatever the destination first, the worst before the rest."""
        reasons = list(dict.fromkeys(reason for finding in self.told for reason in finding.why[:1]))
        more = [f"and {len(reasons) - LISTED} more like this"] if len(reasons) > LISTED else []
        return "; ".join([*reasons[:LISTED], *more]) or "no other host could be asked"

    @property
    def narrow(self) -> str:
        """Where alone it can go, or not, whichever is less to say, and why; empty if it can go to every node, or to none."""
        if not self.open or not self.closed:
            return ""
        few = len(self.closed) < len(self.open)
        where = f"cannot go to {', '.join(self.closed)}" if few else f"can only go to {', '.join(self.open)}"
        weighed = all(_WEIGHED & set(finding.causes) for finding in self.told)
        risk = "" if weighed else ". The cluster chooses the node, and may choose one that refuses"
        known = "" if all(map(_shut, self.told)) else ", as far as is known"
        return f"{where}{known}: {self.why}{risk}"


def _shut(finding: Finding) -> bool:
    """Whether nothing can move past it now. Memory may come free one day, and a drain does not wait for it."""
    lacks_memory = Cause.INSUFFICIENT_MEMORY in finding.causes and finding.verdict is Verdict.PRESENT
    return finding.level is Level.FAILS or lacks_memory


def _tells(finding: Finding, cause: Cause | None) -> bool:
    """Whether it is what keeps a machine from where it would not move for a cause that is proven."""
    return _shut(finding) or (_against(finding) and cause in finding.causes)


def _against(finding: Finding) -> bool:
    return _shut(finding) or finding.level is Level.UNKNOWN


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
