"""Whatever administrators do, and in whatever order: the world stays whole."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from world_probe import CURRENT, run

from remediations.lab.world.clock import ManualClock
from remediations.lab.world.faults import FAULTS
from remediations.lab.world.world import World

NODES, CLUSTERED = ("HV01", "HV02"), ("VM42", "VM43", "VM44")
node, vm = st.sampled_from(NODES), st.sampled_from(CLUSTERED)


def act(name: str, **parameters: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, str, dict[str, Any]]]:
    return st.tuples(st.just(name), node, st.fixed_dictionaries(parameters))


ACTS = st.one_of(
    act("Move-ClusterVirtualMachineRole", Name=vm, Node=node, Wait=st.just(0)),
    act("Suspend-ClusterNode", Name=node, Drain=st.just(True)),
    act("Resume-ClusterNode", Name=node, Failback=st.sampled_from(["Immediate", "NoFailback", "Policy"])),
    act("Stop-VM", Name=vm),
    act("Start-VM", Name=vm),
    act("Start-ClusterResource", Name=vm.map("Virtual Machine {}".format)),
    act("Set-VMProcessor", VMName=vm, CompatibilityForMigrationEnabled=st.booleans()),
    act("Set-RemediationClusterLimit", Maximum=st.integers(1, 3)),
    act("Set-VMHost", MaximumVirtualMachineMigrations=st.integers(0, 4)),
    act("Clear-RemediationTicket"),
)


@settings(max_examples=60)
@example([(("Stop-VM", "HV01", {"Name": "VM44"}), 0.0)], "cluster_group_multi_vm")
@given(st.lists(st.tuples(ACTS, st.floats(0, 1)), max_size=12), st.sampled_from([None, *FAULTS]))
def test_every_machine_is_in_one_place_and_its_role_with_it(acts: list[Any], cause: str | None) -> None:
    world = World.contoso(clock=ManualClock(), module=CURRENT)
    assert world.cluster is not None
    if cause:
        FAULTS[cause].inject(world)
    for (name, host, parameters), pause in acts:
        run(world, host, name, **parameters)
        world.clock.advance(pause)
        world.settle()
        for role in world.cluster.roles.values():
            assert role.owner in NODES
            if role.machine:
                assert world.machine(role.machine).host == role.owner
                running = [world.machine(each).state == "Running" for each in (role.machine, *role.others)]
                assert (role.state == "Online") == all(running)
                assert (role.state == "PartialOnline") == (any(running) and not all(running))
        moving = [move.machine for move in world.active_migrations()]
        assert len(moving) == len(set(moving))
        assert all(event.time <= world.clock.now() for each in world.hosts.values() for event in each.log.events)
    world.clock.advance(7200)
    world.settle()
    assert world.active_migrations() == []
    assert all(each.drain != "InProgress" for each in world.cluster.nodes.values())
