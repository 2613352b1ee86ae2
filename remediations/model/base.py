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
        """The record as plain JSON values (sets sorted, times ISO 8601 in UTC, GUIDs as text)."""
        plain = self.model_dump(mode="json")
        for name in type(self).model_fields:
            if isinstance(getattr(self, name), frozenset):
                plain[name] = sorted(plain[name], key=str)
        return plain


def canonical(value: Mapping[str, Any] | list[Any]) -> bytes:
    """JSON bytes that are equal exactly when the values are: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 of the canonical JSON, 64 lower-case hexadecimal characters."""
    return hashlib.sha256(canonical(value)).hexdigest()
