"""What an operation will move: which virtual machines would stay behind and why, and how much has to cross the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from remediations.catalogue.remediation import Remediation
from remediations.engine.gather import gather
from remediations.engine.ports import Clock, Reading
from remediations.engine.readiness import Scope, assess
from remediations.engine.render import escape
from remediations.facts.room import VmMemory, vm_memory
from remediations.model.base import Frozen
from remediations.model.drain import Drained, Pace, pace
from remediations.model.readiness import Level, Readiness, VmSeen
from remediations.model.site import Site

SPEEDS = (1, 10, 25)
"""Gigabits a second for which a time is told: which one the migration network gives is not asked."""

EFFICIENCY = 0.7
"""Part of a link that a migration fills, as a rule of thumb: pages that change meanwhile are sent again."""

LISTED = 3
"""Reasons that are told of one virtual machine."""


class Foresight(Frozen):
    """What to expect of moving everything off one host."""

    host: str
    machines: int
    stays: tuple[tuple[str, str], ...]
    """Virtual machines that could go nowhere as things are, and why."""
    unknown: tuple[tuple[str, str], ...]
    """Those of which it is not known, and why."""
    mebibytes: int
    """Memory of those that were read, which has to cross the network once."""
    whole: bool
    """Whether the memory of all of them was read."""
    cluster: str = ""
    """The cluster that they stay in; empty for a standalone host."""
    measured: Pace | None = None
    """What earlier drains of that cluster took; none where none is on record."""

    @property
    def markdown(self) -> str:
        """For the plan's page and the report."""
        going = self.machines - len(self.stays) - len(self.unknown)
        lines = [
            f"{going} of {self.machines} virtual machines on {escape(self.host)} can move now. "
            f"About {self.mebibytes / 1024:.0f} GiB of memory have to cross the network: {self.time}."
        ]
        lines += [f"- **{escape(vm)}** would stay: {escape(why)}" for vm, why in self.stays]
        lines += [f"- **{escape(vm)}** is not known to move: {escape(why)}" for vm, why in self.unknown]
        return "\n".join(lines)

    @property
    def time(self) -> str:
        """How long it will take, and how that is known."""
        if self.measured is None:
            times = ", ".join(f"{_minutes(_at(self.mebibytes, speed))} at {speed} Gbit/s" for speed in SPEEDS)
            why = f", for no drain of {escape(self.cluster)} is on record" if self.cluster else ""
            return f"{times} (an estimate{why}: {EFFICIENCY:.0%} of the link)"
        rate, count = self.measured.seconds_per_gib, self.measured.drains
        which = f"the last {count} drains" if count > 1 else "the one drain on record"
        said = f"{rate:.1f} s a GiB, as measured: {'the median of ' if count > 1 else ''}{which} of {escape(self.cluster)}"
        return f"{_minutes(self.mebibytes / 1024 * rate)} ({said}, the newest of {self.measured.newest:%Y-%m-%d})"


def foresee(  # noqa: PLR0917 - what a look ahead needs, once
    hosts: Reading,
    site: Site,
    remediation: Remediation,
    inputs: Mapping[str, Any],
    clock: Clock,
    drains: Callable[[str], Sequence[Drained]] = lambda cluster: (),
) -> Foresight | None:
    """Look ahead for everything that `remediation` would move, by reads only; None if it moves nothing.

    `drains` gives the newest drains of a cluster: how long this one takes is told by them.
    """
    host, machines = remediation.moves(inputs)
    if not machines:
        return None
    cluster = site.cluster_of(host)
    scope = Scope(clusters=(cluster.name,), vms=tuple(sorted(machines))) if cluster else Scope(vms=tuple(sorted(machines)))
    ahead = assess(hosts, site, scope, clock=clock, now=time.monotonic)
    seen = [each for each in ahead.vms if each.name in machines and each.host.casefold() == host.casefold()]
    memory = gather(hosts, site, [vm_memory(vm, host) for vm in sorted(machines)])
    read = [memory.of(vm_memory(vm, host)) for vm in sorted(machines)]
    found = {each.name for each in seen}
    lost = tuple((vm, f"{host} did not show it") for vm in sorted(machines - found))
    return Foresight(
        host=host,
        machines=len(machines),
        stays=tuple((vm.name, in_the_way(vm, ahead)) for vm in seen if vm.level is Level.FAILS),
        unknown=(*((vm.name, in_the_way(vm, ahead)) for vm in seen if vm.level is Level.UNKNOWN), *lost),
        mebibytes=sum(each.needed for each in read if isinstance(each, VmMemory)),
        whole=all(isinstance(each, VmMemory) for each in read),
        cluster=cluster.name if cluster else "",
        measured=pace(drains(cluster.name)) if cluster else None,
    )


def in_the_way(vm: VmSeen, ahead: Readiness) -> str:
    """The worst of what is in its way, whatever the destination first."""
    ids = [*vm.findings, *(each for way in vm.ways for each in way.findings)]
    told = [ahead.by_id[each] for each in dict.fromkeys(ids) if ahead.by_id[each].level in (Level.FAILS, Level.UNKNOWN)]
    return "; ".join(reason for finding in told[:LISTED] for reason in finding.why[:1]) or "no other host could be asked"


def _at(mebibytes: int, gigabits: int) -> float:
    """Seconds that a memory takes over a link."""
    return mebibytes * 1024**2 * 8 / (gigabits * 1e9 * EFFICIENCY)


def _minutes(seconds: float) -> str:
    return "under a minute" if seconds < 60 else f"{round(seconds / 60)} min"
