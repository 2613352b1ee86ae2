"""A query: the commands that read one fact, the host they go to, and how their replies become the fact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Generic, TypeVar

from remediations.model.command import Command
from remediations.model.fact import Fact, NotApplicable, Unknown
from remediations.model.names import HostName
from remediations.model.reply import Reply

FactT = TypeVar("FactT", bound=Fact)

Parse = Callable[[Sequence[Reply]], FactT | NotApplicable | Unknown]


class Unreadable(Exception):
    """Raised by a parser for a reply that does not have what the fact needs; the fact becomes Unknown with this reason."""


MadeT = TypeVar("MadeT")


def asked_often(query: Callable[[str], MadeT]) -> Callable[[str], MadeT]:
    """Makes a query of a host once, however many plans ask it: queries never change, so equal ones may be one object."""
    return lru_cache(maxsize=4096)(query)


@dataclass(frozen=True)
class Query(Generic[FactT]):
    """Reads one fact from one host. Two queries with equal `id` are the same and are sent once.

    `host` is the inventory's name of the host whose endpoint is asked; `commands` only read (their contract says so);
    `parse` turns the replies, in the order of the commands, into the fact, `NotApplicable` or `Unknown`: a pure function, or a
    `functools.partial` of one.
    """

    host: HostName
    commands: tuple[Command, ...]
    parse: Parse[FactT]

    @cached_property
    def id(self) -> str:
        """Stable name of the query: host, parser and commands."""
        parse = self.parse
        by = parse.func if isinstance(parse, partial) else parse
        bound = [by.__module__, by.__qualname__, repr(parse.args) if isinstance(parse, partial) else ""]
        return "\n".join([self.host.casefold(), *bound, *(each.key for each in self.commands)])
