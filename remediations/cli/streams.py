"""What comes from and goes to the terminal, as this program needs it: what cannot be shown must not end a run at work.

A run writes its progress to standard error while hosts are being changed. Where that is a pipe that nobody reads any more
(`2>&1 | head`, a pager that was left) or a disk that is full, an error in the middle would leave half of a change. What a
command was asked for it writes to standard output, once everything is done.
"""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from pathlib import Path
from typing import Any

_PLAINER = {"✓": "+", "✗": "x", "→": "->", "–": "-", "·": "-", "…": "...", "▸": ">"}
"""Marks of ours in letters that every encoding has; a sign that says what is wrong must not look like another."""


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAINER.get(char, "?") for char in error.object[error.start : error.end]), error.end


class _Patient(io.FileIO):
    """Waits where there is no room for the moment: who shares a terminal with us (as ssh) may have set it not to wait."""

    def write(self, data: Any, /) -> int:
        """How many bytes were written. Raises `OSError`."""
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


class _Lossy(_Patient):
    """Loses what cannot be written."""

    def write(self, data: Any, /) -> int:
        """All of it is taken for written."""
        try:
            return super().write(data)
        except OSError:
            return len(memoryview(data).cast("B"))


class _Once(_Patient):
    """Ends the command at the first that cannot be written, and loses the rest, which would be tried once more at the end."""

    _lost = False

    def write(self, data: Any, /) -> int:
        """Raises `SystemExit` of 1; without a word where whoever read it has enough."""
        try:
            return super().write(data)
        except OSError as error:
            if not self._lost:
                self._lost = True
                if not isinstance(error, BrokenPipeError):
                    sys.stderr.write(f"standard output cannot be written: {error.strerror}\n")
                raise SystemExit(1) from None
            return len(memoryview(data).cast("B"))


def readable(argument: str) -> str:
    """An argument as text: what came in another encoding than this process's is read as UTF-8, else as Western Windows has it.

    Else a reason with an umlaut, from a terminal that is set otherwise, could not be written down, and its pause would fail.
    What names a file that is there stays as it is.
    """
    if argument.isprintable() or os.path.lexists(argument):
        return argument
    given = os.fsencode(argument)
    try:
        return given.decode()
    except UnicodeDecodeError:
        return given.decode("cp1252", errors="replace")


def prepare() -> None:
    """For a process of this program: its arguments are text, its streams take any letter and end nothing that is at work.

    What standard output has no letters for is shown in plainer ones.
    """
    sys.argv[1:] = map(readable, sys.argv[1:])
    codecs.register_error("plainer", _plainer)
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115 (as long as the process lives)
    sys.stdout, sys.stderr = _better(sys.stdout, 1, _Once), _better(sys.stderr, 2, _Lossy)


def _better(stream: Any, number: int, kind: type[io.FileIO]) -> Any:
    if stream is None:  # closed (`>&-`), as standard input may be: what is opened next, as the ledger, must not become it
        return Path(os.devnull).open("w", encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="plainer")
    if os.name == "nt" or stream.fileno() != number:  # Windows' console is no file
        return stream
    stream.flush()
    raw = io.BufferedWriter(kind(number, "wb", closefd=False))
    return io.TextIOWrapper(raw, stream.encoding, "plainer", line_buffering=stream.line_buffering)
