"""Builds the engine inside a process that runs flows, from the files and variables that a site sets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from tempfile import TemporaryDirectory
from typing import Literal, TextIO

import structlog

from flows.pause import switches
from remediations import logs, settings
from remediations.catalogue import CATALOGUE
from remediations.codes import Codes
from remediations.engine import Engine, Observe
from remediations.engine.ports import StepOf, quietly
from remediations.engine.readers import Readers
from remediations.ledger import Head, Ledger, NoLedger
from remediations.ledger.published import Published
from remediations.model.outcome import Reason, Refused
from remediations.model.site import SecretRef, Site
from remediations.remoting import Remoting

log = structlog.get_logger(__name__)


def configuration() -> settings.Configuration:
    """This machine's site and policy. Raises `ConfigError` with every mistake, and for the example: nothing runs on a guess."""
    return settings.this_machine({entry.id: entry.tier for entry in CATALOGUE.values()})


Absent = Literal["make", "refuse"] | Callable[[str], None]
"""Where this machine has no ledger: make it; raise `NoLedger`; or, for what only reads, tell this of it, and take an empty one
that is gone afterwards."""


@contextmanager
def engine(observe: Observe = quietly, *, absent: Absent = "make") -> Iterator[Engine]:
    """An engine for this machine's site; its sessions and its ledger are closed at the end.

    Raises `Refused` (LedgerUnavailable) while the ledger does not hold what this machine published last of it.
    """
    found = configuration()
    own = settings.Settings.load()
    published = Published(own.make_state() if absent == "make" else own.state)
    with _ledger(own, absent) as ledger, Remoting(found.site, settings.resolve) as remoting:
        published.check(ledger)
        yield Engine(
            site=found.site,
            policy=found.policy,
            ledger=ledger,
            remoting=remoting,
            observe=observe,
            switches=switches(own.prefect_api),
            publish=partial(_keep, published),
            step_of=step_of(own),
            keeps=own.state,
        )


@contextmanager
def _ledger(own: settings.Settings, absent: Absent) -> Iterator[Ledger]:
    try:
        there = Ledger(own.ledger_url, make=absent == "make")
    except NoLedger as none:
        if not callable(absent):
            raise
        absent(none.detail)
        with TemporaryDirectory() as passing, Ledger(f"sqlite:///{passing}/ledger.db") as empty:
            yield empty
        return
    with there:
        yield there


def readers(site: Site) -> Readers:
    """The processes that read many hosts at a time, as many as this machine's settings say. To be closed."""
    return Readers(site, settings.resolve, most=settings.Settings.load().readers)


def _keep(published: Published, head: Head) -> None:
    """Keep what is about to be shown. If it cannot be, an older head is still kept, which tells of less: nothing stops."""
    try:
        published.keep(head)
    except OSError as error:
        log.warning("the audit trail's head could not be kept", file=str(published.path), error=str(error))


def step_of(own: settings.Settings) -> StepOf:
    """What judges approvers' one-time codes here, by the key that this machine has."""
    codes = Codes(lambda: settings.resolve(SecretRef(file=own.key)))

    def step(secret: str, code: str, at: datetime) -> int | None:
        try:
            return codes.step(secret, code, at)
        except LookupError as error:
            raise Refused(Reason.APPROVAL_INVALID, f"one-time codes cannot be judged here: {error}") from None

    return step


def configure_logs(*, level: str = "INFO", stream: TextIO | None = None) -> None:
    """This process's logs, without a line for each call to Prefect's API."""
    logs.configure(level=level, stream=stream)
    logging.getLogger("httpx").setLevel(logging.WARNING)
