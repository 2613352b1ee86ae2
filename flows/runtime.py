"""Builds the engine inside a process that runs flows, from the files and variables that a site sets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TextIO

from flows.pause import switches
from remediations import logs, settings
from remediations.catalogue import CATALOGUE
from remediations.codes import Codes
from remediations.engine import Engine, Observe
from remediations.engine.ports import StepOf, quietly
from remediations.ledger import Ledger
from remediations.model.outcome import Reason, Refused
from remediations.model.site import SecretRef
from remediations.remoting import Remoting


def configuration() -> settings.Configuration:
    """This machine's site and policy. Raises `ConfigError` with every mistake: nothing runs on a guess."""
    return settings.load(settings.config_directory(), {entry.id: entry.tier for entry in CATALOGUE.values()})


@contextmanager
def engine(observe: Observe = quietly) -> Iterator[Engine]:
    """An engine for this machine's site; its sessions and its ledger are closed at the end."""
    found = configuration()
    own = settings.Settings.load()
    own.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Ledger(own.ledger_url) as ledger, Remoting(found.site, settings.resolve) as remoting:
        yield Engine(
            site=found.site,
            policy=found.policy,
            ledger=ledger,
            remoting=remoting,
            observe=observe,
            switches=switches(own.prefect_api),
            step_of=step_of(own),
            bundles=own.state / "evidence",
        )


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
