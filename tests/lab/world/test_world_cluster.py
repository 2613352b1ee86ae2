"""Drain and resume, roles, volumes, and the cluster's limit over its nodes'."""

from __future__ import annotations

import pytest
from world_probe import CURRENT, Ask, run

from remediations.lab.world.cluster import Cluster
from remediations.lab.world.directory import DELEGATION
from remediations.lab.world.hosts import GIB, HASWELL
from remediations.lab.world.world import World


@pytest.fixture
def cluster(world: World) -> Cluster:
    assert world.cluster is not None
    return world.cluster


def owned(cluster: Cluster, node: str) -> set[str]:
    return {role.name for role in cluster.roles.values() if role.owner == node}


def drained(world: World, cluster: Cluster, node: str = "HV01") -> str:
    world.wait(lambda: cluster.nodes[node].drain != "InProgress")
    return cluster.nodes[node].drain


def test_a_drains_life(world: World, ask: Ask, cluster: Cluster) -> None:
    before = world.state_hash()
    first = ask("HV02", "Suspend-ClusterNode", Name="HV01", Drain=True)
    assert (first.only["State"], first.only["DrainStatus"]) == ("Paused", "InProgress")
    assert world.machine("VM42").host == "HV01"  # it returns before anything has moved
    assert drained(world, cluster) == "Completed"
    assert owned(cluster, "HV01") == set()
    assert {world.machine(name).host for name in ("VM42", "VM43", "VM44")} == {"HV02"}
    assert cluster.volumes["Cluster Virtual Disk (Volume1)"].owner == "HV01"  # a drain leaves the volumes
    ask("HV01", "Resume-ClusterNode", Name="HV01", Failback="Immediate")
    assert cluster.nodes["HV01"].state == "Up"
    world.wait(lambda: world.state_hash() == before)


def test_a_role_by_another_name_is_the_same_role(world: World, ask: Ask, cluster: Cluster) -> None:
    role = cluster.roles["VM42"]
    cluster.roles["VM44"].scvmm = True
    known = role.id
    cluster.rename(role, "web tier")
    assert role.id == known
    group = ask("HV02", "Get-ClusterGroup", Name="web tier").only
    assert (group["Name"], group["Id"]) == ("web tier", str(known))
    assert ask("HV02", "Get-ClusterResource", Name="Virtual Machine VM42").only["OwnerGroup"] == "web tier"
    assert ask("HV02", "Get-ClusterResource", Name="SCVMM VM44 Configuration").only["OwnerGroup"] == "VM44"
    ask("HV02", "Suspend-ClusterNode", Name="HV01", Drain=True)
    assert drained(world, cluster) == "Completed"
    ask("HV01", "Resume-ClusterNode", Name="HV01", Failback="Immediate")
    cluster.rename(role, "shop")
    world.clock.advance(5)
    world.settle()
    assert owned(cluster, "HV01") >= {"shop", "VM44"}


def test_one_role_after_the_other(world: World, ask: Ask, cluster: Cluster) -> None:
    ask("HV01", "Suspend-ClusterNode", Name="HV01", Drain=True)
    most = 0
    while cluster.nodes["HV01"].drain == "InProgress":
        world.settle()
        most = max(most, len(world.active_migrations()))
        world.clock.advance(0.05)
    assert most == 1


@pytest.mark.parametrize(("failback", "home"), [("NoFailback", set()), ("Policy", {"VM44"}), ("Immediate", {"VM42", "VM44"})])
def test_resume_brings_home_what_it_is_told_to(world: World, ask: Ask, cluster: Cluster, failback: str, home: set[str]) -> None:
    cluster.roles["VM44"].auto_failback = 1
    ask("HV01", "Suspend-ClusterNode", Name="HV01", Drain=True)
    drained(world, cluster)
    ask("HV01", "Resume-ClusterNode", Name="HV01", Failback=failback)
    world.clock.advance(5)
    world.settle()
    assert {name for name in owned(cluster, "HV01") if name.startswith("VM")} == home
    assert cluster.nodes["HV01"].drain == "NotInitiated"


def test_a_drain_without_anywhere_to_go_fails_and_moves_nothing(world: World, ask: Ask, cluster: Cluster) -> None:
    ask("HV02", "Suspend-ClusterNode", Name="HV02")
    ask("HV01", "Suspend-ClusterNode", Name="HV01", Drain=True)
    assert drained(world, cluster) == "Failed"
    assert {"VM42", "VM44"} <= owned(cluster, "HV01")


