"""Who keeps a ledger's SQLite file locked, and what to do about it.

Linux tells who has locked a file (proc(5), `/proc/locks`) without it being opened: a process that closes a file that it also
has open elsewhere loses all its locks on it (fcntl(2)), so no other way may be taken in here.
"""

from __future__ import annotations

import os
from pathlib import Path

_WRITER = 120
"""Byte of the -shm file that a writer has locked ("WAL-Index Lock Bytes", sqlite.org/walformat.html)."""

_ENDED = "what it was writing is then undone, and recovery goes on with its runs"


def words(path: Path) -> str:
    """What keeps others from writing to this file now, as far as it can be told, and what would be right."""
    try:
        process = _holder(path.with_name(f"{path.name}-shm"))
    except (OSError, ValueError, IndexError):  # no Linux, or a file that is gone
        process = None
    if process is None or process <= 0:  # one of another container has no number here
        return (
            f"another process is in the middle of writing to it: find it (`fuser {path}`), let it go on, or end it: {_ENDED}; "
            "where none is found, try again"
        )
    if process == os.getpid():
        return "another thread of this process is in the middle of writing to it: try again"
    name, stopped = _about(process)
    if stopped:
        right = f"let it go on (`kill -CONT {process}`), or end it (`kill -KILL {process}`): {_ENDED}"
        return f"process {process} ({name}) was stopped in the middle of writing to it: {right}"
    return (
        f"process {process} ({name}) is in the middle of writing to it: wait, look whether its disk answers, or end it "
        f"(`kill -KILL {process}`): {_ENDED}"
    )


def _holder(file: Path) -> int | None:
    """The process that has locked a file for writing; None if none has. Raises `OSError` where that cannot be known."""
    found = file.stat()
    mine = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in Path("/proc/locks").read_text("ascii").splitlines():
        _, kind, _, how, process, where, first, last = line.split()
        if (kind, how, where) == ("POSIX", "WRITE", mine) and int(first) <= _WRITER <= int(last.replace("EOF", str(_WRITER))):
            return int(process)
    return None


def _about(process: int) -> tuple[str, bool]:
    """A process's short name (its command line may hold a code), and whether it was stopped."""
    try:
        told = Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return "which has ended since", False
    name = told.partition("(")[2].rpartition(")")[0]
    return name, told.rpartition(")")[2].split()[0] in "Tt"
