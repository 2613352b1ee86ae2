"""Hyper-V's writer of the Volume Shadow Copy Service: whether a backup's snapshot is under way, done, or has failed.

`vssadmin list writers` prints a block for each writer: name, id, id of the instance, state, last error. Names and words are in
the host's language; the writer's id and the state's number are not. A backup that does not use the writer (since Windows
Server 2016 most do not) leaves it stable, so stable says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal

from remediations.facts.query import Query, Unreadable
from remediations.facts.read import lacks_command, one, texts
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.reply import Reply

HYPER_V = "66841cd4-6ded-4f4b-8f17-fd23f8ddc3de"
"""Id of the Microsoft Hyper-V VSS Writer (Microsoft, Hyper-V backup approaches)."""

_STABLE, _WORKING, _FAILED = 1, range(2, 6), range(6, 16)
"""VSS_WRITER_STATE (vswriter.h): 1 stable, 2 to 5 waiting for the next phase of a backup, 6 to 15 failed in one of them."""
_STATE = re.compile(r"\[(\d{1,2})\]")

Phase = Literal["stable", "working", "failed"]


class Writer(Fact):
    """Hyper-V's writer on a host (`subject`)."""

    phase: Phase
    state: int
    """Number of its VSS_WRITER_STATE."""


def writer(host: str) -> Query[Writer]:
    """Reads the state of Hyper-V's writer; `NotApplicable` where there is none, or no module that asks."""
    return Query(host, (command("Get-RemediationVssWriter"),), partial(_writer, host))


def writer_on(hosts: Iterable[str]) -> dict[str, Query[Writer]]:
    """Asks several hosts."""
    return {host: writer(host) for host in hosts}


def _writer(host: str, replies: Sequence[Reply]) -> Writer | NotApplicable:
    if lacks_command(replies[0]):
        return NotApplicable(reason=f"{host} has no module HyperVRemediation that asks for VSS writers")
    block: list[str] = []
    for line in (*texts(one(replies[0])["Lines"]), ""):
        if line.strip():
            block.append(line)
        elif any(HYPER_V in each.casefold() for each in block):
            return _told(host, block)
        else:
            block = []
    return NotApplicable(reason=f"{host} shows no Hyper-V VSS writer")


def _told(host: str, block: list[str]) -> Writer:
    found = [int(number[1]) for line in block if (number := _STATE.search(line))]
    if len(found) != 1:
        raise Unreadable(f"vssadmin on {host} shows {len(found)} states of Hyper-V's writer, not one")
    state = found[0]
    if state != _STABLE and state not in (*_WORKING, *_FAILED):
        raise Unreadable(f"vssadmin on {host} shows state {state} of Hyper-V's writer, which is none that is known")
    phase: Phase = "stable" if state == _STABLE else "working" if state in _WORKING else "failed"
    return Writer(subject=host, phase=phase, state=state)
