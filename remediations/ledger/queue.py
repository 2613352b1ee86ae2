"""From open incidents to runs: who gets one, who goes with another, who waits. Decided from here, never from memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.incidents import close, finish, read_incident
from remediations.ledger.plans import give_up
from remediations.ledger.records import Board, Move, OpenIncident, Queued, Standing, parsed
from remediations.ledger.standing import is_open, stand, stand_all
from remediations.model.outcome import Ending, Outcome, Reason
from remediations.model.plan import Plan

_incident, _queue, _run = schema.incident, schema.queue, schema.run
_plan, _decision, _step = schema.plan, schema.decision, schema.step

OverBy = Literal["resolved", "acknowledged", "succeeded"]
"""Why an incident needs nobody any more: its alert ended, a person took it over, or what had failed has succeeded."""

_NEW = and_(or_(_queue.c.standing.is_(None), _queue.c.standing == Standing.NEW.value), _incident.c.run.is_(None))
_WAITS = and_(_queue.c.standing == Standing.WAITS.value, _incident.c.run.is_(None))
_FOLLOWS = _queue.c.standing.in_((Standing.JOINED.value, Standing.HELD.value))
_LEADS = _queue.c.standing == Standing.STARTED.value
_READ_AGAIN = _queue.c.standing.in_((Standing.AGAIN.value, Standing.APART.value))

CLOCKS = timedelta(minutes=2)
"""By how much the times of one failure may differ, as an alert and a host's event log tell them."""


class Queue(Store):
    """The way from an incident to its run."""

    def newcomers(self, most: int) -> list[OpenIncident]:
        """Open incidents that no dispatcher has looked at yet, the oldest `most`."""
        with self._database.reading() as conn:
            return [each.opened for each in _queued(conn, _NEW, most)]

    def arrange(self, decide: Callable[[Board], Sequence[Move]], most: int) -> list[Move]:
        """Let `decide` say where incidents stand from now on, at most `most` new ones, and keep it. Gives what was decided.

        What `decide` is shown stays true until it is kept: no other dispatcher decides meanwhile. It has to be quick and
        pure, and may name only incidents that it was shown. It is asked first without a lock, and if it then decides
        nothing, nobody is kept from writing.
        """
        with self._database.reading() as conn:
            if not decide(_board(conn, most)):
                return []
        with self._writing() as writing:
            board = _board(writing.conn, most)
            moves = list(decide(board))
            shown = {each.id: (each.standing, each.leader) for each in (*board.waiting, *board.left)}
            stand_all(writing, [each for each in moves if shown[each.incident_id] != (each.standing, each.leader)])
            return moves

    def to_start(self) -> list[Queued]:
        """Incidents that were given a run which nobody has asked Prefect for yet, or not with success; oldest first."""
        mine = and_(_LEADS, _queue.c.flow_run.is_(None), _incident.c.run.is_(None))
        with self._database.reading() as conn:
            return _queued(conn, mine)

    def started_as(self, incident_id: str, flow_run: str) -> None:
        """Keep which flow run was asked for an incident; it owns the incident only once it begins (`attach_run`)."""
        with self._writing() as writing:
            found = writing.conn.execute(select(_queue).where(_queue.c.incident_id == incident_id)).first()
            if found is not None and found.flow_run != flow_run:
                values = {"flow_run": flow_run}
                writing.conn.execute(update(_queue).where(_queue.c.incident_id == incident_id).values(**values))
                writing.note(flow_run, "flow run asked for", {"incident": incident_id})

    def not_begun(self) -> list[Queued]:
        """Incidents whose flow run was asked for and has not begun."""
        mine = and_(_LEADS, _queue.c.flow_run.is_not(None), _incident.c.run.is_(None))
        with self._database.reading() as conn:
            return _queued(conn, mine)

    def never_began(self, incident_id: str, flow_run: str, why: str, *, end: Outcome | None = None) -> bool:
        """The flow run that was asked for has ended and never began: another is asked for, or the incident is closed so.

        False, and nothing is written, if that is not so any more: it has begun, was over, or another process was first.
        """
        with self._writing() as writing:
            mine = and_(_LEADS, _queue.c.flow_run == flow_run, _incident.c.run.is_(None), _incident.c.id == incident_id)
            found = next(iter(_queued(writing.conn, mine)), None)
            if found is None:
                return False
            writing.note(flow_run, "flow run never began", {"incident": incident_id, "why": why})
            if end is not None:
                close(writing, [(found.opened, end)])
            else:
                values = {"flow_run": None, "lost": found.lost + 1}
                writing.conn.execute(update(_queue).where(_queue.c.incident_id == incident_id).values(**values))
            return True

    def meant_for(self, flow_run: str) -> OpenIncident | None:
        """The incident, open or closed, that a flow run was asked for; None if none was."""
        with self._database.reading() as conn:
            mine = select(_incident).join(_queue, _queue.c.incident_id == _incident.c.id).where(_queue.c.flow_run == flow_run)
            row = conn.execute(mine).first()
            return None if row is None else read_incident(row)

    def queued(self) -> list[Queued]:
        """Every open incident and where it stands, oldest first."""
        with self._database.reading() as conn:
            return _queued(conn, None)

    # ---- those that go with another ----------------------------------------------------------------------------------

    def joined_to(self, leader: str) -> list[OpenIncident]:
        """The open incidents that go with the run of this one."""
        mine = and_(_queue.c.standing == Standing.JOINED.value, _queue.c.leader == leader)
        with self._database.reading() as conn:
            return [each.opened for each in _queued(conn, mine)]

    def set_apart(self, *incident_ids: str, why: str) -> None:
        """Let incidents go their own way: what mends the one that they went with does not mend them."""
        self._on(incident_ids, {Standing.JOINED: Standing.APART}, why)

    def to_read_again(self, most: int) -> list[Queued]:
        """Incidents whose symptom is to be read again, the oldest `most`."""
        with self._database.reading() as conn:
            return _queued(conn, _READ_AGAIN, most)

    def fails_still(self, *incident_ids: str, why: str) -> None:
        """What was to be read again fails still: it is as good as new, or, where it was set apart, waits for its own run."""
        self._on(incident_ids, {Standing.AGAIN: Standing.NEW, Standing.APART: Standing.WAITS}, why)

    def _on(self, incident_ids: Collection[str], way: Mapping[Standing, Standing], why: str) -> None:
        """Move on those of these incidents that are open and stand where a way begins."""
        if not incident_ids:
            return
        with self._writing() as writing:
            found = _queued(writing.conn, _incident.c.id.in_(incident_ids))
            moves = [Move(incident_id=each.id, standing=way[each.standing], why=why) for each in found if each.standing in way]
            stand_all(writing, moves)

    # ---- what is over ------------------------------------------------------------------------------------------------

    def over(self, key: str, how: OverBy, words: str, *, began: datetime | None = None) -> OpenIncident | None:
        """End what waits for the incident of this key: its alert is resolved, or was taken over, in these `words`.

        `began` is when that alert began. Where the incident failed after that, it is a later failure than the one that is
        over: its alert was kept up, or comes late, and nothing is ended.

        An incident without a run is closed. A run that waits for a decision is finished, its plans void. A run that still
        reads learns of it when it wants to ask. What has been approved and begun goes on. None if no such incident is open.
        """
        with self._writing() as writing:
            row = writing.conn.execute(select(_incident).where(_incident.c.key == key, is_open())).first()
            if row is None:
                return None
            found = read_incident(row)
            failed = found.incident.occurred_at
            if began is not None and failed is not None and failed - began > CLOCKS:
                return None
            writing.note(found.run, "reported over", {"incident": found.id, "how": how, "words": words})
            waits = found.run is None or _waits_for_decision(writing, found.run)
            if not waits:
                stand(writing, found.id, Standing.STARTED, ended={"how": how, "words": words})
                return found
            summary = f"{words[:1].upper()}{words[1:].rstrip('.')}. Nothing was changed."
            outcome = Outcome(ending=Ending.NOTHING_TO_DO, reason=Reason.SYMPTOM_GONE, summary=summary)
            close(writing, [(found, outcome)])
            if found.run is not None:
                give_up(writing, found.run, Reason.SYMPTOM_GONE, words)
                finish(writing, found.run, outcome)
            return found.model_copy(update={"closed_at": writing.now, "outcome": outcome})


