"""What an operation will move: which virtual machines would stay behind and why, and how much has to cross the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from remediations.catalogue.drain_node import home
from remediations.catalogue.remediation import Remediation
from remediations.engine.gather import gather
from remediations.engine.ports import Clock, Reading
from remediations.engine.render import escape
from remediations.engine.whereabouts import whereabouts
from remediations.facts.room import VmMemory, vm_memory
from remediations.model.base import Frozen
from remediations.model.drain import Drained, Pace, pace
from remediations.model.site import Site

SPEEDS = (1, 10, 25)
"""Gigabits a second for which a time is told: which one the migration network gives is not asked."""

EFFICIENCY = 0.7
"""Part of a link that a migration fills, as a rule of thumb: pages that change meanwhile are sent again."""


class Foresight(Frozen):
    """What to expect of moving everything off one host."""

    host: str
    machines: int
    stays: tuple[tuple[str, str], ...]
    """Virtual machines that could go nowhere as things are, and why."""
    unknown: tuple[tuple[str, str], ...]
    """Those of which it is not known, and why."""
    narrow: tuple[tuple[str, str], ...] = ()
    """Those that some of the other nodes cannot take: which can, and why not the rest."""
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
        lines += [f"- **{escape(vm)}** {escape(told)}" for vm, told in self.narrow]
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
    emptied, roles = remediation.moves(inputs)
    if not roles:
        return None
    cluster, host = home(emptied, site)
    left = whereabouts(hosts, site, host, roles, clock)
    needs = [vm_memory(vm, host) for vm in left.placed]
    memory = gather(hosts, site, needs)
    read = [each for query in needs if isinstance(each := memory.of(query), VmMemory)]
    return Foresight(
        host=host,
        machines=left.count,
        stays=left.stays,
        unknown=left.unknown,
        narrow=left.narrow,
        mebibytes=sum(each.needed for each in read),
        whole=len(read) == left.count,
        cluster=cluster.name,
        measured=pace(drains(cluster.name)),
    )


def _at(mebibytes: int, gigabits: int) -> float:
    """Seconds that a memory takes over a link."""
    return mebibytes * 1024**2 * 8 / (gigabits * 1e9 * EFFICIENCY)


def _minutes(seconds: float) -> str:
    return "under a minute" if seconds < 60 else f"{round(seconds / 60)} min"
