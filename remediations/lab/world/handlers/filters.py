"""LDAP search filters (RFC 4515), as far as searches for computers need them: and, or, not, equal, present, substring."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Match = Callable[[Mapping[str, Any]], bool]
"""Whether an object's attributes (names in lower case) satisfy a filter."""

_ESCAPE = re.compile(r"\\([0-9a-fA-F]{2})")
_ITEM = re.compile(r"([A-Za-z][A-Za-z0-9.;-]*)=([^()]*)")


def parse(text: str) -> Match:
    """The filter as a function. Raises `ValueError` for one that is malformed."""
    match, rest = _filter(text.strip())
    if rest:
        raise ValueError(f"the filter goes on after its end: {rest!r}")
    return match


def _filter(text: str) -> tuple[Match, str]:
    if not text.startswith("("):
        raise ValueError(f"( is missing at {text!r}")
    body = text[1:]
    if body[:1] in ("&", "|", "!"):
        kind, body, parts = body[0], body[1:], []
        while body.startswith("("):
            part, body = _filter(body)
            parts.append(part)
        if not parts or not body.startswith(")") or (kind == "!" and len(parts) != 1):
            raise ValueError(f"malformed near {body!r}")
        return _joined(kind, parts), body[1:]
    found = _ITEM.match(body)
    if found is None or not body[found.end() :].startswith(")"):
        raise ValueError(f"malformed near {body!r}")
    return _item(found[1].casefold(), found[2]), body[found.end() + 1 :]


def _joined(kind: str, parts: list[Match]) -> Match:
    if kind == "!":
        return lambda attributes: not parts[0](attributes)
    every = all if kind == "&" else any
    return lambda attributes: every(part(attributes) for part in parts)


def _item(name: str, value: str) -> Match:
    if value == "*":
        return lambda attributes: attributes.get(name) not in (None, ())
    pieces = [re.escape(_ESCAPE.sub(lambda code: chr(int(code[1], 16)), piece)) for piece in value.split("*")]
    rule = re.compile(".*".join(pieces), re.IGNORECASE | re.DOTALL)

    def match(attributes: Mapping[str, Any]) -> bool:
        held = attributes.get(name)
        values = held if isinstance(held, (tuple, list)) else () if held is None else (held,)
        return any(rule.fullmatch(str(each)) for each in values)

    return match
