"""Say in what two hosts' speculation control differs, for a virtual machine that has processor compatibility on.

Compatibility hides instruction sets from a guest, not mitigations: what it was started with, the destination has to offer too.
That depends on microcode and on Windows' settings for it, which a person sets, the same on every host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfWay
from remediations.facts.module import Module, lacking, module, unseen
from remediations.facts.patches import PatchLevel, Speculation, microcode_differs, patch_level, speculation
from remediations.facts.vm import Machine, VirtualProcessor, virtual_machine_on, virtual_processor_on
from remediations.model.causes import Cause
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Unknown
from remediations.model.names import same_host
from remediations.model.plan import Blocked, Item, Manual, Obstacle, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier

_GALLERY = "1.0.18"
"""Release of the module SpeculationControl whose properties are known here."""
_SETTINGS = "HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management"


class ExplainSpeculationControl(OfWay):
    """In what speculation control and microcode of two hosts differ."""

    id: ClassVar[str] = "explain-speculation-control"
    title: ClassVar[str] = "Speculation control that differs"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.SPECULATION_CONTROL_MISMATCH,)
    proof: ClassVar[Proof] = Proof.EXCLUSION
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine's processor settings wherever it is; speculation control and microcode of all it may be on."""
        source, destination = site.host(self.source).name, site.host(self.destination).name
        hosts = tuple(dict.fromkeys([*homes(source, site), destination]))
        return Reads(
            {"suspected": evidence.points_to(Cause.SPECULATION_CONTROL_MISMATCH), "to": destination},
            machine=virtual_machine_on(self.vm, hosts),
            processor=virtual_processor_on(self.vm, hosts),
            levels={host: patch_level(host) for host in hosts},
            controls={host: speculation(host) for host in hosts},
            modules={host: module(host) for host in hosts},
        )

    def plan(
        self,
        *,
        suspected: bool,
        to: str,
        machine: Machine,
        processor: VirtualProcessor,
        levels: Mapping[str, Seen],
        controls: Mapping[str, Seen],
        modules: Mapping[str, Module | Unknown | NotApplicable],
    ) -> Iterator[Item]:
        """What differs; or what keeps that from being known."""
        if not processor.compatibility:
            yield Satisfied(
                why=f"processor compatibility of {machine.name} is off: that comes first, if its processor is refused"
            )
            return
        if same_host(machine.host, to):
            yield Satisfied(why=f"{machine.name} is on {to} already")
            return
        ends = (machine.host, to)
        found = list(_differences(ends, levels, controls))
        if found and suspected:
            yield Manual(
                why=f"{machine.name} has processor compatibility on, and what {machine.host} and {to} offer differs: "
                f"{'; '.join(found)}",
                instructions=tuple(_instructions(machine, to)),
            )
        elif found:
            yield Satisfied(why=f"{'; '.join(found)}, and nothing points to it")
        else:
            blocks = tuple(_unknown(ends, levels, controls, modules))
            equal = f"speculation control and microcode of {machine.host} and {to} are equal, as far as they can be compared"
            yield from blocks or (Satisfied(why=equal),)


def _differences(ends: tuple[str, str], levels: Mapping[str, Seen], controls: Mapping[str, Seen]) -> Iterator[str]:
    here, there = (controls[host] for host in ends)
    if isinstance(here, Speculation) and isinstance(there, Speculation):
        yield from here.differences(there)
    one, other = (levels[host] for host in ends)
    if isinstance(one, PatchLevel) and isinstance(other, PatchLevel) and microcode_differs(one, other):
        yield f"microcode is {one.microcode:#010x} on {one.subject}, {other.microcode:#010x} on {other.subject}"


def _unknown(
    ends: tuple[str, str],
    levels: Mapping[str, Seen],
    controls: Mapping[str, Seen],
    modules: Mapping[str, Module | Unknown | NotApplicable],
) -> Iterator[Blocked]:
    """What keeps equal from being said."""
    for host in ends:
        level, control = levels[host], controls[host]
        absent = lacking(host, modules[host], "reading speculation control and microcode")
        if absent is not None:
            yield unseen(absent)
        elif not isinstance(level, PatchLevel):
            yield unread(f"microcode of {host}", level)
        elif isinstance(control, NotApplicable):
            yield Blocked(
                obstacle=Obstacle.UNKNOWN,
                why=f"{control.reason}. Run on {host} as administrator: Install-Module -Name SpeculationControl "
                f"-RequiredVersion {_GALLERY} -Scope AllUsers",
            )
        elif not isinstance(control, Speculation):
            yield unread(f"speculation control of {host}", control)


def _instructions(machine: Machine, to: str) -> Iterator[str]:
    yield (
        f"Where microcode differs: install the same firmware and the same cumulative update on {machine.host} and {to}, and "
        "restart them, one at a time and drained"
    )
    yield (
        f"Where a setting differs: compare FeatureSettingsOverride and FeatureSettingsOverrideMask on {machine.host} and {to}: "
        f"Get-ItemProperty '{_SETTINGS}' | Select-Object FeatureSetting*. Decide which of the two is right (guidance "
        "KB4072698), set both values alike, by group policy if one sets them, and restart the host that was changed"
    )
    yield (
        f"Then shut {machine.name} down and start it again: a restart inside the guest does not do, it keeps the processor "
        "features that it was started with"
    )
    yield (
        f"If it must go to {to} before that: shut it down, move it while it is off, start it there; what starts on the host "
        "that offers less moves both ways"
    )
    yield f"Look again on {machine.host} and {to}: Get-SpeculationControlSettings -Quiet, and move {machine.name} once more"
