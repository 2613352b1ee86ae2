"""One report read: its codes, marks and origins, and what each signature that matches says of its cause.

Events, codes and names count first, for they are the same in every language; sentences last. Nested messages
("Live migration of … failed. … failed at migration source …. Failed to establish a connection …") need no
unwrapping: wrappers only say that a migration failed, so that what the innermost sentence says is all there is to weigh.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias

from remediations.diagnosis.activity import cmdlet, foreign, mover, other_attempt
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.signatures import CODE, HYPER_V, MIGRATION, MOVING, OTHER, PEER, WINDOWS, Knowledge, Known, Says
from remediations.diagnosis.text import Words
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict

_DEFINITE = 0.72  # the weight from which a cause needs no help from the words around it
_BY_BUILD = 0.8  # what the build of a sentence says against a migration
_OURS = frozenset({HYPER_V, WINDOWS})
_ANOTHERS_CAUSE = frozenset({"live", "limit", "drain", "policy_words", "version_unsupported"})
LEAST = 0.25  # below this, nothing is known
_AGREES = 0.25  # how much a second, independent sign of the same cause adds
_TELLING = 0.9  # the weight from which a code is seldom seen elsewhere
_BARE = 8  # words; so short a text with a code in it is a code that someone pasted

_SENTENCES = re.compile(r"[.!?;:](?=\s|$)|\n|[。！？；：]")
_READ = 16_384  # characters of which sentences are read one by one
_GLUED = re.compile(r"[0o]x[0-9a-f]{1,8}(?![0-9a-f])")
_NUMBERED = re.compile(
    r" (?:error|errors|code|fehler|fehlercode|erreur|errore|erro|codigo|win32|エラー|コード|错误|錯誤)"
    r"(?: (?:code|was|is|wert|value|de|d|erreur|error|errore|erro|war|lautet))? (\d{4,5})(?= )"
)
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


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """What a text's phrases, codes and origin alone lead to; the same for every text of the same sentences."""

    codes: frozenset[int]
    plain: tuple[Known, ...]
    others: tuple[Known, ...]
    """Those that tell of something else than a migration, where the text does not say that one failed."""
    conditional: tuple[Known, ...]
    asks: tuple[Known, ...]
    """Those whose words are there, if one sentence has them together."""
    marks: frozenset[str]
    evidence: Mapping[Known, str]


class Build(NamedTuple):
    """What a text's sentences are like, as far as it matters: see `remediations.diagnosis.activity`."""

    cmdlet: bool = False
    other_cmdlet: str | None = None
    other_attempt: str | None = None
    foreign: bool = False
    bare: bool = False
    only_a_code: bool = False
    """Whether there is next to nothing in it but a code and the sentence that Windows has for it."""
    together: frozenset[Known] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """What it all comes to."""

    marks: frozenset[str]
    weights: Weights
    verdict: TextVerdict | None


