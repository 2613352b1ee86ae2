"""Nothing ends the thread that starts the runs of accepted alerts."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectException

from flows.dispatch import Dispatcher
from remediations.ledger import Ledger
from remediations.model.incident import Incident
from remediations.model.policy import Policy
from remediations.settings import load_site, packaged


@pytest.mark.parametrize("error", [PrefectException("as of a run that was deleted in between"), KeyError("of our own making")])
def test_what_nobody_thought_of_is_tried_again(tmp_path: Path, error: Exception) -> None:
    """The edge is Prefect's client: here one that cannot be had."""
    tries: list[int] = []
    again = threading.Event()

    def client() -> SyncPrefectClient:
        tries.append(1)
        if len(tries) > 1:
            again.set()
        raise error

    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        dispatcher = Dispatcher(ledger, client, uuid4(), site=load_site(packaged("site.yaml")), policy=Policy())
        dispatcher.accept([Incident(vm="VM42", source="HV01")])
        dispatcher.start()
        try:
            assert again.wait(30), "the dispatcher has ended"
        finally:
            dispatcher.stop()
