"""The readiness report as one page: a file that needs no network, prints, and is read without scripts as well.

Everything that came from outside (names, errors of hosts) is escaped by the template's own rules; what could change how text
reads (control characters, marks that turn the direction of writing) is made visible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from remediations.engine.html import render
from remediations.engine.readiness_text import all_well
from remediations.model.readiness import Finding, HostSeen, Level, Readiness, VmSeen, Way

LARGEST = 160
"""Hosts of one map at most: more cannot be told apart on a screen. Those that are ready everywhere are left out first."""

MOST = 40
"""Names that one sentence lists at most."""

MACHINES = 2000
"""Rows of virtual machines at most; those that are in trouble come first."""

_SIZES = ((16, ""), (40, "medium"), (80, "small"))


@dataclass(frozen=True)
class Cell:
    """What is to be expected of one way, and the number of the reasons that it shares with others; 0 for none."""

    level: Level
    group: int


@dataclass(frozen=True)
class Row:
    """One source, and a cell for each destination; None where there is no way."""

    name: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Block:
    """One map."""

    title: str
    note: str
    names: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def size(self) -> str:
        """How small its cells are drawn."""
        return next((name for most, name in _SIZES if len(self.names) <= most), "tiny")


@dataclass(frozen=True)
class Group:
    """Cells that have the same reasons."""

    level: Level
    title: str
    findings: tuple[Finding, ...]


@dataclass
class _Groups:
    """The reasons of all cells, each combination once."""

    report: Readiness
    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    ways: dict[int, list[str]] = field(default_factory=dict)
    levels: dict[int, Level] = field(default_factory=dict)

    def of(self, way: Way, vm: str = "") -> int:
        """The number of a way's reasons, or of those of one virtual machine on it."""
        if not way.findings:
            return 0
        number = self.numbers.setdefault(way.findings, len(self.numbers) + 1)
        self.ways.setdefault(number, []).append(f"{vm}: {_arrow(way)}" if vm else _arrow(way))
        self.levels[number] = way.level
        return number

    def listed(self) -> tuple[Group, ...]:
        """Each combination with the ways that have it."""
        return tuple(
            Group(
                level=self.levels[number],
                title=_ways(self.ways[number]),
                findings=tuple(self.report.by_id[each] for each in findings),
            )
            for findings, number in self.numbers.items()
        )


def page(report: Readiness) -> str:
    """The whole page, as HTML."""
    groups = _Groups(report)
    blocks = tuple(_blocks(report, groups))
    troubled = sorted(report.vms, key=lambda vm: (list(Level).index(vm.level), vm.host, vm.name))
    shown = troubled if len(troubled) <= MACHINES else [vm for vm in troubled if vm.level is not Level.READY][:MACHINES]
    machines = [_machine(vm, report, groups) for vm in shown]
    changed = report.changed
    return render(
        "readiness",
        report=report,
        at=_when(report.at),
        since=_when(changed.since) if changed else "",
        appeared=[report.by_id[each] for each in changed.appeared if each in report.by_id] if changed else [],
        blocks=blocks,
        machines=machines,
        left_out=len(report.vms) - len(shown),
        groups=groups.listed(),
        silent=[host for host in report.hosts if host.silent],
        levels=list(Level),
        worst=Level.FAILS,
        best=Level.READY,
        well=all_well(report),
        most=MOST,
    )


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _blocks(report: Readiness, groups: _Groups) -> Iterable[Block]:
    """A map for each cluster and one for the standalone hosts; one for all where ways across were looked at."""
    homes: dict[str, list[HostSeen]] = {}
    for host in report.hosts:
        homes.setdefault("" if report.across else host.cluster, []).append(host)
    found = {(way.source, way.destination): way for way in report.ways}
    for cluster, hosts in sorted(homes.items()):
        title = cluster or ("All hosts" if report.across else "Standalone hosts")
        yield _block(title, [host.name for host in hosts], found, groups)


def _block(title: str, hosts: Sequence[str], found: Mapping[tuple[str, str], Way], groups: _Groups) -> Block:
    names, note = list(hosts), ""
    if len(names) == 1:
        return Block(f"{title} (1)", f"{names[0]} has nowhere to send a virtual machine live: it stands alone here.", (), ())
    if len(names) > LARGEST:
        bad = [way for way in found.values() if way.level in (Level.FAILS, Level.UNKNOWN)]
        involved = {end for way in bad for end in (way.source, way.destination)} & set(names)
        names = [name for name in names if name in involved][:LARGEST]
        rest = len(hosts) - len(involved)
        note = f"{rest} of {len(hosts)} hosts are ready in every direction, and left out."
        if len(involved) > len(names):
            note += f" Of the other {len(involved)} the first {len(names)} are drawn; the JSON report has all."
    rows = []
    for source in names:
        cells = []
        for destination in names:
            way = found.get((source, destination))
            cells.append(None if way is None else Cell(way.level, groups.of(way)))
        rows.append(Row(source, tuple(cells)))
    return Block(f"{title} ({len(hosts)})", note, tuple(names), tuple(rows))


def _machine(vm: VmSeen, report: Readiness, groups: _Groups) -> dict[str, Any]:
    """A row of the table of virtual machines."""
    good = [way.destination for way in vm.ways if way.level in (Level.READY, Level.NOTED)]
    bad = [way for way in vm.ways if way.level not in (Level.READY, Level.NOTED)]
    everywhere = len(good) == len(vm.ways) and len(good) > 4
    may = (
        f"all {len(good)} others"
        if everywhere
        else ", ".join(good[:8]) + (f" and {len(good) - 8} more" if len(good) > 8 else "")
    )
    return {
        "name": vm.name,
        "host": vm.host,
        "level": vm.level,
        "may": may or "nowhere",
        "not_to": [{"name": way.destination, "level": way.level, "group": groups.of(way, vm.name)} for way in bad[:8]],
        "more": max(0, len(bad) - 8),
        "findings": [report.by_id[each] for each in vm.findings],
    }


def _arrow(way: Way) -> str:
    return f"{way.source} → {way.destination}"


def _ways(ways: Sequence[str]) -> str:
    return ", ".join(ways[:4]) + (f" and {len(ways) - 4} more" if len(ways) > 4 else "")
