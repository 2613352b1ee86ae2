"""One report read: its codes, marks and origins, and what each signature that matches says of its cause.

Events, codes and names count first, for they are the same in every language; sentences last. Nested messages
("Live migration of … failed. … failed at migration source …. Failed to establish a connection …") need no
unwrapping: wrappers only say that a migration failed, so that what the innermost sentence says is all there is to weigh.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from remediations.diagnosis.activity import cmdlet, foreign, mover, other_attempt
from remediations.diagnosis.origins import origins_of
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.signatures import (
    BETWEEN_HOSTS,
    FILES,
    HYPER_V,
    MIGRATION,
    MOVES,
    OTHER,
    TROUBLE,
    Knowledge,
    Known,
)
from remediations.diagnosis.text import Words
from remediations.diagnosis.weighing import ANOTHERS_CAUSE, NOTHING_TO_ASK, OURS, Build, Outline, outline_of, weigh
from remediations.diagnosis.words_only import words_only
from remediations.model.diagnosis import Hypothesis, TextVerdict

_TELLING = 0.9  # the weight from which a code is seldom seen elsewhere
_BARE = 8  # words; so short a text with a code in it is a code that someone pasted
_BARE_EAST = 16  # characters of Chinese, Japanese or Korean, which stand for half as many words

_SENTENCE_EAST = 10  # characters of Chinese, Japanese or Korean
_READ = 16_384  # characters of which sentences are read one by one
_GLUED = re.compile(r"[0o]x[0-9a-f]{1,8}(?![0-9a-f])")
_NAME = re.compile(r"\b[A-Z][A-Z0-9_]{4,79}\b", re.ASCII)  # ERROR_TIMEOUT, and not "error: timeout"
_NUMBERED = re.compile(
    r" (?:error|errors|code|fehler|fehlercode|erreur|errore|erro|codigo|win32|エラー|コート|错误|錯誤)"
    r"(?: (?:code|was|is|wert|value|de|d|erreur|error|errore|erro|war|lautet))? (\d{4,5})(?= )"
)
# As `words_of` folds them: marks over Japanese letters go as accents do. A "previous event" is another one.
_EVENT = re.compile(
    r"(?<! previous) (?:events?|eventid|ereignis|evenement|evento|イヘント|イヘントid|事件|事件id)"
    r"(?: (?:ids?|number|code|kennung))? (\d{3,5})(?= )"
)
_NO_EVENT: frozenset[int] = frozenset()
# In quotes, one word with a digit or a hyphen in it, and no code.
_QUOTED_NAME = re.compile(r"(?<=['\"‘“„«「])(?!0x)(?=[A-Za-z._]{0,62}[0-9-])[A-Za-z][A-Za-z0-9._-]{1,62}(?=['\"’”“»」])")
_SHARE = re.compile(r"\\\\(?![.?])[^\s\\'\"]{1,255}\\[^\s\\]")  # and not \\.\PHYSICALDRIVE2
_IN_NAMES = re.compile(r"[._-]+")
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
        self.words = Words(self.text)
        self.hits = known.index.within(self.words)
        self.codes = self._codes()
        origins = origins_of(event.provider, event.channel)
        if ("ove-" in self.text or "OVE-" in self.text) and mover(self.text):
            origins |= {"move-vm"}
        self.logged = event.event_id is not None and bool(origins)
        if "\\\\" in self.text and _SHARE.search(self.text[:_READ]):
            origins |= {"share"}
        outline = outline_of(known, self.hits, self.codes, self._events(event.event_id), origins)
        self.weighed = weigh(known, outline, self._build(outline))
        self.marks, self.weights = self.weighed.marks, self.weighed.weights

    @classmethod
    def of(cls, event: ReportedEvent, known: Knowledge) -> Reading:
        """The report read; where it is about something else, but has a word for moving: once more without names in quotes.

        A machine that is called `docker-01` or `veeam-proxy` does not make its move one of Docker's or of a backup.
        """
        reading = cls(event, known)
        if (
            {MOVES, OTHER} <= reading.marks
            and reading.verdict is TextVerdict.NOT_A_MIGRATION_FAILURE
            and reading._named_like_a_phrase()
        ):
            again = cls(event.model_copy(update={"text": _QUOTED_NAME.sub("name", event.text)}), known)
            reading = again if again.verdict is not TextVerdict.NOT_A_MIGRATION_FAILURE else reading
        return reading

    @property
    def verdict(self) -> TextVerdict:
        """What this event is by itself."""
        return self.weighed.verdict or self._by_default()

    @property
    def of_files(self) -> bool:
        """Whether a machine's files were to move (a storage migration), and not the machine."""
        return FILES in self.marks and self.marks.isdisjoint(BETWEEN_HOSTS)

    def _named_like_a_phrase(self) -> bool:
        """Whether a name in quotes has a word in it with which one of the phrases begins that were found."""
        named = {word for name in _QUOTED_NAME.findall(self.text[:_READ]) for word in _IN_NAMES.split(name.casefold())}
        return bool(named) and any(self.known.begins[hit] in named for hit in self.hits)

    def words_only(self) -> tuple[Hypothesis, ...]:
        """The causes that its words alone point to, weakly: see `remediations.diagnosis.words_only`."""
        return words_only(self.known, self.hits, self.codes, self._sentences)

    def _codes(self) -> frozenset[int]:
        known, hits = self.known, self.hits
        found = {code for hit in known.code_phrases & hits for code in known.code_of_phrase[hit]}
        for hit in known.win32_phrases & hits:
            word, code = known.win32_of_phrase[hit]
            if any(number[1] == word for number in _NUMBERED.finditer(self.words.spaced)):
                found.add(code)
        if "_" in self.text or "WSA" in self.text:
            found.update(known.code_of_name[name] for name in _NAME.findall(self.text) if name in known.code_of_name)
        if self.words.squeezed:  # no space between a code and the text around it
            for glued in _GLUED.finditer(self.words.spaced):
                if glued[0] in known.code_words:
                    found.add(known.code_words[glued[0]])
        return frozenset(found)

    def _events(self, event: int | None) -> frozenset[int]:
        """The event that it is, else the one that the text names first."""
        if event is not None:
            return frozenset({event})
        if self.known.event_phrases.isdisjoint(self.hits):
            return _NO_EVENT
        named = _EVENT.search(self.words.spaced)
        return frozenset({int(named[1])}) if named else _NO_EVENT

    def _build(self, outline: Outline) -> Build:
        asks: Iterable[Known] = outline.asks
        if MIGRATION in outline.marks:
            together = self._together(asks, outline.wanted)
            return Build(together=together) if together else NOTHING_TO_ASK
        words = self.words
        spoke, other = cmdlet(self.text)
        verb = None if other else other_attempt(words.spaced, words.unique)
        if other:
            asks = ()
        elif verb and outline.marks.isdisjoint(ANOTHERS_CAUSE):  # what could still make the attempt one of a move
            asks = [each for each in asks if not ANOTHERS_CAUSE.isdisjoint(each.signature.marks)]
        return Build(
            cmdlet=spoke,
            other_cmdlet=other,
            other_attempt=verb,
            foreign=not (other or verb or outline.other)
            and MOVES in outline.marks
            and OURS.isdisjoint(outline.marks)
            and foreign(self.text[:_READ], words.spaced, words.unique),
            bare=len(words.tokens) <= _BARE and self._beside_a_code() <= _BARE_EAST,
            only_a_code=bool(self.codes) and self._only_a_code(),
            together=self._together(asks, outline.wanted),
        )

    def _together(self, asks: Iterable[Known], wanted: frozenset[int]) -> frozenset[Known]:
        """Those of which one sentence has a member of every group."""
        if not asks:
            return frozenset()
        sentences = self._sentences(wanted)
        return frozenset(
            each for each in asks if any(all(not group.isdisjoint(hits) for group in each.together) for hits in sentences)
        )

    def _sentences(self, wanted: frozenset[int]) -> Sequence[frozenset[int]]:
        """Which of the wanted phrases each sentence has."""
        return self.known.index.by_sentence(self.text[:_READ], wanted) or [self.hits]

    def _only_a_code(self) -> bool:
        if len(self.words.tokens) > 4 * _BARE:
            return False
        codes = self.known.code_phrases & self.hits
        longest = max((len("".join(self.known.phrases[hit].parts).split()) for hit in codes), default=0)
        return len(self.words.tokens) - longest <= _BARE // 2 and self._beside_a_code() <= _BARE_EAST // 2

    def _beside_a_code(self) -> int:
        """How many characters of Chinese, Japanese or Korean stand beside Windows' sentence for a code."""
        if not self.words.squeezed:
            return 0
        phrases = (self.known.phrases[hit] for hit in self.known.code_phrases & self.hits)
        return self.words.eastern - max((len("".join(each.parts)) for each in phrases if each.eastern), default=0)

    def _by_default(self) -> TextVerdict:
        if MIGRATION in self.marks:
            return TextVerdict.UNKNOWN
        if OTHER in self.marks:
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        if self.logged and self.marks.isdisjoint({HYPER_V, MOVES}):  # another component's event, of an id that says no cause
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        # A sentence of some length in a language that we read.
        read = len(self.words.squeezed) >= _SENTENCE_EAST or (
            len(self.words.tokens) >= 4 and not self.words.unique.isdisjoint(_READ_LANGUAGES)
        )
        if read and not self.codes and TROUBLE not in self.marks:
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        text = self.words.squeezed or self.words.spaced
        if MOVES in self.marks or (self.codes and any(word in text for word in _MACHINES)):
            return TextVerdict.UNKNOWN
        if any(max(self.known.codes[code].causes.values(), default=0.0) >= _TELLING for code in self.codes):
            return TextVerdict.UNKNOWN
        return TextVerdict.NOT_A_MIGRATION_FAILURE if read else TextVerdict.UNKNOWN
