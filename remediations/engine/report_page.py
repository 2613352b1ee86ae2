"""A run's report as one page: what happened, its cause and proof, what was changed, how long it took, how to take it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from remediations.engine.chronicle import Kind, Span
from remediations.engine.html import render
from remediations.engine.ports import Report
from remediations.engine.render import change_words, verdict_words
from remediations.model.plan import Verdict

WIDE = 1000.0
"""Units that the timeline is drawn in."""

SHORTEST = 3.0
"""Units that the shortest part is drawn with, so that it is seen."""

SQUEEZED = 0.5
"""Part of the picture that waiting for people takes at most: hours of it would leave nothing to see of the rest."""

WORDS: dict[Kind, str] = {
    "reading": "read and plan",
    "people": "wait for people (not to scale)",
    "changing": "change",
    "proving": "prove",
}


@dataclass(frozen=True)
class Bar:
    """One part of the timeline, as it is drawn."""

    span: Span
    x: float
    width: float

    @property
    def took(self) -> str:
        """How long it took, for people."""
        return lasted(self.span.seconds)


def page(report: Report) -> str:
    """The whole page, as HTML."""
    return render(
        "report",
        report=report,
        bars=timeline(report.spans),
        words=WORDS,
        wide=WIDE,
        verdict_words=verdict_words,
        # What is proven stands above what was ruled out on the way to it.
        considered=sorted(report.considered, key=lambda each: each.verdict is not Verdict.PRESENT or each.hypothesis.weak),
        took=lasted((report.spans[-1].ended - report.spans[0].began).total_seconds()) if report.spans else "",
        moment=moment,
        change_words=change_words,
        plans=[(title, plan) for title, plan in (("The mend", report.plan), ("The move, tried again", report.retry)) if plan],
    )


def timeline(spans: Sequence[Span]) -> list[Bar]:
    """The parts one after the other, in proportion; what waits for people is squeezed to half of the picture at most."""
    people = sum(each.seconds for each in spans if each.kind == "people")
    others = sum(each.seconds for each in spans) - people
    share = min(people / (people + others), SQUEEZED) if people + others else 0.0
    scale = {True: share * WIDE / people if people else 0.0, False: (1 - share) * WIDE / others if others else 0.0}
    widths = [max(SHORTEST, each.seconds * scale[each.kind == "people"]) for each in spans]
    fit = min(1.0, WIDE / sum(widths)) if widths else 1.0
    bars, x = [], 0.0
    for span, width in zip(spans, widths, strict=True):
        bars.append(Bar(span, round(x, 1), round(width * fit, 1)))
        x += width * fit
    return bars


def lasted(seconds: float) -> str:
    """A duration for people: `0.4 s`, `2 min 05 s`, `3 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def moment(at: datetime) -> str:
    """A time for people, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
