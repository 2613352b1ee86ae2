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


CLUSTER_FAULTS = (
    Fault("possible_owner_excluded", "HV02 is not a possible owner of VM42", _possible_owner_excluded, "HV01", "HV02", "VM42"),
)
"""Faults by what is broken; `faults.FAULTS` has all."""
