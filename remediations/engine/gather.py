"""Read facts: every query of every candidate in one batch a host, hosts in parallel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from types import MappingProxyType
from typing import Any

from remediations.catalogue.remediation import Reads, Remediation, Seen, anywhere, at_home
from remediations.engine.ports import Reading
from remediations.facts.query import Query, Unreadable
from remediations.model.command import Command
from remediations.model.diagnosis import Evidence
from remediations.model.fact import Change, Fact, Unknown, predict
from remediations.model.reply import Reply
from remediations.model.site import SecondHop, Site
from remediations.remoting import RemotingError

READ_DEADLINE = 60.0
"""Seconds that all reads of one host may take together."""

PATIENCE = READ_DEADLINE + 30
"""Seconds after which a host that has neither answered nor failed is taken for silent."""

AT_ONCE = 32
"""Reading that are read at the same time. More do not make a sweep faster: the process that reads is then what limits it."""


BATCH = 120
"""Commands that one host is sent in one pipeline; more go in further ones, each with a deadline of its own."""


class Gathered:
    """What a sweep found, by query, with the identity it was seen as."""

    def __init__(self, seen: Mapping[str, Seen], seen_as: Mapping[str, str], silent: Mapping[str, str] | None = None) -> None:
        self._seen, self.seen_as = dict(seen), dict(seen_as)
        self.silent = dict(silent or {})
        """Reading that answered nothing at all, and why."""

    @property
    def seen(self) -> Mapping[str, Seen]:
        """Everything that was found, by the queries' ids."""
        return MappingProxyType(self._seen)

    def __add__(self, other: Gathered) -> Gathered:
        """Both sweeps as one; what the later one saw counts."""
        return Gathered(self._seen | other._seen, self.seen_as | other.seen_as, other.silent | self.silent)

    def has(self, query: Query[Any]) -> bool:
        """Whether it was part of the sweep."""
        return query.id in self._seen

    def get(self, query: Query[Any]) -> Seen | None:
        """What one query found; None if it was not part of the sweep."""
        return self._seen.get(query.id)

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
    """All facts among a plan's inputs, by key: of what several hosts tell, that which the plan itself goes by.

    Where nobody knows which host is meant, the fact is left out: no guard and no step is then tested by the wrong one's.
    """
    found: dict[str, Fact] = {}
    for value in at_home(inputs).values():
        if not isinstance(value, Mapping):
            if isinstance(value, Fact):
                found[value.key] = value
            continue
        told: dict[str, dict[str, Fact]] = defaultdict(dict)
        for host, seen in value.items():
            if isinstance(seen, Fact):
                told[seen.key][host] = seen
        for key, by_host in told.items():
            if isinstance(seen := anywhere(by_host), Fact):
                found[key] = seen
    return found


def as_changed(inputs: Mapping[str, Any], made: Sequence[Change]) -> dict[str, Any]:
    """`inputs` as they will be after `made`. Each fact stays the one that its own host showed: several may show the same."""

    def swap(value: Any) -> Any:
        return predict({value.key: value}, made)[value.key] if isinstance(value, Fact) else value

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


def gather(hosts: Reading, site: Site, queries: Iterable[Query[Any]]) -> Gathered:
    """Send all queries and parse what comes back. Never raises for a host: what could not be read is `Unknown`."""
    by_host: dict[str, list[Query[Any]]] = defaultdict(list)
    seen: dict[str, Seen] = {}
    for query in queries:
        refusal = _refusal(query, site)
        if refusal:
            seen[query.id] = Unknown(reason=refusal)
        else:
            by_host[query.host].append(query)
    silent: dict[str, str] = {}
    for job in _done(hosts, [_Job(host, theirs) for host, theirs in by_host.items()]):
        if job.error is None:
            seen.update(job.parsed())
        else:
            seen |= {query.id: Unknown(reason=str(job.error)) for query in job.queries}
            silent[job.host] = str(job.error)
    return Gathered(seen, {host: hosts.identity(host) for host in by_host}, silent)


class _Job:
    """All that one host is asked."""

    def __init__(self, host: str, queries: Sequence[Query[Any]]) -> None:
        self.host, self.queries = host, queries
        self.error: Exception | None = None
        # Two queries may need the same command: it is sent once.
        self._commands = list({each.key: each for query in queries for each in query.commands}.values())
        self._replies: dict[str, Reply] = {}

    @property
    def left(self) -> list[Command]:
        """The commands of the next pipeline; none at the end."""
        return self._commands[len(self._replies) :][:BATCH]

    def heard(self, answer: Future[list[Reply]]) -> None:
        """Take in what came of the last pipeline."""
        try:
            replies = answer.result(timeout=0)
        except RemotingError as error:
            self.error = error
        except TimeoutError as error:
            # Whoever waits in vain is told so without a word, and silence needs its reason.
            self.error = TimeoutError(str(error) or f"{self.host} did not answer within {PATIENCE:g} s")
        else:
            self._replies |= {each.key: reply for each, reply in zip(self.left, replies, strict=True)}

    def parsed(self) -> dict[str, Seen]:
        """What the queries found, by their ids."""
        return {query.id: self._parsed(query) for query in self.queries}

    def _parsed(self, query: Query[Any]) -> Seen:
        try:
            found: Seen = query.parse([self._replies[each.key] for each in query.commands])
            return found
        except Unreadable as reason:
            return Unknown(reason=str(reason))
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
            said = f"{query.host} answered something unexpected to {query.commands[0].name}: {error!r}"
            return Unknown(reason=said)


def _done(hosts: Reading, jobs: Iterable[_Job]) -> Iterator[_Job]:
    """The jobs as they end, a few hosts at a time."""
    left = iter(jobs)
    flying: dict[Future[list[Reply]], _Job] = {}
    going: list[_Job] = []
    while True:
        for job in (*going, *islice(left, AT_ONCE - len(flying) - len(going))):
            flying[hosts.submit(job.host, job.left, deadline=READ_DEADLINE)] = job
        if not flying:
            return
        done, _ = wait(flying, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        going = []
        # If nothing came in all that time, whoever asks for a result is told so.
        for future in done or set(flying):
            job = flying.pop(future)
            job.heard(future)
            if job.error is None and job.left:
                going.append(job)
            else:
                yield job


def reads_of(remediation: Remediation, site: Site, evidence: Evidence) -> Reads | Unknown:
    """What a remediation reads; `Unknown` where site.yaml lacks what it would ask, as a domain controller."""
    try:
        return remediation.reads(site, evidence)
    except LookupError as error:
        return Unknown(reason=str(error))


def read_for(hosts: Reading, site: Site, evidence: Evidence, remediations: Iterable[Remediation]) -> list[dict[str, Any]]:
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
