"""The version of a ledger's tables, and how an older ledger becomes a newer one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, insert, inspect, select, update

from remediations.ledger import schema
from remediations.model.outcome import Reason, Refused

MIGRATIONS: tuple[Callable[[Connection], None], ...] = ()
"""The n-th makes a ledger of version n + 1 of one of version n. Only ever appended to; `schema` is the newest version."""


def newest() -> int:
    """The version of the schema that this program reads and writes."""
    return 1 + len(MIGRATIONS)


def version(conn: Connection) -> int | None:
    """The version of the ledger behind a connection; None if there is no ledger."""
    if not inspect(conn).has_table(schema.meta.name):
        return None
    return int(conn.execute(select(schema.meta.c.version)).scalar_one())


def missing(conn: Connection) -> list[str]:
    """The newest version's tables that the ledger behind a connection does not have."""
    return sorted(schema.metadata.tables.keys() - set(inspect(conn).get_table_names()))


def create(conn: Connection, now: datetime) -> None:
    """Lay out a new, empty ledger."""
    schema.metadata.create_all(conn)
    conn.execute(insert(schema.meta).values(id=str(uuid4()), version=newest(), created_at=now))


def migrate(conn: Connection, where: str) -> None:
    """Bring a ledger to the newest version, in the caller's transaction. Refuses one of a newer program."""
    found = version(conn)
    if found is None:
        detail = f"{where} holds something else than a ledger: name an unused file, or the ledger's own"
        raise Refused(Reason.LEDGER_UNAVAILABLE, detail)
    if found > newest():
        detail = (
            f"{where} has schema version {found}, this program knows versions up to {newest()}: "
            "install the newer program again, or restore the backup made before it was upgraded"
        )
        raise Refused(Reason.LEDGER_UNAVAILABLE, detail)
    if found == newest() and (lost := missing(conn)):
        detail = (
            f"{where} is of version {found} and lacks {', '.join(lost)}: restore a backup, or, if it is of a time before the "
            "first release, begin a new ledger"
        )
        raise Refused(Reason.LEDGER_UNAVAILABLE, detail)
    for step_up in MIGRATIONS[found - 1 :]:
        step_up(conn)
    conn.execute(update(schema.meta).values(version=newest()))
