"""One report read: its codes, marks and origins, and what each signature that matches says of its cause.

Events, codes and names count first, for they are the same in every language; sentences last. Nested messages
("Live migration of … failed. … failed at migration source …. Failed to establish a connection …") need no
unwrapping: wrappers only say that a migration failed, so that what the innermost sentence says is all there is to weigh.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from remediations.diagnosis.activity import cmdlet, foreign, mover, other_attempt
from remediations.diagnosis.origins import origins_of
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.signatures import MIGRATION, OTHER, TROUBLE, Knowledge, Known
from remediations.diagnosis.text import Words
from remediations.diagnosis.weighing import ANOTHERS_CAUSE, NOTHING_TO_ASK, OURS, Build, Outline, outline_of, weigh
from remediations.model.diagnosis import TextVerdict

_TELLING = 0.9  # the weight from which a code is seldom seen elsewhere
_BARE = 8  # words; so short a text with a code in it is a code that someone pasted

_SENTENCES = re.compile(r"[.!?;:](?=\s|$)|\n|[。！？；：]")
_SENTENCE = 6  # characters
_SENTENCE_EAST = 10  # characters of Chinese, Japanese or Korean
_READ = 16_384  # characters of which sentences are read one by one
_GLUED = re.compile(r"[0o]x[0-9a-f]{1,8}(?![0-9a-f])")
_NUMBERED = re.compile(
    r" (?:error|errors|code|fehler|fehlercode|erreur|errore|erro|codigo|win32|エラー|コート|错误|錯誤)"
    r"(?: (?:code|was|is|wert|value|de|d|erreur|error|errore|erro|war|lautet))? (\d{4,5})(?= )"
)
# As `words_of` folds them: marks over Japanese letters go as accents do.
_EVENTS = frozenset(
    {"event", "events", "eventid", "ereignis", "evenement", "evento", "イヘント", "イヘントid", "事件", "事件id"}
)
_EVENT = re.compile(
    r" (?:events?|eventid|ereignis|evenement|evento|イヘント|イヘントid|事件|事件id)"
    r"(?: (?:ids?|number|code|kennung))? (\d{3,5})(?= )"
)
_NO_EVENT: frozenset[int] = frozenset()
_MOVES = (
    "migr", "verschieb", "verschob", " move", " movi", " moving", "deplac", "spost", "mueve", "移行", "迁移", "遷移", "移轉",
    "移动", "移動", "移至", "миграц", "перемест", "przenie", "presun", "verplaats", "flytta", "tası", "gecis", "attelep",
    *(unicodedata.normalize("NFKD", word) for word in ("마이그레이션", "이동")),
)  # fmt: skip
_MACHINES = (
    " vm ", " vms ", "virtual", "virtuel", "hyper v", "cluster", "failover", "仮想", "虚拟", "虛擬", "クラスタ", "群集", "叢集",
    unicodedata.normalize("NFKD", "가상"),
)  # fmt: skip
# A few words that nearly every sentence has, of the languages whose sentences are in the signatures.
_EVERYDAY = """
the is of to was not has been failed error with and in on for from can could no contains a an at by before after during
when while if your you this that these are be will or as it its only der die das
ist nicht wurde fehler le la les est ete pas erreur el los se ha sido o os nao foi il lo non stato
con errore
"""
_READ_LANGUAGES = frozenset(_EVERYDAY.split())


class Reading:
    """One event, read: its words, codes and marks, and what each signature that it matches says."""

    def __init__(self, event: ReportedEvent, known: Knowledge) -> None:
        self.known = known
        self.text = event.whole
        self.words = Words.of(self.text)
        self.hits = known.index.within(self.words)
        self.codes = self._codes()
        origins = origins_of(event.provider, event.channel)
        if ("ove-" in self.text or "OVE-" in self.text) and mover(self.text):
            origins |= {"move-vm"}
        outline = outline_of(known, self.hits, self.codes, self._events(event.event_id), origins)
        self.weighed = weigh(known, outline, self._build(outline))
        self.marks, self.weights = self.weighed.marks, self.weighed.weights

    @property
    def verdict(self) -> TextVerdict:
        """What this event is by itself."""
        return self.weighed.verdict or self._by_default()

    def _codes(self) -> frozenset[int]:
        known, words = self.known, self.words
        found: set[int] = set()
        for word in words.unique & known.words:
            if word in known.code_words:
                found.add(known.code_words[word])
            elif any(number[1] == word for number in _NUMBERED.finditer(words.spaced)):
                found.add(known.win32_words[word])
        if words.squeezed:  # no space between a code and the text around it
            for glued in _GLUED.finditer(words.spaced):
                if glued[0] in known.code_words:
                    found.add(known.code_words[glued[0]])
        for hit in self._of_codes:
            found.update(known.code_of_phrase[hit])
        return frozenset(found)

    def _events(self, event: int | None) -> frozenset[int]:
        """The event that it is, else the one that the text names first."""
        if event is not None:
            return frozenset({event})
        if self.words.unique.isdisjoint(_EVENTS):
            return _NO_EVENT
        named = _EVENT.search(self.words.spaced)
        return frozenset({int(named[1])}) if named else _NO_EVENT

    def _build(self, outline: Outline) -> Build:
        asks: Iterable[Known] = outline.asks
        if MIGRATION in outline.marks:
            together = frozenset(each for each in asks if self._together(each))
            return Build(together=together) if together else NOTHING_TO_ASK
        tokens, spaced, unique = self.words.tokens, self.words.spaced, self.words.unique
        spoke, other = cmdlet(self.text)
        verb = None if other else other_attempt(spaced, unique)
        if other:
            asks = ()
        elif verb and outline.marks.isdisjoint(ANOTHERS_CAUSE):  # what could still make the attempt one of a move
            asks = (each for each in asks if not ANOTHERS_CAUSE.isdisjoint(each.signature.marks))
        return Build(
            cmdlet=spoke,
            other_cmdlet=other,
            other_attempt=verb,
            foreign=not (other or verb or outline.other)
            and OURS.isdisjoint(outline.marks)
            and _speaks_of(_MOVES, spaced)
            and foreign(self.text[:_READ], spaced, unique),
            bare=len(tokens) <= _BARE,
            only_a_code=bool(self.codes) and self._only_a_code(),
            together=frozenset(each for each in asks if self._together(each)),
        )

    def _only_a_code(self) -> bool:
        if len(self.words.tokens) > 4 * _BARE:
            return False
        longest = max((len("".join(self.known.phrases[hit].parts).split()) for hit in self._of_codes), default=0)
        return len(self.words.tokens) - longest <= _BARE // 2

    @property
    def _of_codes(self) -> frozenset[int]:
        return self.known.code_phrases & self.hits

    def _together(self, each: Known) -> bool:
        """Whether one sentence has a member of every group."""
        return any(all(not group.isdisjoint(hits) for group in each.together) for hits in self._sentences)

    @cached_property
    def _sentences(self) -> list[frozenset[int]]:
        """The phrases that each sentence has. What is too short to be a sentence does not make two of one."""
        split = [each for each in _SENTENCES.split(self.text[:_READ]) if len(each.strip()) >= _SENTENCE]
        return [self.hits] if len(split) <= 1 else [self.known.index.within(Words.of(each)) for each in split]

    def _by_default(self) -> TextVerdict:
        if MIGRATION in self.marks:
            return TextVerdict.UNKNOWN
        if OTHER in self.marks:
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        # A sentence of some length in a language that we read.
        read = len(self.words.squeezed) >= _SENTENCE_EAST or (
            len(self.words.tokens) >= 4 and not self.words.unique.isdisjoint(_READ_LANGUAGES)
        )
        if read and not self.codes and TROUBLE not in self.marks:
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        text = self.words.squeezed or self.words.spaced
        if _speaks_of(_MOVES, text) or (self.codes and _speaks_of(_MACHINES, text)):
            return TextVerdict.UNKNOWN
        if any(max(self.known.codes[code].causes.values(), default=0.0) >= _TELLING for code in self.codes):
            return TextVerdict.UNKNOWN
        return TextVerdict.NOT_A_MIGRATION_FAILURE if read else TextVerdict.UNKNOWN


def _speaks_of(words: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in words)
