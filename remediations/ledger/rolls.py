"""Rolls: which node of a cluster has its turn, and how far it is. One open roll a cluster, one node at a time."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.incidents import LETTERS, known_run
from remediations.ledger.records import parsed
from remediations.model.names import same_host
from remediations.model.outcome import Reason, Refused
from remediations.model.roll import Roll, Stage

_roll, _turn, _run = schema.roll, schema.turn, schema.run


class Rolls(Store):
    """Rolls and their turns."""

    def take_roll(self, run: str, cluster: str, nodes: Sequence[str], failback: str, *, chosen: bool) -> Roll:
        """The roll that this run works on already, the cluster's open one, or a new one of these nodes.

        One that is open is taken over from a run that has ended, as it stands; if the nodes were `chosen` they have to be its
        own. Refused (DuplicateInProgress) while another run works on it, or where it is of other nodes.
        """
        with self._writing() as writing:
            own = _of(writing.conn, run)
            if own is not None:
                return own  # also one that has ended: its run died before it could say so
            there = _open(writing.conn, cluster)
            if there is None:
                return _new(writing, run, cluster, nodes, failback)
            if known_run(writing.conn, there.run).finished_at is None:
                detail = f"{there.id}, the roll of {cluster}, is worked on by run {there.run}: one at a time"
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)
            order = [turn.node for turn in there.turns]
            if chosen and not (len(order) == len(nodes) and all(map(same_host, order, nodes))):
                detail = (
                    f"{there.id}, the roll of {cluster}, is open, of {', '.join(order)} in this order ({there.words}): leave "
                    f"the nodes out to go on with it, or end it: remediate roll end {cluster} --as NAME"
                )
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)
            writing.conn.execute(update(_roll).where(_roll.c.id == there.id).values(run=run))
            writing.note(run, "roll taken over", {"roll": there.id, "before": there.run})
            return there.model_copy(update={"run": run})

    def stage(self, roll: Roll, number: int, stage: Stage) -> None:
        """A turn has come to a stage. One that is there, or further, stays.

        Refused (DuplicateInProgress) for a roll that has ended, that another run works on or whose run has ended, and for a
        turn whose forerunners are not all done: never two nodes at once.
        """
        with self._writing() as writing:
            there = _one(writing.conn, roll.id)
            if there.ended_at is not None or there.run != roll.run:
                what = "has ended" if there.ended_at is not None else f"is worked on by run {there.run}"
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, f"{there.id} {what}")
            if known_run(writing.conn, roll.run).finished_at is not None:
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, f"run {roll.run} has ended: {there.id} goes on in a new one")
            turn = there.turns[number - 1]
            if turn.stage.number >= stage.number:
                return
            if early := [each.node for each in there.turns[: number - 1] if each.stage is not Stage.DONE]:
                detail = f"{turn.node} has its turn after {', '.join(early)}: one node at a time"
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)
            mine = (_turn.c.roll == roll.id) & (_turn.c.number == number)
            writing.conn.execute(update(_turn).where(mine).values(stage=stage.value, since=writing.now))
            writing.note(roll.run, "turn", {"roll": roll.id, "node": turn.node, "stage": stage.value})

    def end_roll(self, roll: Roll, how: str, *, by: str = "") -> None:
        """The roll is over: the cluster may have a new one. One that has ended stays as it is.

        A person (`by`) ends only what no run works on any more: refused (DuplicateInProgress) else.
        """
        with self._writing() as writing:
            there = _one(writing.conn, roll.id)
            if by and known_run(writing.conn, there.run).finished_at is None:
                detail = f"{there.id} is worked on by run {there.run}: cancel that first, or let it end"
                raise Refused(Reason.DUPLICATE_IN_PROGRESS, detail)
            if there.ended_at is None:
                writing.conn.execute(update(_roll).where(_roll.c.id == roll.id).values(ended_at=writing.now, ended=how))
                writing.note(there.run, "roll ended", {"roll": roll.id, "how": how, "by": by})

    def open_roll(self, cluster: str) -> Roll | None:
        """The cluster's open roll; None if it has none."""
        with self._database.reading() as conn:
            return _open(conn, cluster)

    def roll_of(self, run: str) -> Roll | None:
        """The roll that a run works on, or did last; None for a run that never did."""
        with self._database.reading() as conn:
            return _of(conn, run)

    def rolls(self, most: int = 20) -> list[Roll]:
        """The newest rolls, open ones before others."""
        with self._database.reading() as conn:
            rows = conn.execute(select(_roll).order_by(_roll.c.opened_at.desc()).limit(most)).all()
            return sorted((_read(conn, row) for row in rows), key=lambda each: each.ended_at is not None)


def _new(writing: Writing, run: str, cluster: str, nodes: Sequence[str], failback: str) -> Roll:
    by = known_run(writing.conn, run).requested_by
    made = f"ROLL-{''.join(secrets.choice(LETTERS) for _ in range(6))}"
    values = {"cluster": cluster, "failback": failback, "run": run, "opened_at": writing.now, "opened_by": by}
    writing.conn.execute(insert(_roll).values(id=made, **values))
    turns = [
        {"roll": made, "number": number, "node": node, "stage": Stage.WAITS.value, "since": writing.now}
        for number, node in enumerate(nodes, 1)
    ]
    writing.conn.execute(insert(_turn), turns)
    writing.note(run, "roll opened", {"roll": made, "cluster": cluster, "nodes": list(nodes), "failback": failback})
    return _one(writing.conn, made)


def _one(conn: Connection, roll: str) -> Roll:
    return _read(conn, conn.execute(select(_roll).where(_roll.c.id == roll)).one())


def _open(conn: Connection, cluster: str) -> Roll | None:
    rows = conn.execute(select(_roll).where(_roll.c.ended_at.is_(None))).all()
    row = next((each for each in rows if each.cluster.casefold() == cluster.casefold()), None)
    return None if row is None else _read(conn, row)


def _of(conn: Connection, run: str) -> Roll | None:
    row = conn.execute(select(_roll).where(_roll.c.run == run).order_by(_roll.c.opened_at.desc())).first()
    return None if row is None else _read(conn, row)


def _read(conn: Connection, row: Row[Any]) -> Roll:
    turns = conn.execute(select(_turn).where(_turn.c.roll == row.id).order_by(_turn.c.number))
    value = {
        **{name: getattr(row, name) for name in ("id", "cluster", "failback", "run", "opened_at", "opened_by", "ended_at")},
        "ended": row.ended or "",
        "turns": [{name: getattr(each, name) for name in ("number", "node", "stage", "since")} for each in turns],
    }
    return parsed(Roll, value, f"roll {row.id}")
