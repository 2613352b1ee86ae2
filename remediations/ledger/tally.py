"""What monitoring counts: incidents, how they ended, for which cause, and how long it took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from remediations.ledger import schema
from remediations.ledger.audit import Store
from remediations.model.causes import Cause
from remediations.model.outcome import Ending, Reason

_incident, _plan = schema.incident, schema.plan

NO_CAUSE = "none"
"""Stands for the cause of an incident that no plan was made for."""

_CAUSES = frozenset(cause.value for cause in Cause)
_ENDINGS = frozenset(ending.value for ending in Ending)
_REASONS = frozenset(reason.value for reason in Reason)


@dataclass(frozen=True)
class Tally:
    """Counts since the ledger was laid out. What it does not know by its closed lists is counted as `other`."""

    incidents: int
    open: int
    outcomes: Counter[tuple[str, str, str]]
    """Closed incidents by ending, reason (empty for none) and cause (of the last plan that was made for it)."""
    mended_after: tuple[float, ...]
    """Seconds from report to verified success, of each incident that was mended."""


class Tallies(Store):
    """Counts for monitoring."""

    def tally(self) -> Tally:
        """Count all incidents. Reads one narrow row of each."""
        closed = select(_incident.c.run, _incident.c.opened_at, _incident.c.closed_at, _incident.c.outcome)
        with self._database.reading() as conn:
            total = conn.execute(select(func.count()).select_from(_incident)).scalar_one()
            rows = conn.execute(closed.where(_incident.c.closed_at.is_not(None))).all()
            plans = select(_plan.c.run, _plan.c.causes).where(_plan.c.causes.is_not(None)).order_by(_plan.c.run, _plan.c.ask)
            # A move that is tried again is for no cause: the mend before it says which.
            causes = {row.run: row.causes for row in conn.execute(plans) if row.causes}
        outcomes: Counter[tuple[str, str, str]] = Counter()
        mended: list[float] = []
        for row in rows:
            outcome = row.outcome if isinstance(row.outcome, dict) else {}
            ending = _known(outcome.get("ending"), _ENDINGS)
            reason = _known(outcome["reason"], _REASONS) if outcome.get("reason") else ""
            of_run = causes.get(row.run) or [NO_CAUSE]
            outcomes[ending, reason, _known(of_run[0], _CAUSES | {NO_CAUSE})] += 1
            if ending == Ending.MENDED.value:
                mended.append(max(0.0, (row.closed_at - row.opened_at).total_seconds()))
        return Tally(incidents=total, open=total - len(rows), outcomes=outcomes, mended_after=tuple(mended))


def _known(value: object, names: frozenset[str]) -> str:
    return value if isinstance(value, str) and value in names else "other"
