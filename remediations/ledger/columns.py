"""How the ledger writes values: times and JSON as text in one spelling, the same in every database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Dialect, String, Text, TypeDecorator, type_coerce


class Utc(TypeDecorator[datetime]):
    """An aware time, kept as ISO 8601 text in UTC with microseconds: the same in every database, and its order is time's."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Text for the database. Raises `ValueError` for a time without an offset: it would be nobody's noon."""
        return None if value is None else written(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """The time again."""
        return None if value is None else datetime.fromisoformat(value)


class Json(TypeDecorator[Any]):
    """A JSON value, kept as text in one spelling."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Text for the database; None becomes NULL."""
        return None if value is None else dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value again."""
        return None if value is None else json.loads(value)


def written(value: datetime) -> str:
    """A time as the ledger writes it. Raises `ValueError` for a time without an offset."""
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no UTC offset: the ledger keeps aware times only")
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def dumps(value: Any) -> str:
    """JSON text in one spelling. Hosts may send half a surrogate pair, which UTF-8 cannot hold: it is kept as an escape."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def raw(column: Column[Any]) -> ColumnElement[str]:
    """A column as the database holds it, not turned into a Python value."""
    return type_coerce(column, String)
