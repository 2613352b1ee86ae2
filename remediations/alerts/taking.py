"""What becomes of what a request holds: all of it is checked, then what is right is taken in; and what its sender is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pydantic import BaseModel

from remediations.alerts.report import BadAlert, Ended, Found, Mistake, Report
from remediations.ledger import OpenIncident
from remediations.model.base import Frozen
from remediations.model.incident import Incident
from remediations.model.outcome import Reason, Refused


class Accepted(Frozen):
    """What became of an incident that was taken in."""

    incident_id: str
    """Its id in the ledger."""
    joined: bool
    """Whether it was already open, and this report joined it."""


Check = Callable[[Report], Incident]
"""Gives the incident to take in for a report. Raises `LookupError` or `ValueError` that names what cannot be (400)."""

Intake = Callable[[Sequence[Incident]], Sequence[Accepted]]
"""Takes incidents in durably, all or none, and says for each in order what became of it. Whatever it raises means that
they could not be taken now (503)."""

Settle = Callable[[Incident, Ended], str]
"""Told of an alert that does not fire any more; says in one sentence what that changed. What it raises means 503."""


class Taken(BaseModel):
    """One incident that was taken in."""

    field: str
    """Its place in the request, as `alerts[0]`."""
    incident: str
    joined: bool
    """Whether it was open already."""


class Left(BaseModel):
    """A part of the request that starts nothing."""

    field: str
    why: str


class Answer(BaseModel):
    """What became of a request: 400 if anything is wrong, else 202 if an incident was taken in, 200 if there was none."""

    accepted: list[Taken]
    ignored: list[Left]


def starts_nothing(incident: Incident, ended: Ended) -> str:
    """What an alert changes that does not fire any more, where nobody wants to know of it."""
    del incident
    return f"it is {ended.how}; only a firing alert starts a run"


def over(found: OpenIncident | None, ended: Ended) -> str:
    """What an alert changed that does not fire any more, by what the ledger made of it; None if nothing is open for it."""
    if found is None:
        return f"it is {ended.how}; nothing is open for it"
    if found.closed_at is None:
        return f"it is {ended.how}; the run of {found.id} asks nobody any more, and what it has begun goes on"
    return f"it is {ended.how}; {found.id} is closed and nothing was changed"


class Checked(NamedTuple):
    """What of a request can be taken in, each report with its incident, and what is wrong with the others."""

    reports: list[Report]
    incidents: list[Incident]
    wrong: list[Mistake]


def checked(found: Found, check: Check) -> Checked:
    """Look at every report of a request; nothing is taken in yet."""
    seen = Checked([], [], list(found.wrong))
    for report in found.reports:
        try:
            with _named(report):
                seen.incidents.append(check(report))
                seen.reports.append(report)
        except BadAlert as bad:
            seen.wrong.extend(bad.mistakes)
    return seen


def answered(found: Found, taken: Sequence[Report], accepted: Sequence[Accepted], changes: Sequence[str]) -> Answer:
    """What the sender is told: what became of each report, and what each alert changed that does not fire any more."""
    return Answer(
        accepted=[
            Taken(field=report.at, incident=each.incident_id, joined=each.joined)
            for report, each in zip(taken, accepted, strict=True)
        ],
        ignored=[
            *(Left(field=each.report.at, why=why) for each, why in zip(found.ended, changes, strict=True)),
            *(Left(field=each.at, why=each.why) for each in found.ignored),
        ],
    )


def settled(found: Found, check: Check, settle: Settle) -> list[str]:
    """Tells `settle` of each alert that does not fire any more; what each changed."""
    return [_settled(each, check, settle) for each in found.ended]


def _settled(ended: Ended, check: Check, settle: Settle) -> str:
    """What an alert changed that does not fire any more; one of a host that we do not know keeps nothing else out."""
    try:
        with _named(ended.report):
            incident = check(ended.report)
    except BadAlert as bad:
        return f"it is {ended.how}; {bad.mistakes[0].wrong}"
    return settle(incident, ended)


@contextmanager
def _named(report: Report) -> Iterator[None]:
    """Makes a refusal of an incident one of the request's field; lets pass what is no refusal of the incident itself."""
    try:
        yield
    except (KeyError, IndexError):  # errors of a program, not of an alert
        raise
    except (LookupError, ValueError) as error:
        raise BadAlert([report.mistake(error)]) from None
    except Refused as error:
        if error.reason is not Reason.SELECTOR_REFUSED:
            raise
        raise BadAlert([report.mistake(error)]) from None
