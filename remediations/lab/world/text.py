"""Windows' sentences in the languages of the lab's hosts. A host shows its own: match on ids and codes, never on text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True)
class Sentence:
    """One message of Windows with its inserts, to be shown in the language of whoever reads it."""

    key: str
    inserts: Mapping[str, Any] = field(default_factory=dict)

    def text(self, culture: str) -> str:
        """The sentence in a culture's language (`de-DE`); English where there is no other."""
        return say(self.key, culture, **self.inserts)


def sentence(key: str, **inserts: Any) -> Sentence:
    """`Sentence` by keyword."""
    return Sentence(key, inserts)


def say(key: str, culture: str, **inserts: Any) -> str:
    """The text of `key` in a culture's language."""
    known = TEXTS[key]
    language = culture.partition("-")[0]
    words = {name: _word(value, culture) for name, value in inserts.items()}
    return known.get(language, known["en"]).format(**words)


def _word(value: Any, culture: str) -> str:
    if isinstance(value, Sentence):
        return value.text(culture)
    if isinstance(value, float):
        return f"{value:.1f}".replace(".", "," if culture.startswith("de") else ".")
    return str(value)


def system_message(code: int) -> Sentence:
    """What Windows says of an HRESULT."""
    return sentence(f"0x{code:08X}")


TEXTS: Mapping[str, Mapping[str, str]] = yaml.safe_load(files(__package__).joinpath("messages.yaml").read_text("utf-8"))
"""Key → language → text."""
