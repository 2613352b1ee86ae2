"""What is plainly right of a way, told from what each of its hosts shows, before anything is planned.

A thousand hosts are a million ways, and on nearly all of them nearly every plan would say that all is well. So for each
repair that concerns two hosts there is a test here, a comparison or two, that is true only where the repair's plan, made
without evidence on the same facts, would find everything right. What a test does not vouch for is planned; a repair without
a test always is. A test reads nothing, and an answer that is not there is never right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_interface
from typing import Any, TypeVar

from remediations.catalogue.bypass_proxy import BypassProxy
from remediations.catalogue.configure_delegation import ConfigureDelegation
from remediations.catalogue.configure_migration_networks import ConfigureMigrationNetworks
from remediations.catalogue.explain_cluster_health import ExplainClusterHealth
from remediations.catalogue.explain_patch_level import ExplainPatchLevel
from remediations.catalogue.explain_time_skew import TOLERATED, ExplainTimeSkew
from remediations.catalogue.inspect_network_path import InspectNetworkPath
from remediations.catalogue.match_virtual_switches import MatchVirtualSwitches
from remediations.catalogue.open_firewall import OpenFirewall
from remediations.catalogue.purge_kerberos_tickets import PurgeKerberosTickets, concerned
from remediations.catalogue.remediation import Repair, Seen, anywhere
from remediations.catalogue.trust_hosts import TrustHosts
from remediations.catalogue.use_kerberos_authentication import UseKerberosAuthentication
from remediations.facts.authentication import HostAuthentication, host_authentication
from remediations.facts.cluster import witnesses
from remediations.facts.delegation import delegation_services, mover
from remediations.facts.directory import AttributeTimes, ComputerAccount, attribute_times, computer_account
from remediations.facts.health import ClusterHealth, cluster_health
from remediations.facts.module import lacking, module
from remediations.facts.names import NamesSeen, names_seen, names_seen_each
from remediations.facts.network import (
    ClusterNetworks,
    Interfaces,
    MigrationNetworks,
    MigrationSettings,
    cluster_networks,
    interfaces,
    migration_networks,
    migration_settings,
)
from remediations.facts.patches import PatchLevel, patch_level
from remediations.facts.query import Query
from remediations.facts.switches import HostSwitches, host_switches
from remediations.facts.tickets import Tickets, tickets
from remediations.facts.trust import HostClock, host_clock
from remediations.facts.winrm import ManagementChannel, management_channel
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable
from remediations.model.names import same_host
from remediations.model.plan import Satisfied
from remediations.model.site import Cluster, Site

Test = Callable[[str, str], bool]
"""Of a source and a destination: whether the plan for this way is sure to find everything right."""

FactT = TypeVar("FactT")


class Group:
    """Hosts of which each may move to each other, all nodes of one cluster or all without one, and what was read of them."""

    def __init__(
        self, site: Site, hosts: Sequence[str], cluster: Cluster | None, found: Callable[[Query[Any]], Seen | None]
    ) -> None:
        self.site, self.hosts, self.cluster, self.found = site, hosts, cluster, found

    def each(self, query: Callable[[str], Query[Any]], kind: type[FactT]) -> dict[str, FactT]:
        """The facts of this kind that the hosts showed, by host."""
        seen = ((host, self.found(query(host))) for host in self.hosts)
        return {host: fact for host, fact in seen if isinstance(fact, kind)}

    def of_cluster(self, query: Callable[[str, str], Query[Any]], kind: type[FactT]) -> FactT | None:
        """What the nodes that were asked say of the cluster; none if they do not agree of which."""
        if self.cluster is None:
            return None
        asked = {node: self.found(query(self.cluster.name, node)) for node in witnesses(self.cluster)}
        told = anywhere({node: seen for node, seen in asked.items() if seen is not None})
        return told if isinstance(told, kind) else None


def tests(group: Group) -> Mapping[type[Repair], Test]:
    """The test of every repair that has one for this group, but for `names`, which is no matter of homes."""
    made = {repair: make(group) for repair, make in _TESTS.items()}
    return {repair: test for repair, test in made.items() if test is not None}


def _clocks(group: Group) -> Test:
    shown = {host: fact.now for host, fact in group.each(host_clock, HostClock).items()}

    def near(here: str, there: str) -> bool:
        return here in shown and there in shown and abs((shown[there] - shown[here]).total_seconds()) <= TOLERATED

    return near


def names(group: Group) -> Test:
    """The test of `RepairNameResolution`, for hosts of any homes: each finds the other by its name, and nobody else."""
    own = {host: fact.ips for host, fact in group.each(interfaces, Interfaces).items()}
    full = {host: group.site.fqdn(host) for host in group.hosts}
    asked = tuple(full.values())
    each = group.each(lambda host: names_seen_each(host, asked), NamesSeen)
    views = each | group.each(lambda host: names_seen(host, asked), NamesSeen)

    def finds(host: str, peer: str) -> bool:
        seen = views[host].found.get(full[peer]) if host in views else None
        return bool(seen) and peer in own and seen is not None and seen <= own[peer]

    return lambda here, there: finds(here, there) and finds(there, here)


def _proxy(group: Group) -> Test:
    told = _channels(group)
    return lambda here, there: here in told


def _trust(group: Group) -> Test:
    told = _channels(group)
    return lambda here, there: here in told and there in told


def _channels(group: Group) -> frozenset[str]:
    """Hosts whose WinRM told how it is set, or has nothing that could; without evidence either is well."""
    seen = ((host, group.found(management_channel(host))) for host in group.hosts)
    return frozenset(host for host, fact in seen if isinstance(fact, (ManagementChannel, NotApplicable)))


def _path(group: Group) -> Test:
    """Both have an adapter that is up in one network."""
    up = {
        host: frozenset(ip_interface(each).network for adapter in fact.adapters if adapter.up for each in adapter.addresses)
        for host, fact in group.each(interfaces, Interfaces).items()
    }
    listens = group.each(migration_settings, MigrationSettings)
    return lambda here, there: here in up and there in up and there in listens and not up[here].isdisjoint(up[there])


def _networks(group: Group) -> Test | None:
    """A network that both take migrations on."""
    if group.cluster is not None:
        seen = group.of_cluster(cluster_networks, ClusterNetworks)
        # A node without the module does not know what migrations are kept off (None): another one may.
        free = [each for each in (seen.networks if seen else ()) if each.used and each.excluded is False]
        joined = {host: {net.name for net in free if any(same_host(each, host) for each in net.up_at)} for host in group.hosts}
        return lambda here, there: not joined[here].isdisjoint(joined[there])
    settings, adapters = group.each(migration_settings, MigrationSettings), group.each(interfaces, Interfaces)
    takes = {
        host: adapters[host].subnets
        if settings[host].any_network
        else frozenset(each for each in listed.subnets if adapters[host].has(each))
        for host, listed in group.each(migration_networks, MigrationNetworks).items()
        if host in settings and host in adapters
    }
    return lambda here, there: here in takes and there in takes and not takes[here].isdisjoint(takes[there])


def _health(group: Group) -> Test | None:
    """The cluster has both nodes as fit."""
    seen = group.of_cluster(cluster_health, ClusterHealth)
    if seen is None:
        return None
    nodes = ((host, seen.node(host)) for host in group.hosts)
    fit = frozenset(host for host, node in nodes if node is not None and node.fit)
    return lambda here, there: here in fit and there in fit


def _patches(group: Group) -> Test:
    """Nothing that is compared differs."""
    levels = {
        host: (each.build, each.revision, each.microcode, each.processor, each.computer, each.bios)
        for host, each in group.each(patch_level, PatchLevel).items()
        if each.revision is not None
    }
    return lambda here, there: here in levels and there in levels and levels[here] == levels[there]


def _tickets(group: Group) -> Test:
    """No ticket that the way stands on is older than the accounts' last change, which every controller shows."""
    controllers = [each.name for each in group.site.controllers]
    latest: dict[str, Any] = {}
    for host in group.hosts:
        shown = [group.found(attribute_times(host, each, group.site)) for each in controllers]
        times = {each.latest for each in shown if isinstance(each, AttributeTimes)}
        if len(times) == 1:
            latest[host] = times.pop()
    current = {host: fact for host, fact in group.each(tickets, Tickets).items() if _has_module(group, host) and host in latest}
    oldest = {host: min((each.start for each in fact.tickets), default=None) for host, fact in current.items()}

    def fresh(host: str, peer: str) -> bool:
        if host not in current or peer not in latest:
            return False
        first, last = oldest[host], max(latest[host], latest[peer])
        return first is None or first >= last or all(each.start >= last for each in concerned(current[host], peer))

    return lambda here, there: fresh(here, there) and fresh(there, here)


