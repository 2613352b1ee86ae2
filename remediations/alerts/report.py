"""What an adapter makes of a request: incidents to open, and what is ignored; or everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from remediations.alerts.told import located, subject, told
from remediations.model.incident import Incident
from remediations.model.site import Site

_LONGEST_SHOWN = 300
_LONGEST_MESSAGE = 20_000
_LONGEST_CODE = 40
_NEEDED = {"vm", "source", "destination"}
"""Whom a text is read for; where fields name all of them, reading it would change nothing."""

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Mistake(NamedTuple):
    """One thing that is wrong with a request: the field, as `alerts[2].labels.vm`, and what is wrong and right."""

    field: str
    wrong: str


class BadAlert(Exception):
    """A request, or one alert of it, of which nothing can be taken, with everything that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(Mistake(field, shorten(wrong)) for field, wrong in mistakes)
        super().__init__("\n".join(f"{field}: {wrong}" for field, wrong in self.mistakes))


class WrongField(ValueError):
    """An incident's field that cannot be: `field` is its name in `Incident`."""

    def __init__(self, field: str, wrong: str) -> None:
        super().__init__(wrong)
        self.field = field


@dataclass(frozen=True)
class Report:
    """An incident that a request reports. `at` is its place there, `fields` where each of the incident's fields came from.

    `told` is what its text says of it, if it was read for somebody whom the fields leave out, and names somebody.
    """

    at: str
    incident: Incident
    fields: Mapping[str, str]
    told: Incident | None = None

    def mistake(self, error: Exception) -> Mistake:
        """What a check refused about this incident, under the name that the sender gave the field."""
        field = self.fields.get(error.field, self.at) if isinstance(error, WrongField) else self.at
        return Mistake(field, str(error))


@dataclass(frozen=True)
class Ended:
    """An alert that does not fire any more, or that a person has taken over: it starts nothing and may end what waits."""

    report: Report
    how: Literal["resolved", "acknowledged"]

    def words(self, incident: Incident) -> str:
        """Who says so, for the ledger."""
        return f"{incident.reported_by} says that it is {self.how}"


@dataclass(frozen=True)
class Ignored:
    """A part of a request that starts nothing, and why."""

    at: str
    why: str


@dataclass(frozen=True)
class Found:
    """Everything that a request holds. What is `wrong` with one alert keeps no other out: its sender may give up on all."""

    reports: tuple[Report, ...] = ()
    ended: tuple[Ended, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    wrong: tuple[Mistake, ...] = ()


Adapter = Callable[[Any, Mapping[str, str]], Found]
"""Makes incidents of a request's JSON value and headers (lower-case names). Pure; raises `BadAlert`."""


def report(
    at: str,
    values: Mapping[str, Any],
    fields: Mapping[str, str],
    *,
    computer: str | None = None,
    code: str | None = None,
) -> Report:
    """The incident of these values, by `Incident`'s fields; `fields` names each as the sender does.

    An empty text is the same as nothing (so Prometheus means it). Where no field names the virtual machine or the node,
    the message is read for it. `computer` is who logged the event, `code` an error code that the message may lack.
    Raises `BadAlert` naming every field that cannot be.
    """
    given = {name: value for name, value in values.items() if value is not None and value != ""}
    mistakes = [Mistake(fields.get(name, at), wrong) for name, value in given.items() if (wrong := _unfit(name, value))]
    if mistakes:
        raise BadAlert(mistakes)
    if code:
        given["message"] = _with_code(str(given.get("message", "")), code)
    if "message" in given:
        given["message"] = _readable(str(given["message"]))
    said = None if given.keys() >= _NEEDED else told(given, computer)
    if "vm" not in given and "what" not in given:
        given = {**subject(said), **given}
    try:
        incident = Incident.model_validate(given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise BadAlert([_mistake(at, fields, detail["loc"], detail["msg"]) for detail in details]) from None
    if incident.occurred_at is not None and not _EARLIEST <= incident.occurred_at <= _LATEST:
        raise BadAlert(
            [
                Mistake(
                    fields["occurred_at"],
                    f"{incident.occurred_at.isoformat()} is no time at which a migration could have failed",
                )
            ]
        )
    return Report(at, incident, fields, said)


def _mistake(at: str, fields: Mapping[str, str], where: tuple[str | int, ...], message: str) -> Mistake:
    wrong = message.removeprefix("Value error, ")
    if where:
        return Mistake(fields.get(str(where[0]), at), wrong)
    name, _, meaning = wrong.partition(": ")  # Incident's own check, which begins with the field that is missing
    return Mistake(fields.get(name, at), f"{meaning}; this is missing or empty, and its text names none")


def _with_code(message: str, code: str) -> str:
    """The message with an error code that it does not hold yet; what is no code is left out."""
    fit = len(code) <= _LONGEST_CODE and code.isascii() and code.isprintable() and any(char.isdigit() for char in code)
    if not fit or code.casefold() in message.casefold():
        return message
    return f"{message} ({code})".strip()


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
"""Unicode's Cc, Cs, Zl and Zp."""

_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Cc and Cs, without line ends and tabs."""


def _unfit(name: str, value: Any) -> str | None:
    """Why a text cannot be used, before the model looks at it."""
    if name == "message" or not isinstance(value, str):
        return None
    bad = _CONTROL.search(value)
    return None if bad is None else f"it holds the control character U+{ord(bad[0]):04X}; send plain text"


def _readable(text: str) -> str:
    """A message with its lines kept, other control characters shown as escapes, and cut where it is endless."""
    shown = _UNREADABLE.sub(lambda bad: f"\\u{ord(bad[0]):04x}", text)
    if len(shown) <= _LONGEST_MESSAGE:
        return shown
    cut = f" … (cut, {len(shown)} characters came)"
    return shown[: _LONGEST_MESSAGE - len(cut)] + cut


def one_line(text: str, longest: int) -> str:
    """A text for one line: control characters shown as escapes, and cut to so many characters."""
    shown = _CONTROL.sub(lambda bad: f"\\u{ord(bad[0]):04x}", text)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def shorten(text: str) -> str:
    """A text that an answer may hold: a sender's own huge value is not sent back to it."""
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def known_to(site: Site) -> Callable[[Report], Incident]:
    """A check that the inventory has every host and cluster that a report's fields name; raises `WrongField`.

    It gives the incident, with hosts from its text that the inventory has, where the fields left them out.
    """

    def check(made: Report) -> Incident:
        incident = made.incident
        for field in ("source", "destination"):
            name = getattr(incident, field)
            if name is not None and site.find(name) is None:
                raise WrongField(field, f"{name} is not one of the Hyper-V hosts in site.yaml; mend the alert or add the host")
        if incident.cluster is not None:
            try:
                site.cluster(incident.cluster)
            except LookupError:
                wrong = f"{incident.cluster} is not one of the clusters in site.yaml; mend the alert or add the cluster"
                raise WrongField("cluster", wrong) from None
        return located(incident, made.told, site)

    return check
