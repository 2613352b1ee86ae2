"""What a host was brought up to: Windows' update, the processor's microcode, firmware, and speculation control."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from functools import partial

from remediations.facts.query import Query, Unreadable, asked_often
from remediations.facts.read import aware, lacks_command, many, one, texts
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.reply import Record, Reply

_NO_VERSION = 255
"""SystemBiosMajorVersion of firmware that does not tell (SMBIOS, type 0)."""


class PatchLevel(Fact):
    """Versions below a host's virtual machines; `subject` is the host."""

    build: int
    """Of Windows: 20348 is Windows Server 2022."""
    revision: int | None
    """UBR, which rises with each cumulative update; None without the module."""
    microcode: int | None
    """Revision that the processor runs; None without the module, or where the registry does not say."""
    processor: str
    """Family, model and stepping: only between equal ones can microcode be compared."""
    computer: str
    """Manufacturer and model: only between equal ones can firmware be compared."""
    bios: str
    """Its version as the manufacturer writes it, its number and day of release."""

    @property
    def windows(self) -> str:
        """Build and revision, as winver shows them."""
        return f"{self.build}.{self.revision}" if self.revision is not None else str(self.build)


class Speculation(Fact):
    """What Get-SpeculationControlSettings shows of a host; `subject` is the host."""

    settings: frozenset[str]
    """As "BTIWindowsSupportEnabled True"."""

    def differences(self, other: Speculation) -> Iterator[str]:
        """Settings that both hosts know, and do not share: releases of that module know different ones."""
        here, there = (dict(each.split(" ", 1) for each in host.settings if " " in each) for host in (self, other))
        for name in sorted(here.keys() & there.keys()):
            if here[name] != there[name]:
                yield f"{name} is {here[name]} on {self.subject}, {there[name]} on {other.subject}"


@asked_often
def patch_level(host: str) -> Query[PatchLevel]:
    """Reads a host's versions; update revision and microcode through the module, where that is there."""
    classes = ("Win32_OperatingSystem", "Win32_Processor", "Win32_ComputerSystem", "Win32_BIOS")
    reads = (*(command("Get-CimInstance", ClassName=each) for each in classes), command("Get-RemediationPatchLevel"))
    return Query(host, reads, partial(_level, host))


@asked_often
def speculation(host: str) -> Query[Speculation]:
    """Reads a host's speculation control; `NotApplicable` without our module or the Gallery's SpeculationControl."""
    return Query(host, (command("Get-RemediationSpeculation"),), partial(_speculation, host))


def microcode_differs(one_host: PatchLevel, other: PatchLevel) -> bool:
    """Whether equal processors run different microcode, as far as that is known."""
    known = one_host.microcode is not None and other.microcode is not None and one_host.processor == other.processor
    return known and one_host.microcode != other.microcode


def _level(host: str, replies: Sequence[Reply]) -> PatchLevel:
    processors = many(replies[1])
    if not processors:
        raise Unreadable(f"{host} shows no processor")
    computer, more = one(replies[2]), None if lacks_command(replies[4]) else one(replies[4])
    build = int(one(replies[0])["BuildNumber"])
    if more is not None and int(more["Build"]) != build:
        raise Unreadable(f"{host} has build {build} by WMI, and {more['Build']} by its registry")
    return PatchLevel(
        subject=host,
        build=build,
        revision=None if more is None else int(more["Revision"]),
        microcode=None if more is None else _microcode(more["Microcode"]),
        processor=str(processors[0].get("Description") or "").strip(),
        computer=f"{computer['Manufacturer']} {computer['Model']}".strip(),
        bios=_bios(one(replies[3])),
    )


def _bios(record: Record) -> str:
    """HPE tells only a family as its version, others no number: together they name a release everywhere."""
    major, minor = record.get("SystemBiosMajorVersion"), record.get("SystemBiosMinorVersion")
    number = f" {major}.{minor}" if major not in (None, _NO_VERSION) else ""
    day = record.get("ReleaseDate")
    released = f" of {aware(day).astimezone(UTC).date()}" if day is not None else ""
    return f"{str(record['SMBIOSBIOSVersion']).strip()}{number}{released}"


def _microcode(value: object) -> int | None:
    """The registry's Update Revision: eight bytes, the revision in the upper half, with some processors in the lower."""
    if not value or not isinstance(value, (bytes, list, tuple)):
        return None
    data = bytes(value)
    return int.from_bytes(data[4:8], "little") or int.from_bytes(data[:4], "little") or None


def _speculation(host: str, replies: Sequence[Reply]) -> Speculation | NotApplicable:
    if lacks_command(replies[0]):
        return NotApplicable(reason=f"{host} has no module HyperVRemediation that reads it")
    if not many(replies[0]):
        return NotApplicable(reason=f"{host} has no module SpeculationControl of the PowerShell Gallery")
    return Speculation(subject=host, settings=frozenset(texts(one(replies[0])["Settings"])))
