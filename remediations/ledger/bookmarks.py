"""How far each host's event logs were read, kept in one transaction with the failures found there: none is lost or doubled."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, select, update

from remediations.ledger import schema
from remediations.ledger.audit import Store, Writing
from remediations.ledger.incidents import open_or_join
from remediations.ledger.records import Bookmark, OpenIncident
from remediations.model.incident import Incident

_bookmark, _incident = schema.bookmark, schema.incident


class Bookmarks(Store):
    """Bookmarks in event logs."""

    def bookmarks(self) -> dict[tuple[str, str], Bookmark]:
        """Every bookmark, by host and channel."""
        with self._database.reading() as conn:
            rows = conn.execute(select(_bookmark)).all()
        return {(row.host, row.channel): _read(row) for row in rows}

    def watched(
        self, before: Sequence[Bookmark | None], now: Sequence[Bookmark], failures: Sequence[Incident]
    ) -> list[OpenIncident] | None:
        """Keep how far was read and take in what failed there, all or nothing.

        None, and nothing is kept, if somebody else has read on from `before` meanwhile: they report it. A failure that
        was known before is none: one whose incident was closed after it had occurred.
        """
        with self._writing() as writing:
            for old, new in zip(before, now, strict=True):
                mine = (_bookmark.c.host == new.host) & (_bookmark.c.channel == new.channel)
                row = writing.conn.execute(select(_bookmark).where(mine)).first()
                if (None if row is None else _read(row)) != old:
                    return None
                values = {"record": new.record, "written_at": new.written_at, "read_at": writing.now}
                if row is None:
                    writing.conn.execute(insert(_bookmark).values(host=new.host, channel=new.channel, **values))
                else:
                    writing.conn.execute(update(_bookmark).where(mine).values(**values))
            unknown = [each for each in failures if not _known(writing, each)]
            return open_or_join(writing, unknown, None) if unknown else []


def _known(writing: Writing, failure: Incident) -> bool:
    """Whether an incident of this key was closed after the failure: it was worked on with it, or because of it."""
    if failure.occurred_at is None:
        return False
    later = (_incident.c.key == failure.key) & (_incident.c.closed_at >= failure.occurred_at)
    return writing.conn.execute(select(_incident.c.id).where(later).limit(1)).first() is not None


def _read(row: object) -> Bookmark:
    return Bookmark.model_validate({name: getattr(row, name) for name in ("host", "channel", "record", "written_at")})
