"""Secrets are kept elsewhere and read when they are needed; what is read is never shown in a log."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from remediations.logs import register_secret
from remediations.model.site import SecretRef

_LARGEST = 65_536
_SHORTEST = 8  # characters of what lets somebody in: less is a stray mark, or can be tried out


class SecretUnavailable(LookupError):
    """A secret could not be read. Names where it should be, never what it is."""


def resolve(reference: SecretRef) -> str:
    """The secret that `reference` names, and from now on hidden in every log.

    Raises `SecretUnavailable` that says what is wrong with the variable, file or Prefect block, and what to do.
    """
    if reference.env is not None:
        value = _from_environment(reference.env)
    elif reference.file is not None:
        value = _from_file(reference.file)
    else:
        value = _from_block(str(reference.block))
    register_secret(value)
    return value


def resolve_changing(reference: SecretRef) -> tuple[str, ...]:
    """What counts of a variable's or file's secret that is being changed: one value, or two, one a line; empty lines are none.

    For what senders know: while some have the new one and some the old one, both count. Hidden in every log from now on.
    Raises `SecretUnavailable` as `resolve`, and where there are more than two or one is shorter than eight characters.
    """
    if reference.file is not None:
        where, text = f"secret file {reference.file}", _text_of(reference.file, whole=True)
    else:
        where, text = f"environment variable {reference.env}", _from_environment(str(reference.env))
    lines = {number: line.rstrip("\r") for number, line in enumerate(text.split("\n"), 1) if line.strip()}
    for line in lines.values():
        register_secret(line)
    if not lines:
        raise SecretUnavailable(f"{where} is empty; write the secret there")
    if len(lines) > 2:
        raise SecretUnavailable(f"{where} has {len(lines)} lines; keep two at most, the new secret and the old one")
    short = next((number for number, line in lines.items() if len(line.strip()) < _SHORTEST), None)
    if short is not None:
        raise SecretUnavailable(f"{where}: its line {short} has fewer than {_SHORTEST} characters; take a longer secret")
    return tuple(lines.values())


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SecretUnavailable(f"environment variable {name} is not set or empty: set it for this process")
    return value


def _from_file(path: Path) -> str:
    value = _text_of(path, whole=False).rstrip("\r\n")
    if not value:
        raise SecretUnavailable(f"secret file {path}: its first line is empty; write the secret there")
    return value


def _text_of(path: Path, *, whole: bool) -> str:
    """A file's first line, or all that is in it."""
    try:
        with path.open("rb") as file:
            _refuse_readable_by_others(path, os.fstat(file.fileno()))
            content = file.read(_LARGEST) if whole else file.readline(_LARGEST)
    except OSError as error:
        raise SecretUnavailable(f"secret file {path}: {error.strerror or error}") from None
    try:
        text: str | None = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is None:  # raised here, and not where the first error, which carries the bytes, would be its context
        which = "it" if whole else "its first line"
        raise SecretUnavailable(f"secret file {path}: {which} is not UTF-8; save it as UTF-8")
    return text


def _refuse_readable_by_others(path: Path, status: os.stat_result) -> None:
    """Windows has no such bits (Python makes them up); there the directory's access list has to protect the file."""
    if os.name != "nt" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SecretUnavailable(f"secret file {path} can be read by others: run chmod 600 '{path}'")


def _from_block(name: str) -> str:
    from prefect.blocks.system import Secret  # noqa: PLC0415 (a second of import, for those who keep secrets in Prefect)

    load: Any = Secret.load  # its stub does not know _sync, which makes it answer also inside an event loop
    try:
        value = load(name, _sync=True).get()
    except Exception as error:  # whatever Prefect's client raises, the secret cannot be had
        right = "create it in Prefect's UI under Blocks, or look at PREFECT_API_URL"
        raise SecretUnavailable(f"Prefect Secret block {name} ({type(error).__name__}): {right}") from None
    if not isinstance(value, str) or not value:
        raise SecretUnavailable(f"Prefect Secret block {name} holds no text: store the secret as text")
    return value
