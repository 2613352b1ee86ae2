"""What a model refuses in a file, said with the file's line and with what would be right."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any
from zoneinfo import available_timezones

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from remediations.model.site import SecretRef
from remediations.settings.document import Entry, join
from remediations.settings.problem import Problem


def refused(file: str, top: Entry, model: type[BaseModel], details: Iterable[ErrorDetails]) -> Iterator[Problem]:
    """One problem for each thing that `model` refused in `top`, a file's mapping."""
    for detail in details:
        yield from _refused(file, top, model, detail)


def _refused(file: str, top: Entry, model: type[BaseModel], detail: ErrorDetails) -> Iterator[Problem]:
    path = [part for part in detail["loc"] if part != "[key]"]
    entry, rest = top.nearest(path)
    kind = detail["type"]
    if kind == "mistakes":
        for key, text in detail["ctx"]["mistakes"].items():
            wrong, _, right = text.partition("; ")
            yield (entry.child(key) or entry).problem(file, wrong, right)
        return
    if kind == "too_short" and entry.items:
        return  # its items are refused one by one
    field = _field(model, path)
    below = ""
    for part in rest:
        below = join(below, part)
    if kind == "extra_forbidden":
        yield entry.problem(file, f"{shown(path[-1])} is not known here", one_of(str(path[-1]), _known(model, path[:-1])))
    elif field is not None and _inner(field.annotation) is SecretRef and not rest:
        yield entry.problem(file, *_secret(entry))
    else:
        yield entry.problem(file, *_words(detail, "a value" if secret(path) else shown(entry.plain), entry, field), below=below)


def secret(path: Sequence[str | int]) -> bool:
    """Whether what stands at a path may be a secret: then no message shows it."""
    return any(isinstance(part, str) and _SECRET.search(part) for part in path)


_SECRET = re.compile(r"pass(?:wor[dt]|phrase|wd)|secret|token|credential|(?<!certificate_)key$", re.IGNORECASE)


def _secret(entry: Entry) -> tuple[str, str]:
    how = "name where it is kept: {env: VARIABLE}, {file: PATH} or {block: NAME OF A PREFECT SECRET BLOCK}"
    if isinstance(entry.value, Mapping):
        return "a secret is named by exactly one of env, file or block", how
    return "a secret stands here in clear", f"change it, since it was in a file, and {how}"


def _words(detail: ErrorDetails, given: str, entry: Entry, field: FieldInfo | None) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    meaning = field.description if field is not None and field.description else ""
    match kind:
        case "missing":
            return "this is missing", f"add it ({meaning})" if meaning else "add it"
        case "enum" | "literal_error":
            allowed = _choices(field) or re.findall(r"'([^']+)'|(\d+)", context["expected"])
            return f"{given} is none of the choices", one_of(str(entry.plain), [_text(each) for each in allowed])
        case "zoneinfo_str":
            return f"{given} is no time zone", one_of(
                str(entry.plain), sorted(available_timezones()), "an IANA name, as Europe/Berlin"
            )
        case "bool_parsing" | "bool_type":
            return f"{given} is neither true nor false", "write true or false"
        case "int_parsing" | "int_type" | "int_from_float" | "float_parsing" | "float_type" | "finite_number":
            return f"{given} is no {'whole ' if kind.startswith('int') else ''}number", f"write a number{_hint(meaning)}"
        case "string_type":
            return f"{given} is not text", f"write text; a number or true in quotes{_hint(meaning)}"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            sign, bound = next(iter(context.items()))
            return f"{given} is out of bounds", f"write {_BOUNDS[sign]} {bound:g}{_hint(meaning)}"
        case "too_short" | "string_too_short":
            return "this is empty", f"write at least one{_hint(meaning)}"
        case "tuple_type" | "list_type":
            return f"{given} is no list", f"write [one, two], or one `- item` a line{_hint(meaning)}"
        case "model_type" | "dict_type" | "mapping_type" | "model_attributes_type":
            return f"{given} is no mapping", f"write `key: value` entries{_hint(meaning)}"
        case "string_pattern_mismatch":
            return f"{given} is not written as needed", meaning or f"it must match {context['pattern']}"
        case "value_error":
            return _split(str(context["error"]))
        case _:
            return detail["msg"], meaning or "see the packaged example"


_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


def _split(said: str) -> tuple[str, str]:
    """A model's own sentence in two: what is wrong, and what would be right."""
    for mark in sorted((": ", "; "), key=said.find):
        wrong, found, right = said.partition(mark)
        if found and " " in wrong:
            return wrong, right
    return said, "add what it needs, here or under defaults: endpoint:"


def one_of(given: str, known: Iterable[str], many: str = "") -> str:
    """What to write instead of `given`: the nearest of the known words, or all of them (`many` if they are too many)."""
    choices = list(known)
    close = difflib.get_close_matches(given.casefold(), [each.casefold() for each in choices], n=1, cutoff=0.6)
    if close:
        return f"did you mean {next(each for each in choices if each.casefold() == close[0])}?"
    if not choices:
        return "take it out"
    more = ", …" if len(choices) > _MOST_SHOWN else ""
    return f"write {many or 'one of ' + ', '.join(choices[:_MOST_SHOWN]) + more}"


_MOST_SHOWN = 20


def shown(value: Any) -> str:
    """A value as a message shows it: cut where it is long, and a list or mapping not at all."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "nothing"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return repr(text[:60] + "…") if len(text) > 60 else repr(text) if isinstance(value, str) else text


def _hint(meaning: str) -> str:
    return f" ({meaning})" if meaning else ""


def _text(choice: Any) -> str:
    if isinstance(choice, tuple):
        return "".join(choice)
    return str(choice.value) if isinstance(choice, Enum) else str(choice)


def _field(model: type[BaseModel], path: list[Any]) -> FieldInfo | None:
    """The model's field that a path ends in, or the nearest one above an item of a list or mapping."""
    owner, field = _walk(model, path[:-1]), None
    if owner is not None and path:
        field = next((each for name, each in owner.model_fields.items() if (each.alias or name) == path[-1]), None)
    return field


def _known(model: type[BaseModel], path: list[Any]) -> list[str]:
    owner = _walk(model, path)
    return [] if owner is None else [each.alias or name for name, each in owner.model_fields.items()]


def _walk(model: type[BaseModel], path: list[Any]) -> type[BaseModel] | None:
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = next((each for name, each in here.model_fields.items() if (each.alias or name) == part), None)
            here = None if field is None else _inner(field.annotation)
        else:  # an item of a list or a value of a mapping
            arguments = [each for each in typing.get_args(here) if each is not Ellipsis]
            here = _inner(arguments[-1]) if arguments else None
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _inner(annotation: Any) -> Any:
    """An annotation without Optional and Annotated."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _inner(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _inner(next(each for each in typing.get_args(annotation) if each is not type(None)))
    return annotation


def _choices(field: FieldInfo | None) -> list[Any]:
    inner = None if field is None else _inner(field.annotation)
    if typing.get_origin(inner) is typing.Literal:
        return list(typing.get_args(inner))
    return list(inner) if isinstance(inner, type) and issubclass(inner, Enum) else []
