"""Move a running virtual machine to another host: what had failed, tried again.

A clustered virtual machine is moved through its role, by the node that owns it now (`Move-ClusterVirtualMachineRole`); a
standalone one by `Move-VM` on its source host, which needs an endpoint with a second hop. What counts as done is where
it is and that it runs, never what the command returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediations.catalogue.remediation import Operation, Reads, unread
from remediations.facts.cluster import NodeRoles, Role, from_any, node_roles, role, witnesses
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Change, Guard, NotApplicable, Test, Unknown, changes, guard
from remediations.model.names import HostName, VmName, same_host
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied, Step, Wait
from remediations.model.site import Cluster, SecondHop, Site
from remediations.model.tier import Reversal, Tier

PATIENCE = 20.0
"""Seconds after which a move that nobody works on any more, and that is not queued either, has failed."""
MOVE_TIME = 1800.0
"""Seconds that one live migration may take before it counts as failed."""


class MoveVm(Operation):
    """Live-migrate one running virtual machine. Satisfied once it runs where it was asked to be."""

    id: ClassVar[str] = "move-vm"
    title: ClassVar[str] = "Move a virtual machine"
    tier: ClassVar[Tier] = Tier.WORKLOAD
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED  # being there is what was asked for; the way back is a move of its own
    sends: ClassVar[frozenset[str]] = frozenset({"Move-ClusterVirtualMachineRole", "Move-VM"})

    vm: VmName = Field(description="The virtual machine")
    to: HostName | Literal["any"] = Field(description="Host to move it to; any lets the cluster choose")
    source: HostName | None = Field(default=None, description="Host it should leave; needed with any")

    @model_validator(mode="after")
    def _has_a_way(self) -> Self:
        if self.to == "any" and self.source is None:
            raise ValueError("source: with to: any, name the host that the virtual machine should leave")
        if self.source is not None and self.to != "any" and same_host(self.source, self.to):
            raise ValueError(f"to: {self.to} is the source itself")
        return self

    @property
    def summary(self) -> str:
        """Which one, from where, to where."""
        to = "another node" if self.to == "any" else self.to
        return f"{self.title}: {self.vm} {self.source or ''} → {to}".replace("  ", " ")

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine wherever it may be; its role, if the hosts are a cluster's."""
        del evidence
        named = [site.host(host).name for host in (self.source, self.to) if host and host != "any"]
        cluster = site.cluster_of(named[0])
        hosts = tuple(dict.fromkeys([*named, *(cluster.nodes if cluster else ())]))
        if not cluster and len(hosts) == 1:
            hosts = tuple(dict.fromkeys([*hosts, *(host.name for host in site.hosts if not site.cluster_of(host.name))]))
        hops = tuple(host for host in hosts if site.host(host).endpoint.second_hop is not SecondHop.NONE)
        given: dict[str, object] = {"cluster": cluster, "hops": hops}
        machine = virtual_machine_on(self.vm, hosts)
        if cluster is None:
            alone = NotApplicable(reason=f"{named[0]} is no node of a cluster in site.yaml")
            return Reads({**given, "group": alone, "left": alone}, machine=machine)
        asked = witnesses(cluster, *named)
        leaves = named[0] if self.source else cluster.nodes[0]
        return Reads(
            given,
            machine=machine,
            group=from_any(role, self.vm, of=asked),
            left=from_any(node_roles, cluster.name, leaves, of=asked),
        )

    def plan(
        self,
        *,
        cluster: Cluster | None,
        hops: tuple[str, ...],
        machine: Machine,
        group: Role | Unknown | NotApplicable,
        left: NodeRoles | Unknown | NotApplicable,
    ) -> Iterator[Item]:
        """One item for where it is; or the move, and the wait until it has arrived."""
        where = group.owner if isinstance(group, Role) else machine.host
        arrived = not same_host(where, str(self.source)) if self.to == "any" else same_host(where, self.to)
        if machine.clustered and not isinstance(group, Role):
            yield Blocked(
                obstacle=Obstacle.UNKNOWN, why=f"{machine.name} is clustered, but its role is not known: {group.reason}"
            )
        elif isinstance(group, Role) and cluster is not None:
            if arrived:
                yield _at_rest(machine, where, group)
            else:
                yield from self._by_role(cluster, machine, group, left)
        elif arrived:
            yield _at_rest(machine, where, None)
        else:
            yield from self._by_host(hops, machine)

    def _by_role(
        self, cluster: Cluster, machine: Machine, group: Role, left: NodeRoles | Unknown | NotApplicable
    ) -> Iterator[Item]:
        if not same_host(machine.host, group.owner) or machine.state != "Running" or group.resource != "Online":
            yield _unfit(machine, f"its role {group.name} is {group.resource} on {group.owner}")
        elif self.to == "any":
            if not isinstance(left, NodeRoles):
                yield unread(f"roles of {self.source}", left)
                return
            if group.name not in left.machines:
                # Its group is of another kind, or on its way while this was read: nobody could tell whether it has left.
                why = f"{self.source} does not show the role {group.name} among its own"
                yield Blocked(obstacle=Obstacle.UNKNOWN, why=why)
                return
            gone = left.model_copy(update={"machines": left.machines - {group.name}})
            away = (guard(group, "owner", Test.NOT, group.owner), guard(machine, "host", Test.NOT, machine.host))
            yield self._step(machine, group, changes(left, gone), {})
            yield _arrival(machine, group, away, "another node")
        elif not any(same_host(node, self.to) for node in cluster.nodes):
            yield Blocked(
                obstacle=Obstacle.CONFLICT,
                why=f"{self.to} is no node of {cluster.name}: a clustered virtual machine leaves its cluster only by a person",
            )
        else:
            to = next(node for node in cluster.nodes if same_host(node, self.to))
            there = (
                *changes(group, group.model_copy(update={"owner": to})),
                *changes(machine, machine.model_copy(update={"host": to})),
            )
            yield self._step(machine, group, there, {"Node": to})
            yield _arrival(machine, group, (guard(group, "owner", Test.EQUALS, to),), to)

    def _step(self, machine: Machine, group: Role, made: tuple[Change, ...], node: dict[str, str]) -> Step:
        return Step(
            target=group.target,
            host=machine.host,
            command=command("Move-ClusterVirtualMachineRole", VMId=machine.subject, **node, MigrationType="Live", Wait=0),
            why=f"{machine.name} runs on {machine.host}; {node.get('Node', 'a node that the cluster chooses')} is to run it",
            changes=made,
            guards=(
                *_fit(machine),
                guard(group, "owner", Test.EQUALS, group.owner),
                guard(group, "resource", Test.EQUALS, "Online"),
            ),
            settles=MOVE_TIME,
            stalls=(guard(machine, "activity", Test.EQUALS, []), guard(group, "moving", Test.EQUALS, False)),
            patience=PATIENCE,
        )

    def _by_host(self, hops: tuple[str, ...], machine: Machine) -> Iterator[Item]:
        if self.to == "any":
            yield Blocked(obstacle=Obstacle.PRECONDITION, why=f"{machine.name} is in no cluster that could choose: name a host")
            return
        if machine.state != "Running":
            yield _unfit(machine, "no live migration starts from there")
            return
        move = command("Move-VM", Name=machine.name, DestinationHost=self.to)
        if machine.host in hops:
            yield Step(
                target=machine.target,
                host=machine.host,
                command=move,
                why=f"{machine.name} runs on {machine.host}; {self.to} is to run it",
                changes=changes(machine, machine.model_copy(update={"host": self.to})),
                guards=_fit(machine),
                settles=60,
                deadline=MOVE_TIME,
            )
            yield _arrival(machine, None, (guard(machine, "host", Test.EQUALS, self.to),), self.to)
        else:
            told = f"Log on to {machine.host} itself and run: {move.text}"
            yield Manual(
                why=f"Move-VM makes {machine.host} talk to {self.to} as us, which its endpoint cannot (second_hop)",
                instructions=(told,),
            )
            wait = _arrival(machine, None, (guard(machine, "host", Test.EQUALS, self.to),), self.to)
            yield wait.model_copy(update={"poll": 15.0, "why": f"{wait.why}. {told}"})


