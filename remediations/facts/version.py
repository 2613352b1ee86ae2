"""Configuration versions of virtual machines that a host runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from remediations.facts.query import Query, Unreadable, asked_often
from remediations.facts.read import many
from remediations.model.command import command
from remediations.model.fact import Fact
from remediations.model.reply import Reply


class SupportedVersions(Fact):
    """What a host supports; `subject` is the host. Newer releases of Windows Server drop old versions."""

    versions: frozenset[str]
    default: str
    """What it gives to new virtual machines, and what `Update-VMVersion` raises others to."""


@asked_often
def supported_versions(host: str) -> Query[SupportedVersions]:
    """Reads which configuration versions a host runs."""
    return Query(host, (command("Get-VMHostSupportedVersion"),), partial(_supported, host))


def number(version: str) -> tuple[int, ...]:
    """A version by which to compare: `10.0` is above `9.3`. Raises `ValueError` for what is none."""
    return tuple(int(part) for part in version.split("."))


def _supported(host: str, replies: Sequence[Reply]) -> SupportedVersions:
    records = many(replies[0])
    versions = {str(each["Version"]): bool(each["IsDefault"]) for each in records}
    if sum(versions.values()) != 1:
        raise Unreadable(f"{host} names {sum(versions.values())} default configuration versions, not one")
    return SupportedVersions(
        subject=host, versions=frozenset(versions), default=next(each for each, own in versions.items() if own)
    )
