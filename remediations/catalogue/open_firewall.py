"""Open the destination's firewall for what a migration needs: TCP 6600, SMB where that is how the source sends, WinRM.

SMB Direct over iWARP adapters needs TCP 5445 as well; nodes of one cluster need each other's UDP and TCP 3343.

A firewall that drops makes the source wait in vain (0x8007274C), one that rejects looks as if nothing listened (0x8007274D),
and a rule on the source itself is 0x8007271D. Windows has the rules; they are enabled one by one, by name. What a group policy
set is its owner's, and a rule that forbids was made by somebody on purpose: both are left to people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import Field

from remediations.catalogue.remediation import Reads, unread
from remediations.catalogue.subjects import OfPeer, two_ends
from remediations.facts.firewall import AllowRules, BlockRules, Firewall, Rdma, Rule, allow_rules, block_rules, firewall, rdma
from remediations.facts.network import MigrationSettings, migration_settings
from remediations.facts.query import Query
from remediations.model.causes import Cause
from remediations.model.command import command, quoted
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown, changes
from remediations.model.incident import Incident
from remediations.model.names import HostName
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


@dataclass(frozen=True)
class _Door:
    """A rule that Windows brings, and the port it opens."""

    rule: str
    port: int
    for_what: str
    protocol: str = "TCP"
    sure: bool = True
    """Whether every Windows Server has a rule of this name; where it is not sure, a missing one says nothing."""

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.protocol} {self.port} ({self.for_what})"


MIGRATION = _Door("VIRT-MIGL-In-TCP-NoScope", 6600, "live migration")
SMB = _Door("FPS-SMB-In-TCP", 445, "migration over SMB")
WINRM = _Door("WINRM-HTTP-In-TCP", 5985, "WinRM")
IWARP = _Door("FPSSMBD-iWARP-In-TCP", 5445, "SMB Direct over iWARP")
# The names come from a published group policy script alone (DSInternals' DomainControllerFirewall), not from a node.
HEARTBEAT = _Door("FailoverClustering-NetFt-UDP-In", 3343, "the cluster's heartbeats", protocol="UDP", sure=False)
MEMBERSHIP = _Door("FailoverClustering-ClusSvc-TCP-In", 3343, "the cluster service", sure=False)
DOORS = (MIGRATION, SMB, WINRM, IWARP, HEARTBEAT, MEMBERSHIP)


class OpenFirewall(OfPeer):
    """Enable the firewall rules that a host needs to be the destination of migrations."""

    id: ClassVar[str] = "open-firewall"
    title: ClassVar[str] = "Open the firewall for migrations"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.FIREWALL_BLOCKED,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.DIRECTORY
    reversal: ClassVar[Reversal] = Reversal.EXACT
    sends: ClassVar[frozenset[str]] = frozenset({"Disable-NetFirewallRule", "Enable-NetFirewallRule"})

    host: HostName = Field(description="The destination: the Hyper-V host that is to let migrations in")
    peer: HostName = Field(description="The source: the host that connects")

    @classmethod
    def for_incident(cls, incident: Incident, site: Site) -> Iterable[Self]:
        """The way of the move: the source connects to the destination."""
        del site
        ends = two_ends(incident)
        return [cls(host=ends[1], peer=ends[0])] if ends else []

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The destination's rules and how the source sends; with evidence, what either end forbids as well."""
        host, peer = site.host(self.host).name, site.host(self.peer).name
        suspected = evidence.points_to(Cause.FIREWALL_BLOCKED)
        managed = suspected and evidence.points_to(Cause.WINRM_MISCONFIGURED)
        unasked = NotApplicable(reason="nothing points to a firewall")
        cluster = site.cluster_of(host)
        clustered = cluster is not None and cluster is site.cluster_of(peer)
        given: dict[str, Any] = {"peer": peer, "managed": managed, "clustered": clustered}
        asked: dict[str, Query[Any]] = {
            "incoming": block_rules(host),
            "outgoing": block_rules(peer),
            "others": allow_rules(host),
        }
        queries = asked if suspected else {}
        return Reads(
            given | ({} if suspected else dict.fromkeys(asked, unasked)),
            wall=firewall(host, tuple(door.rule for door in DOORS)),
            sender=migration_settings(peer),
            adapters=rdma(host),
            **queries,
        )

    def plan(
        self,
        *,
        peer: str,
        managed: bool,
        clustered: bool,
        wall: Firewall,
        sender: MigrationSettings,
        adapters: Rdma | Unknown | NotApplicable,
        incoming: BlockRules | Unknown | NotApplicable,
        outgoing: BlockRules | Unknown | NotApplicable,
        others: AllowRules | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item for each port that is needed, and one for each rule that forbids it."""
        smb = sender.performance == "SMB"
        iwarp = smb and isinstance(adapters, Rdma) and bool(adapters.iwarp)
        doors = [MIGRATION] + [SMB] * smb + [IWARP] * iwarp + [WINRM] * managed + [HEARTBEAT, MEMBERSHIP] * clustered
        if smb and not isinstance(adapters, Rdma):
            yield unread(f"whether adapters of {wall.subject} do RDMA by iWARP", adapters)
        found, narrower = False, ""
        for door in doors:
            item = _open(door, wall, peer)
            if isinstance(item, (Step, Manual)) and (other := _another(door, wall, others)):
                item = other
                narrower = narrower or next(iter(_by(door, wall, others)), "")
            found = found or isinstance(item, (Step, Manual))
            yield item
            if isinstance(item, Step):
                wall = wall.with_rule(door.rule)
        for host, seen, inbound in ((wall.subject, incoming, True), (peer, outgoing, False)):
            if isinstance(seen, Unknown):
                yield unread(f"rules of {host} that forbid", seen)
            if isinstance(seen, BlockRules):
                forbidding = [
                    _forbidden(host, rule, door)
                    for door in doors
                    for rule in sorted(seen.rules, key=lambda each: each.name)
                    if rule.inbound is inbound and rule.covers(door.port, door.protocol)
                ]
                found = found or bool(forbidding)
                yield from forbidding
        if narrower and not found:
            look = f"on {wall.subject}: Get-NetFirewallRule -Name {quoted(narrower)} | Get-NetFirewallAddressFilter"
            yield Blocked(obstacle=Obstacle.UNKNOWN, why=f"whether {narrower} lets {peer} in is not known; {look}")


def _open(door: _Door, wall: Firewall, peer: str) -> Item:
    port = door.text
    if not wall.on:
        return Satisfied(why=f"the firewall of {wall.subject} is off: {port} is open")
    owner = wall.owners.get(door.rule)
    if door.rule in wall.allowing and (wall.local_rules_count or owner):
        return Satisfied(why=f"the firewall of {wall.subject} lets {port} in by {door.rule}")
    if wall.lets_in_the_rest:
        return Satisfied(why=f"the firewall of {wall.subject} lets in what no rule forbids, {port} as well")
    if not door.sure and not owner and door.rule not in wall.allowing | wall.local:
        return Satisfied(why=f"{wall.subject} has no rule {door.rule}: whether others let {port} in was not looked at")
    state = f"the firewall of {wall.subject} does not let {port} in"
    if owner:
        return Manual(
            why=f"{state}: {door.rule} comes from the group policy object {owner}, which would put it back",
            instructions=(f"Have {port}, incoming, allowed in {owner}, then on {wall.subject}: gpupdate /target:computer",),
        )
    if not wall.local_rules_count:
        return Manual(
            why=f"{state}: a group policy lets no local rules count on {wall.subject} (AllowLocalFirewallRules)",
            instructions=(
                f"On {wall.subject}, which policy it is: gpresult /scope computer /h report.html",
                f"Have {port}, incoming from {peer}, allowed there, then: gpupdate /target:computer",
            ),
        )
    if door.rule in wall.local:
        return Step(
            target=wall.target,
            host=wall.subject,
            command=command("Enable-NetFirewallRule", Name=(door.rule,)),
            why=f"{state}: {door.rule} is disabled",
            changes=changes(wall, wall.with_rule(door.rule)),
            undo=command("Disable-NetFirewallRule", Name=(door.rule,)),
        )
    return Manual(
        why=f"{state}: Windows' own rule {door.rule} is not there any more",
        instructions=(
            f"On {wall.subject}: New-NetFirewallRule -Name {door.rule} -DisplayName '{door.port} for {door.for_what}' "
            f"-Direction Inbound -Protocol {door.protocol} -LocalPort {door.port} -Action Allow",
        ),
    )


def _another(door: _Door, wall: Firewall, others: AllowRules | Unknown | NotApplicable) -> Item | None:
    """Another rule than Windows' own that lets a port in, by its number: a wider one is not opened beside it."""
    if isinstance(others, Unknown):
        return unread(f"other rules of {wall.subject} that allow", others)
    by = _by(door, wall, others)
    if not by:
        return None
    return Satisfied(why=f"{wall.subject} lets {door.text} in by {by[0]}, not by {door.rule}; for whom was not looked at")


def _by(door: _Door, wall: Firewall, others: AllowRules | Unknown | NotApplicable) -> list[str]:
    """The names of the rules that let a port in by its number."""
    rules = others.rules if isinstance(others, AllowRules) else frozenset()
    counting = (each for each in rules if each.owner or wall.local_rules_count)
    return sorted(each.name for each in counting if each.names(door.port, door.protocol))


def _forbidden(host: str, rule: Rule, door: _Door) -> Item:
    way = "incoming" if rule.inbound else "outgoing"
    whose = f"the group policy object {rule.owner}" if rule.owner else f"{host} itself"
    remedy = f"change {rule.owner}" if rule.owner else f"on {host}: Disable-NetFirewallRule -Name {quoted(rule.name)}"
    return Manual(
        why=f"rule {rule.name} ({rule.display}) of {whose} forbids {way} {door.protocol} {door.port} on {host}",
        instructions=(
            f"Ask whoever made {rule.name} why; it counts before every rule that allows",
            f"If it may go: {remedy}",
        ),
    )
