"""What every command shares: exit codes, output for people and for scripts, and words for errors."""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from remediations.model.outcome import Ending, Outcome, Reason

T = TypeVar("T")


def harmless(text: str) -> str:
    """Text without what would steer a terminal, or make it read otherwise than it is: each such character shows as one mark.

    What hosts and alerts say is shown to whoever approves: a name must not be able to hide or to repaint a command.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\n\t" else _instead(each) for each in text)


def _instead(char: str) -> str:
    return " " if unicodedata.category(char) == "Zs" else "\N{REPLACEMENT CHARACTER}"


class _Harmless(RenderHook):
    """Everything that is printed passes through `harmless`; what the library itself sends to the terminal does not."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Each of these, harmless."""
        return [_Shown(each) for each in renderables]


class _Shown:
    def __init__(self, it: ConsoleRenderable) -> None:
        self._it = it

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for each in console.render(self._it, options):
            yield each if each.control else Segment(harmless(each.text), each.style)


NARROWEST = 20
"""Columns below which a width that the environment says is no terminal's."""


def _forget_a_width_of_nothing() -> None:
    """COLUMNS=0, as consoles without a size say, would show nothing at all: silence that looks as if all were well."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said) < NARROWEST:
        del os.environ["COLUMNS"]


def _console(*, stderr: bool) -> Console:
    made = Console(stderr=stderr, highlight=False, emoji=False)
    made.push_render_hook(_Harmless())
    return made


_forget_a_width_of_nothing()
out = _console(stderr=False)
"""What was asked for."""

err = _console(stderr=True)
"""Progress and errors."""


class Exit(IntEnum):
    """Exit codes; `remediate --help` documents them."""

    DONE = 0  # done, or nothing to do
    FAILED = 1
    BAD_INPUT = 2  # bad input or configuration
    NOT_DONE = 3  # refused, only proposed, not everything could be read, or a person is needed
    NOT_APPROVED = 4  # rejected, expired or not valid


EXIT_CODES = (
    "Exit codes: 0: done or nothing to do; 1: failed; 2: bad input or configuration; 3: refused, only proposed, not everything "
    "could be read, or a person is needed; 4: not approved (rejected, expired); 130: Ctrl-C, with nothing begun."
)


def exit_code(outcome: Outcome) -> Exit:
    """How a run's outcome ends a command."""
    if outcome.reason in (Reason.NOT_APPROVED, Reason.APPROVAL_EXPIRED, Reason.APPROVAL_INVALID):
        return Exit.NOT_APPROVED
    match outcome.ending:
        case Ending.MENDED | Ending.NOTHING_TO_DO:
            return Exit.DONE
        case Ending.FAILED | Ending.UNDONE:
            return Exit.FAILED
        case _:
            return Exit.NOT_DONE


def account(given: str | None = None) -> str:
    """Who is at this terminal: as they say (`--as`), else who called sudo, else the account that this runs as.

    Of an account without a name its number. A blank name is none.
    """
    if given is not None and given.strip():
        return given
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, ImportError, OSError):  # as in a container that was given a bare number; which, hangs on Python's version
        return f"account {os.getuid()}" if hasattr(os, "getuid") else "an account without a name"


def somebody(given: str) -> str:
    """The name in `--as`, where it has to be given. Ends the command if it is blank."""
    return given if given.strip() else fail("--as: this is somebody's doing: give a name")


def fail(message: str, code: Exit = Exit.BAD_INPUT) -> NoReturn:
    """Say what is wrong, on standard error, and end with `code`."""
    err.print(message, markup=False, style="red", soft_wrap=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json_text(value, indent=2) + "\n")


def json_text(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON, whole in whichever encoding standard output has."""
    unicode = (sys.stdout.encoding or "").casefold().startswith("utf")
    return json.dumps(value, indent=indent, ensure_ascii=not unicode, default=str)


SILENT_SECONDS = 5.0
"""After which a log, where nothing can be shown while it lasts, says what is being waited for."""


def progress(name: str, work: Callable[[], T]) -> T:
    """An `Observe` for the terminal: shows what is being done while it lasts, and that it is done."""
    with err.status(_plain(name)) if err.is_terminal else _told_late(name):
        result = work()
    err.print(f"  [green]✓[/green] {_plain(name)}", soft_wrap=True)
    return result


def _plain(text: str) -> str:
    return harmless(text).replace("[", "\\[")


@contextmanager
def _told_late(name: str) -> Iterator[None]:
    timer = threading.Timer(SILENT_SECONDS, lambda: err.print(f"  … {name}", markup=False, soft_wrap=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a person can mend into one clear message and an exit code; anything else is a defect and shows itself."""
    from pydantic import ValidationError

    from remediations.model.outcome import Refused
    from remediations.settings import ConfigError, SecretUnavailable

    try:
        yield
    except ConfigError as error:
        fail("\n".join(str(problem) for problem in error.problems))
    except ValidationError as error:
        fail("\n".join(_field_error(each) for each in error.errors()))
    except SecretUnavailable as error:
        fail(str(error))
    except Refused as error:
        fail(str(error), exit_code(Outcome(ending=Ending.REFUSED, reason=error.reason, summary=error.detail)))
    except LookupError as error:
        if isinstance(error, (KeyError, IndexError)):
            raise
        fail(str(error))


def _field_error(error: Any) -> str:
    said = str(error["msg"]).removeprefix("Value error, ")
    where = "-".join(str(part) for part in error["loc"])
    named, _, rest = said.partition(": ")
    if not where and re.fullmatch(r"[a-z_]+(, [a-z_]+)*", named):
        # What fits together is checked as a whole, and names the fields that it is about.
        where, said = named, rest
    options = ", ".join(f"--{each.replace('_', '-')}" for each in where.split(", ")) if where else "input"
    right = next((right for kind, right in _RIGHT.items() if str(error["type"]).startswith(kind)), "")
    return f"{options}: {said}{f'; {right}' if right else ''}"


_RIGHT = dict.fromkeys(("datetime", "timezone"), "write it as 2026-03-01T14:05:00+01:00")
"""What would be right, where a mistake's own words do not say it, by the beginning of pydantic's name for it."""
