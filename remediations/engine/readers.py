"""Several processes that read hosts, each with sessions of its own: what one core cannot do in time.

Reading is waiting, but its TLS, XML and typing are not, and Python does those on one core for each process. A reader is given
the questions for its share of the hosts, and gives back facts. It reads, and can do nothing else: its sessions are never
asked to change anything. A reader that dies takes no host with it: its share is read here.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog

from remediations import logs
from remediations.engine import gather
from remediations.engine.gather import Gathered
from remediations.engine.ports import Reading
from remediations.facts.query import Query
from remediations.model.site import SecretRef, Site
from remediations.remoting import Remoting, RemotingSettings

log = structlog.get_logger(__name__)

ENOUGH = 64
"""Hosts that are worth a process of their own: starting one takes as much processor time as reading some twenty hosts."""

BRIEFLY = RemotingSettings(close_after=20)
"""A host that was read is seldom asked again: hundreds of sessions kept open would be hundreds of open files."""

PATIENCE = 5.0
"""Seconds that a reader has to close its sessions."""


def available() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Task(NamedTuple):
    """What a reader is sent."""

    queries: Sequence[Query[Any]]
    at_once: int
    deadline: float


class _Reader(NamedTuple):
    process: BaseProcess
    line: Connection


class Readers:
    """Reads hosts in up to `most` processes (as many as there are cores, if 0). A context manager; for one thread.

    `secrets` is a function of a module, which the processes import. They start when there is first enough to read, and end
    with the block, or with this process. Ctrl-C is this process's alone to hear.
    """

    def __init__(
        self, site: Site, secrets: Callable[[SecretRef], str], *, most: int = 0, settings: RemotingSettings = BRIEFLY
    ) -> None:
        if most < 0:
            raise ValueError(f"most: {most} is no number of processes; 0 takes one for each core")
        self.most = most or available()
        self._site, self._secrets, self._settings = site, secrets, settings
        self._readers: list[_Reader] = []
        self._of: dict[str, int] = {}
        """Which reader has a host's session."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        readers, self._readers = self._readers, []
        for each in readers:
            each.line.close()  # a reader whose line is closed closes its sessions and ends
        for each in readers:
            each.process.join(0.1 if error is not None else PATIENCE)
            if each.process.is_alive():
                each.process.terminate()
                each.process.join(PATIENCE)

    def read(self, hosts: Reading, site: Site, queries: Iterable[Query[Any]]) -> Gathered:
        """As `gather`, by several processes where there are hosts enough; else, and where one fails, by this one."""
        asked = list(queries)
        if not self._readers:
            wanted = min(self.most, len({each.host for each in asked}) // ENOUGH)
            if wanted < 2:
                return gather.gather(hosts, site, asked)
            self._readers = [self._start(number) for number in range(wanted)]
        shares = self._shared(asked)
        at_once = max(1, gather.AT_ONCE // len(self._readers))
        for reader, share in zip(self._readers, shares, strict=True):
            if share:  # an answer that nobody waits for would be taken for that to the next question
                _told(reader, _Task(share, at_once, gather.READ_DEADLINE))
        found = Gathered({}, {})
        for number, share in enumerate(shares):
            part = _heard(self._readers[number]) if share else Gathered({}, {})
            if part is None:
                log.warning("a reading process ended early; its hosts are read by this one", hosts=len({q.host for q in share}))
                part = gather.gather(hosts, site, share)
            found += part
        return found

    def _start(self, number: int) -> _Reader:
        # Not forked: threads of this process may hold locks that would never open in a copy of it.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve,
            args=(theirs, self._site, self._secrets, self._settings),
            name=f"reader {number + 1}",
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Reader(process, ours)

    def _shared(self, queries: Iterable[Query[Any]]) -> list[list[Query[Any]]]:
        """The questions by reader: a host stays with the one that has its session, new ones go where there is least to do."""
        by_host: dict[str, list[Query[Any]]] = defaultdict(list)
        for query in queries:
            by_host[query.host.casefold()].append(query)
        work = {host: sum(len(each.commands) for each in theirs) for host, theirs in by_host.items()}
        shares: list[list[Query[Any]]] = [[] for _ in self._readers]
        load = [0] * len(self._readers)
        for host in sorted(by_host, key=work.__getitem__, reverse=True):  # the longest first, so that none is left to the end
            number = self._of.setdefault(host, load.index(min(load)))
            shares[number] += by_host[host]
            load[number] += work[host]
        return shares


def _told(reader: _Reader, task: _Task) -> None:
    try:
        reader.line.send(task)
    except OSError as error:  # it has ended: whoever waits for its answer finds out
        log.debug("a reading process is gone", why=str(error))


def _heard(reader: _Reader) -> Gathered | None:
    """What a reader found; None if it ended without an answer."""
    try:
        seen, seen_as, silent = reader.line.recv()
    except (EOFError, OSError):
        return None
    return Gathered(seen, seen_as, silent)


# ---- in the reading process ------------------------------------------------------------------------------------------


def _serve(line: Connection, site: Site, secrets: Callable[[SecretRef], str], settings: RemotingSettings) -> None:
    """Answer what comes down the line until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.configure(level="WARNING", stream=sys.stderr)
    with Remoting(site, secrets, settings=settings) as hosts:
        while True:
            try:
                task: _Task = line.recv()
                gather.AT_ONCE, gather.READ_DEADLINE = task.at_once, task.deadline
                line.send(_plain(gather.gather(hosts, site, task.queries)))
            except (EOFError, OSError):  # nobody is there any more
                return


def _plain(found: Gathered) -> tuple[Mapping[str, Any], Mapping[str, str], Mapping[str, str]]:
    return dict(found.seen), found.seen_as, found.silent
