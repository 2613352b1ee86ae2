"""What has to be left of a cluster while one of its nodes is away (`configs/policy.yaml`, maintenance): data, no IO."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field

from remediations.model.base import Frozen
from remediations.model.names import ClusterName, same_name, short_name

Failback = Literal["NoFailback", "Immediate", "Policy"]
"""What a resumed node gets back of the roles that its drain had moved away."""

FAILBACK_WORDS = (
    "NoFailback: they stay where they are, Immediate: they come home at once, Policy: as each role's own failback says"
)
"""The three in words, for whoever has to choose (Resume-ClusterNode, Failback)."""


class OneMore(StrEnum):
    """Whether quorum has to survive one more failure while a node is away, from the loosest to the strictest."""

    NEVER = "never"  # quorum itself is enough
    WHERE_POSSIBLE = "where-possible"  # unless the cluster could not even with all other nodes up and its witness online
    ALWAYS = "always"  # so that a cluster of two nodes is never drained

    @property
    def strictness(self) -> int:
        """0 for the loosest."""
        return list(OneMore).index(self)


class Stricter(Frozen):
    """What one cluster is held to beyond all others; what is left out is theirs."""

    least_nodes_up: int | None = Field(default=None, ge=1, le=63, description="Other nodes that have to stay up")
    quorum_survives_one_more: OneMore | None = Field(
        default=None, description="Whether quorum has to survive one more failure meanwhile"
    )
    least_free_memory_percent: float | None = Field(
        default=None, ge=0, le=90, description="Memory of each other node that stays free once it has taken its share"
    )


class Spare(Frozen):
    """What has to be left while a node is drained."""

    least_nodes_up: int = Field(default=1, ge=1, le=63, description="Other nodes that have to stay up")
    quorum_survives_one_more: OneMore = Field(
        default=OneMore.WHERE_POSSIBLE, description="Whether quorum has to survive one more failure meanwhile"
    )
    least_free_memory_percent: float = Field(
        default=10, ge=0, le=90, description="Memory of each other node that stays free once it has taken its share"
    )

    def and_also(self, more: Stricter) -> Spare:
        """The stricter of both, field by field."""
        return Spare(
            least_nodes_up=max(self.least_nodes_up, more.least_nodes_up or 0),
            quorum_survives_one_more=max(
                self.quorum_survives_one_more, more.quorum_survives_one_more or OneMore.NEVER, key=lambda each: each.strictness
            ),
            least_free_memory_percent=max(self.least_free_memory_percent, more.least_free_memory_percent or 0),
        )


class Maintenance(Spare):
    """The whole entry: what holds for every cluster, what single ones are held to beyond it, and how long a roll waits."""

    clusters: Mapping[ClusterName, Stricter] = Field(default={}, description="By cluster: can only make it stricter")
    drained_hours: float = Field(
        default=24, gt=0, le=168, description="Hours that rolling-maintenance waits for the person who works on a drained node"
    )
    healthy_hours: float = Field(
        default=12, gt=0, le=168, description="Hours that rolling-maintenance waits for the cluster to be healthy again"
    )

    def of(self, cluster: str) -> Spare:
        """What one cluster is held to."""
        held = Spare(**self.model_dump(include=set(Spare.model_fields)))
        for name, more in self.clusters.items():
            if same_name(short_name(name), short_name(cluster)):
                held = held.and_also(more)
        return held
