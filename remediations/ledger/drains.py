"""How long drains took: what the next one of the same cluster is told by."""

from __future__ import annotations

from sqlalchemy import func, insert, select

from remediations.ledger import schema
from remediations.ledger.audit import Store
from remediations.model.drain import Drained

_drain, _bracket = schema.drain, schema.bracket


class Drains(Store):
    """Drains that came to their end."""

    def note_drain(self, run: str, digest: str, *, cluster: str, node: str, mebibytes: int) -> None:
        """Write down how long a run's drain took: from the intent of its pause to the end of its wait, as its bracket says.

        Again for the same plan changes nothing; nothing is written of one whose bracket is not closed.
        """
        with self._writing() as writing:
            mine = (_bracket.c.run == run) & (_bracket.c.digest == digest) & _bracket.c.closed_at.is_not(None)
            bracket = writing.conn.execute(select(_bracket.c.opened_at, _bracket.c.closed_at).where(mine)).first()
            known = select(_drain.c.run).where(_drain.c.run == run, _drain.c.digest == digest)
            if bracket is None or writing.conn.execute(known).first() is not None:
                return
            seconds = (bracket.closed_at - bracket.opened_at).total_seconds()
            values = {"cluster": cluster, "node": node, "mebibytes": mebibytes, "seconds": seconds}
            writing.conn.execute(insert(_drain).values(run=run, digest=digest, at=writing.now, **values))
            writing.note(run, "drained", {"digest": digest, **values})

    def drains(self, cluster: str, most: int = 10) -> list[Drained]:
        """The newest drains of a cluster, by its name without case."""
        mine = func.lower(_drain.c.cluster) == cluster.lower()
        with self._database.reading() as conn:
            rows = conn.execute(select(_drain).where(mine).order_by(_drain.c.at.desc()).limit(most))
            return [Drained(node=row.node, mebibytes=row.mebibytes, seconds=row.seconds, at=row.at) for row in rows]
