"""Small helpers that parsers share: one object, texts, times. A reply without what is needed raises `Unreadable`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from remediations.facts.query import Unreadable
from remediations.model.reply import Record, Reply


def one(reply: Reply) -> Record:
    """The single object of a reply. Raises `Unreadable` with the host's own words, or with what came instead."""
    if reply.errors:
        raise Unreadable(reply.errors[0].message)
    if len(reply.objects) != 1:
        raise Unreadable(f"one object was expected, {len(reply.objects)} came")
    record: Record = reply.objects[0]
    return record


def many(reply: Reply) -> tuple[Record, ...]:
    """All objects of a reply. Raises `Unreadable` if any error came: half a list must not pass for the whole."""
    if reply.errors:
        raise Unreadable(reply.errors[0].message)
    return reply.objects


ABSENT = frozenset({"ObjectNotFound", "InvalidParameter"})
"""Error ids of "there is no such thing here" beside the category: so Get-VM answers an unknown name (2016 and newer)."""


def is_absent(reply: Reply) -> bool:
    """Whether the host says that what was asked for does not exist there. Judged by category and id, never by words.

    A command that does not exist there is of the same category, and says nothing of what it was asked for.
    """
    gone = all(error.category == "ObjectNotFound" or error.error_id in ABSENT for error in reply.errors)
    return bool(reply.errors) and gone and not lacks_command(reply)


def lacks_command(reply: Reply) -> bool:
    """Whether the endpoint does not know the command: its module is not installed, or the JEA role does not list it."""
    return any(error.error_id == "CommandNotFoundException" for error in reply.errors)


def texts(value: Any) -> tuple[str, ...]:
    """A property that is a list of texts, one text, or nothing."""
    if value is None:
        return ()
    return tuple(str(each) for each in value) if isinstance(value, (list, tuple)) else (str(value),)


def flag(record: Record, name: str) -> bool:
    """A property that is true or false. Raises `Unreadable` for anything else: who does not say does not say no."""
    value = record.get(name)
    if isinstance(value, bool):
        return value
    raise Unreadable(f"{name} is neither true nor false but {value!r}")


def word(record: Record, name: str) -> str:
    """A property that is a name or a state. Raises `Unreadable` if it is missing or empty: no state is not another state."""
    value = record.get(name)
    if value is None or not str(value).strip():
        raise Unreadable(f"{name} is missing or empty")
    return str(value)


def aware(value: Any) -> datetime:
    """A time with its offset. Raises `Unreadable` for anything else: a time without a zone is not a time."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise Unreadable(f"a time with its UTC offset was expected, {value!r} came")
