"""LocalSystem's Kerberos tickets on a host (logon id 0x3e7), as klist prints them in the host's language.

klist has no other output than text for people, so it is read by structure, never by words: how many tickets there are stands
in parentheses before the first, and where it failed there is no such line; a ticket begins at `#n>`; its client and server
are the first two lines; the first line with a date and a time is its start; three lines after the last such line stands the
domain controller that gave it (Windows Server 2012 and newer). Whether a date begins with its day or its month, a start tells
itself: no ticket is older than its renewal; only where neither reading is recent, the culture decides. Times are the host's
local ones; its offset is today's, so in the hours after a change to or from summer time a start may be an hour off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from pydantic import AwareDatetime

from remediations.facts.query import Query, Unreadable, asked_often
from remediations.facts.read import aware, lacks_command, one
from remediations.model.base import Frozen
from remediations.model.command import command
from remediations.model.fact import Fact, NotApplicable
from remediations.model.names import same_host
from remediations.model.plan import Target
from remediations.model.reply import Reply


class Ticket(Frozen):
    """One cached ticket."""

    server: str
    """The service it is for, without realm: `krbtgt/CONTOSO.COM`, `cifs/hv02.contoso.com`."""
    start: AwareDatetime
    """When it was given, UTC."""
    kdc: str
    """The domain controller that gave it; empty where klist does not say."""

    @property
    def granting(self) -> bool:
        """Whether it is a ticket-granting ticket: it carries the account's rights as they were when it was given."""
        return self.server.casefold().startswith("krbtgt/")

    def is_for(self, host: str) -> bool:
        """Whether it is for a service of this host."""
        _, _, instance = self.server.partition("/")
        return same_host(re.split(r"[/:]", instance)[0], host)


class Tickets(Fact):
    """The tickets of a host; `subject` is the host. New ones come by themselves whenever Windows needs them."""

    tickets: frozenset[Ticket]

    @property
    def target(self) -> Target:
        """The host as a plan names it."""
        return Target(kind="host", name=self.subject, id=self.subject.casefold())


@asked_often
def tickets(host: str) -> Query[Tickets]:
    """Reads the tickets through the module; `NotApplicable` if the host has none that can."""
    return Query(host, (command("Get-RemediationTicket"),), partial(_tickets, host))


def _tickets(host: str, replies: Sequence[Reply]) -> Tickets | NotApplicable:
    if lacks_command(replies[0]):
        return NotApplicable(reason=f"{host} does not offer Get-RemediationTicket, a function of our module")
    record = one(replies[0])
    dates = _Dates(str(record["Culture"]), timedelta(minutes=int(record["UtcOffsetMinutes"])), aware(record["Now"]))
    return Tickets(subject=host, tickets=frozenset(parse(record["Lines"] or (), dates)))


def parse(lines: Sequence[str], dates: _Dates) -> Iterator[Ticket]:
    """The tickets in klist's output. Raises `Unreadable` for one that does not have the structure."""
    blocks: list[list[str]] = []
    told: int | None = None
    for line in map(str, lines):
        if re.match(r"\s*#\d+>", line):
            blocks.append([])
        if blocks and line.strip():
            blocks[-1].append(line.strip())
        elif not blocks and (count := _COUNT.search(line)):
            told = int(count[1])
    if told != len(blocks) and (told is not None or not blocks):
        said = " ".join(" ".join(map(str, lines)).split())[:200]
        raise Unreadable(f"klist tells of {'no number of' if told is None else told} tickets, and lists {len(blocks)}: {said}")
    for block in blocks:
        stamped = [number for number, line in enumerate(block) if number > 1 and _STAMP.search(line)]
        if not stamped:
            raise Unreadable(f"klist's ticket {block[0]!r} has no line with a date and a time")
        rest = block[stamped[-1] + 1 :]
        yield Ticket(
            server=_value(block[1]).rpartition(" @ ")[0] or _value(block[1]),
            start=dates.read(block[stamped[0]]),
            kdc=_value(rest[2]) if len(rest) > 2 else "",
        )


def _value(line: str) -> str:
    """What stands behind a label; an SPN may hold colons of its own."""
    return re.split(r"[:：]", line, maxsplit=1)[-1].strip()


_COUNT = re.compile(r"[(（](\d+)[)）]\s*$")
_STAMP = re.compile(r"(\d{1,4})\D{1,3}(\d{1,2})\D{1,3}(\d{1,4})(\D{1,12}?)(\d{1,2})[:.](\d{2})[:.](\d{2})([^(]*)")
_MONTH_FIRST = frozenset({"en-US", "es-US"})
_DAY_FIRST = re.compile(r"(cs|da|de|el|en|es|fi|fr|it|nb|nl|nn|no|pl|pt|ro|ru|sk|sl|tr|uk)-")
_AFTERNOON = re.compile(r"p\.?\s?m|下午|午後|오후", re.IGNORECASE)
_MORNING = re.compile(r"a\.?\s?m|上午|午前|오전", re.IGNORECASE)
_SKEW = timedelta(minutes=10)
_OLDEST = timedelta(days=8)
"""Older than a renewed ticket of the default policy can be. A day and month that are swapped lie further apart."""


class _Dates:
    """Reads dates as one host writes them."""

    def __init__(self, culture: str, offset: timedelta, now: datetime) -> None:
        self.culture, self.offset, self.now = culture, offset, now

    def read(self, line: str) -> datetime:
        """The first date and time of a line, in UTC. Raises `Unreadable` if it could mean two days, or the future."""
        found = _STAMP.search(line)
        if found is None:
            raise Unreadable(f"{line!r} has no date and time")
        first, second, third, between, hour, minute, second_, after = found.groups()
        hours = int(hour)
        if _AFTERNOON.search(between + after):
            hours = hours % 12 + 12
        elif _MORNING.search(between + after):
            hours %= 12
        clock = (hours, int(minute), int(second_))
        recent = {
            each
            for each in self._moments(_orders(first, second, third), clock)
            if self.now - _OLDEST <= each <= self.now + _SKEW
        }
        moments = recent if len(recent) == 1 else self._moments(_orders(first, second, third, self.culture), clock)
        if len(moments) != 1:
            raise Unreadable(f"{line!r}: which of these numbers is the day is not known for culture {self.culture}")
        (moment,) = moments
        if moment > self.now + _SKEW:
            raise Unreadable(f"{line!r} lies in the future of a host whose clock says {self.now:%Y-%m-%d %H:%M} UTC")
        return moment

    def _moments(self, orders: list[tuple[int, int, int]], clock: tuple[int, int, int]) -> set[datetime]:
        """What a date may mean, of (year, month, day) each; one that is no day is none."""
        moments = set()
        for year, month, day in orders:
            with suppress(ValueError):
                moments.add(datetime(year + 2000 * (year < 100), month, day, *clock, tzinfo=UTC) - self.offset)
        return moments


def _orders(first: str, second: str, third: str, culture: str = "") -> list[tuple[int, int, int]]:
    """The orders that a date may be in, as (year, month, day); those of a culture if it is known."""
    if len(first) == 4:
        return [(int(first), int(second), int(third))]
    month_first, day_first = (int(third), int(first), int(second)), (int(third), int(second), int(first))
    if culture in _MONTH_FIRST:
        return [month_first]
    return [day_first] if _DAY_FIRST.match(culture) else [month_first, day_first]
