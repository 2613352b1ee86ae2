"""A request's JSON checked against a model of its format, with mistakes named by the sender's own paths."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from remediations.alerts.report import BadAlert, Mistake, one_line

M = TypeVar("M", bound=BaseModel)

LONGEST_SHOWN = 150

Shown = Annotated[str, BeforeValidator(lambda given: one_line(given, LONGEST_SHOWN) if isinstance(given, str) else "")]
"""A sender's own name for something, which is only shown: cleaned and cut, not refused, as a refused alert is lost."""


def shaped(model: type[M], value: Any, at: str = "") -> M:
    """`value` as `model`. Raises `BadAlert` that names each field, as `alerts[2].labels`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise BadAlert(
            [Mistake(path(at, *detail["loc"]) or "body", _said(model, detail["type"], detail["msg"])) for detail in details]
        ) from None


def path(at: str, *parts: str | int) -> str:
    """A place in a request: `alerts[2].labels.vm`."""
    for part in parts:
        at = f"{at}[{part}]" if isinstance(part, int) else f"{at}.{part}" if at else part
    return at


def _said(model: type[BaseModel], kind: str, message: str) -> str:
    if kind == "missing":
        return "this field is missing"
    if kind == "extra_forbidden":
        return f"this field is not known; known are {', '.join(sorted(model.model_fields))}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return "a JSON object is needed here"
    return message.removeprefix("Value error, ")
