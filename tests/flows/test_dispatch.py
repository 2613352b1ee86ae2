"""Nothing ends the thread that starts the runs of accepted alerts, and none of them keeps the others waiting."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectException
from served_prefect import answered

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


@pytest.mark.parametrize(
    ("error", "started"),
    [
        (answered(409), {"VM1", "VM3"}),
        (answered(500), {"VM1", "VM3"}),
        (UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed"), {"VM1", "VM3"}),
        (answered(503), {"VM1"}),
        (httpx.ConnectError("refused"), {"VM1"}),
    ],
    ids=["refused", "its database refuses it", "cannot be written", "is busy", "is away"],
)
def test_an_incident_whose_flow_run_is_refused_keeps_no_other_from_its_own(
    tmp_path: Path, error: Exception, started: set[str]
) -> None:
    asked: list[str] = []

    def create(deployment: object, *, parameters: dict[str, Any], **_: Any) -> Any:
        del deployment
        vm = parameters["incident"]["vm"]
        if vm == "VM2":
            raise error
        asked.append(vm)
        return SimpleNamespace(id=uuid4())

    def client() -> Any:
        return nullcontext(SimpleNamespace(create_flow_run_from_deployment=create))

    failed = [Incident(vm=f"VM{each}", source=f"HV0{each}", destination=f"HV0{each + 1}") for each in (1, 2, 3)]
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        dispatcher = Dispatcher(ledger, client, uuid4(), site=load_site(packaged("site.yaml")), policy=Policy())
        for each in failed:
            dispatcher.accept([each])
        for _ in range(2):
            with pytest.raises(type(error)):
                dispatcher.dispatch()
        assert set(asked) == started
        assert len(asked) == len(started), "asked for once"
        assert {str(each.opened.incident.vm) for each in ledger.to_start()} == {"VM1", "VM2", "VM3"} - started
