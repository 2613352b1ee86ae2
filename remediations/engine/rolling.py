"""Rolling maintenance: one node of a cluster after another is drained, left to a person, taken back, and waited for.

Each drain and each resume is a run of its own, by the ways of `drain-node` and `resume-node`: its plan is made when its turn
comes and approved by itself, and it is recovered, reported and undone like any other. The roll only keeps the order, in the
ledger: called again after anything, by the same run or a later one, it goes on where it stood. The question that a resume
asks is the person's form: whoever approves it says that the work on the node is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from remediations.catalogue.drain_node import DrainNode
from remediations.catalogue.resume_node import ResumeNode
from remediations.engine.account import Account
from remediations.engine.endings import whys
from remediations.engine.healthy import ailing, look, state_of
from remediations.engine.ports import Gate, Report
from remediations.engine.render import escape
from remediations.engine.rounds import Run
from remediations.engine.sending import Overtaken
from remediations.model.names import same_host
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.roll import ROLLING, Roll, RollingMaintenance, Stage, Turn, child
from remediations.model.site import Cluster

if TYPE_CHECKING:
    from remediations.engine.runbook import Engine

POLL = 15.0
"""Seconds between two looks at a node that restarts, or at a cluster that heals."""

_WELL = (Ending.MENDED, Ending.NOTHING_TO_DO)


class Rolling(Account):
    """One run that works on a roll."""

    def __init__(self, engine: Engine, run: str, gate: Gate, requested_by: str) -> None:
        super().__init__(engine, run)
        self.gate, self.requested_by = gate, requested_by

    # ---- the two ways in ---------------------------------------------------------------------------------------------

    def look(self, request: RollingMaintenance) -> Outcome:
        """Dry run: each node's drain as it would be planned now, in order. Sends nothing but reads."""
        cluster = self.site.cluster(request.cluster)
        there = self.ledger.open_roll(cluster.name)
        left = [turn.node for turn in there.turns if turn.stage is not Stage.DONE] if there else self._order(request, cluster)
        begun = there.current if there and there.current and there.current.stage is not Stage.WAITS else None
        told, blocked = [f"{there.id} is open: {there.words}."] if there else [], []
        wrong = ailing(cluster.name, look(self.engine.hosts, self.site, cluster))
        told += ["The cluster is not healthy now: " + escape("; ".join(wrong)) + "."] if wrong else []
        for number, node in enumerate(left, 1):
            if begun is not None and same_host(node, begun.node):
                told.append(f"{number}. **{escape(node)}**: {begun.stage}")
                continue
            work = Run(self.engine, child(self.run, f"{number}-drain"), self.gate)
            plan = work.planned(DrainNode(node=node))
            if plan.appliable:
                told.append(f"{number}. **{escape(node)}** would be drained, as things are now. {work.expected}")
                continue
            blocked.append(node)
            why = escape("; ".join(whys(plan)) or "it is paused and empty")
            told.append(f"{number}. **{escape(node)}** would not be drained: {why}")
        self.expected = "\n\n".join([*told, _HOW])
        if blocked and begun is None and same_host(blocked[0], left[0]):
            summary = f"It would stop at {left[0]}, the next node. Nothing was changed."
            return Outcome(ending=Ending.NEEDS_PERSON, summary=summary)
        return Outcome(ending=Ending.PROPOSED, summary="This is what would be done. Nothing was changed.")

    def roll(self, request: RollingMaintenance) -> Outcome:
        """One node after another, from wherever the cluster's roll stands."""
        cluster = self.site.cluster(request.cluster)
        order = self._order(request, cluster)
        roll = self.ledger.take_roll(self.run, cluster.name, order, request.failback, chosen=bool(request.nodes))
        for turn in roll.turns:
            outcome = self._turn(roll, turn, cluster)
            if outcome is not None:
                return self._stopped(roll, turn, outcome)
        self.ledger.end_roll(roll, "every node had its turn")
        self.verified = True
        self._tell()
        nodes = ", ".join(turn.node for turn in roll.turns)
        return Outcome(
            ending=Ending.MENDED, summary=f"Every node of {cluster.name} had its turn and the cluster is healthy: {nodes}."
        )

    # ---- one node ----------------------------------------------------------------------------------------------------

    def _turn(self, roll: Roll, turn: Turn, cluster: Cluster) -> Outcome | None:
        """One node's turn from where it stands; what stops the roll there, or none."""
        steps: dict[Stage, Callable[[], Outcome | None]] = {
            Stage.WAITS: partial(self._begin, turn, cluster),
            Stage.BEGUN: partial(self._drain, turn),
            Stage.DRAINED: partial(self._resume, roll, turn, cluster),
            Stage.RESUMED: partial(self._heal, turn, cluster),
        }
        for stage, step in steps.items():
            if turn.stage.number <= stage.number:
                if outcome := step():
                    return outcome
                self.ledger.stage(roll, turn.number, list(Stage)[stage.number + 1])
        return None

    def _begin(self, turn: Turn, cluster: Cluster) -> Outcome | None:
        """A node that is away before its turn is somebody else's, and so is a cluster that is not well."""
        seen = look(self.engine.hosts, self.site, cluster)
        if wrong := ailing(cluster.name, seen):
            return Outcome(ending=Ending.NEEDS_PERSON, summary=f"{cluster.name} is not healthy: {'; '.join(wrong)}.")
        if state_of(seen, turn.node) is None:
            return Outcome(ending=Ending.NEEDS_PERSON, summary=f"{cluster.name} lists no node {turn.node}.")
        return None

    def _drain(self, turn: Turn) -> Outcome | None:
        def drain(work: Run) -> Outcome:
            work.asking = work.asking.leading(1)  # a cap must not be what keeps the node from coming back
            return work.operate(DrainNode(node=turn.node), dry_run=False)

        outcome = self._child(turn, "drain", drain)
        return None if outcome.ending in _WELL else outcome

    def _resume(self, roll: Roll, turn: Turn, cluster: Cluster) -> Outcome | None:
        request = ResumeNode(node=turn.node, failback=roll.failback)

        def back() -> None:
            self._until(f"{turn.node} is back", self.policy.maintenance.healthy_hours, partial(self._away, turn, cluster))

        def take_back(work: Run) -> Outcome:
            work.preface = _DONE.format(node=escape(turn.node))
            work.asking = work.asking.within(self.policy.maintenance.drained_hours)
            # While nobody has answered the node may be off: the question that is asked already needs no host.
            if outcome := work.asked_again():
                return outcome
            back()
            # Where the answer is waited for on the spot, the node may have gone away after the question was put.
            return work.operate(request, dry_run=False, approved=back)

        outcome = self._child(turn, "resume", take_back)
        return None if outcome.ending in _WELL else outcome

    def _heal(self, turn: Turn, cluster: Cluster) -> Outcome | None:
        def wrong() -> list[str]:
            return ailing(cluster.name, look(self.engine.hosts, self.site, cluster))

        try:
            self._until(f"{cluster.name} is healthy again", self.policy.maintenance.healthy_hours, wrong)
        except Refused as refused:
            if refused.reason is not Reason.GUARD_FAILED:
                raise
            return Outcome(ending=Ending.NEEDS_PERSON, reason=refused.reason, summary=f"{turn.node} is back; {refused.detail}.")
        return None

    def _away(self, turn: Turn, cluster: Cluster) -> list[str]:
        seen = look(self.engine.hosts, self.site, cluster)
        node = state_of(seen, turn.node)
        if node is None:
            return [f"{cluster.name} does not show {turn.node}"]
        return [] if node.state in ("Up", "Paused") else [f"{turn.node} is {node.state}"]

    def _until(self, what: str, hours: float, wrong: Callable[[], list[str]]) -> None:
        """Look until nothing is wrong. Raises `Refused` (GuardFailed) with what is, after `hours`."""

        def wait() -> None:
            end = self.engine.clock() + timedelta(hours=hours)
            while found := wrong():
                if self.engine.clock() >= end:
                    raise Refused(Reason.GUARD_FAILED, f"{what}: not within {hours:g} h ({'; '.join(found)})")
                self.engine.pause(POLL)

        self.phase("wait", partial(self.watch, f"wait: {what}", wait))

    # ---- runs of their own -------------------------------------------------------------------------------------------

    def _child(self, turn: Turn, what: str, carry: Callable[[Run], Outcome]) -> Outcome:
        """One drain or resume as a run of its own: begun, gone on with, or told of if it has ended."""
        run = child(self.run, f"{turn.number}-{what}")
        work = Run(self.engine, run, self.gate)
        work.title = f"{what.capitalize()} {turn.node}"
        report = work.told_before()
        if report is None:
            self.ledger.start_run(run, kind=f"{what}-node", incident_id=None, requested_by=self.requested_by)
            report = work.concluded(lambda: carry(work))
        record = self.ledger.run(run) if report.outcome.reason is not Reason.LEDGER_UNAVAILABLE else None
        if record is not None and record.finished_at is None:
            raise Overtaken(Reason.DUPLICATE_IN_PROGRESS, report.outcome.summary)
        return report.outcome

    def _stopped(self, roll: Roll, turn: Turn, outcome: Outcome) -> Outcome:
        """Why the roll stops, what is so now, and how it goes on."""
        if outcome.reason is Reason.LEDGER_UNAVAILABLE:
            return outcome
        self._tell()
        there = self.ledger.roll_of(self.run) or roll
        words = (
            f"{outcome.summary} The roll of {roll.cluster} stops at {turn.node}: {there.words}. Started again it goes on "
            f"there; `remediate roll end {roll.cluster} --as NAME` ends it."
        )
        stands = next((each.stage for each in there.turns if each.number == turn.number), turn.stage)
        ending = outcome.ending
        if stands is Stage.DRAINED:
            ending = Ending.NEEDS_PERSON
            words += f" By hand it is taken back by Resume-ClusterNode -Name {turn.node} -Failback {roll.failback}."
        return Outcome(ending=ending, reason=outcome.reason, summary=words)

    def _order(self, request: RollingMaintenance, cluster: Cluster) -> list[str]:
        """The nodes by their names in the inventory. Raises `LookupError` for one that is no node of the cluster."""
        return list(_named(request, cluster)) or list(cluster.nodes)

    def _tell(self) -> None:
        """What the report says of the roll, as it stands, and of this run's drains and resumes."""
        there = self.ledger.roll_of(self.run)
        if there is None:
            return
        runs = [child(self.run, f"{turn.number}-{what}") for turn in there.turns for what in ("drain", "resume")]
        ended = [record for record in map(self.ledger.run, runs) if record is not None and record.outcome is not None]
        told = [f"- `{each.run}`: {each.outcome.ending}. {escape(each.outcome.summary)}" for each in ended if each.outcome]
        self.progress = "\n\n".join([there.id, there.report(), *(["\n".join(told)] if told else [])])


def rolled(engine: Engine, run: str, request: RollingMaintenance, *, dry_run: bool, gate: Gate, requested_by: str) -> Report:
    """Work on a cluster's roll: `Engine.roll`."""
    work = Rolling(engine, run, gate, requested_by)
    work.title = request.summary
    if dry_run:
        return work.concluded(lambda: work.look(request))
    if told := work.told_before():
        return told
    engine.ledger.start_run(run, kind=ROLLING, incident_id=None, requested_by=requested_by)
    return work.concluded(lambda: work.roll(request))


def _named(request: RollingMaintenance, cluster: Cluster) -> Iterator[str]:
    for name in request.nodes:
        found = next((node for node in cluster.nodes if same_host(node, name)), None)
        if found is None:
            raise LookupError(f"nodes: {name} is no node of {cluster.name} (site.yaml has {', '.join(cluster.nodes)})")
        yield found


_HOW = (
    "Each plan is made again when its node's turn comes, and is approved by itself. Between drain and resume the node is "
    "yours: approving its resume says that your work on it is done."
)
_DONE = (
    "**{node} is drained and yours.** Do the maintenance, restart the node if you need to, and leave it paused. Approve once "
    "your work on it is done: then the node is taken back, and the roll goes on when the cluster is healthy again."
)