class Reading:
    """One event, read: its words, codes and marks, and what each signature that it matches says."""

    def __init__(self, event: ReportedEvent, known: Knowledge) -> None:
        self.known = known
        self.text = event.whole
        self.words = Words.of(self.text)
        self.hits = frozenset(known.index.within(self.words))
        self.codes = self._codes()
        origins = _origins(event.provider, event.channel)
        if ("ove-" in self.text or "OVE-" in self.text) and mover(self.text):
            origins |= {"move-vm"}
        outline = _outline(known, self.hits, self.codes, event.event_id, origins)
        self.weighed = _weighed(known, outline, self._build(outline))
        self.marks, self.weights = self.weighed.marks, self.weighed.weights

    @property
    def verdict(self) -> TextVerdict:
        """What this event is by itself."""
        return self.weighed.verdict or self._by_default()

    def _codes(self) -> frozenset[int]:
        known, words = self.known, self.words
        found: set[int] = set()
        for word in known.words.intersection(words.tokens):
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

    def _build(self, outline: Outline) -> Build:
        asks: Iterable[Known] = outline.asks
        if MIGRATION in outline.marks:
            together = frozenset(each for each in asks if self._together(each))
            return Build(together=together) if together else _NOTHING_TO_ASK
        tokens, spaced = self.words.tokens, self.words.spaced
        spoke, other = cmdlet(self.text)
        verb = None if other else other_attempt(spaced, tokens)
        if other:
            asks = ()
        elif verb and outline.marks.isdisjoint(_ANOTHERS_CAUSE):  # what could still make the attempt one of a move
            asks = (each for each in asks if not _ANOTHERS_CAUSE.isdisjoint(each.signature.marks))
        return Build(
            cmdlet=spoke,
            other_cmdlet=other,
            other_attempt=verb,
            foreign=not (other or verb)
            and _OURS.isdisjoint(outline.marks)
            and _speaks_of(_MOVES, spaced)
            and foreign(self.text[:_READ], spaced, tokens),
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
        phrases = self.known.phrases
        wanted = [[phrases[number] for number in group & self.hits] for group in each.together]
        return any(all(any(phrase.within(sentence) for phrase in group) for group in wanted) for sentence in self._sentences)

    @cached_property
    def _sentences(self) -> list[Words]:
        split = [each for each in _SENTENCES.split(self.text[:_READ]) if each.strip()]
        return [self.words] if len(split) == 1 else [Words.of(each) for each in split]

    def _by_default(self) -> TextVerdict:
        if MIGRATION in self.marks:
            return TextVerdict.UNKNOWN
        if OTHER in self.marks:
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        text = self.words.squeezed or self.words.spaced
        if _speaks_of(_MOVES, text) or (self.codes and _speaks_of(_MACHINES, text)):
            return TextVerdict.UNKNOWN
        if any(max(self.known.codes[code].causes.values(), default=0.0) >= _TELLING for code in self.codes):
            return TextVerdict.UNKNOWN
        # A sentence in a language that we read, and nothing in it is about moving anything.
        if len(self.words.tokens) >= 4 and not _READ_LANGUAGES.isdisjoint(self.words.tokens):
            return TextVerdict.NOT_A_MIGRATION_FAILURE
        return TextVerdict.UNKNOWN


_NONE: frozenset[Known] = frozenset()
_NOTHING_TO_ASK = Build()


@lru_cache(maxsize=8192)
def _outline(
    known: Knowledge, hits: frozenset[int], codes: frozenset[int], event: int | None, origins: frozenset[str]
) -> Outline:
    """Which signatures the phrases, codes and origin of a text lead to."""

    def holds(each: Known) -> bool:
        if each.events:
            if event not in each.events:
                return False
            if each.origin and (not each.origin & origins if origins else (event or 0) < 1000):
                return False
        elif each.origin and not each.origin & origins:
            return False
        return (not each.phrases or not each.phrases.isdisjoint(hits)) and (not each.codes or not each.codes.isdisjoint(codes))

    found = [each for hit in hits for each in known.by_phrase.get(hit, ())]
    found += known.by_event.get(event or 0, ())
    found += [each for code in codes for each in known.by_code.get(code, ())]
    found += [each for origin in origins for each in known.by_origin.get(origin, ())]
    there = [each for each in dict.fromkeys(found) if holds(each)]
    at_once = [each for each in there if not each.together]
    free = [each for each in at_once if each.free]
    marks = frozenset(_marks_of(origins)).union(*(each.signature.marks for each in free))
    marks |= {CODE} if codes else frozenset()
    if MIGRATION in marks:
        marks -= {OTHER}
        asks = []
    else:
        asks = [each for each in there if each.together and all(not group.isdisjoint(hits) for group in each.together)]
    rest = [each for each in at_once if not each.free]
    outline = Outline(
        codes=codes,
        plain=tuple(free),
        others=tuple(each for each in rest if OTHER in each.signature.marks),
        conditional=tuple(each for each in rest if OTHER not in each.signature.marks),
        asks=(),
        marks=marks,
        evidence={},
    )
    may_move = MOVING in marks or any(MOVING in each.signature.marks for each in asks)
    if may_move if MIGRATION not in marks else not _definite(_weighed(known, outline, _NOTHING_TO_ASK).weights):
        asks += dict.fromkeys(each for hit in hits for each in known.topics.get(hit, ()))
    asks = [each for each in asks if all(not group.isdisjoint(hits) for group in each.together)]
    evidence = {each: _quote(known, each, hits, codes, event) for each in (*at_once, *asks) if each.says}
    return replace(outline, asks=tuple(asks), evidence=evidence)


def _definite(weights: Weights) -> bool:
    """Whether a cause needs no help from the words around it."""
    return any(isinstance(key, Cause) and max(signs)[0] >= _DEFINITE for key, signs in weights.items())


@lru_cache(maxsize=8192)
def _weighed(known: Knowledge, outline: Outline, build: Build) -> Weighed:
    """Signatures in order: what asks for nothing, what tells of something else, what depends on those, codes, topics."""
    marks = set(outline.marks)
    weights: Weights = {}

    def take(each: Known) -> None:
        marks.update(each.signature.marks)
        for key, weight in each.says:
            weights.setdefault(key, []).append((weight, outline.evidence.get(each, ""), each.signature.decides))

    def take_where_they_apply(conditional: Iterable[Known]) -> None:
        before = frozenset(marks)
        for each in conditional:
            if each.needs <= before and not each.unless & before and (not each.given or each.given & before):
                take(each)

    for each in outline.plain:
        take(each)
    if MIGRATION in marks:
        marks.discard(OTHER)
        take_where_they_apply(outline.others)
    else:
        for each in build.together:
            if each.free:
                take(each)
        if build.cmdlet:
            marks.add(WINDOWS)
        if told := _something_else(marks, build):
            marks.add(OTHER)
            weights.setdefault(TextVerdict.NOT_A_MIGRATION_FAILURE, []).append((_BY_BUILD, told, ""))
        take_where_they_apply(outline.others)
        if MOVING in marks and OTHER not in marks:
            marks.add(MIGRATION)
    take_where_they_apply(outline.conditional)
    counts = MIGRATION in marks or PEER in marks or (OTHER not in marks and build.bare)
    for number in sorted(outline.codes):
        code = known.codes[number]
        if counts or (code.anywhere and OTHER not in marks and (build.only_a_code or _ours(marks))):
            for key, weight in code.says:
                weights.setdefault(key, []).append((weight, code.evidence, code.decides))
    if MIGRATION in marks and not _definite(weights):
        take_where_they_apply(each for each in outline.asks if not each.free and each in build.together)
    if OTHER in marks:  # whatever stands in it, it is not about a migration
        weights = {key: signs for key, signs in weights.items() if not isinstance(key, Cause)}
    return Weighed(frozenset(marks), weights, verdict_of(weights))


def _ours(marks: set[str]) -> bool:
    """Whether something of Windows speaks, and not the channel by which hosts are managed."""
    return not _OURS.isdisjoint(marks) and "management" not in marks


def _something_else(marks: set[str], build: Build) -> str | None:
    """What else than a move of Hyper-V's the text's build tells of, in words; None if nothing."""
    if build.other_cmdlet:
        return f"said by {build.other_cmdlet}, which moves nothing"
    if build.other_attempt and not marks & _ANOTHERS_CAUSE:
        return f"an attempt to {build.other_attempt}, not to move"
    return "another platform's words" if build.foreign else None


def _quote(known: Knowledge, each: Known, hits: frozenset[int], codes: frozenset[int], event: int | None) -> str:
    """What of a signature was in the report, for people, with its source."""
    said = []
    if each.phrases:
        said.append(f"“{known.phrases[min(each.phrases & hits)].text}”")
    if each.together:
        said.append(" and ".join(f"“{known.phrases[min(group & hits)].text}”" for group in each.together))
    if each.events:
        said.append(f"event {event}")
    if each.codes:
        said.append(f"0x{min(each.codes & codes):08X}")
    if each.origin and not each.events:
        said.append(f"from {', '.join(sorted(each.origin)[:3])}")
    return f"{' with '.join(said)} ({each.signature.source})"


def _speaks_of(words: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in words)


def verdict_of(weights: Weights) -> TextVerdict | None:
    """The verdict that the weights give; None where they are too light for any."""
    not_one = unknown = best = 0.0
    for key, signs in weights.items():
        if key is TextVerdict.UNKNOWN:  # wrappers around wrappers say no more than one of them
            unknown = max(signs)[0]
            continue
        score = score_of(signs)
        if key is TextVerdict.NOT_A_MIGRATION_FAILURE:
            not_one = score
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
