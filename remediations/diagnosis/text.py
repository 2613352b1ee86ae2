"""Text as words: one spelling for all the quotes, accents, contractions and line breaks that the same sentence comes with.

Everything here is linear in the length of the text: no regular expression with nested or unbounded repetition, and of a
message longer than 128 Ki characters only the first and last 64 Ki are considered (`LIMIT`): Windows puts the outer
sentence first and the innermost last.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import ahocorasick

LIMIT = 65_536
_NEAR = 160  # characters between the parts of a phrase
_STEM = 4  # letters that the beginning of a word must have to stand for all words that begin so
_TRIES = 32  # places where the first part of a phrase is looked for

_EAST = re.compile("[\u1100-\u11ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ASCII = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))
_SENTENCES = re.compile(r"[.!?;:](?=\s|$)|\n|[。！？；：]")
_COMMON = frozenset({" virtual machine ", " live migration ", " migration ", " failed ", " error ", " configuration "})
_ENDS = (". ", ": ", "; ", "? ", "! ", ".\t", ":\t")
_SENTENCE = 6  # characters
_BETWEEN = " 0between0sentences0 "  # a word that no phrase has


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
        if "'" in text:
            text = _without_contractions(text.lower())
        folded = text.encode("ascii").translate(_ASCII).decode("ascii")
        return folded.replace("cannot", "can not").split()
    folded = _without_contractions(text.casefold().replace("\u2019", "'"))
    return unicodedata.normalize("NFKD", folded.replace("cannot", "can not")).translate(_FOLD).split()


def _without_contractions(text: str) -> str:
    return text.replace("can't", "can not").replace("won't", "will not").replace("n't", " not")


class Words:
    """A text ready for matching."""

    __slots__ = ("_unique", "spaced", "squeezed", "tokens")

    tokens: list[str]
    spaced: str
    """The words between single spaces, with one at either end, without English articles."""
    squeezed: str
    """The same without spaces, where the text has Chinese, Japanese or Korean in it; else empty."""

    def __init__(self, text: str) -> None:
        """Make the text ready; see the module about its length."""
        text = considered(text)
        self.tokens = words_of(text)
        self.spaced = _spaced(self.tokens)
        self.squeezed = "" if text.isascii() or not _EAST.search(text) else "".join(self.tokens)
        self._unique: set[str] | None = None

    @property
    def eastern(self) -> int:
        """How many characters of Chinese, Japanese or Korean it has."""
        return len(_EAST.findall(self.squeezed))

    @property
    def unique(self) -> set[str]:
        """Each word once."""
        if self._unique is None:
            self._unique = set(self.tokens)
        return self._unique


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words to look for, in order. Its parts, given with … between them, may have up to 160 characters between them.

    `word*` is a phrase of its own: any word that begins so.
    """

    parts: tuple[str, ...]
    eastern: bool
    text: str
    stem: str = ""

    @classmethod
    def of(cls, text: str) -> Phrase:
        """Compile a phrase. Raises `ValueError` for one that has no words in it, or too short a beginning of a word."""
        if text.endswith("*"):
            begin = words_of(text)
            if len(begin) != 1 or len(begin[0]) < _STEM or _EAST.search(text):
                raise ValueError(f"{text!r} is no beginning of words: give one word's first {_STEM} letters or more")
            return cls((f" {begin[0]}",), eastern=False, text=text, stem=begin[0])
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
        return self.stands_in(words.squeezed if self.eastern else words.spaced)

    def stands_in(self, text: str) -> bool:
        """Whether it is in a text that is ready for matching, as `Words.spaced` or, for an Eastern phrase, `Words.squeezed`."""
        first, *rest = self.parts
        start = text.find(first)
        for _ in range(_TRIES):
            if start < 0:
                return False
            if not rest or _follow(rest, text, start + len(first) - (not self.eastern)):
                return True
            start = text.find(first, start + 1)
        return False


def _spaced(tokens: list[str]) -> str:
    """Words between single spaces; English articles go, for the same sentence comes with and without them.

    German writes Livemigration and Live-Migration: one spelling is enough.
    """
    spaced = f" {' '.join(tokens)} "
    if "livemigr" in spaced:
        spaced = spaced.replace("livemigr", "live migr")
    return spaced.replace(" the ", " ") if " the " in spaced else spaced


