"""What a text's words point to where it never says that a move of Hyper-V's failed: weak causes, named beside `unknown`.

A signature counts only where the text tells what it is about: a machine that would not move, Windows, its cluster. Many a
report leaves that out ("HV02 -> HV01: error, CPU features are missing"), so that nothing is sure enough to be a cause. Here
the same signatures are asked for their words alone. What they lead to has a score below `LEAST` and is never a
`Diagnosis.hypotheses`: a person reads it, an engine may read facts for it, nothing is planned on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from remediations.diagnosis.signatures import Knowledge, Known
from remediations.diagnosis.weighing import LEAST, quote
from remediations.model.causes import Cause
from remediations.model.diagnosis import Hypothesis

SHOWN = 3
"""Weak causes that are named at most: with more of them none is worth reading facts for."""
ENOUGH = 0.43
"""What a signature must say for the first of them. What says less is a word like "network", which every such text has."""
LIGHT = 0.3
"""What it must say for those beside the first."""
WORDS_ONLY = "weak: words only"
"""How the evidence of a weak cause begins."""


def words_only(
    known: Knowledge,
    hits: frozenset[int],
    codes: frozenset[int],
    sentences: Callable[[frozenset[int]], Sequence[frozenset[int]]],
) -> tuple[Hypothesis, ...]:
    """The causes that a text's phrases and codes alone point to, best first, `SHOWN` at most.

    `sentences` says which of the wanted phrases stand in each sentence of the text; it is asked once at most.
    """
    asked = _asked(known, hits)
    if not asked and not codes:
        return ()
    wanted = hits.intersection(phrase for each in asked for group in each.together for phrase in group)
    stand = sentences(wanted) if wanted else ()
    said = frozenset(
        each
        for each in asked
        if not each.together or any(all(not group.isdisjoint(there) for group in each.together) for there in stand)
    )
    return _named(known, hits, codes, said)


@lru_cache(maxsize=8192)
def _asked(known: Knowledge, hits: frozenset[int]) -> tuple[Known, ...]:
    """The signatures of a cause of which the text has the words, and that ask for nothing but words and marks."""
    found = {each for hit in hits for by in (known.by_phrase, known.topics) for each in by.get(hit, ())}
    return tuple(
        each
        for each in found
        if not (each.events or each.origin or each.codes)
        and any(isinstance(key, Cause) for key, _ in each.says)
        and all(not group.isdisjoint(hits) for group in each.together)
    )


@lru_cache(maxsize=8192)
def _named(known: Knowledge, hits: frozenset[int], codes: frozenset[int], said: frozenset[Known]) -> tuple[Hypothesis, ...]:
    found: dict[Cause, tuple[float, str, str]] = {}

    def take(says: Iterable[tuple[object, float]], evidence: str, decides: str) -> None:
        for cause, weight in says:
            if isinstance(cause, Cause) and weight >= LIGHT and weight > found.get(cause, (0.0,))[0]:
                found[cause] = weight, evidence, decides

    for each in sorted(said, key=lambda each: each.signature.id):
        take(each.says, quote(known, each, hits, codes, frozenset()), each.signature.decides)
    for number in sorted(codes):
        code = known.codes[number]
        take(code.says, code.evidence, code.decides)
    ranked = sorted(found.items(), key=lambda each: (-each[1][0], each[0].value))
    if not ranked or ranked[0][1][0] < ENOUGH:
        return ()
    return tuple(
        Hypothesis(
            cause=cause,
            score=round(LEAST * weight, 3),
            evidence=(f"{WORDS_ONLY}: {evidence}",),
            against=(decides,) if decides else (),
            weak=True,
        )
        for cause, (weight, evidence, decides) in ranked[:SHOWN]
    )
