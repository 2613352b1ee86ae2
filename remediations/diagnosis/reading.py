"""One report read: its codes, marks and origins, and what each signature that matches says of its cause.

Events, codes and names count first, for they are the same in every language; sentences last. Nested messages
("Live migration of … failed. … failed at migration source …. Failed to establish a connection …") need no
unwrapping: wrappers only say that a migration failed, so that what the innermost sentence says is all there is to weigh.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.signatures import CODE, HYPER_V, MIGRATION, OTHER, PEER, Code, Knowledge, Known, Says
from remediations.diagnosis.text import Words
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict

LEAST = 0.25  # below this, nothing is known
_AGREES = 0.25  # how much a second, independent sign of the same cause adds
_TELLING = 0.9  # the weight from which a code is seldom seen elsewhere
_BARE = 8  # words; so short a text with a code in it is a code that someone pasted

_GLUED = re.compile(r"[0o]x[0-9a-f]{1,8}(?![0-9a-f])")
_NUMBERED = re.compile(
    r" (?:error|errors|code|fehler|fehlercode|erreur|errore|erro|codigo|win32|エラー|コード|错误|錯誤)"
    r"(?: (?:code|was|is|wert|value|de|d|erreur|error|errore|erro|war|lautet))? (\d{4,5})(?= )"
)
_SPEAKS_OF_MOVING = re.compile(
    r"migr|verschieb|verschob| mov[eia]| moving| moved|deplac|spost| mueve|移行|迁移|遷移|移轉|移动|移動|移至|миграц|перемест|"
    r"przenie|presun|"
    r"verplaats|flytta|tası|gecis|attelep|" + "|".join(unicodedata.normalize("NFKD", word) for word in ("마이그레이션", "이동"))
)
_SPEAKS_OF_MACHINES = re.compile(
    r" vms? |virtual|virtuel|virtuell|hyper v|cluster|failover|仮想|虚拟|虛擬|クラスタ|群集|叢集|"
    + unicodedata.normalize("NFKD", "가상")
)
# A few words that nearly every sentence has, of the languages whose sentences are in the signatures.
_EVERYDAY = """
the is of to was not has been failed error with and in on for from can could no contains der die das
ist nicht wurde fehler le la les est ete pas erreur el los se ha sido o os nao foi il lo non stato
con errore
"""
_READ_LANGUAGES = frozenset(_EVERYDAY.split())

Sign: TypeAlias = tuple[float, str, str]
"""How much it says, the evidence for people, and which fact would decide."""
Weights: TypeAlias = dict[Says, list[Sign]]


def score_of(signs: list[Sign]) -> float:
    """The strongest sign, and a little for each that agrees with it; 0 to 0.99."""
    if len(signs) == 1:
        return min(0.99, signs[0][0])
    strongest = max(signs)[0]
    doubt = (1 - strongest) / (1 - _AGREES * strongest)
    for weight, _, _ in signs:
        doubt *= 1 - _AGREES * weight
    return min(0.99, 1 - doubt)


class Reading:
    """One event, read: its words, codes and marks, and what each signature that it matches says."""

    def __init__(self, event: ReportedEvent, known: Knowledge) -> None:
        self.known = known
        self.words = Words.of(event.whole)
        self.hits = frozenset(known.index.within(self.words))
        self.codes = frozenset(self._codes())
        self.event = event.event_id
        self.origins = _origins(event.provider, event.channel)
        self.marks: set[str] = set(_marks_of(self.origins))
        if self.codes:
            self.marks.add(CODE)
        self.weights: Weights = {}
        self._weigh()

    @property
    def verdict(self) -> TextVerdict:
        """What this event is by itself."""
        return verdict_of(self.weights) or self._by_default()

    def _codes(self) -> Iterator[int]:
        known, words = self.known, self.words
        for word in known.words.intersection(words.tokens):
            if word in known.code_words:
                yield known.code_words[word]
            elif any(found[1] == word for found in _NUMBERED.finditer(words.spaced)):
                yield known.win32_words[word]
        if words.squeezed:  # no space between a code and the text around it
            for found in _GLUED.finditer(words.spaced):
                if found[0] in known.code_words:
                    yield known.code_words[found[0]]
        for hit in self.hits:
            yield from known.code_of_phrase.get(hit, ())

    def _weigh(self) -> None:
        plain: list[Known] = []
        conditional: list[Known] = []
        for each in self._candidates():
            (plain if each.free else conditional).append(each)
        for each in plain:
            self._take(each)
        if MIGRATION in self.marks:
            self.marks.discard(OTHER)
        before = frozenset(self.marks)
        for each in conditional:
            if each.needs <= before and not each.unless & before and (not each.given or each.given & before):
                self._take(each)
        counts = self._codes_count()
        for number in self.codes:
            code = self.known.codes[number]
            if counts or (code.anywhere and OTHER not in self.marks):
                self._take_code(code)
        if OTHER in self.marks:  # whatever stands in it, it is not about a migration
            for key in [key for key in self.weights if isinstance(key, Cause)]:
                del self.weights[key]

    def _candidates(self) -> list[Known]:
        known = self.known
        found: dict[Known, None] = {}
        for hit in self.hits:
            for each in known.by_phrase.get(hit, ()):
                if each.by_words or self._holds(each):
                    found[each] = None
        others = list(known.by_event.get(self.event or 0, ()))
        for code in self.codes:
            others += known.by_code.get(code, ())
        for origin in self.origins:
            others += known.by_origin.get(origin, ())
        for each in others:
            if self._holds(each):
                found[each] = None
        return list(found)

    def _holds(self, each: Known) -> bool:
        if each.events:
            if self.event not in each.events:
                return False
            if each.origin and (not each.origin & self.origins if self.origins else (self.event or 0) < 1000):
                return False
        elif each.origin and not each.origin & self.origins:
            return False
        return (not each.phrases or not each.phrases.isdisjoint(self.hits)) and (
            not each.codes or not each.codes.isdisjoint(self.codes)
        )

    def _take(self, each: Known) -> None:
        signature = each.signature
        self.marks.update(signature.marks)
        if not each.says:
            return
        evidence = self._evidence(each)
        for key, weight in each.says:
            self.weights.setdefault(key, []).append((weight, evidence, signature.decides))

    def _take_code(self, code: Code) -> None:
        evidence = code.evidence
        for cause, weight in code.causes.items():
            self.weights.setdefault(cause, []).append((weight, evidence, code.decides))
        if code.unknown:
            self.weights.setdefault(TextVerdict.UNKNOWN, []).append((code.unknown, evidence, code.decides))

    def _evidence(self, each: Known) -> str:
        phrase = min(each.phrases & self.hits) if each.phrases else None
        code = min(each.codes & self.codes) if each.codes else None
        return _quote(self.known, each, phrase, self.event if each.events else None, code)

    def _codes_count(self) -> bool:
        """Whether any code may be taken for a migration's: the text says so, or there is little else in it."""
        if MIGRATION in self.marks or PEER in self.marks:
            return True
        return OTHER not in self.marks and len(self.words.tokens) <= _BARE

    def _by_default(self) -> TextVerdict:
        if MIGRATION in self.marks:
            return TextVerdict.UNKNOWN
        if OTHER in self.marks:
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        text = self.words.squeezed or self.words.spaced
        if _SPEAKS_OF_MOVING.search(text) or (self.codes and _SPEAKS_OF_MACHINES.search(text)):
            return TextVerdict.UNKNOWN
        if any(max(self.known.codes[code].causes.values(), default=0.0) >= _TELLING for code in self.codes):
            return TextVerdict.UNKNOWN
        # A sentence in a language that we read, and nothing in it is about moving anything.
        if len(self.words.tokens) >= 4 and not _READ_LANGUAGES.isdisjoint(self.words.tokens):
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        return TextVerdict.UNKNOWN


