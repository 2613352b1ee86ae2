"""A roll: the nodes of a cluster, one after another, drained for a person and taken back. Pure data."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field, field_validator

from remediations.model.base import Frozen
from remediations.model.maintenance import FAILBACK_WORDS, Failback
from remediations.model.names import ClusterName, HostName, same_host

ROLLING = "rolling-maintenance"
"""Name of the flow, and kind of the runs that work on a roll."""


class RollingMaintenance(Frozen):
    """What a roll is asked for with."""

    cluster: ClusterName = Field(description="The failover cluster whose nodes are maintained")
    nodes: tuple[HostName, ...] = Field(
        default=(), description="Its nodes in the order of their turns; all, in site.yaml's order, if left out"
    )
    failback: Failback = Field(
        default="Immediate",
        description=f"What becomes of the roles that a drain had moved away, once their node is back. {FAILBACK_WORDS}",
    )

    @field_validator("nodes")
    @classmethod
    def _once(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        for number, node in enumerate(nodes):
            if any(same_host(node, each) for each in nodes[:number]):
                raise ValueError(f"{node} stands there twice; each node has one turn")
        return nodes

    @property
    def summary(self) -> str:
        """One line for people."""
        return f"Rolling maintenance: {self.cluster}{': ' if self.nodes else ''}{', '.join(self.nodes)}"


class Stage(StrEnum):
    """Where a node's turn stands, in order. It only goes forward."""

    WAITS = "waits"  # for its turn
    BEGUN = "begun"  # it is being drained, or is about to be
    DRAINED = "drained"  # for the person, who says when the work is done
    RESUMED = "resumed"  # it is back; the cluster has to be healthy again
    DONE = "done"

    @property
    def number(self) -> int:
        """0 for the first."""
        return list(Stage).index(self)


class Turn(Frozen):
    """One node's turn."""

    number: int = Field(ge=1, description="Its place in the order")
    node: HostName
    stage: Stage
    since: AwareDatetime


class Roll(Frozen):
    """A roll as the ledger has it."""

    id: str
    cluster: ClusterName
    failback: Failback
    run: str = Field(description="The run that works on it, or did last")
    opened_at: AwareDatetime
    opened_by: str
    ended_at: AwareDatetime | None = None
    ended: str = Field(default="", description="How it ended, for people")
    turns: tuple[Turn, ...] = Field(min_length=1)

    @property
    def current(self) -> Turn | None:
        """The first turn that is not done; none once all are."""
        return next((turn for turn in self.turns if turn.stage is not Stage.DONE), None)

    @property
    def words(self) -> str:
        """Where it stands, in a sentence without its full stop."""
        done = sum(turn.stage is Stage.DONE for turn in self.turns)
        told = f"{done} of {len(self.turns)} nodes of {self.cluster} are done"
        turn = self.current
        if turn is None:
            return told
        now = {
            Stage.WAITS: f"{turn.node} is next",
            Stage.BEGUN: f"the drain of {turn.node} was begun",
            Stage.DRAINED: f"{turn.node} stays drained for the person who works on it",
            Stage.RESUMED: f"{turn.node} is back, and the cluster has to be healthy before the next",
            Stage.DONE: "",
        }[turn.stage]
        return f"{told}; {now}"

    def report(self) -> str:
        """The turns as a markdown table."""
        rows = [f"| {turn.number} | {turn.node} | {turn.stage} | {turn.since:%Y-%m-%d %H:%M} |" for turn in self.turns]
        return "\n".join(["| turn | node | stands | since (UTC) |", "|---|---|---|---|", *rows])


def child(run: str, what: str) -> str:
    """Id of a run that another one begins: it is recovered, answered and shown with that one."""
    return f"{run}/{what}"


def parent(run: str) -> str:
    """The run that a person started: the run itself, unless another one began it. In Prefect it is the flow run."""
    return run.partition("/")[0]