def test_a_drain_moves_what_it_can_and_fails_for_the_rest(world: World, ask: Ask, cluster: Cluster) -> None:
    world.host("HV02").cpu = HASWELL
    world.machine("VM44").features = HASWELL.features
    ask("HV01", "Suspend-ClusterNode", Name="HV01", Drain=True, TargetNode="HV02")
    assert drained(world, cluster) == "Failed"
    assert {name for name in owned(cluster, "HV01") if name.startswith("VM")} == {"VM42"}
    assert cluster.nodes["HV01"].state == "Paused"


def test_resume_in_the_middle_stops_the_drain(world: World, ask: Ask, cluster: Cluster) -> None:
    ask("HV01", "Suspend-ClusterNode", Name="HV01", Drain=True)
    world.clock.advance(0.1)
    ask("HV01", "Resume-ClusterNode", Name="HV01")
    world.clock.advance(10)
    world.settle()
    assert world.machine("VM44").host == "HV01"
    assert (cluster.nodes["HV01"].state, cluster.nodes["HV01"].drain) == ("Up", "NotInitiated")


def test_a_clustered_move_says_only_where_to_look(world: World, ask: Ask) -> None:
    world.host("HV02").cpu = HASWELL
    (error,) = ask("HV01", "Move-ClusterVirtualMachineRole", Name="VM42", Node="HV02").errors
    assert "event log" in error.message
    assert "processor" not in error.message


def test_a_move_that_is_not_waited_for_tells_no_failure(world: World, ask: Ask) -> None:
    world.host("HV02").cpu = HASWELL
    heard = ask("HV01", "Move-ClusterVirtualMachineRole", Name="VM42", Node="HV02", Wait=0)
    assert not heard.errors
    assert heard.only["OwnerNode"] == "HV01"


def test_a_move_shows_as_pending_until_it_is_there(world: World, ask: Ask) -> None:
    assert ask("HV01", "Move-ClusterVirtualMachineRole", Name="VM42", Node="HV02", Wait=0).only["State"] == "Pending"
    (vm,) = ask("HV01", "Get-VM", Name=["VM42"]).all
    assert vm["OperationalStatus"] == ["InService", "MigratingVirtualMachine"]
    (job,) = ask("HV01", "Get-CimInstance", ClassName="Msvm_MigrationJob", Namespace="root\\virtualization\\v2").all
    assert (job["DestinationHost"], job["JobState"]) == ("HV02", 4)
    world.clock.advance(1)
    shown = ask("HV02", "Get-ClusterGroup", Name=["VM42"]).only
    assert (shown["State"], shown["OwnerNode"]) == ("Online", "HV02")
    assert ask("HV01", "Get-VM", Name=["VM42"]).ids == ["InvalidParameter"]


@pytest.mark.parametrize(
    ("prepare", "hresult"), [("Paused", 0x800713CE), ("Down", 0x8007138D), ("no possible owner", 0x80071398)]
)
def test_the_cluster_refuses_before_it_tries(world: World, ask: Ask, cluster: Cluster, prepare: str, hresult: int) -> None:
    if prepare in ("Paused", "Down"):
        cluster.nodes["HV02"].state = prepare
    else:
        cluster.roles["VM42"].possible = ("HV01",)
    (error,) = ask("HV01", "Move-ClusterVirtualMachineRole", Name="VM42", Node="HV02").errors
    assert error.hresult & 0xFFFFFFFF == hresult
    assert world.migrations == []
    told = world.host("HV01").log.newest(21502)
    assert told is not None
    assert f"0x{hresult:08X}" in told.text("en-US")


def test_a_nodes_own_limit_does_not_last(world: World, ask: Ask) -> None:
    ask("HV01", "Set-VMHost", MaximumVirtualMachineMigrations=9, MaximumStorageMigrations=3)
    assert ask("HV01", "Get-VMHost").only["MaximumVirtualMachineMigrations"] == 9
    world.clock.advance(1)
    shown = ask("HV01", "Get-VMHost").only
    assert (shown["MaximumVirtualMachineMigrations"], shown["MaximumStorageMigrations"]) == (4, 3)
    ask("HV03", "Set-VMHost", MaximumVirtualMachineMigrations=9)
    world.clock.advance(10)
    assert ask("HV03", "Get-VMHost").only["MaximumVirtualMachineMigrations"] == 9


def test_the_clusters_limit_is_its_nodes(ask: Ask) -> None:
    assert ask("HV01", "Set-RemediationClusterLimit", Maximum=3).objects == []
    assert ask("HV02", "Get-Cluster").only["MaximumParallelMigrations"] == 3
    assert {ask(node, "Get-VMHost").only["MaximumVirtualMachineMigrations"] for node in ("HV01", "HV02")} == {3}


