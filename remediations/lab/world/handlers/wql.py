"""The conditions of a WQL query that `Get-CimInstance -Filter` takes: comparisons joined by AND, or by OR."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TERM = re.compile(r"\s*(\w+)\s*(=|<>|!=|<=|>=|<|>|like)\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\w+)\s*", re.IGNORECASE)

Condition = Callable[[Mapping[str, Any]], bool]


def where(text: str) -> Condition:
    """The condition as a function of an instance's properties. Raises `ValueError` for what WQL would not take either."""
    pieces = re.split(r"\s+(and|or)\s+", text.strip(), flags=re.IGNORECASE)
    joins = {piece.casefold() for piece in pieces[1::2]}
    if len(joins) > 1:
        raise ValueError("the lab joins conditions by AND or by OR, not by both")
    terms = [_term(piece) for piece in pieces[0::2]]
    every = any if joins == {"or"} else all
    return lambda properties: every(term(properties) for term in terms)


def _term(text: str) -> Condition:
    found = _TERM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no comparison")
    name, sign, literal = found[1].casefold(), found[2].casefold(), found[3]
    value = re.sub(r"\\(.)", r"\1", literal[1:-1]) if literal[0] in "'\"" else literal

    def holds(properties: Mapping[str, Any]) -> bool:
        held = next((each for key, each in properties.items() if key.casefold() == name), None)
        if held is None:
            return False
        shown = str(held).casefold()
        wanted = value.casefold()
        if sign == "like":
            rule = re.escape(wanted).replace("%", ".*").replace("_", ".")
            return re.fullmatch(rule, shown, re.DOTALL) is not None
        if sign in ("=", "<>", "!="):
            return (shown == wanted) is (sign == "=")
        here, there = float(shown), float(wanted)
        return {"<": here < there, ">": here > there, "<=": here <= there, ">=": here >= there}[sign]

    return holds
