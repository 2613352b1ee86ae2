"""Say in what the versions below two hosts' virtual machines differ: Windows' update, microcode, firmware.

Hosts that are brought up to date one after the other differ for hours or days, and most moves go well meanwhile: so this is a
presumption, made where the evidence points to it and nothing else is found. Updates, firmware and restarts are a person's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfWay
from remediations.facts.module import Module, lacking, module, unseen
from remediations.facts.patches import PatchLevel, microcode_differs, patch_level
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainPatchLevel(OfWay):
    """In what Windows' update, microcode and firmware of two hosts differ."""

    id: ClassVar[str] = "explain-patch-level"
    title: ClassVar[str] = "Updates, microcode or firmware that differ"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.PATCH_OR_FIRMWARE_MISMATCH,)
    proof: ClassVar[Proof] = Proof.EXCLUSION
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """Both hosts' versions."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        return Reads(
            {
                "suspected": evidence.points_to(Cause.PATCH_OR_FIRMWARE_MISMATCH),
                "ends": (source, destination),
                "clustered": site.cluster_of(source) is not None,
            },
            levels={host: patch_level(host) for host in (source, destination)},
            modules={host: module(host) for host in (source, destination)},
        )

    def plan(
        self,
        *,
        suspected: bool,
        ends: tuple[str, str],
        clustered: bool,
        levels: Mapping[str, Seen],
        modules: Mapping[str, Module | Unknown | NotApplicable],
    ) -> Iterator[Item]:
        """What differs; or what keeps that from being known."""
        here, there = (levels[host] for host in ends)
        if not isinstance(here, PatchLevel) or not isinstance(there, PatchLevel):
            yield from (
                unread(f"versions of {host}", levels[host]) for host in ends if not isinstance(levels[host], PatchLevel)
            )
            return
        found = tuple(_differences(here, there))
        if found and suspected:
            yield Manual(
                why=f"{here.subject} and {there.subject} are not brought up alike: {'; '.join(each for each, _ in found)}",
                instructions=(*(todo for _, todo in found), *_afterwards(self.vm, here, there, clustered=clustered)),
            )
        elif found:
            told = "; ".join(each for each, _ in found)
            yield Satisfied(why=f"{told}: normal while hosts are updated one by one, and nothing points to it")
        elif here.revision is None or there.revision is None:
            needed = "reading Windows' update revision and the microcode"
            for level in (here, there):
                if missing := lacking(level.subject, modules[level.subject], needed):
                    yield unseen(missing)
                elif level.revision is None:
                    yield unread(needed, NotApplicable(reason=f"{level.subject} does not offer Get-RemediationPatchLevel"))
        else:
            told = f"{here.subject} and {there.subject} run the same Windows ({here.windows})"
            yield Satisfied(why=f"{told}, and no part that can be compared differs")


def _differences(here: PatchLevel, there: PatchLevel) -> Iterator[tuple[str, str]]:
    """Each difference, and what is done about it."""
    if here.build != there.build:
        told = f"Windows is build {here.windows} on {here.subject}, {there.windows} on {there.subject}: different releases"
        yield (
            told,
            "Different releases are for the time of an upgrade only: bring the older host to the release of the newer one",
        )
    elif here.revision is not None and there.revision is not None and here.revision != there.revision:
        old, new = sorted((here, there), key=lambda each: each.revision or 0)
        yield (
            f"Windows is {here.windows} on {here.subject}, {there.windows} on {there.subject}",
            f"Install on {old.subject} the cumulative update that {new.subject} has (build {new.windows}), and restart it",
        )
    if microcode_differs(here, there):
        old, new = sorted((here, there), key=lambda each: each.microcode or 0)
        yield (
            f"the processors are equal, their microcode is {here.microcode:#010x} on {here.subject}, "
            f"{there.microcode:#010x} on {there.subject}",
            f"Bring the processor of {old.subject} to microcode {new.microcode:#010x}: it comes with the firmware of "
            f"{new.computer}, or with Windows' updates; it counts from the next restart",
        )
    if here.computer == there.computer and here.bios != there.bios:
        yield (
            f"the firmware of {here.computer} is {here.bios} on {here.subject}, {there.bios} on {there.subject}",
            f"Install the newer of these firmware releases on the other host, with the manufacturer's package for "
            f"{here.computer}, and compare the processor settings of both (virtualisation, hyper-threading)",
        )


def _afterwards(vm: str, here: PatchLevel, there: PatchLevel, *, clustered: bool) -> Iterator[str]:
    if clustered:
        yield (
            "Before a node restarts, drain it: Suspend-ClusterNode -Name NODE -Drain -Wait, afterwards Resume-ClusterNode "
            "-Name NODE -Failback Immediate. Get-CauRun shows whether cluster-aware updating is about to do all this anyway"
        )
    else:
        yield "Before a host restarts, move its virtual machines elsewhere or shut them down"
    yield (
        f"If {vm} must go to {there.subject} before that: shut it down, move it while it is off, start it there; what starts "
        "on the older of two hosts moves both ways"
    )
    yield (
        f"Look again on {here.subject} and {there.subject}: Get-RemediationPatchLevel, Get-CimInstance Win32_BIOS; then move "
        f"{vm} once more"
    )
