"""No secret in what is written for people or machines, and no character there that could forge a line.

A secret that was read is registered, and from then on replaced by *** wherever it turns up, in every spelling in which it
could get into a text. This is the net under the rule that secrets are not logged in the first place.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
import unicodedata
import urllib.parse
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

HIDDEN = "***"
_SHORTEST = 4


class _Secrets:
    """The values that no log may show, in every spelling in which they could get there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        with self._lock:
            if value in self._values:  # senders' secrets are read again for each of their requests
                return
            new = {each for part in {value, *value.splitlines()} for each in _spellings(part) if len(each) >= _SHORTEST}
            if not new <= self._spellings:
                self._spellings |= new
                longest_first = sorted(self._spellings, key=len, reverse=True)
                self._pattern = re.compile("|".join(re.escape(each) for each in longest_first))
            self._values.add(value)

    def hide(self, text: str) -> str:
        pattern = self._pattern
        return text if pattern is None else pattern.sub(HIDDEN, text)


_secrets = _Secrets()


def register_secret(value: str) -> None:
    """Hide a value in every log from now on, also as JSON, XML, URL and base64 write it.

    A value of fewer than four characters is not hidden: it would blot out ordinary text and is no secret.
    """
    _secrets.add(value)


def hide(text: str) -> str:
    """`text` with every registered secret, and the password of every URL, replaced by ***."""
    return _URL_PASSWORD.sub(rf"\1{HIDDEN}@", _secrets.hide(text))


def _spellings(value: str) -> set[str]:
    raw = value.encode("utf-8", "surrogatepass")
    return {
        value,
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        html.escape(value),
        html.escape(value, quote=False),
        urllib.parse.quote(raw),
        urllib.parse.quote(raw, safe=""),
        urllib.parse.quote_plus(raw),
        base64.b64encode(raw).decode(),
    }


_SECRET_KEY = re.compile(
    r"passw|passphrase|pwd|secret|token|authorization|credential|cookie|api[_-]?key|private[_-]?key", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"((?<![a-z0-9+.-])[a-z0-9+.-]+://[^\s/:@]*:)[^\s/@]+@", re.IGNORECASE)
"""A scheme is looked for where one can begin, and not again at each of its dots: a long text of them would take minutes."""

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control and format characters (line breaks, terminal escapes, marks that turn the writing direction), lone surrogates."""


def _escape(text: str, keep: str = "") -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char in keep or unicodedata.category(char) not in _ESCAPED else char.encode("unicode_escape").decode()
        for char in text
    )


def clean(value: Any, key: str = "") -> Any:
    """A value as a log may hold it: plain JSON, secrets hidden, control characters escaped. `key` is what it stands under."""
    if value is None or isinstance(value, bool):
        return value
    if _SECRET_KEY.search(key):
        return HIDDEN
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Mapping):
        return {clean(str(name)): clean(each, str(name)) for name, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(each) for each in value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    elif isinstance(value, (date, UUID)):
        value = str(value)
    text = value if isinstance(value, str) else repr(value)
    return _escape(hide(text), keep="\n\t" if key in BLOCKS else "")


BLOCKS = frozenset({"exception", "stack"})
"""Keys whose text has lines by nature: JSON escapes their ends, the terminal indents them."""
