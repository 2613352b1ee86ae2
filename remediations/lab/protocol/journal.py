"""What the lab has seen: commands as they were executed, and requests as they were counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Outcome = Literal["running", "completed", "failed", "stopped", "refused", "whatif"]


@dataclass
class Entry:
    """One command that a client sent.

    `refused` means that it never ran (unknown command or parameter, wrong value, script); `whatif` that it ran without
    changing anything; every other outcome that its handler was entered, exactly once for this entry.
    """

    host: str
    configuration: str
    principal: str
    name: str
    """Real spelling; as sent where it was refused."""
    parameters: Mapping[str, Any]
    """As bound, by their real names; empty where it was refused."""
    common: Mapping[str, Any]
    """Common parameters that were given, as `ErrorAction` and `Confirm`."""
    command_id: str
    """The pipeline's CommandId, upper case."""
    outcome: Outcome = "running"
    errors: list[str] = field(default_factory=list)
    """Error ids (the part before the comma) that it reported, terminating one last."""
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def executed(self) -> bool:
        """Whether its handler was entered."""
        return self.outcome not in ("refused", "whatif")


class Journal:
    """Every command of a lab, in the order in which they started."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    def add(self, entry: Entry) -> Entry:
        """Write one entry."""
        self._entries.append(entry)
        return entry

    def executed(self, name: str | None = None, host: str | None = None) -> tuple[Entry, ...]:
        """Entries whose handler was entered, of one command and one host if named (without regard to case)."""
        return tuple(
            each
            for each in self
            if each.executed
            and (name is None or each.name.casefold() == name.casefold())
            and (host is None or each.host.casefold() == host.casefold())
        )

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


class Requests:
    """How many HTTP requests came, by host and WS-Management action.

    A request that was answered with 401, or that carried nothing but authentication, counts as `Authenticate`.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, host: str, action: str) -> None:
        """Count one."""
        self._counts[host.casefold(), action] += 1

    def count(self, host: str | None = None, action: str | None = None) -> int:
        """How many, of one host and one action if named."""
        return sum(
            number
            for (at, what), number in tuple(self._counts.items())
            if (host is None or at == host.casefold()) and (action is None or what == action)
        )

    def of(self, host: str) -> dict[str, int]:
        """One host's counts by action."""
        return {what: number for (at, what), number in tuple(self._counts.items()) if at == host.casefold()}

    def clear(self) -> None:
        """Start again from zero."""
        self._counts.clear()
