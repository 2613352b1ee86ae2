"""Secrets are kept elsewhere and read when they are needed; what is read is never shown in a log."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from remediations.logs import register_secret
from remediations.model.site import SecretRef

_LARGEST = 65_536


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


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SecretUnavailable(f"environment variable {name} is not set or empty: set it for this process")
    return value


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            _refuse_readable_by_others(path, os.fstat(file.fileno()))
            line = file.readline(_LARGEST)
    except OSError as error:
        raise SecretUnavailable(f"secret file {path}: {error.strerror or error}") from None
    try:
        value: str | None = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        value = None
    if value is None:  # raised here, and not where the first error, which carries the bytes, would be its context
        raise SecretUnavailable(f"secret file {path}: its first line is not UTF-8; save it as UTF-8")
    if not value:
        raise SecretUnavailable(f"secret file {path}: its first line is empty; write the secret there")
    return value


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
