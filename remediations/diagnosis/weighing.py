"""What the signatures that match a report come to: marks of the whole text, weights for each cause, a verdict.

Two steps, each kept for texts that are alike: which signatures the phrases, codes and origin lead to (`outline_of`), and
what those say together with how the text is built (`weigh`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from remediations.diagnosis.origins import marks_of
from remediations.diagnosis.signatures import (
    CODE,
    HYPER_V,
    MIGRATION,
    MOVING,
    OPEN,
    OTHER,
    PEER,
    WINDOWS,
    Knowledge,
    Known,
    Says,
)
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict

OURS = frozenset({HYPER_V, WINDOWS})
ANOTHERS_CAUSE = frozenset({"live", "limit", "drain", "policy_words", "version_unsupported", "cluster_service"})
LEAST = 0.25  # below this, nothing is known
_DEFINITE = 0.72  # the weight from which a cause needs no help from the words around it
_BY_BUILD = 0.8  # what the build of a sentence says against a migration
_AGREES = 0.25  # how much a second, independent sign of the same cause adds
_MOVED = frozenset({MIGRATION, MOVING})

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
    headers: tuple[Known, ...]
    """Those that tell of a machine that would not move, where the text is about something of the kind."""
    conditional: tuple[Known, ...]
    hints: tuple[Known, ...]
    """Those that count where nothing else said a cause."""
    asks: tuple[Known, ...]
    """Those whose words are there, if one sentence has them together."""
    wanted: frozenset[int]
    """The phrases of which that is asked."""
    marks: frozenset[str]
    other: bool
    """Whether one of `others` holds, if no sentence says that a machine would not move."""
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


NOTHING_TO_ASK = Build()


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """What it all comes to."""

    marks: frozenset[str]
    weights: Weights
    verdict: TextVerdict | None


@lru_cache(maxsize=8192)
def outline_of(
    known: Knowledge, hits: frozenset[int], codes: frozenset[int], events: frozenset[int], origins: frozenset[str]
) -> Outline:
    """Which signatures the phrases, codes and origin of a text lead to."""

    def holds(each: Known) -> bool:
        if each.events:
            if not (its := each.events & events):
                return False
            if each.origin and (not each.origin & origins if origins else max(its) < 1000):
                return False
        elif each.origin and not each.origin & origins:
            return False
        return (not each.phrases or not each.phrases.isdisjoint(hits)) and (not each.codes or not each.codes.isdisjoint(codes))

    found = [each for hit in hits for each in known.by_phrase.get(hit, ())]
    found += [each for event in events for each in known.by_event.get(event, ())]
    found += [each for code in codes for each in known.by_code.get(code, ())]
    found += [each for origin in origins for each in known.by_origin.get(origin, ())]
    there = [each for each in dict.fromkeys(found) if holds(each)]
    at_once = [each for each in there if not each.together]
    free = [each for each in at_once if each.free]
    marks = frozenset(marks_of(origins)).union(*(each.signature.marks for each in free))
    marks |= {CODE} if codes else frozenset()
    asks = [each for each in there if each.together]
    if MIGRATION in marks:
        marks -= {OTHER}
        asks = [each for each in asks if each.says]  # what failed is known already, what it says of the cause is not
    rest = [each for each in at_once if not each.free and OPEN not in each.needs]
    headers = tuple(each for each in rest if not _MOVED.isdisjoint(each.signature.marks))
    outline = Outline(
        codes=codes,
        plain=tuple(free),
        others=tuple(each for each in rest if OTHER in each.signature.marks),
        headers=headers,
        conditional=tuple(each for each in rest if OTHER not in each.signature.marks and each not in headers),
        hints=tuple(each for each in at_once if OPEN in each.needs),
        asks=(),
        wanted=frozenset(),
        marks=marks,
        other=any(OTHER in each.signature.marks and _applies(each, marks) for each in rest),
        evidence={},
    )
    if MIGRATION in marks and _definite(weigh(known, outline, NOTHING_TO_ASK).weights):
        asks = []
    elif headers or not marks.isdisjoint(_MOVED) or any(MOVING in each.signature.marks for each in asks):
        asks += dict.fromkeys(each for hit in hits for each in known.topics.get(hit, ()))
    if outline.other:  # then only what would make the others not hold still matters
        against: frozenset[str] = frozenset().union(*(each.unless for each in outline.others)) - {MIGRATION}
        asks = [each for each in asks if not against.isdisjoint(each.signature.marks)]
    asks = [
        each for each in asks if each.unless.isdisjoint(marks) and all(not group.isdisjoint(hits) for group in each.together)
    ]
    wanted = hits.intersection(phrase for each in asks for group in each.together for phrase in group)
    evidence = {each: quote(known, each, hits, codes, events) for each in (*at_once, *asks) if each.says}
    return replace(outline, asks=tuple(asks), wanted=wanted, evidence=evidence)


def _applies(each: Known, marks: frozenset[str]) -> bool:
    """Whether the text has the marks that a signature asks for, and none of those that it does not."""
    return each.needs <= marks and each.unless.isdisjoint(marks) and (not each.given or not each.given.isdisjoint(marks))


def _definite(weights: Weights) -> bool:
    """Whether a cause needs no help from the words around it."""
    return any(isinstance(key, Cause) and max(signs)[0] >= _DEFINITE for key, signs in weights.items())


@lru_cache(maxsize=8192)
def weigh(known: Knowledge, outline: Outline, build: Build) -> Weighed:
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
            if _applies(each, before):
                take(each)

    for each in outline.plain:
        take(each)
    if MIGRATION in marks:
        marks.discard(OTHER)
        take_where_they_apply((*outline.others, *outline.headers))
    else:
        for each in build.together:
            if each.free:
                take(each)
        if build.cmdlet:
            marks.add(WINDOWS)
        if told := _something_else(marks, build):
            marks.add(OTHER)
            weights.setdefault(TextVerdict.NOT_A_MIGRATION_FAILURE, []).append((_BY_BUILD, told, ""))
        of_others = (each for each in build.together if not each.free and OTHER in each.signature.marks)
        take_where_they_apply((*outline.others, *of_others))
        take_where_they_apply(outline.headers)
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
        asked = [each for each in outline.asks if each in build.together and (MIGRATION in outline.marks or not each.free)]
        take_where_they_apply(asked)
    if MIGRATION in marks and not any(isinstance(key, Cause) for key in weights):
        marks.add(OPEN)
        take_where_they_apply(outline.hints)
    if OTHER in marks:  # whatever stands in it, it is not about a migration
        weights = {key: signs for key, signs in weights.items() if not isinstance(key, Cause)}
    return Weighed(frozenset(marks), weights, verdict_of(weights))


def _ours(marks: set[str]) -> bool:
    """Whether something of Windows speaks, and not the channel by which hosts are managed."""
    return not OURS.isdisjoint(marks) and "management" not in marks


def _something_else(marks: set[str], build: Build) -> str | None:
    """What else than a move of Hyper-V's the text's build tells of, in words; None if nothing."""
    if build.other_cmdlet:
        return f"said by {build.other_cmdlet}, which moves nothing"
    if build.other_attempt and not marks & ANOTHERS_CAUSE:
        return f"an attempt to {build.other_attempt}, not to move"
    return "another platform's words" if build.foreign else None


def quote(known: Knowledge, each: Known, hits: frozenset[int], codes: frozenset[int], events: frozenset[int]) -> str:
    """What of a signature was in the report, for people, with its source."""
    said = []
    if each.phrases:
        said.append(f"“{known.phrases[min(each.phrases & hits)].text}”")
    if each.together:
        said.append(" and ".join(f"“{known.phrases[min(group & hits)].text}”" for group in each.together))
    if each.events:
        said.append(f"event {min(each.events & events)}")
    if each.codes:
        said.append(f"0x{min(each.codes & codes):08X}")
    if each.origin and not each.events:
        said.append(f"from {', '.join(sorted(each.origin)[:3])}")
    return f"{' with '.join(said)} ({each.signature.source})"


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