@pytest.mark.parametrize("maximum", [0, 65])
def test_a_limit_out_of_range_is_refused(world: World, ask: Ask, maximum: int) -> None:
    before = world.state_hash()
    assert ask("HV01", "Set-RemediationClusterLimit", Maximum=maximum).ids == ["ParameterArgumentValidationError"]
    assert world.state_hash() == before


def test_a_volume_moves(ask: Ask, cluster: Cluster) -> None:
    name = "Cluster Virtual Disk (Volume1)"
    assert ask("HV01", "Move-ClusterSharedVolume", Name=name, Node="HV02").only["OwnerNode"] == "HV02"
    cluster.nodes["HV01"].state = "Down"
    assert ask("HV02", "Move-ClusterSharedVolume", Name=name, Node="HV01").errors
    assert cluster.volumes[name].owner == "HV02"


def test_names_are_objects_that_arrive_as_text(ask: Ask) -> None:
    resource = ask("HV02", "Get-ClusterResource", Name=["virtual machine vm42"]).only
    assert (resource["OwnerNode"], resource["OwnerGroup"], resource["ResourceType"], resource["State"]) == (
        "HV01",
        "VM42",
        "Virtual Machine",
        "Online",
    )
    assert ask("HV02", "Get-ClusterOwnerNode", Resource="Virtual Machine VM42").only["OwnerNodes"] == ["HV01", "HV02"]
    assert ask("HV02", "Get-ClusterOwnerNode", Group="VM42").only["OwnerNodes"] == []
    assert ask("HV02", "Get-ClusterQuorum").only["QuorumResource"] == "Cluster Disk 1"
    assert ask("HV02", "Get-CauRun").objects == ["RunNotInProgress"]


@pytest.mark.parametrize(
    ("command", "parameters"),
    [
        ("Get-ClusterNode", {"Name": ["HV09"]}),
        ("Get-ClusterGroup", {"Name": ["VM99"]}),
        ("Get-ClusterResource", {"Name": ["Virtual Machine VM99"]}),
        ("Start-ClusterResource", {"Name": "Virtual Machine VM99"}),
        ("Suspend-ClusterNode", {"Name": "HV09", "Drain": True}),
        ("Move-ClusterVirtualMachineRole", {"Name": "VM42", "Node": "HV09"}),
    ],
)
def test_what_is_not_there_is_an_error(world: World, ask: Ask, command: str, parameters: dict[str, object]) -> None:
    before = world.state_hash()
    assert [error.category for error in ask("HV01", command, **parameters).errors] == ["ObjectNotFound"]
    assert world.state_hash() == before


def test_hosts_without_a_cluster(ask: Ask, cluster: Cluster) -> None:
    assert ask("HV04", "Get-Cluster").ids == ["ClusterEndpointNotRegistered"]
    with pytest.raises(KeyError):
        ask("HV03", "Get-Cluster")  # its tools are not installed
    cluster.nodes["HV02"].state, cluster.witness_online = "Down", False
    assert ask("HV01", "Get-Cluster").ids == ["ClusterEndpointNotRegistered"]  # no quorum


def weights(ask: Ask) -> tuple[dict[str, object], object]:
    """What counts now: each node's DynamicWeight, and the witness's."""
    nodes = {each["Name"]: each["DynamicWeight"] for each in ask("HV01", "Get-ClusterNode").all}
    return nodes, ask("HV01", "Get-Cluster").only["WitnessDynamicWeight"]


def test_votes_are_counted_anew_as_nodes_come_and_go(world: World, ask: Ask, cluster: Cluster) -> None:
    assert weights(ask) == ({"HV01": 1, "HV02": 1}, 1)
    cluster.nodes["HV02"].state = "Paused"
    assert weights(ask) == ({"HV01": 1, "HV02": 1}, 1)  # a paused node votes
    cluster.nodes["HV02"].state = "Down"
    assert weights(ask) == ({"HV01": 1, "HV02": 0}, 0)  # beside one node the witness does not
    cluster.nodes["HV02"].state, cluster.witness_online = "Up", False
    assert weights(ask) == ({"HV01": 1, "HV02": 0}, 0)  # one of two gives its vote up where no witness can decide
    cluster.dynamic_quorum = False
    assert weights(ask) == ({"HV01": 1, "HV02": 1}, 0)
    assert ask("HV01", "Get-Cluster").only["DynamicQuorum"] == 0


