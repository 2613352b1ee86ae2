"""Windows' firewall on a host: what counts once every policy store is taken together (ActiveStore), and what is set locally.

Rules are known by their Name, which is the same in every language; DisplayName and DisplayGroup are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from remediations.facts.query import Query, Unreadable, asked_often
from remediations.facts.read import many, texts
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.plan import Target
from remediations.model.reply import Record, Reply

_MISSING = "CmdletizationQuery_NotFound"
_CATEGORIES = {"DomainAuthenticated": "Domain", "Private": "Private", "Public": "Public"}
_BY_POLICY = "GroupPolicy"
_TECHNOLOGY, _IWARP = "*NetworkDirectTechnology", "1"
"""Standardised INF keyword of RDMA adapters (Microsoft, windows-driver-docs): 1 iWARP, 2 InfiniBand, 3 RoCE, 4 RoCEv2."""


class Firewall(Fact):
    """What a host's firewall makes of connections that come in, for some rules; `subject` is the host."""

    on: bool
    """Whether it is on in a profile that applies now."""
    lets_in_the_rest: bool
    """Whether what no rule names may come in (DefaultInboundAction)."""
    local_rules_count: bool
    """AllowLocalFirewallRules: false where a group policy lets no rules count but its own."""
    allowing: frozenset[str]
    """Names of those rules that are enabled, allow, and count."""
    local: frozenset[str]
    """Names of those rules that the local store has, enabled or not."""
    owners: Mapping[str, str]
    """Name of a rule → the group policy object that it comes from."""

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.subject, id=self.subject.casefold())

    def with_rule(self, name: str) -> Firewall:
        """The firewall with this rule enabled."""
        return self.model_copy(update={"allowing": self.allowing | {name}})


class Rule(Frozen):
    """A rule that forbids, or allows, TCP or UDP."""

    name: str
    display: str
    owner: str
    """The group policy object that it comes from; empty for a local rule."""
    inbound: bool
    ports: tuple[str, ...]
    """Ports or ranges on the side that is connected to; `Any` for all."""
    protocol: str = "TCP"

    def covers(self, port: int, protocol: str = "TCP") -> bool:
        """Whether it is about a port."""
        for each in self.ports if protocol == self.protocol else ():
            low, _, high = each.partition("-")
            if each == "Any" or (low.isdigit() and int(low) <= port <= int(high if high.isdigit() else low)):
                return True
        return False

    def names(self, port: int, protocol: str = "TCP") -> bool:
        """Whether it is about this port by its number: one about any port is mostly one of a single program."""
        return "Any" not in self.ports and self.covers(port, protocol)


class AllowRules(Fact):
    """Every enabled rule of a host that allows TCP or UDP to come in; `subject` is the host."""

    rules: frozenset[Rule]


class BlockRules(Fact):
    """Every enabled rule of a host that forbids TCP or UDP; `subject` is the host."""

    rules: frozenset[Rule]


class Rdma(Fact):
    """What RDMA of a host's adapters is made of; `subject` is the host."""

    iwarp: frozenset[str]
    """Adapters whose RDMA is iWARP: SMB Direct then needs TCP 5445 (RoCE and InfiniBand need no port)."""


def firewall(host: str, names: tuple[str, ...]) -> Query[Firewall]:
    """Reads what a host's firewall makes of some rules."""
    reads = (
        command("Get-NetConnectionProfile"),
        command("Get-NetFirewallProfile", PolicyStore="ActiveStore"),
        command("Get-NetFirewallRule", Name=names, PolicyStore="ActiveStore"),
        command("Get-NetFirewallRule", Name=names),
    )
    return Query(host, reads, partial(_firewall, host))


@asked_often
def block_rules(host: str) -> Query[BlockRules]:
    """Reads the rules that forbid; as much as a few hundred objects, so only asked where the evidence points to it."""
    reads = (
        command("Get-NetFirewallRule", Action="Block", Enabled="True", PolicyStore="ActiveStore"),
        command("Get-NetFirewallPortFilter", Protocol=("TCP", "UDP"), PolicyStore="ActiveStore"),
    )
    return Query(host, reads, partial(_block_rules, host))


@asked_often
def allow_rules(host: str) -> Query[AllowRules]:
    """Reads the rules that let something in, whatever they are called; as much as the rules that forbid, so asked as seldom."""
    reads = (
        command("Get-NetFirewallRule", Action="Allow", Direction="Inbound", Enabled="True", PolicyStore="ActiveStore"),
        command("Get-NetFirewallPortFilter", Protocol=("TCP", "UDP"), PolicyStore="ActiveStore"),
    )
    return Query(host, reads, partial(_allow_rules, host))


@asked_often
def rdma(host: str) -> Query[Rdma]:
    """Reads which adapters do RDMA by iWARP."""
    return Query(host, (command("Get-NetAdapterAdvancedProperty", RegistryKeyword=(_TECHNOLOGY,)),), partial(_rdma, host))


def _rdma(host: str, replies: Sequence[Reply]) -> Rdma:
    found = _found(replies[0])
    return Rdma(subject=host, iwarp=frozenset(str(each["Name"]) for each in found if _IWARP in texts(each["RegistryValue"])))


def _firewall(host: str, replies: Sequence[Reply]) -> Firewall:
    connected = {_CATEGORIES.get(str(each["NetworkCategory"]), "Public") for each in _found(replies[0])}
    profiles = [each for each in many(replies[1]) if not connected or str(each["Name"]) in connected]
    if not profiles:
        raise Unreadable(f"{host} shows no firewall profile")
    on = [each for each in profiles if str(each["Enabled"]) == "True"]
    active, local = _found(replies[2]), _found(replies[3])
    return Firewall(
        subject=host,
        on=bool(on),
        lets_in_the_rest=all(str(each["DefaultInboundAction"]) == "Allow" for each in on),
        local_rules_count=all(str(each["AllowLocalFirewallRules"]) != "False" for each in on),
        allowing=frozenset(
            str(each["Name"]) for each in active if str(each["Enabled"]) == "True" and str(each["Action"]) == "Allow"
        ),
        local=frozenset(str(each["Name"]) for each in local),
        owners={str(each["Name"]): _owner(each) for each in active if _owner(each)},
    )


def _block_rules(host: str, replies: Sequence[Reply]) -> BlockRules:
    return BlockRules(subject=host, rules=_rules(replies))


def _allow_rules(host: str, replies: Sequence[Reply]) -> AllowRules:
    return AllowRules(subject=host, rules=_rules(replies))


def _rules(replies: Sequence[Reply]) -> frozenset[Rule]:
    ports = {str(each["InstanceID"]): each for each in _found(replies[1])}
    found = []
    for rule in _found(replies[0]):
        about = ports.get(str(rule["Name"]))
        if about is not None:
            inbound = str(rule["Direction"]) == "Inbound"
            found.append(
                Rule(
                    name=str(rule["Name"]),
                    display=str(rule["DisplayName"]),
                    owner=_owner(rule),
                    inbound=inbound,
                    ports=texts(about["LocalPort" if inbound else "RemotePort"]),
                    protocol=str(about["Protocol"]),
                )
            )
    return frozenset(found)


def _owner(rule: Record) -> str:
    return str(rule["PolicyStoreSource"]) if str(rule["PolicyStoreSourceType"]) == _BY_POLICY else ""


def _found(reply: Reply) -> tuple[Record, ...]:
    """What there is; a rule that does not exist is reported as an error, and that is an answer too."""
    for error in reply.errors:
        if not error.error_id.startswith(_MISSING):
            raise Unreadable(error.message)
    return reply.objects
