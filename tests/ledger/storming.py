"""A storm of alerts: processes that accept and dispatch on one ledger, a Prefect that only counts, runs that only end."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from flows.dispatch import Dispatcher
from remediations.engine.companions import companions, dismiss
from remediations.ledger import Ledger, OpenIncident
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome
from remediations.model.plan import Manual, Plan
from remediations.model.policy import Caps, Policy
from remediations.model.tier import Proof, Reversal, Tier
from remediations.settings import load_site, packaged

SITE = load_site(packaged("site.yaml"))
TEXT = (
    "Live migration of 'Virtual Machine {vm}' failed. The credentials supplied to the package were not recognized. (0x8009030E)"
)
MENDED = Outcome(ending=Ending.MENDED, summary="Mended and verified.")


def alerts(groups: int, each: int) -> list[Incident]:
    """`each` failures in each of `groups` pairs of hosts that share none, in any order, always the same."""
    found = [
        Incident(
            vm=f"VM-{group}-{number}",
            source=f"A{group}",
            destination=f"B{group}",
            message=TEXT.format(vm=f"VM-{group}-{number}"),
            occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
            reported_by="Alertmanager",
        )
        for group in range(groups)
        for number in range(each)
    ]
    random.Random(1).shuffle(found)  # noqa: S311 - the same disorder each time
    return found


class CountingPrefect:
    """Takes flow runs as Prefect does: one for each idempotency key, by a file for each, so that processes share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> CountingPrefect:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def create_flow_run_from_deployment(self, deployment: UUID, *, idempotency_key: str, **_: Any) -> Any:
        run = uuid5(NAMESPACE_URL, idempotency_key)
        with (self.folder / str(run)).open("a") as asked:
            asked.write(idempotency_key + "\n")
        return type("Run", (), {"id": run})()

    def runs(self) -> dict[str, str]:
        """The incident of each flow run."""
        return {path.name: path.read_text().split()[0] for path in self.folder.iterdir()}


def dispatcher(ledger: Ledger, folder: Path, max_open_runs: int) -> Dispatcher:
    policy = Policy(caps=Caps(max_open_runs=max_open_runs))
    return Dispatcher(ledger, lambda: CountingPrefect(folder), uuid4(), site=SITE, policy=policy)


def accept(url: str, folder: str, incidents: Sequence[Incident], max_open_runs: int) -> tuple[int, float]:
    """One receiver with its dispatcher: how many it accepted, and how long that took."""
    with Ledger(url, patience=60) as ledger, working(dispatcher(ledger, Path(folder), max_open_runs)) as mine:
        began = time.monotonic()
        accepted = {mine.accept([incident])[0].id for incident in incidents}
        took = time.monotonic() - began
    return len(accepted), took


@contextmanager
def working(mine: Dispatcher) -> Iterator[Dispatcher]:
    mine.start()
    try:
        yield mine
    finally:
        mine.stop()


class AllOver:
    """An engine that reads again, and finds that the mend has helped everybody."""

    def over_by_now(self, incidents: Sequence[OpenIncident]) -> dict[str, str]:
        return {each.id: "Read again: it has moved." for each in incidents}


def finish(url: str, folder: str, max_open_runs: int) -> dict[str, int]:
    """Runs begin, end, and leave room for the next, until nothing is open: how often each incident was executed."""
    prefect, executed = CountingPrefect(Path(folder)), {}
    with Ledger(url, patience=60) as ledger:
        mine = dispatcher(ledger, Path(folder), max_open_runs)
        while ledger.open_incidents():
            mine.dispatch()
            mine.read_again(AllOver())
            for run, incident_id in prefect.runs().items():
                if ledger.run(run) is None:
                    ledger.start_run(run, kind="remediate-migration", incident_id=incident_id, requested_by="alerting")
                    if ledger.attach_run(incident_id, run):
                        executed[incident_id] = executed.get(incident_id, 0) + 1
                        dismiss(ledger, incident_id, companions(ledger, incident_id, mend(ledger, incident_id), SITE), MENDED)
                        ledger.close_incident(incident_id, MENDED)
                    ledger.finish_run(run, MENDED)
    return executed


def mend(ledger: Ledger, incident_id: str) -> Plan:
    """What every failure of this pair needs."""
    source = ledger.incident(incident_id).incident.source
    return Plan(
        remediation="register-spns",
        request={"host": source},
        title="A mend",
        tier=Tier.LOCAL,
        reversal=Reversal.EXACT,
        proof=Proof.STATE,
        items=(Manual(why="by hand", instructions=("do it",)),),
    )
