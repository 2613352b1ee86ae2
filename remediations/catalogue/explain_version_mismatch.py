"""Say which way a configuration version does not fit, and what can be done about it.

A virtual machine with a version that the destination no longer supports can be upgraded, for good. One with a version that
the destination does not support yet cannot move there at all: no upgrade helps, and there is no downgrade.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import ClassVar

from remediations.catalogue.places import homes
from remediations.catalogue.remediation import Reads, Seen, unread
from remediations.catalogue.subjects import OfWay
from remediations.catalogue.upgrade_vm_version import UpgradeVmVersion
from remediations.facts.version import SupportedVersions, number, supported_versions
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.causes import Cause
from remediations.model.command import quoted
from remediations.model.diagnosis import Evidence
from remediations.model.plan import Item, Manual, Satisfied
from remediations.model.site import Site
from remediations.model.tier import Proof, Reversal, Tier


class ExplainVersionMismatch(OfWay):
    """Whether the destination runs the virtual machine's version; if not, whether an upgrade would help."""

    id: ClassVar[str] = "explain-version-mismatch"
    title: ClassVar[str] = "Configuration version that the destination does not run"
    causes: ClassVar[tuple[Cause, ...]] = (Cause.CONFIG_VERSION_MISMATCH,)
    proof: ClassVar[Proof] = Proof.STATE
    tier: ClassVar[Tier] = Tier.PERSON
    reversal: ClassVar[Reversal] = Reversal.NOT_NEEDED
    needs_vm_off: ClassVar[bool] = True

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine's version, and those that the destination supports, and wherever it may be by now."""
        del evidence
        source, destination = site.host(self.source).name, site.host(self.destination).name
        hosts = tuple(dict.fromkeys([*homes(source, site), destination]))
        given = {"alone": site.cluster_of(source) is None, "to": destination}
        return Reads(
            given,
            machine=virtual_machine_on(self.vm, hosts),
            here={host: supported_versions(host) for host in hosts},
            there=supported_versions(destination),
        )

    def plan(
        self, *, alone: bool, to: str, machine: Machine, here: Mapping[str, Seen], there: SupportedVersions
    ) -> Iterator[Item]:
        """One item."""
        own = here[machine.host]
        known = f"{to} supports {', '.join(sorted(there.versions, key=number))}"
        if machine.version in there.versions:
            yield Satisfied(why=f"{to} runs configuration version {machine.version}, which {machine.name} has")
        elif number(machine.version) > max(map(number, there.versions)):
            yield Manual(
                why=f"{machine.name} has configuration version {machine.version}, which is newer than {to} knows ({known}): "
                f"no upgrade of it helps, and there is no downgrade",
                instructions=(
                    f"Move {machine.name} to a host that supports {machine.version}, or bring {to} to a newer Windows Server",
                    f"If it has to run on {to}: while it is off, create a new virtual machine there with New-VM -Version "
                    f"{max(there.versions, key=number)} and attach copies of its disks, without checkpoints",
                ),
            )
        elif not isinstance(own, SupportedVersions):
            yield unread(f"versions that {machine.host} supports", own)
        elif own.default not in there.versions:
            yield Manual(
                why=f"{machine.name} has configuration version {machine.version}, which {to} no longer runs ({known}), and "
                f"{machine.host} would raise it to {own.default}, which {to} does not run either",
                instructions=(f"Shut {machine.name} down, export it, and import it on a host between these releases first",),
            )
        else:
            also = f" --also {to}" if alone else ""
            asked = f"remediate apply {UpgradeVmVersion.id} --vm {shlex.quote(machine.name)} --host {machine.host}{also}"
            yield Manual(
                why=f"{machine.name} has configuration version {machine.version}, which {to} no longer runs ({known}); "
                f"{machine.host} can raise it to {own.default}, for good",
                instructions=(
                    f"Decide whether {machine.name} may never run on an older host again; take a backup: there is no way back",
                    f"Then ask for the upgrade, which shuts it down, and needs two approvals: {asked}",
                    f"Or by hand on {machine.host}, while it is off: Update-VMVersion -Name {quoted(machine.name)}",
                ),
            )
