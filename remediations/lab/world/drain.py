"""A node's drain and resume: roles move one after the other, and the node stays paused whatever becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remediations.lab.world import migration
from remediations.lab.world.cluster import Cluster, Node, Role

if TYPE_CHECKING:
    from remediations.lab.world.world import World

E_FAIL = 0x80004005


def suspend(world: World, cluster: Cluster, node: Node, *, drain: bool, target: Node | None = None) -> None:
    """Pause a node; with `drain` its roles begin to move away. Returns at once, as Suspend-ClusterNode does."""
    node.state = "Paused"
    if not drain:
        return
    node.drain, node.drain_target = "InProgress", target.name if target else ""
    waiting = [role for role in cluster.roles.values() if role.owner == node.name]
    world.agenda.after(world.pace.drain, lambda: _next(world, cluster, node, waiting, failed=False))


def resume(world: World, cluster: Cluster, node: Node, failback: str) -> None:
    """Take a node back; `failback` is Immediate, NoFailback or Policy."""
    node.state, node.drain, node.drain_target = "Up", "NotInitiated", ""
    home = [role for role in node.drained if _returns(cluster, role, node, failback)]
    node.drained = []
    if home:
        world.agenda.after(world.pace.drain, lambda: _bring_home(world, cluster, node, home))


def move_role(world: World, cluster: Cluster, role: Role, node: Node) -> migration.Migration | None:
    """Move one role to a node: live for a running virtual machine, at once for everything else (then None)."""
    source = role.owner
    world.host(source).log.write(1641, world.now, role=role.name, source=source, node=node.name)
    if role.core:
        role.owner = node.name
        world.host(node.name).log.write(1201, world.now, role=role.name)
        return None
    return migration.start(world, world.machine(role.machine), world.host(node.name))


def obstacle(cluster: Cluster, role: Role, node: Node) -> int:
    """The code that the cluster service refuses a move with before anything is tried; 0 if it does not."""
    if node.state in ("Down", "Joining"):
        return migration.NOT_AVAILABLE
    if node.state == "Paused":
        return migration.PAUSED
    return 0 if cluster.may_own(role, node.name) else migration.NOT_OWNER


def best(world: World, cluster: Cluster, role: Role) -> Node | None:
    """Where a role goes that is told no node: of the nodes that may take it one with room for it, a preferred owner, most free.

    Of whether the move itself will succeed the cluster service asks nothing beforehand (a switch, a processor): it may choose
    a node that refuses it, also where another one would not.
    """
    machine = world.machine(role.machine) if role.machine else None

    def rank(each: Node) -> tuple[bool, int, int]:
        host = world.host(each.name)
        short = machine is not None and machine.running and migration.memory_shortage(world, machine, host) is not None
        place = role.preferred.index(each.name) if each.name in role.preferred else len(role.preferred)
        return short, place, -(host.memory - sum(one.memory for one in world.machines_on(each.name) if one.running))

    others = (each for each in cluster.nodes.values() if each.name != role.owner and not obstacle(cluster, role, each))
    return min(others, key=rank, default=None)


def _next(world: World, cluster: Cluster, node: Node, waiting: list[Role], *, failed: bool) -> None:
    if node.drain != "InProgress":
        return
    if not waiting:
        node.drain = "Failed" if failed else "Completed"
        if failed:
            world.host(node.name).log.write(1677, world.now, node=node.name)
        return
    role, *rest = waiting
    if role.owner != node.name or not cluster.has(role):
        _next(world, cluster, node, rest, failed=failed)
        return
    target = cluster.node(node.drain_target)
    goal = best(world, cluster, role) if target is None else None if obstacle(cluster, role, target) else target
    if goal is None:
        _left_behind(world, node, role, migration.NOT_AVAILABLE)
        _next(world, cluster, node, rest, failed=True)
        return
    move = move_role(world, cluster, role, goal)
    if move is not None and move.refusal:
        _left_behind(world, node, role, move.refusal.code)
        _next(world, cluster, node, rest, failed=True)
        return
    node.drained.append(role)
    world.agenda.after(move.seconds if move else 0, lambda: _next(world, cluster, node, rest, failed=failed))


def _left_behind(world: World, node: Node, role: Role, code: int) -> None:
    world.host(node.name).log.write(1137, world.now, role=role.name, code=f"0x{code or E_FAIL:08X}")


def _returns(cluster: Cluster, role: Role, node: Node, failback: str) -> bool:
    if not cluster.has(role) or role.owner == node.name or failback == "NoFailback":
        return False
    return failback == "Immediate" or bool(role.auto_failback)


def _bring_home(world: World, cluster: Cluster, node: Node, home: list[Role]) -> None:
    if not home:
        return
    role, *rest = home
    move = move_role(world, cluster, role, node) if cluster.has(role) and not obstacle(cluster, role, node) else None
    world.agenda.after(move.seconds if move else 0, lambda: _bring_home(world, cluster, node, rest))