def _has_module(group: Group, host: str) -> bool:
    seen: Any = group.found(module(host))
    return seen is not None and lacking(host, seen, "a look ahead") is None


def _kerberos(group: Group) -> Test | None:
    kinds = group.each(host_authentication, HostAuthentication)
    right = frozenset(host for host, fact in kinds.items() if fact.kind == "Kerberos")
    return lambda here, there: here in right and there in right


def _delegation(group: Group) -> Test:
    """The source may delegate to the destination, or needs not."""
    site = group.site
    kinds = group.each(host_authentication, HostAuthentication)
    accounts = group.each(lambda host: computer_account(host, site), ComputerAccount) if site.controllers else {}
    held = {host: frozenset(each.casefold() for each in fact.delegates_to) for host, fact in accounts.items()}
    wanted = {host: frozenset(each.casefold() for each in delegation_services(host, site)) for host in group.hosts}
    idle = {host: fact.kind == "CredSSP" and site.expect(host).authentication != "Kerberos" for host, fact in kinds.items()}
    asks = {host: _may_be_acted_for(group, host) for host in accounts}

    def allowed(here: str, there: str) -> bool:
        if here not in kinds or here not in accounts or there not in accounts:
            return False
        if idle[here]:
            return True
        return asks[here] and accounts[here].any_protocol and wanted[there] <= held[here]

    return allowed


