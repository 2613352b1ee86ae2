"""What a look ahead found: which migrations would fail now, why, what would mend each; and how two reports differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property

from pydantic import AwareDatetime, Field

from remediations.model.base import Frozen
from remediations.model.causes import Cause
from remediations.model.names import HostName
from remediations.model.plan import Verdict


class Level(StrEnum):
    """What is to be expected of a migration. Present and unknown stay apart: nothing unknown is ever ready."""

    FAILS = "would fail"  # facts alone show that it cannot succeed
    UNKNOWN = "not known"  # something that decides could not be read
    NOTED = "noted"  # it may succeed; something differs or has to be waited for
    READY = "ready"  # everything that was looked at is right

    @property
    def sign(self) -> str:
        """One character, so that colour is never the only carrier."""
        return {Level.FAILS: "✗", Level.UNKNOWN: "?", Level.NOTED: "!", Level.READY: "✓"}[self]

    @property
    def name_in_pages(self) -> str:
        """A name for style sheets and metrics: letters only."""
        return self.name.lower()


ORDER = {level: place for place, level in enumerate(Level)}
"""The worst first."""


def worst(levels: Iterable[Level]) -> Level:
    """The worst of these; ready if there are none."""
    return min(levels, key=ORDER.__getitem__, default=Level.READY)


class Line(Frozen):
    """One command of a plan, as a person could type it."""

    host: str
    command: str
    undo: str = Field(default="", description="What takes it back; empty if nothing can or needs to")


class Finding(Frozen):
    """One thing that is wrong, may be, or could not be read, and the plan that would mend it."""

    id: str = Field(description="The same in every report as long as it is the same request of the same remediation")
    level: Level
    verdict: Verdict
    remediation: str = Field(description="Its id in the catalogue; empty for a host that could not be read at all")
    title: str
    causes: tuple[Cause, ...] = ()
    why: tuple[str, ...]
    tier: int = Field(default=0, description="How dangerous mending it is")
    lines: tuple[Line, ...] = Field(default=(), description="The commands of its plan, in order")
    instructions: tuple[str, ...] = Field(default=(), description="What only a person can do, in order")
    blocked: tuple[str, ...] = Field(default=(), description="What keeps the plan from being applied as things are")
    digest: str = Field(default="", description="Digest of the plan, where it could be applied as it is")
    ask: str = Field(default="", description="What shows the whole plan, at a terminal")


class HostSeen(Frozen):
    """One host of the report."""

    name: HostName
    cluster: str = Field(default="", description="The cluster it is a node of; empty for a standalone host")
    silent: str = Field(default="", description="Why it could not be read at all; empty if it was")


class Way(Frozen):
    """A migration that could be asked for, and what is to be expected of it. `findings` are ids, the worst first."""

    source: HostName
    destination: HostName
    level: Level
    findings: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names the way in a comparison."""
        return f"{self.source.casefold()}>{self.destination.casefold()}"


class VmSeen(Frozen):
    """One virtual machine: what is in its way whatever the destination, and where it could go."""

    name: str
    host: HostName
    level: Level = Field(description="That of its best way: where it could go at all")
    findings: tuple[str, ...] = Field(default=(), description="What is so for every destination")
    ways: tuple[Way, ...] = Field(default=(), description="All of what is to be expected, of hosts and machine together")


class Changed(Frozen):
    """What is other than in an earlier report. Only what both looked at is compared."""

    since: AwareDatetime
    lost: tuple[Way, ...] = Field(default=(), description="Ways that were ready and no longer are, as they are now")
    regained: tuple[Way, ...] = Field(default=(), description="Ways that are ready again")
    appeared: tuple[str, ...] = Field(default=(), description="Findings that are new, by id")
    gone: tuple[str, ...] = Field(default=(), description="Titles of findings that are no more")


class Readiness(Frozen):
    """The report: every host, every way between them, and everything that was found, once each."""

    at: AwareDatetime
    seconds: float = Field(ge=0, description="How long reading and deciding took")
    across: bool = Field(default=False, description="Whether ways into and out of clusters were looked at too")
    hosts: tuple[HostSeen, ...]
    ways: tuple[Way, ...]
    vms: tuple[VmSeen, ...] = ()
    findings: tuple[Finding, ...] = Field(default=(), description="Those that concern most ways first")
    changed: Changed | None = None

    @cached_property
    def by_id(self) -> Mapping[str, Finding]:
        """The findings by id."""
        return {each.id: each for each in self.findings}

    @cached_property
    def concerned(self) -> Mapping[str, int]:
        """How many ways, of hosts or of virtual machines, each finding concerns."""
        counts = Counter(found for way in self.ways for found in way.findings)
        counts.update(found for vm in self.vms for way in vm.ways for found in way.findings if found not in counts)
        return counts

    @cached_property
    def counts(self) -> Mapping[Level, int]:
        """How many ways between hosts are at each level."""
        counted = Counter(way.level for way in self.ways)
        return {level: counted[level] for level in Level}

    @property
    def scope(self) -> str:
        """What was looked at: only reports of one scope follow each other."""
        names = ",".join(sorted(host.name.casefold() for host in self.hosts))
        return f"{'across ' if self.across else ''}{names}"


def compare(now: Readiness, before: Readiness) -> Changed:
    """What is other in `now` than in `before`."""
    then = {way.key: way for way in before.ways}
    both = [(way, then[way.key]) for way in now.ways if way.key in then]
    known = {each.id for each in before.findings}
    still = {each.id for each in now.findings}
    return Changed(
        since=before.at,
        lost=tuple(way for way, was in both if _good(was) and not _good(way)),
        regained=tuple(way for way, was in both if _good(way) and not _good(was)),
        appeared=tuple(each.id for each in now.findings if each.id not in known),
        gone=tuple(each.title for each in before.findings if each.id not in still),
    )


def _good(way: Way) -> bool:
    """What may be relied on: something that is only noted keeps no migration from succeeding."""
    return way.level in (Level.READY, Level.NOTED)