def _follow(parts: Iterable[str], text: str, position: int) -> bool:
    for part in parts:
        found = text.find(part, position, position + _NEAR + len(part))
        if found < 0:
            return False
        position = found + len(part) - 1
    return True


class PhraseIndex:
    """All phrases at once, in one pass over the text whatever their number (Aho and Corasick's automaton)."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        """Index phrases; each is known by its position in the order given."""
        self._phrases = tuple(phrases)
        found_by: dict[bool, dict[str, list[int]]] = {False: {}, True: {}}
        self._beside: dict[int, tuple[str, ...]] = {}
        """Of each phrase of several parts, those by which it is not found."""
        often = Counter(part for phrase in self._phrases for part in phrase.parts)
        for number, phrase in enumerate(self._phrases):
            rarest = min(
                phrase.parts,
                key=lambda part: (part in _COMMON, part.count(" ") < 3 and not phrase.eastern, often[part], -len(part)),
            )
            found_by[phrase.eastern].setdefault(rarest, []).append(number)
            if len(phrase.parts) > 1:
                self._beside[number] = tuple(part for part in phrase.parts if part is not rarest)
        self._parted = frozenset(self._beside)
        # A key of one phrase has its number, a key of several a number of its own, beyond the phrases'.
        self._several: dict[int, tuple[int, ...]] = {}
        self._western, self._eastern = (self._automaton(found_by[eastern]) for eastern in (False, True))
        self._expand = frozenset(self._several)

    def _automaton(self, keys: Mapping[str, list[int]]) -> ahocorasick.Automaton:
        automaton = ahocorasick.Automaton()
        for key, numbers in keys.items():
            value = numbers[0]
            if len(numbers) > 1:
                value = len(self._phrases) + len(self._several)
                self._several[value] = tuple(numbers)
            automaton.add_word(key, value)
        if not keys:  # without a word there is nothing to search with
            automaton.add_word("\0", len(self._phrases))
            self._several.setdefault(len(self._phrases), ())
        automaton.make_automaton()
        return automaton

    def within(self, words: Words) -> frozenset[int]:
        """The numbers of the phrases that the text has."""
        found = {number for _, number in self._western.iter(words.spaced)}
        if words.squeezed:
            found.update(number for _, number in self._eastern.iter(words.squeezed))
        for several in found & self._expand:
            found.remove(several)
            found.update(self._several[several])
        for number in found & self._parted:
            phrase = self._phrases[number]
            text = words.squeezed if phrase.eastern else words.spaced
            for part in self._beside[number]:
                if part not in text:
                    found.remove(number)
                    break
            else:
                if not phrase.stands_in(text):
                    found.remove(number)
        return frozenset(found)

    def by_sentence(self, text: str, wanted: Iterable[int]) -> list[frozenset[int]]:
        """Which of the wanted phrases each sentence of the text has, by number; nothing for a text of one sentence.

        What is too short to be a sentence does not make two of one.
        """
        sentences = [each for each in _sentences(text) if len(each.strip()) >= _SENTENCE]
        if len(sentences) <= 1:
            return []
        if text.isascii():  # all of them made ready at once, with a word between them that no phrase has
            ready = [(f" {each} ", "") for each in _spaced(words_of(_BETWEEN.join(sentences))).split(_BETWEEN)]
        else:
            ready = [(words.spaced, words.squeezed) for words in map(Words, sentences)]
        phrases = [(number, self._phrases[number]) for number in wanted]
        plain = [(number, phrase.parts[0]) for number, phrase in phrases if len(phrase.parts) == 1 and not phrase.eastern]
        others = [(number, phrase) for number, phrase in phrases if len(phrase.parts) > 1 or phrase.eastern]
        found = []
        for spaced, squeezed in ready:
            there = [number for number, part in plain if part in spaced]
            if others:
                there += [each for each, phrase in others if phrase.stands_in(squeezed if phrase.eastern else spaced)]
            found.append(frozenset(there))
        return found


def _sentences(text: str) -> list[str]:
    """The text in pieces that end as sentences do, or with the line."""
    if not text.isascii():
        return _SENTENCES.split(text)
    for end in _ENDS:
        text = text.replace(end, "\n")
    return text.split("\n")
