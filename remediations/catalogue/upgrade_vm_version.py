"""Raise the configuration version of a virtual machine to the one of its host. There is no way back.

`Update-VMVersion` takes no version: it raises to the highest that the host runs by default, on a virtual machine that is off.
It never lets a virtual machine move from a newer host to an older one, and makes more of them unable to go back; so every
host that may own it has to support the new version first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from remediations.catalogue.places import homes
from remediations.catalogue.powered_off import at_home, strange, while_off
from remediations.catalogue.remediation import Operation, Reads, Seen, unread
from remediations.facts.cluster import Role, from_any, role, witnesses
from remediations.facts.version import SupportedVersions, number, supported_versions
from remediations.facts.vm import Machine, virtual_machine_on
from remediations.model.command import command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import NotApplicable, Test, Unknown, changes, guard
from remediations.model.names import HostName, VmName
from remediations.model.plan import Blocked, Item, Obstacle, Satisfied, Step
from remediations.model.site import Site
from remediations.model.tier import Reversal, Tier


class UpgradeVmVersion(Operation):
    """Shut a virtual machine down, raise its configuration version, start it again. Irreversible."""

    id: ClassVar[str] = "upgrade-vm-version"
    title: ClassVar[str] = "Upgrade a configuration version"
    tier: ClassVar[Tier] = Tier.IRREVERSIBLE
    reversal: ClassVar[Reversal] = Reversal.IRREVERSIBLE
    sends: ClassVar[frozenset[str]] = frozenset({"Start-ClusterResource", "Start-VM", "Stop-VM", "Update-VMVersion"})
    needs_vm_off: ClassVar[bool] = True

    vm: VmName = Field(description="The virtual machine")
    host: HostName = Field(description="Host it is on, as far as known")
    also: tuple[HostName, ...] = Field(
        default=(),
        description="Hosts beside its cluster's nodes that it has to be able to run on; for a standalone host, its peers",
    )

    def reads(self, site: Site, evidence: Evidence) -> Reads:
        """The virtual machine, its role, and what every host supports that may own it."""
        del evidence
        cluster, hosts = site.cluster_of(self.host), homes(self.host, site)
        owners = tuple(dict.fromkeys([*hosts, *(site.host(each).name for each in self.also)]))
        machine = virtual_machine_on(self.vm, owners)
        versions = {host: supported_versions(host) for host in owners}
        if cluster is None:
            alone = NotApplicable(reason=f"{hosts[0]} is no node of a cluster in site.yaml")
            return Reads({"group": alone}, machine=machine, versions=versions)
        return Reads({}, machine=machine, versions=versions, group=from_any(role, self.vm, of=witnesses(cluster, *hosts)))

    def plan(self, *, machine: Machine, versions: Mapping[str, Seen], group: Role | Unknown | NotApplicable) -> Iterator[Item]:
        """Nothing, if it has the version already; else the upgrade, where every possible owner supports it."""
        known = {host: seen for host, seen in versions.items() if isinstance(seen, SupportedVersions)}
        if len(known) < len(versions):
            yield from (unread(f"versions that {host} supports", seen) for host, seen in versions.items() if host not in known)
            return
        target = known[machine.host].default
        if number(machine.version) >= number(target):
            yield Satisfied(why=f"{machine.name} has version {machine.version}; {machine.host} would raise it to {target}")
            return
        lacking = [host for host, seen in known.items() if target not in seen.versions]
        if lacking:
            why = f"{', '.join(lacking)} may own {machine.name} and cannot run version {target}: it could never go there again"
            yield Blocked(obstacle=Obstacle.PRECONDITION, why=f"{why}. Upgrade Windows Server there first")
        if machine.clustered and not isinstance(group, Role):
            yield unread(f"role of {machine.name}, which is clustered,", group)
        elif isinstance(group, Role) and (other := strange(machine, group)):
            yield other
        elif machine.state not in ("Running", "Off"):
            why = f"{machine.name} is {machine.state}: its version can only be raised while it is off, by a proper shutdown"
            yield Blocked(obstacle=Obstacle.PRECONDITION, why=why)
        elif not lacking:
            yield from _steps(machine, group if isinstance(group, Role) else None, target)


def _steps(machine: Machine, group: Role | None, target: str) -> Iterator[Item]:
    upgrade = Step(
        target=machine.target,
        host=machine.host,
        command=command("Update-VMVersion", Name=machine.name, Force=True),
        why=f"{machine.name} goes from version {machine.version} to {target} for good: there is no way back, and hosts that "
        f"do not support {target} can never run it again",
        changes=changes(machine, machine.model_copy(update={"version": target})),
        guards=(*at_home(machine, group), guard(machine, "state", Test.EQUALS, "Off")),
    )
    yield from while_off(machine, group, [upgrade], meanwhile="its configuration is upgraded")
