"""What every record of this package is made of: frozen, strict pydantic models and one canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

Json: TypeAlias = Any
"""A JSON value: null, boolean, number, text, list or object of such values."""


class Frozen(BaseModel):
    """A record that never changes after it was made and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON values (sets sorted, also those of what is in it; times ISO 8601 in UTC, GUIDs as text)."""
        return {name: _sorted(getattr(self, name), each) for name, each in self.model_dump(mode="json").items()}


def _sorted(value: Any, plain: Json) -> Json:
    """What came of a value, its sets in an order that is the same in every process."""
    if isinstance(value, Frozen):
        return {name: _sorted(getattr(value, name), each) for name, each in plain.items()}
    if isinstance(value, (frozenset, tuple)):
        found = [_sorted(each, its) for each, its in zip(value, plain, strict=True)]
        return sorted(found, key=str) if isinstance(value, frozenset) else found
    if isinstance(value, Mapping):
        under = {str(name): each for name, each in value.items()}
        return {name: _sorted(under.get(name), its) for name, its in plain.items()}
    return plain


def canonical(value: Mapping[str, Any] | list[Any]) -> bytes:
    """JSON bytes that are equal exactly when the values are: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 of the canonical JSON, 64 lower-case hexadecimal characters."""
    return hashlib.sha256(canonical(value)).hexdigest()
