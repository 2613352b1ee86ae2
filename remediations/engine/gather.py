"""Read facts: every query of every candidate in one batch a host, hosts in parallel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from pydantic import ValidationError

from remediations.catalogue.remediation import Reads, Remediation, Seen
from remediations.engine.ports import Hosts
from remediations.facts.query import Query, Unreadable
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Fact, Unknown
from remediations.model.reply import Reply
from remediations.model.site import SecondHop, Site
from remediations.remoting import RemotingError

READ_DEADLINE = 60.0
"""Seconds that all reads of one host may take together."""


class Gathered:
    """What a sweep found, by query, with the identity it was seen as."""

    def __init__(self, seen: Mapping[str, Seen], seen_as: Mapping[str, str]) -> None:
        self._seen, self.seen_as = dict(seen), dict(seen_as)

    def of(self, query: Query[Any]) -> Seen:
        """What one query found. Raises `KeyError` if it was not part of the sweep."""
        return self._seen[query.id]

    def inputs(self, reads: Reads) -> dict[str, Any]:
        """The inputs of a `plan()`, by the names that its `reads` gave."""
        found: dict[str, Any] = dict(reads.given)
        for name, query in reads.queries.items():
            found[name] = self.of(query) if isinstance(query, Query) else {key: self.of(each) for key, each in query.items()}
        return found


def facts_in(inputs: Mapping[str, Any]) -> dict[str, Fact]:
    """All facts among a plan's inputs, by key."""
    found: dict[str, Fact] = {}
    for value in inputs.values():
        for each in value.values() if isinstance(value, Mapping) else (value,):
            if isinstance(each, Fact):
                found[each.key] = each
    return found


def with_facts(inputs: Mapping[str, Any], facts: Mapping[str, Fact]) -> dict[str, Any]:
    """`inputs` with each fact replaced by the one of the same key in `facts`."""

    def swap(value: Any) -> Any:
        return facts.get(value.key, value) if isinstance(value, Fact) else value

    return {
        name: {key: swap(each) for key, each in value.items()} if isinstance(value, Mapping) else swap(value)
        for name, value in inputs.items()
    }


def queries_of(reads: Iterable[Reads]) -> list[Query[Any]]:
    """Every query of these reads, each once."""
    found: dict[str, Query[Any]] = {}
    for each in reads:
        for query in each.queries.values():
            for one in (query,) if isinstance(query, Query) else query.values():
                found[one.id] = one
    return list(found.values())


def gather(hosts: Hosts, site: Site, queries: Iterable[Query[Any]]) -> Gathered:
    """Send all queries and parse what comes back. Never raises for a host: what could not be read is `Unknown`."""
    by_host: dict[str, list[Query[Any]]] = defaultdict(list)
    seen: dict[str, Seen] = {}
    for query in queries:
        refusal = _refusal(query, site)
        if refusal:
            seen[query.id] = Unknown(reason=refusal)
        else:
            by_host[query.host].append(query)
    asked: list[tuple[list[Query[Any]], Future[list[Reply]]]] = []
    for host, theirs in by_host.items():
        commands = [each for query in theirs for each in query.commands]
        asked.append((theirs, hosts.submit(host, commands, deadline=READ_DEADLINE)))
    for theirs, answer in asked:
        seen.update(_parsed(theirs, answer))
    return Gathered(seen, {host: hosts.identity(host) for host in by_host})


def read_for(hosts: Hosts, site: Site, evidence: Evidence, remediations: Iterable[Remediation]) -> list[dict[str, Any]]:
    """The inputs of each remediation's plan, from one sweep. Raises `LookupError` for a name that the site does not know."""
    reads = [each.reads(site, evidence) for each in remediations]
    found = gather(hosts, site, queries_of(reads))
    return [found.inputs(each) for each in reads]


def _refusal(query: Query[Any], site: Site) -> str:
    """Why a query is not sent at all: an error of our own second hop would look like the fault that we search."""
    reaching = [each.name for each in query.commands if each.reaches_beyond(query.host)]
    if reaching and site.host(query.host).endpoint.second_hop is SecondHop.NONE:
        return f"{reaching[0]} on {query.host} needs a second hop, which site.yaml does not give its endpoint (second_hop)"
    return ""


def _parsed(queries: list[Query[Any]], answer: Future[list[Reply]]) -> dict[str, Seen]:
    try:
        replies = answer.result(timeout=READ_DEADLINE + 30)
    except (RemotingError, TimeoutError) as error:
        return {query.id: Unknown(reason=str(error)) for query in queries}
    seen: dict[str, Seen] = {}
    for query in queries:
        own, replies = replies[: len(query.commands)], replies[len(query.commands) :]
        try:
            seen[query.id] = query.parse(own)
        except Unreadable as reason:
            seen[query.id] = Unknown(reason=str(reason))
        except (KeyError, ValueError, TypeError, ValidationError) as error:
            seen[query.id] = Unknown(
                reason=f"{query.host} answered something unexpected to {query.commands[0].name}: {error!r}"
            )
    return seen