def _fit(machine: Machine) -> tuple[Guard, ...]:
    return (
        guard(machine, "state", Test.EQUALS, "Running"),
        guard(machine, "activity", Test.EQUALS, [], "nothing else holds the virtual machine"),
        guard(machine, "host", Test.EQUALS, machine.host),
    )


def _unfit(machine: Machine, also: str) -> Blocked:
    why = f"{machine.name} is {machine.state} on {machine.host}, and {also}: only one that runs where its owner is can move"
    return Blocked(obstacle=Obstacle.PRECONDITION, why=why)


def _at_rest(machine: Machine, where: str, group: Role | None) -> Item:
    if machine.state == "Running" and (group is None or group.resource == "Online"):
        return Satisfied(why=f"{machine.name} runs on {where}{' and its role is Online' if group else ''}")
    resource = f", its role is {group.resource}" if group else ""
    why = f"{machine.name} is on {where} as asked, but {machine.state}{resource}: whether it may start is a person's decision"
    return Blocked(obstacle=Obstacle.PRECONDITION, why=why)


def _arrival(machine: Machine, group: Role | None, there: tuple[Guard, ...], to: str) -> Wait:
    online = (guard(group, "resource", Test.EQUALS, "Online"),) if group else ()
    return Wait(
        until=(*there, *online, guard(machine, "state", Test.EQUALS, "Running")),
        poll=2,
        at_most=MOVE_TIME,
        why=f"{machine.name} has to run on {to}",
    )