def _may_be_acted_for(group: Group, host: str) -> bool:
    """Whether hosts may act for the account that asks this one for moves."""
    username = group.site.host(host).endpoint.username
    seen: Any = group.found(mover(username, group.site)) if username else None
    if not username or isinstance(seen, NotApplicable):
        return True
    return seen is not None and not getattr(seen, "sensitive", True) and not getattr(seen, "protected", True)


def _switches(group: Group) -> Test:
    """The destination has each switch that site.yaml expects of it, once."""
    seen = group.each(host_switches, HostSwitches)
    right = set()
    for host, fact in seen.items():
        names = group.site.expect(host).switches or ()
        doubled = {each.casefold() for each in fact.doubled}
        if all(fact.named(each) is not None and each.casefold() not in doubled for each in names):
            right.add(host)
    return lambda here, there: here in seen and there in right


def _firewall(group: Group) -> Test:
    """The destination's firewall lets in what the source sends. Of the source only how it sends matters: each way once."""
    settings = group.each(migration_settings, MigrationSettings)
    known: dict[tuple[str, str], bool] = {}

    def lets_in(here: str, there: str) -> bool:
        if here not in settings:
            return False
        key = there, settings[here].performance
        if key not in known:
            known[key] = _finds_nothing(group, OpenFirewall(host=there, peer=here))
        return known[key]

    return lets_in


def _finds_nothing(group: Group, repair: Repair) -> bool:
    """Whether the plan itself, without evidence, finds everything right."""
    reads = repair.reads(group.site, Evidence())
    inputs = dict(reads.given)
    for name, query in reads.queries.items():
        inputs[name] = group.found(query) if isinstance(query, Query) else None
    if any(value is None for value in inputs.values()):
        return False
    items = list(repair.items(inputs))
    return bool(items) and all(isinstance(item, Satisfied) for item in items)


_TESTS: Mapping[type[Repair], Callable[[Group], Test | None]] = {
    BypassProxy: _proxy,
    ConfigureDelegation: _delegation,
    ConfigureMigrationNetworks: _networks,
    ExplainClusterHealth: _health,
    ExplainPatchLevel: _patches,
    ExplainTimeSkew: _clocks,
    InspectNetworkPath: _path,
    MatchVirtualSwitches: _switches,
    OpenFirewall: _firewall,
    PurgeKerberosTickets: _tickets,
    TrustHosts: _trust,
    UseKerberosAuthentication: _kerberos,
}


def questions(site: Site, groups: Iterable[Sequence[str]]) -> list[Query[Any]]:
    """What the tests need beside what the repairs read: each host is asked for all names of its group at once."""
    return [names_seen(host, names) for host, names in _asked(site, groups)]


def questions_again(
    site: Site, groups: Iterable[Sequence[str]], found: Callable[[Query[Any]], Seen | None]
) -> list[Query[Any]]:
    """The same, name by name, of those that could not tell: as a rule they have no module."""
    asked = _asked(site, groups)
    return [names_seen_each(host, names) for host, names in asked if not isinstance(found(names_seen(host, names)), NamesSeen)]


def names_unanswered(site: Site, groups: Iterable[Sequence[str]], found: Callable[[Query[Any]], Seen | None]) -> dict[str, str]:
    """The hosts whose DNS servers did not answer, and what is said of each."""
    told = {}
    for host, names in _asked(site, groups):
        for query in (names_seen(host, names), names_seen_each(host, names)):
            fact = found(query)
            if isinstance(fact, NamesSeen) and fact.unanswered:
                told[host] = fact.unanswered
    return told


def _asked(site: Site, groups: Iterable[Sequence[str]]) -> list[tuple[str, tuple[str, ...]]]:
    return [(host, names) for hosts in groups if len(hosts) > 1 for names in [tuple(map(site.fqdn, hosts))] for host in hosts]
