"""Looks ahead, kept so that the next one can say what has changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime

from sqlalchemy import delete, func, insert, select

from remediations.ledger import schema
from remediations.ledger.audit import Store
from remediations.model.readiness import Level, Readiness

KEPT = 10
"""Reports of one scope that are kept; older ones go."""

_readiness = schema.readiness


class Looks(Store):
    """Reports of readiness, the newest of each scope."""

    def keep_readiness(self, report: Readiness) -> None:
        """Keep a report, and let go of the oldest ones of its scope."""
        scope, counts = _scope(report), {level.value: count for level, count in report.counts.items()}
        with self._writing() as writing:
            number = writing.conn.execute(select(func.coalesce(func.max(_readiness.c.number), 0))).scalar_one() + 1
            writing.conn.execute(
                insert(_readiness).values(
                    number=number, scope=scope, at=report.at, counts=counts, report=report.model_dump_json()
                )
            )
            mine = select(_readiness.c.number).where(_readiness.c.scope == scope).order_by(_readiness.c.number.desc())
            old = [row.number for row in writing.conn.execute(mine)][KEPT:]
            if old:
                writing.conn.execute(delete(_readiness).where(_readiness.c.number.in_(old)))
            writing.note(None, "looked ahead", {"readiness": number, "hosts": len(report.hosts), "ways": counts})

    def last_readiness(self, of: Readiness) -> Readiness | None:
        """The newest report of the same scope; None if there is none, or only what another version of this program wrote."""
        mine = select(_readiness.c.report).where(_readiness.c.scope == _scope(of)).order_by(_readiness.c.number.desc())
        with self._database.reading() as conn:
            found = conn.execute(mine.limit(1)).scalar()
        try:
            return None if found is None else Readiness.model_validate_json(found)
        except ValueError:
            return None

    def last_counts(self) -> tuple[datetime, Counter[Level]] | None:
        """When anything was last looked at ahead, and how many ways were at each level then; None if never."""
        newest = select(_readiness.c.at, _readiness.c.counts).order_by(_readiness.c.number.desc()).limit(1)
        with self._database.reading() as conn:
            row = conn.execute(newest).first()
        return None if row is None else (row.at, Counter({level: int(row.counts.get(level.value, 0)) for level in Level}))


def _scope(report: Readiness) -> str:
    return hashlib.sha256(report.scope.encode()).hexdigest()[:32]