def test_a_cluster_without_a_witness_shows_none(ask: Ask, cluster: Cluster) -> None:
    cluster.witness = ""
    shown = ask("HV01", "Get-ClusterQuorum").only
    assert (shown["QuorumResource"], str(shown["QuorumType"])) == (None, "NodeMajority")
    assert not [each for each in ask("HV01", "Get-ClusterResource").all if each["ResourceType"] == "Physical Disk"]
    cluster.nodes["HV02"].weight = 0
    cluster.nodes["HV02"].state = "Down"
    assert ask("HV01", "Get-ClusterNode", Name=["HV02"]).only["NodeWeight"] == 0  # quorum does not need it


# ---- three nodes ------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(world: World) -> World:
    return World.contoso(clock=world.clock, module=CURRENT, nodes=3)


def after_drain(world: World, node: str = "HV01") -> dict[str, str]:
    """Where the virtual machines are once a node was drained."""
    assert world.cluster is not None
    run(world, "HV02", "Suspend-ClusterNode", Name=node, Drain=True)
    drained(world, world.cluster, node)
    return {name: world.machine(name).host for name in world.cluster.roles if name.startswith("VM")}


def test_further_nodes_are_like_the_first_and_change_nothing_else(world: World) -> None:
    three = World.contoso(clock=world.clock, module=CURRENT, nodes=3)
    assert three.cluster is not None
    assert list(three.cluster.nodes) == ["HV01", "HV02", "HV05"]
    two, more = world.state(), three.state()
    assert {name: each for name, each in more["hosts"].items() if name != "HV05"} == two["hosts"]
    assert more["hosts"]["HV05"]["build"] == two["hosts"]["HV01"]["build"]
    assert more["hosts"]["HV05"]["cpu"] == two["hosts"]["HV01"]["cpu"]
    for name in ("HV01", "HV02", "HV05"):
        told = {each.rpartition("/")[2].partition(".")[0].upper() for each in more["directory"][f"{name}$"][DELEGATION]}
        assert told == {"HV01", "HV02", "HV05"} - {name}
    for name in ("HV03$", "HV04$", "svc-remediate"):
        assert more["directory"][name] == two["directory"][name]
    with pytest.raises(ValueError, match="nodes: the lab's cluster has two nodes or more, not 1"):
        World.contoso(nodes=1)


def test_every_way_between_three_nodes_is_open(three: World) -> None:
    for vm, home in (("VM42", "HV01"), ("VM43", "HV02"), ("VM45", "HV05")):
        for there in ("HV01", "HV02", "HV05"):
            if there != three.machine(vm).host:
                three.move(vm, there)
                three.wait(lambda: not three.active_migrations())
            assert three.machine(vm).host == there
        three.move(vm, home)
        three.wait(lambda: not three.active_migrations())


def test_a_drain_goes_where_most_memory_is_free(three: World) -> None:
    assert after_drain(three) == {"VM42": "HV05", "VM43": "HV02", "VM44": "HV02", "VM45": "HV05"}


def test_a_drain_goes_to_a_preferred_owner_first(three: World) -> None:
    assert three.cluster is not None
    three.cluster.roles["VM42"].preferred = ("HV01", "HV02")
    assert after_drain(three)["VM42"] == "HV02"


def test_a_drain_passes_over_a_node_that_may_not_own_or_lacks_the_memory(three: World) -> None:
    assert three.cluster is not None
    three.cluster.roles["VM42"].possible_configuration = ("HV01", "HV02")
    three.cluster.roles["VM44"].preferred = ("HV02",)
    three.host("HV02").memory = 30 * GIB  # for VM42, and not for VM44 besides
    assert after_drain(three) == {"VM42": "HV02", "VM43": "HV02", "VM44": "HV05", "VM45": "HV05"}


def test_a_drain_passes_over_a_node_that_is_down(three: World) -> None:
    assert three.cluster is not None
    three.cluster.nodes["HV05"].state = "Down"
    assert {after_drain(three)[name] for name in ("VM42", "VM44")} == {"HV02"}


def test_a_move_that_names_no_node_goes_where_a_drain_would(three: World) -> None:
    assert three.cluster is not None
    three.cluster.roles["VM42"].possible = ("HV01", "HV05")
    run(three, "HV01", "Move-ClusterVirtualMachineRole", Name="VM42", Wait=0)
    three.wait(lambda: not three.active_migrations())
    assert three.machine("VM42").host == "HV05"
    three.cluster.roles["VM44"].possible = ("HV01",)
    (error,) = run(three, "HV01", "Move-ClusterVirtualMachineRole", Name="VM44").errors
    assert error.hresult & 0xFFFFFFFF == 0x80071398
