"""Leases: one change at a time for each resource. What names a resource is the caller's affair (`host:hv07`).

Windows knows no fencing tokens, so a lease protects only as far as its holder asks before it sends (`intend`), and as the
clocks of all workers agree within the margin given there. The next holder therefore waits the lease and the longest
deadline of what was sent under it, and gets nothing while the ledger does not know what became of a command, or while a
bracket is open, of another holder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, insert, select, update

from remediations.ledger import columns, schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.records import Lease
from remediations.model.outcome import Reason, Refused

_lease, _step, _bracket = schema.lease, schema.step, schema.bracket

_IMPORTED = uuid4().hex[:20]


class Leases(Store):
    """Exclusive use of resources, for a time."""

    def lease(self, resources: Sequence[str], *, holder: str, seconds: float) -> Lease:
        """Take all of `resources`, or none, for `seconds`.

        The same holder gets what it has again, no shorter than before; from another process its tokens grow, so that the
        process it had before can start nothing more. Refused (ResourceBusy), saying who has it and until when, if another
        holder's lease runs, or its longest command could still be in flight, or what became of one of its commands is
        not known, or a bracket of its is open.
        """
        wanted = sorted({each.casefold() for each in resources if each.strip()})
        if not wanted or seconds <= 0:
            raise ValueError(
                f"a lease wants at least one resource and more than 0 seconds, not {list(resources)!r} for {seconds:g} s"
            )
        with self._writing() as writing:
            rows = {row.resource: row for row in writing.conn.execute(select(_lease).where(_lease.c.resource.in_(wanted)))}
            for name in wanted:
                if name in rows:
                    _refuse_held(rows[name], holder, writing.now)
            _refuse_left_over(writing.conn, set(wanted), holder)
            until = writing.now + timedelta(seconds=seconds)
            tokens = {}
            for name in wanted:
                tokens[name], until_here = _take(writing, rows.get(name), name, holder, until)
                until = max(until, until_here)
            # One time for all: a lease is as long as its longest part, never shorter than it was.
            writing.conn.execute(update(_lease).where(_lease.c.resource.in_(wanted)).values(until=until))
            writing.note(None, "lease taken", {"holder": holder, "tokens": tokens, "until": columns.written(until)})
            return Lease(resources=tuple(wanted), holder=holder, tokens=tokens, until=until)

    def renew(self, lease: Lease, seconds: float) -> Lease:
        """Keep a lease for `seconds` from now, no shorter than before. Refused (ResourceBusy) if it has run out or gone.

        Renewals are the one write that is not in the audit trail: they happen with each look at a host.
        """
        with self._writing() as writing:
            refuse_lost(writing, lease, least=0)
            until = max(lease.until, writing.now + timedelta(seconds=seconds))
            writing.conn.execute(update(_lease).where(_lease.c.resource.in_(lease.resources)).values(until=until))
            return lease.model_copy(update={"until": until})

    def release(self, lease: Lease) -> None:
        """Give back what is still this lease's. Commands without a result, and open brackets, keep others out until decided."""
        with self._writing() as writing:
            given = []
            for name, token in lease.tokens.items():
                mine = (_lease.c.resource == name) & (_lease.c.holder == lease.holder) & (_lease.c.token == token)
                done = writing.conn.execute(update(_lease).where(mine).values(holder=None, instance=None, until=writing.now))
                given += [name] * done.rowcount
            if given:
                writing.note(None, "lease released", {"holder": lease.holder, "resources": given})

    def held(self) -> list[Lease]:
        """What each holder has not given back, also past its time, when only that holder can have it again at once."""
        with self._database.reading() as conn:
            rows = conn.execute(
                select(_lease).where(_lease.c.holder.is_not(None)).order_by(_lease.c.holder, _lease.c.resource)
            ).all()
        found = []
        for holder in dict.fromkeys(row.holder for row in rows):
            own = [row for row in rows if row.holder == holder]
            tokens = {row.resource: row.token for row in own}
            found.append(Lease(resources=tuple(tokens), holder=holder, tokens=tokens, until=min(row.until for row in own)))
        return found


