"""From a report to ranked causes: the report is read, what is beside it is added, and what was found is put in order."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from remediations.diagnosis.names import told_by
from remediations.diagnosis.parse import parse_text
from remediations.diagnosis.reading import Reading
from remediations.diagnosis.report import ReportedEvent
from remediations.diagnosis.signatures import Knowledge
from remediations.diagnosis.weighing import Weighed, Weights, score_of, verdict_of
from remediations.model.causes import Cause
from remediations.model.diagnosis import Diagnosis, Hypothesis, TextVerdict
from remediations.model.incident import Incident, Told, What

_SHOWN = 5  # hypotheses
_RELATED = 0.85  # what an event beside the reported one counts
_REPORTED = 0.6  # what it counts that somebody reported a failed drain


def diagnose(report: ReportedEvent | Incident | str, knowledge: Knowledge | None = None) -> Diagnosis:
    """What a report says of its cause, before any host is asked. Never raises for a text, whatever is in it.

    `knowledge` is the packaged one unless a site adds its own. The hypotheses are best first, at most five, and empty
    unless the verdict is `causes`; `evidence` quotes what spoke for each, `against` says which fact would decide. `weak` are
    the causes that words alone point to, at most three, and empty unless the verdict is `unknown`.
    """
    known = knowledge or Knowledge.packaged()
    given = report if isinstance(report, Incident) else None
    if isinstance(report, str):
        event = parse_text(report)
    elif isinstance(report, Incident):
        event = ReportedEvent(
            text=report.message,
            event_id=report.event_id,
            channel=report.channel,
            provider=report.provider,
            time=report.occurred_at,
        )
    else:
        event = report
    reading = Reading.of(event, known)
    # Who reported an incident says that a move failed: a text that says nothing of it does not make it untrue.
    verdict = reading.verdict if given is None else reading.weighed.verdict or TextVerdict.UNKNOWN
    hypotheses = _ranked(reading.weighed) if verdict is TextVerdict.CAUSES else ()
    if event.related and verdict is not TextVerdict.NOT_A_MIGRATION_FAILURE:
        weights = _with_related(reading.weights, event.related, known)
        verdict = verdict_of(weights) or verdict
        hypotheses = _hypotheses(weights) if verdict is TextVerdict.CAUSES else ()
    if given is not None and given.what is What.DRAIN and verdict is TextVerdict.UNKNOWN:
        hypotheses = _hypotheses({Cause.NODE_DRAIN_FAILED: [(_REPORTED, "reported as the failed drain of a node", "")]})
        verdict = TextVerdict.CAUSES
    told: Told | None = given
    if verdict is not TextVerdict.NOT_A_MIGRATION_FAILURE:
        drained = bool(hypotheses) and hypotheses[0].cause is Cause.NODE_DRAIN_FAILED
        told = told_by(event, drained=drained)
    incident = given
    if isinstance(told, Incident) and not reading.of_files:
        incident = told if given is None else _completed(given, told)
    weak = reading.words_only() if verdict is TextVerdict.UNKNOWN else ()
    return Diagnosis(verdict=verdict, hypotheses=hypotheses, weak=weak, incident=incident, told=told, codes=reading.codes)


def of_files(incident: Incident) -> bool:
    """Whether an incident's text tells of a storage migration: the machine itself was to stay where it is."""
    return Reading(ReportedEvent(text=incident.message), Knowledge.packaged()).of_files


def _completed(given: Incident, told: Incident) -> Incident:
    """The incident as given, with the hosts and the cluster that it left out and its text names."""
    missing = {
        name: value
        for name in ("source", "destination", "cluster")
        if getattr(given, name) is None and (value := getattr(told, name))
    }
    return given.model_copy(update=missing) if missing else given


@lru_cache(maxsize=8192)
def _ranked(found: Weighed) -> tuple[Hypothesis, ...]:
    return _hypotheses(found.weights)


def _hypotheses(weights: Weights) -> tuple[Hypothesis, ...]:
    ranked = sorted((-score_of(signs), key.value, key) for key, signs in weights.items() if isinstance(key, Cause))
    return tuple(
        Hypothesis(
            cause=cause,
            score=round(-score, 3),
            evidence=tuple(dict.fromkeys(evidence for _, evidence, _ in weights[cause])),
            against=tuple(dict.fromkeys(decides for _, _, decides in weights[cause] if decides)),
        )
        for score, _, cause in ranked[:_SHOWN]
    )


def _with_related(weights: Weights, related: Iterable[ReportedEvent], known: Knowledge) -> Weights:
    """What an event's neighbours add. They may name causes, never take one away."""
    merged = {key: list(signs) for key, signs in weights.items()}
    for event in related:
        reading = Reading.of(event, known)
        if reading.verdict is TextVerdict.CAUSES:
            for key, signs in reading.weights.items():
                if isinstance(key, Cause):
                    merged.setdefault(key, []).append((_RELATED * score_of(signs), f"beside it: {max(signs)[1]}", ""))
    return merged
