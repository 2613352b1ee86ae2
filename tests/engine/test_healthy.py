"""When the next node may go: every way in which a cluster is not well is told, and what is not known is never well."""

from __future__ import annotations

from typing import Any

import pytest

from remediations.engine.healthy import ailing
from remediations.facts.cluster import RolesAtRest, StorageJobs, UpdateRun
from remediations.facts.health import ClusterHealth, NodeSeen
from remediations.model.fact import NotApplicable, Unknown

C = "CLUSTER1"
DARK = Unknown(reason="HV01 does not answer")


def health(state: str = "Up", status: str = "Normal", witness: str = "Cluster Disk 1", shown: str = "Online") -> ClusterHealth:
    nodes = frozenset({NodeSeen(name="HV01", state="Up", status="Normal"), NodeSeen(name="HV02", state=state, status=status)})
    return ClusterHealth(subject=C, nodes=nodes, witness=witness, witness_state=shown)


def roles(moving: tuple[str, ...] = (), failed: tuple[str, ...] = ()) -> RolesAtRest:
    return RolesAtRest(subject=C, moving=frozenset(moving), failed=frozenset(failed))


WELL: dict[str, Any] = {
    "health": health(),
    "roles": roles(),
    "jobs": StorageJobs(subject=C, running=frozenset()),
    "updating": UpdateRun(subject=C, running=False),
}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, []),
        ({"jobs": NotApplicable(reason="none"), "updating": NotApplicable(reason="none")}, []),
        ({"health": health(witness="", shown="")}, []),
        ({"health": health(status="DrainCompleted")}, []),
        ({"health": health("Paused")}, ["HV02 is Paused, Normal"]),
        ({"health": health("Down")}, ["HV02 is Down, Normal"]),
        ({"health": health(status="Quarantined")}, ["HV02 is Up, Quarantined"]),
        ({"health": health(status="Isolated")}, ["HV02 is Up, Isolated"]),
        ({"health": health(shown="Failed")}, ["the witness Cluster Disk 1 is Failed"]),
        ({"health": health(shown="")}, ["the witness Cluster Disk 1 is not listed"]),
        ({"roles": roles(moving=("VM42",))}, ["VM42 is still moving"]),
        ({"roles": roles(failed=("VM43",))}, ["the role VM43 has failed"]),
        ({"jobs": StorageJobs(subject=C, running=frozenset({"Repair"}))}, ["the storage job Repair runs"]),
        ({"updating": UpdateRun(subject=C, running=True)}, ["a cluster-aware update runs"]),
        ({"health": DARK}, ["the nodes of CLUSTER1 could not be read: HV01 does not answer"]),
        ({"health": NotApplicable(reason="no cluster here")}, ["the nodes of CLUSTER1 could not be read: no cluster here"]),
        ({"roles": DARK}, ["the roles of CLUSTER1 could not be read: HV01 does not answer"]),
        ({"jobs": DARK}, ["the storage jobs of CLUSTER1 could not be read: HV01 does not answer"]),
        ({"updating": DARK}, ["the update run of CLUSTER1 could not be read: HV01 does not answer"]),
    ],
)
def test_what_is_not_well_is_told(changed: dict[str, Any], says: list[str]) -> None:
    assert ailing(C, WELL | changed) == says
