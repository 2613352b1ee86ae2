"""Our PowerShell module on a host: which version and hash, compared with the file that this package ships."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from remediations.facts.query import Query, asked_often
from remediations.facts.read import lacks_command, one
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable, Unknown
from remediations.model.plan import Blocked, Obstacle
from remediations.model.reply import Reply

NAME = "HyperVRemediation"


class Shipped(Frozen):
    """The module as this package ships it."""

    version: str
    hash: str
    """SHA-256 of HyperVRemediation.psm1, upper-case hexadecimal, as Get-FileHash writes it."""


class Module(Fact):
    """The module as a host has it; `subject` is the host."""

    version: str
    hash: str
    expected: Shipped

    @property
    def current(self) -> bool:
        """Whether it is byte for byte the one that this program was tested with."""
        return self.version == self.expected.version and self.hash.upper() == self.expected.hash


@cache
def shipped() -> Shipped:
    """Version and hash of the module file in this package (or, in a source checkout, of `configs/`)."""
    inside = files("remediations") / "_configs" / NAME
    folder = inside if inside.is_dir() else Path(__file__).parents[2] / "configs" / NAME
    version = re.search(r"ModuleVersion\s*=\s*'([^']+)'", (folder / f"{NAME}.psd1").read_text("utf-8"))
    if version is None:
        raise ValueError(f"{NAME}.psd1 states no ModuleVersion")
    return Shipped(version=version[1], hash=hashlib.sha256((folder / f"{NAME}.psm1").read_bytes()).hexdigest().upper())


@asked_often
def module(host: str) -> Query[Module]:
    """Reads which module a host has; `NotApplicable` if it has none, or its endpoint does not offer it."""
    return Query(host, (command("Get-RemediationModule"),), partial(_module, host, shipped()))


def how_to_install(host: str) -> str:
    """The one line that gives a host our module, for a person."""
    return f"Run: remediate host export DIR, then on {host} as administrator: powershell -File DIR\\Install.ps1"


def lacking(host: str, found: Module | Unknown | NotApplicable, needed_for: str) -> Blocked | None:
    """What stands in the way of calling a function of the module on `host`; nothing if it is there and current."""
    if isinstance(found, Unknown):
        return Blocked(obstacle=Obstacle.UNKNOWN, why=f"module on {host} could not be read: {found.reason}")
    if isinstance(found, Module) and found.current:
        return None
    state = f"version {found.version} of another build" if isinstance(found, Module) else "none"
    why = f"{needed_for} needs the module {NAME} {shipped().version} on {host}, which has {state}. {how_to_install(host)}"
    return Blocked(obstacle=Obstacle.ENDPOINT_LACKS, why=why)


def unseen(missing: Blocked) -> Blocked:
    """`lacking`, where it keeps the very fault from being seen: whether it is there is not known."""
    return missing.model_copy(update={"obstacle": Obstacle.UNKNOWN})


def _module(host: str, expected: Shipped, replies: Sequence[Reply]) -> Module | NotApplicable:
    if lacks_command(replies[0]):
        return NotApplicable(reason=f"{host} has no module {NAME}")
    record = one(replies[0])
    return Module(subject=host, version=str(record["Version"]), hash=str(record["Hash"]), expected=expected)
