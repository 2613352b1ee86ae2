"""What can be broken of a cluster, and of what virtual machines need from a host: owners, nodes, volumes, switches."""

from __future__ import annotations

from datetime import timedelta

from remediations.lab.world import certificates
from remediations.lab.world.cluster import Cluster, Role
from remediations.lab.world.fault import Fault
from remediations.lab.world.hosts import GIB
from remediations.lab.world.world import World


def _cluster(world: World) -> Cluster:
    assert world.cluster is not None
    return world.cluster


def _role(world: World, machine: str) -> Role:
    """The role that holds a virtual machine, whatever it is called."""
    role = _cluster(world).role_of(machine)
    assert role is not None
    return role


def _possible_owner_excluded(world: World) -> None:
    """During a test somebody pinned VM42 to HV01, both its resources, and forgot."""
    role = _role(world, "VM42")
    role.possible = role.possible_configuration = ("HV01",)


def _switch_missing(world: World) -> None:
    """HV02 was set up anew, and its switch was given another name."""
    host = world.host("HV02")
    switch = host.switches.pop("Compute")
    switch.name = "Compute SET"
    host.switches[switch.name] = switch
    for machine in world.machines_on(host.name):
        machine.switch = switch.name


def _switch_mismatch(world: World) -> None:
    """After an update and a restart, HV02's switch came back without its adapters: it is internal now."""
    switch = world.host("HV02").switches["Compute"]
    switch.kind, switch.uplinks, switch.embedded = "Internal", (), False


def _insufficient_memory(world: World) -> None:
    """HV02 lost most of its memory: modules were taken out for another host."""
    world.host("HV02").memory = 20 * GIB


def _quorum_or_cluster_health(world: World) -> None:
    """Five minutes ago HV02 was removed from the cluster: its cluster service has stopped."""
    cluster = _cluster(world)
    with world.agenda.playing(world.now - timedelta(minutes=3)):
        cluster.nodes["HV02"].state = "Down"
        world.host("HV01").log.write(1135, world.now, node="HV02")


def _cluster_group_multi_vm(world: World) -> None:
    """Somebody moved VM44's resources into VM42's role, to start the two together."""
    del _cluster(world).roles[_role(world, "VM44").name]
    _role(world, "VM42").others = ("VM44",)


def _duplicate_vm(world: World) -> None:
    """An earlier migration of VM42 broke off and left a planned virtual machine on HV02."""
    world.host("HV02").planned.add(world.machine("VM42").id)


def _storage_unreachable(world: World) -> None:
    """HV02 has lost its paths to Volume1."""
    volume = next(each for each in _cluster(world).volumes.values() if each.path.endswith("Volume1"))
    volume.unreachable.add("HV02")
    with world.agenda.playing(world.now - timedelta(minutes=3)):
        world.host("HV02").log.write(5120, world.now, volume="Volume1", name=volume.name)


def _vtpm_key_protector(world: World) -> None:
    """VM42 was given a virtual TPM on HV01, whose certificates nobody brought to HV02."""
    guardian = "(UntrustedGuardian) (HV01)"
    owner = [certificates.made(f"Shielded VM {use} Certificate {guardian}", world.now) for use in ("Signing", "Encryption")]
    world.host("HV01").shielded.update({each.thumbprint: each for each in owner})
    world.machine("VM42").owner = tuple(each.thumbprint for each in owner)


CLUSTER_FAULTS = (
    Fault("insufficient_memory", "HV02 has no memory left for VM42", _insufficient_memory, "HV01", "HV02", "VM42"),
    Fault("quorum_or_cluster_health", "HV02 is down in the cluster", _quorum_or_cluster_health, "HV01", "HV02", "VM42"),
    Fault("cluster_group_multi_vm", "VM42's role holds VM44 too", _cluster_group_multi_vm, "HV01", "HV02", "VM42"),
    Fault("duplicate_vm", "HV02 holds a leftover of VM42", _duplicate_vm, "HV01", "HV02", "VM42"),
    Fault("storage_unreachable", "HV02 cannot reach VM42's volume", _storage_unreachable, "HV01", "HV02", "VM42"),
    Fault("vtpm_key_protector", "HV02 cannot open VM42's virtual TPM", _vtpm_key_protector, "HV01", "HV02", "VM42"),
    Fault("switch_missing", "HV02's switch has another name than HV01's", _switch_missing, "HV01", "HV02", "VM42"),
    Fault("switch_mismatch", "HV02's switch has lost its adapters", _switch_mismatch, "HV01", "HV02", "VM42"),
    Fault("possible_owner_excluded", "HV02 is not a possible owner of VM42", _possible_owner_excluded, "HV01", "HV02", "VM42"),
)
"""Faults by what is broken; `faults.FAULTS` has all."""