@lru_cache(maxsize=8192)
def _quote(known: Knowledge, each: Known, phrase: int | None, event: int | None, code: int | None) -> str:
    """What of a signature was in the report, for people, with its source."""
    said = []
    if phrase is not None:
        said.append(f"“{known.phrases[phrase].text}”")
    if event is not None:
        said.append(f"event {event}")
    if code is not None:
        said.append(f"0x{code:08X}")
    if each.origin and event is None:
        said.append(f"from {', '.join(sorted(each.origin)[:3])}")
    return f"{' with '.join(said)} ({each.signature.source})"


def verdict_of(weights: Weights) -> TextVerdict | None:
    """The verdict that the weights give; None where they are too light for any."""
    not_one = unknown = best = 0.0
    for key, signs in weights.items():
        score = score_of(signs)
        if key is TextVerdict.NOT_A_MIGRATION_FAILURE:
            not_one = score
        elif key is TextVerdict.UNKNOWN:
            unknown = score
        elif score > best:
            best = score
    if not_one >= max(best, unknown, LEAST):
        return TextVerdict.NOT_A_MIGRATION_FAILURE
    if best >= max(unknown, LEAST):
        return TextVerdict.CAUSES
    return TextVerdict.UNKNOWN if unknown >= LEAST else None


@lru_cache(maxsize=4096)
def _origins(provider: str | None, channel: str | None) -> frozenset[str]:
    """The families of a provider and a log; the System log says nothing where the provider is known."""
    speaker, log = _family(provider), _family(channel)
    if speaker and log in _SYSTEM_LOGS:
        log = ""
    tools = [tool for tool, names in _TOOLS.items() if tool and any(name in each for each in (speaker, log) for name in names)]
    return frozenset({*tools, *("system" if each in _SYSTEM_LOGS else each for each in (speaker, log) if each)})


_SYSTEM_LOGS = frozenset({"system", "システム", "系统", "系統", "système", "sistema", "systeem", "시스템", "система"})


def _family(name: str | None) -> str:
    """`hyper-v-vmms` for `Microsoft-Windows-Hyper-V-VMMS-Admin`, `Microsoft-Windows-Hyper-V-VMMS/Admin` and the provider."""
    if not name:
        return ""
    folded = name[:200].strip().casefold().replace("/", "-").removeprefix("microsoft-windows-")
    for tail in ("-admin", "-operational", "-analytic", "-debug", "-diagnostic", "-connectivity", "-security"):
        if folded.endswith(tail) and folded != f"security{tail}":
            return folded.removesuffix(tail)
    return folded


_TOOLS = {
    "move-vm": ("move-vm", "move-clustervirtualmachinerole", "move-scvirtualmachine"),
    "scvmm": ("scvmm", "vmm jobs", "virtualmachinemanager", "virtual machine manager"),
    "": ("hyper-v", "compare-vm"),
}


@lru_cache(maxsize=4096)
def _marks_of(origins: frozenset[str]) -> frozenset[str]:
    spoke = any(name in each for each in origins for names in _TOOLS.values() for name in names)
    return frozenset({HYPER_V}) if spoke else frozenset()