def refuse_lost(writing: Writing, lease: Lease, *, least: float) -> None:
    """Refuse (ResourceBusy) unless all of a lease is still its holder's for at least `least` seconds."""
    rows = {row.resource: row for row in writing.conn.execute(select(_lease).where(_lease.c.resource.in_(lease.resources)))}
    for name in lease.resources:
        row = rows.get(name)
        if row is None or row.holder != lease.holder or row.token != lease.tokens[name]:
            who = "given back" if row is None or row.holder is None else f"taken over by {row.holder}"
            raise Refused(
                Reason.RESOURCE_BUSY, f"{lease.holder}'s lease of {name} was {who}: take it anew and read the host again"
            )
        left = (row.until - writing.now).total_seconds()
        if left <= 0:
            raise Refused(Reason.RESOURCE_BUSY, f"{lease.holder}'s lease of {name} ran out {-left:.0f} s ago: take it anew")
        if left < least:
            detail = f"{lease.holder}'s lease of {name} has {left:.0f} s left and {least:.0f} s are needed: renew it first"
            raise Refused(Reason.RESOURCE_BUSY, detail)


def lengthen(conn: Connection, lease: Lease, deadline: float) -> None:
    """Remember the longest deadline of what is sent under a lease: the next holder waits it out."""
    mine = _lease.c.resource.in_(lease.resources) & (_lease.c.longest < deadline)
    conn.execute(update(_lease).where(mine).values(longest=deadline))


def _instance() -> str:
    """The name of this process, and of no other: a forked child is not its parent, and a system's numbers come again."""
    return f"{_IMPORTED}-{os.getpid()}"


def _take(writing: Writing, row: Row[Any] | None, name: str, holder: str, until: datetime) -> tuple[int, datetime]:
    values = {"holder": holder, "instance": _instance(), "until": until}
    if row is None:
        writing.conn.execute(insert(_lease).values(resource=name, token=1, longest=0.0, **values))
        return 1, until
    if row.holder == holder and row.instance == _instance() and row.until > writing.now:
        return row.token, row.until
    # What this holder sent before may still be in flight, so its longest deadline goes on counting.
    longest = row.longest if row.holder == holder else 0.0
    renewed = update(_lease).where(_lease.c.resource == name)
    writing.conn.execute(renewed.values(token=row.token + 1, longest=longest, **values))
    return row.token + 1, until


def _refuse_held(row: Row[Any], holder: str, now: datetime) -> None:
    if row.holder is None or row.holder == holder:
        return
    free = row.until + timedelta(seconds=row.longest)
    if now < free:
        raise Refused(Reason.RESOURCE_BUSY, f"{row.resource} is in use by {row.holder} until {free:%Y-%m-%d %H:%M:%S} UTC")


def _refuse_left_over(conn: Connection, wanted: set[str], holder: str) -> None:
    unknown = select(_step.c.holder, _step.c.resources, _step.c.run, _step.c.step, _step.c.item)
    for row in conn.execute(unknown.where(_step.c.decided_at.is_(None), _step.c.holder != holder)):
        if shared := sorted(wanted & set(row.resources)):
            command = row.step["command"]["name"]
            detail = (
                f"{shared[0]}: nobody knows yet what became of {command}, item {row.item} of run {row.run}: "
                "recovery (`remediate serve`) decides it once nothing can be in flight; "
                "`remediate recover` says what it waits for"
            )
            raise Refused(Reason.RESOURCE_BUSY, detail)
    unclosed = select(_bracket.c.name, _bracket.c.resources, _bracket.c.run)
    for left in conn.execute(unclosed.where(_bracket.c.closed_at.is_(None), _bracket.c.holder != holder)):
        if shared := sorted(wanted & set(left.resources)):
            detail = (
                f"{shared[0]}: run {left.run} left “{left.name}” half-way: recovery (`remediate serve`) closes it first; "
                "`remediate recover` says what it waits for"
            )
            raise Refused(Reason.RESOURCE_BUSY, detail)
