"""What can be broken of a cluster, and of what virtual machines need from a host: owners, nodes, volumes, switches."""

from __future__ import annotations

from remediations.lab.world.cluster import Cluster
from remediations.lab.world.fault import Fault
from remediations.lab.world.world import World


def _cluster(world: World) -> Cluster:
    assert world.cluster is not None
    return world.cluster


def _possible_owner_excluded(world: World) -> None:
    """During a test somebody pinned VM42 to HV01, both its resources, and forgot."""
    role = _cluster(world).roles["VM42"]
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


CLUSTER_FAULTS = (
    Fault("switch_missing", "HV02's switch has another name than HV01's", _switch_missing, "HV01", "HV02", "VM42"),
    Fault("switch_mismatch", "HV02's switch has lost its adapters", _switch_mismatch, "HV01", "HV02", "VM42"),
    Fault("possible_owner_excluded", "HV02 is not a possible owner of VM42", _possible_owner_excluded, "HV01", "HV02", "VM42"),
)
"""Faults by what is broken; `faults.FAULTS` has all."""