def _waits_for_decision(writing: Writing, run: str) -> bool:
    """Whether a run has asked, and nothing that was approved has begun."""
    conn = writing.conn
    if conn.execute(select(_step.c.run).where(_step.c.run == run).limit(1)).first() is not None:
        return False
    used = select(_decision.c.run).where(_decision.c.run == run, _decision.c.used_at.is_not(None)).limit(1)
    if conn.execute(used).first() is not None:
        return False
    return conn.execute(select(_plan.c.run).where(_plan.c.run == run, _plan.c.void.is_(None)).limit(1)).first() is not None


def _board(conn: Connection, most: int) -> Board:
    leader = _incident.alias("leader")
    ended = select(leader.c.id).where(leader.c.id == _queue.c.leader, leader.c.closed_at.is_not(None)).exists()
    waiting = sorted((*_queued(conn, _WAITS), *_queued(conn, _NEW, most)), key=lambda each: (each.opened.opened_at, each.id))
    left = _queued(conn, and_(_FOLLOWS, ended), most)
    if not waiting and not left:
        return Board(waiting=(), leading=(), left=(), running=0)
    leading = _queued(conn, or_(_LEADS, _incident.c.run.is_not(None)))
    runs = [each.opened.run for each in leading if each.opened.run is not None]
    plans: dict[str, list[Plan]] = {}
    if runs:
        for row in conn.execute(select(_plan).where(_plan.c.run.in_(runs), _plan.c.void.is_(None)).order_by(_plan.c.ask)):
            what = f"plan {row.digest[:8]} of run {row.run}"
            plans.setdefault(row.run, []).append(parsed(Plan, row.plan, what))
    open_runs = conn.execute(select(func.count()).select_from(_run).where(_run.c.finished_at.is_(None))).scalar_one()
    return Board(
        waiting=tuple(waiting),
        leading=tuple(each.model_copy(update={"sealed": tuple(plans.get(each.opened.run or "", ()))}) for each in leading),
        left=tuple(left),
        running=open_runs + sum(each.opened.run is None for each in leading),
    )


def _queued(conn: Connection, which: ColumnElement[bool] | None, most: int | None = None) -> list[Queued]:
    columns = (_queue.c.standing, _queue.c.leader, _queue.c.flow_run, _queue.c.lost, _queue.c.since)
    rows = select(_incident, *columns).outerjoin_from(_incident, _queue).where(is_open())
    if which is not None:
        rows = rows.where(which)
    return [_read(row) for row in conn.execute(rows.order_by(_incident.c.opened_at, _incident.c.id).limit(most))]


def _read(row: Row[Any]) -> Queued:
    opened = read_incident(row)
    standing = Standing.NEW if row.standing is None else Standing(row.standing)
    if row.standing is None and opened.run is not None:
        standing = Standing.STARTED
    return Queued(
        opened=opened,
        standing=standing,
        leader=row.leader,
        flow_run=row.flow_run,
        lost=row.lost or 0,
        since=row.since or opened.opened_at,
    )
