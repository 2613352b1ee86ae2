"""A host's reply as JSON and back, without losing what its values are: times, durations, GUIDs, bytes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from remediations.model.base import Json
from remediations.model.reply import HostError, Reply, Value

_RECORD = "$record"
"""Wraps an object that has a property beginning with $, so that it is not taken for one of the below."""


def to_json(reply: Reply) -> Json:
    """A reply as JSON values. Raises `TypeError` for a value that no reply may hold."""
    return {
        "objects": [written(each) for each in reply.objects],
        "errors": [each.to_json() for each in reply.errors],
        "warnings": list(reply.warnings),
    }


def from_json(value: Json) -> Reply:
    """The reply that `to_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    return Reply(
        objects=tuple(read(each) for each in value["objects"]),
        errors=tuple(HostError.model_validate(each) for each in value["errors"]),
        warnings=tuple(str(each) for each in value["warnings"]),
    )


def written(value: Value) -> Json:
    """One value as JSON; what JSON does not have is an object with a single name that begins with $."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$duration": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, UUID):
        return {"$guid": str(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [written(each) for each in value]
    if isinstance(value, Mapping):
        made = {str(key): written(each) for key, each in value.items()}
        return {_RECORD: made} if any(key.startswith("$") for key in made) else made
    raise TypeError(f"a reply holds {type(value).__name__}, which is no value of a host")


def read(value: Json) -> Value:
    """The value that `written` wrote."""
    if isinstance(value, list):
        return [read(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name in _KINDS:
            return _KINDS[name](inner)
        if name == _RECORD:
            return {key: read(each) for key, each in inner.items()}
    return {key: read(each) for key, each in value.items()}


def _duration(parts: Any) -> timedelta:
    days, seconds, microseconds = parts
    return timedelta(days=days, seconds=seconds, microseconds=microseconds)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_KINDS: Mapping[str, Callable[[Any], Value]] = {
    "$time": datetime.fromisoformat,
    "$duration": _duration,
    "$guid": UUID,
    "$bytes": _bytes,
}
