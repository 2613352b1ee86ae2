"""Commands from typed forms: an option for each field, with its type, choices, default and description."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperCommand, TyperGroup

from remediations.cli.console import plain_errors

FormT = TypeVar("FormT", bound=BaseModel)

Options = Mapping[str, tuple[Any, Any]]
"""Further options of a command: name → annotation (as typer takes it) and default."""


def command(
    name: str, form: type[FormT], about: str, run: Callable[[FormT, dict[str, Any]], None], further: Options
) -> TyperCommand:
    """A command that fills in `form` from its options and calls `run(form, further options)`.

    The form itself checks what is given, so that its errors read the same everywhere; `run` gets it validated.
    """

    def call(**given: Any) -> None:
        own = {field: given[field] for field in form.model_fields if given[field] not in (None, [])}
        with plain_errors():
            request = form.model_validate(own)
        run(request, {key: given[key] for key in further})

    parameters = [_parameter(field, info) for field, info in form.model_fields.items()]
    parameters += [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for key, (annotation, default) in further.items()
    ]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what typer reads
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return single(name, call, about)


def single(name: str, function: Callable[..., None], about: str | None = None) -> TyperCommand:
    """A command of a lazily made group from an ordinary function, whose docstring is its help unless `about` is."""
    app = typer.Typer(add_completion=False)
    app.command(name, help=about)(function)
    made = typer.main.get_command(app)
    if not isinstance(made, TyperCommand):
        raise TypeError(f"typer made a {type(made).__name__} of one command")
    return made


class _Suggesting(TyperGroup):
    """A group that says which of its commands may be meant by a name that is none. Typer looks at those only that were made."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0].isprintable() and not args[0].startswith("-"):
            names = self.list_commands(ctx)
            if args[0] not in names:
                ctx.fail(f"No such command '{args[0]}'.{self.meant(args[0], names)}")
        return super().resolve_command(ctx, args)

    def meant(self, name: str, names: Sequence[str]) -> str:
        """What may be meant by a name that is none of these; empty where nothing is near."""
        near = " or ".join(f"'{each}'" for each in get_close_matches(name, names))
        return f" Did you mean {near}?" if near else ""


def group(names: Callable[[], Mapping[str, Callable[[], TyperCommand]]]) -> type[TyperGroup]:
    """A group whose commands are made when they are asked for: what they need is imported for them only."""

    class Lazy(_Suggesting):
        def list_commands(self, ctx: Any) -> list[str]:
            del ctx
            return list(names())

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            del ctx
            make = names().get(cmd_name)
            return make() if make is not None else None

    return Lazy


def also(
    others: Mapping[str, Callable[[], typer.Typer | TyperCommand]],
    panels: Mapping[str, Sequence[str]],
    elsewhere: Callable[[str], str],
) -> type[TyperGroup]:
    """A group that has `others` beside its own commands; each is imported when it is called, or all of them for help.

    Help shows the commands by panels, in their order: title → names. One that is in none stands last. `elsewhere` says where a
    name that is no command of this group is one; nothing if it is none there either.
    """
    place = {name: title for title, names in panels.items() for name in names}

    class Also(_Suggesting):
        def list_commands(self, ctx: Any) -> list[str]:
            names = [*super().list_commands(ctx), *others]
            order = list(place)
            return sorted(names, key=lambda name: order.index(name) if name in place else len(order))

        def meant(self, name: str, names: Sequence[str]) -> str:
            return elsewhere(name) or super().meant(name, names)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            made = self._made(ctx, cmd_name)
            if made is not None and cmd_name in place:
                made.rich_help_panel = place[cmd_name]
            return made

        def _made(self, ctx: Any, name: str) -> Any:
            make = others.get(name)
            if make is None:
                return super().get_command(ctx, name)
            other = make()
            made = other if isinstance(other, TyperCommand) else typer.main.get_command(other)
            made.name = name
            return made

    return Also


def alone(function: Callable[..., None]) -> typer.Typer:
    """An application of one command."""
    app = typer.Typer(add_completion=False)
    app.command()(function)
    return app


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind = _inner(field.annotation)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    about = field.description or ""
    if default not in (None, "", (), False) and not isinstance(default, BaseModel):
        about += f" (default: {default.value if isinstance(default, Enum) else default})"
    option = typer.Option(help=about, show_default=False)
    if typing.get_origin(kind) in (tuple, list, frozenset):
        annotation: Any = list[str]
    elif kind in (int, float, bool) or typing.get_origin(kind) is Literal or _is_enum(kind):
        annotation = kind
    else:
        annotation = str
    if field.is_required():
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[annotation, option])
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[annotation | None, option], default=None
    )


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _inner(annotation: Any) -> Any:
    """The type inside `X | None` and `Annotated`."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            annotation = next(each for each in typing.get_args(annotation) if each is not type(None))
        else:
            return annotation
