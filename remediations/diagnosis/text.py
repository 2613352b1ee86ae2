"""Text as words: one spelling for all the quotes, accents, contractions and line breaks that the same sentence comes with.

Everything here is linear in the length of the text: no regular expression with nested or unbounded repetition, and of a
message longer than 128 Ki characters only the first and last 64 Ki are considered (`LIMIT`): Windows puts the outer
sentence first and the innermost last.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

LIMIT = 65_536
_NEAR = 160  # characters between the parts of a phrase
_TRIES = 32  # places where the first part of a phrase is looked for

# Words that nearly every message about a virtual machine has: no use for finding a phrase.
_EVERYWHERE = """
failed virtual machine migration source destination operation connection error because this more
move live path host node hyper-v hyper cluster with from that which into could does been using
target computer server could when access denied storage supported register completed configured
establish available migrate group state disk switch
"""
_COMMON = frozenset(_EVERYWHERE.split())
_EAST = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ASCII = str.maketrans({code: " " for code in range(128) if not chr(code).isalnum()})


class _Fold(dict[int, str | None]):
    """What becomes of a character: letters and digits stay, accents go, everything else is a space. Learns as it goes."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        kept = None if unicodedata.combining(char) else char if char.isalnum() else " "
        self[code] = kept
        return kept


_FOLD = _Fold()


def considered(text: str) -> str:
    """The part of a message that is looked at: all of it up to twice `LIMIT` characters, else its beginning and its end."""
    return text if len(text) <= 2 * LIMIT else f"{text[:LIMIT]}\n{text[-LIMIT:]}"


def words_of(text: str) -> list[str]:
    """The text's words: lower case, without accents, contractions written out, punctuation gone.

    Chinese, Japanese and Korean text comes out in pieces of whatever length stood between spaces and punctuation.
    """
    if text.isascii():
        folded = text.lower()
        if "'" in folded:
            folded = folded.replace("can't", "can not").replace("n't ", " not ")
        return folded.replace("cannot", "can not").translate(_ASCII).split()
    folded = text.casefold().replace("\u2019", "'").replace("can't", "can not").replace("n't ", " not ")
    return unicodedata.normalize("NFKD", folded.replace("cannot", "can not")).translate(_FOLD).split()


class Words(NamedTuple):
    """A text ready for matching."""

    tokens: list[str]
    spaced: str
    """The words between single spaces, with one at either end, without English articles."""
    squeezed: str
    """The same without spaces, where the text has Chinese, Japanese or Korean in it; else empty."""

    @classmethod
    def of(cls, text: str) -> Words:
        """Make the text ready; see the module about its length."""
        text = considered(text)
        tokens = words_of(text)
        eastern = not text.isascii() and _EAST.search(text) is not None
        return cls(tokens, _spaced(tokens), "".join(tokens) if eastern else "")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words to look for, in order. Its parts, given with … between them, may have up to 160 characters between them."""

    parts: tuple[str, ...]
    eastern: bool
    text: str

    @classmethod
    def of(cls, text: str) -> Phrase:
        """Compile a phrase. Raises `ValueError` for one that has no words in it."""
        split = [words_of(part) for part in text.split("…")]
        if not all(split):
            raise ValueError(f"{text!r} is no phrase: it needs words, on both sides of each …")
        if _EAST.search(text):
            whole = tuple("".join(part) for part in split)
            if min(map(len, whole)) < 2:
                raise ValueError(f"{text!r} is no phrase: give at least two characters on both sides of each …")
            return cls(whole, eastern=True, text=text)
        parts = tuple(_spaced(part) for part in split)
        if not all(part.strip() for part in parts):
            raise ValueError(f"{text!r} is no phrase: an article alone says nothing")
        return cls(parts, eastern=False, text=text)

    def within(self, words: Words) -> bool:
        """Whether the text has this phrase."""
        text = words.squeezed if self.eastern else words.spaced
        for part in self.parts:
            if part not in text:
                return False
        first, rest = self.parts[0], self.parts[1:]
        start = text.find(first)
        for _ in range(_TRIES):
            if start < 0:
                return False
            if _follow(rest, text, start + len(first) - (not self.eastern)):
                return True
            start = text.find(first, start + 1)
        return False


def _spaced(tokens: list[str]) -> str:
    """Words between single spaces; English articles go, for the same sentence comes with and without them."""
    spaced = f" {' '.join(tokens)} "
    return spaced.replace(" the ", " ") if " the " in spaced else spaced


def _follow(parts: Iterable[str], text: str, position: int) -> bool:
    for part in parts:
        found = text.find(part, position, position + _NEAR + len(part))
        if found < 0:
            return False
        position = found + len(part) - 1
    return True


class PhraseIndex:
    """All phrases at once: finds those that a text has by their rarest word, so that most cost nothing."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        """Index phrases; each is known by its position in the order given."""
        listed = list(enumerate(phrases))
        often = Counter(sign for _, phrase in listed for sign in _signs(phrase))
        single: dict[str, int] = {}  # a phrase of one word is there as soon as its word is
        western: dict[str, list[tuple[int, str, Phrase | None]]] = {}
        self._eastern: dict[str, list[tuple[int, str, Phrase | None]]] = {}
        for number, phrase in listed:
            only = phrase.parts[0].strip()
            if not phrase.eastern and len(phrase.parts) == 1 and " " not in only and only not in single:
                single[only] = number
                continue
            rarest = min(_signs(phrase), key=lambda sign: (sign in _COMMON or len(sign) < 4, often[sign], -len(sign), sign))
            entry = (number, max(phrase.parts, key=len), phrase if len(phrase.parts) > 1 else None)
            (self._eastern if phrase.eastern else western).setdefault(rarest, []).append(entry)
        self._western = {word: (single.get(word), tuple(western.get(word, ()))) for word in single.keys() | western.keys()}
        self._words = frozenset(self._western)
        self._pairs = frozenset(self._eastern)

    def within(self, words: Words) -> list[int]:
        """The numbers of the phrases that the text has."""
        found = []
        text = words.spaced
        for word in self._words.intersection(words.tokens):
            single, longer = self._western[word]
            if single is not None:
                found.append(single)
            for number, longest, phrase in longer:
                if longest in text and (phrase is None or phrase.within(words)):
                    found.append(number)
        if words.squeezed:
            text = words.squeezed
            for pair in self._pairs.intersection(map(str.__add__, text, text[1:])):
                for number, longest, phrase in self._eastern[pair]:
                    if longest in text and (phrase is None or phrase.within(words)):
                        found.append(number)
        return found


def _signs(phrase: Phrase) -> set[str]:
    """What a text must have for the phrase to be in it: words, or pairs of characters where words have no spaces."""
    if phrase.eastern:
        return {part[place : place + 2] for part in phrase.parts for place in range(max(1, len(part) - 1))}
    return {word for part in phrase.parts for word in part.split()}
