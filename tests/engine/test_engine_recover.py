"""What recovery finishes and what it leaves, and what it says of what is left; what is sent for it is the laws' matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from approving import Clock, plan

from remediations.engine.apply import Applier
from remediations.engine.recover import Over, left_over, recover
from remediations.ledger import Ledger
from remediations.model.command import command
from remediations.model.incident import Incident
from remediations.model.outcome import Ending, Outcome, Reason, Refused
from remediations.model.plan import Close
from remediations.model.tier import Tier
from remediations.settings import load_site, packaged

PLAN = plan(Tier.LOCAL, 4)
START = Close(host="HV01", command=command("Start-VM", Name="VM42"))
OFF = PLAN.model_copy(update={"items": (PLAN.steps[0].model_copy(update={"opens": "VM42 is off", "close": START}),)})
ENDED = Outcome(ending=Ending.FAILED, summary="it broke")
EXPIRED = Over(reason=Reason.APPROVAL_EXPIRED, words="The approval expired without an answer")
CRASHED = Over(reason=None, words="The run crashed")


@dataclass
class Closer:
    """An applier of which only `close` is asked: what it says of each plan that an ended run left."""

    says: list[str] | Refused
    asked: list[str] = field(default_factory=list)
    site: Any = field(default_factory=lambda: load_site(packaged("site.yaml")))

    def close(self, run: str, *_: object) -> list[str]:
        self.asked.append(run)
        if isinstance(self.says, Refused):
            raise self.says
        return self.says

    def __call__(self) -> Applier:
        return cast(Applier, self)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=Clock()) as opened:
        yield opened


def started(ledger: Ledger, run: str = "run-1", vm: str | None = None) -> str | None:
    """A run, and the incident that it has taken."""
    opened = ledger.open_incident(Incident(vm=vm, source="HV01"), None).id if vm else None
    ledger.start_run(run, kind="remediate-migration", incident_id=opened, requested_by="anna")
    if opened is not None:
        ledger.attach_run(opened, run)
    return opened


def half_way(ledger: Ledger, run: str = "run-1", *, opens: bool = False) -> None:
    """A step of it was sent, and nobody knows what became of it; or it is known, and has left something open."""
    wanted = OFF if opens else PLAN
    sealed = ledger.seal(run, round=1, part="repair", plan=wanted, expires_at=ledger._now() + timedelta(hours=8))
    ledger.decide(sealed, decision="approve", approver="bert", comment="", proof="name")
    ledger.use_approval(sealed)
    lease = ledger.lease([f"host:{run}"], holder=run, seconds=600)
    step = {"run": run, "digest": sealed.digest, "index": 0, "command_id": uuid4()}
    ledger.intend(**step, step=wanted.steps[0], lease=lease, deadline=60, margin=15)
    if opens:
        ledger.result(**step, ok=True, detail="", how="answered")


# ---- runs without an outcome ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [EXPIRED, CRASHED], ids=["expired", "crashed"])
def test_a_run_that_is_over_and_sent_nothing_ends_with_its_incident_and_gives_back_what_it_held(
    ledger: Ledger, over: Over
) -> None:
    opened = started(ledger, vm="VM42")
    started(ledger, "run-2", vm="VM43")
    for run in ("run-1", "run-2"):
        ledger.lease([f"host:{run}"], holder=run, seconds=600)
    (found,) = recover(ledger, Closer([])(), lambda run: over if run == "run-1" else None)
    assert (found.run, found.incident_id, found.outcome.ending, found.outcome.reason) == (
        "run-1", opened, Ending.REFUSED, over.reason,
    )  # fmt: skip
    assert opened is not None
    assert ledger.incident(opened).outcome == found.outcome
    assert [each.run for each in ledger.unfinished_runs()] == ["run-2"]
    assert [each.holder for each in ledger.held()] == ["run-2"]


@pytest.mark.parametrize("over", [EXPIRED, CRASHED], ids=["expired", "crashed"])
def test_an_incident_that_another_run_has_stays_open(ledger: Ledger, over: Over) -> None:
    opened = started(ledger, "run-2", vm="VM42")
    ledger.start_run("run-1", kind="remediate-migration", incident_id=opened, requested_by="anna")
    assert [each.run for each in recover(ledger, Closer([])(), lambda run: over if run == "run-1" else None)] == ["run-1"]
    assert opened is not None
    assert ledger.incident(opened).closed_at is None
    assert [each.run for each in ledger.unfinished_runs()] == ["run-2"]


# ---- what ended runs left ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opens", "ending", "what"),
    [(True, Ending.UNDONE, "“VM42 is off” was left half-way"), (False, Ending.NEEDS_PERSON, "nobody knew")],
)
def test_what_an_ended_run_left_is_closed_before_anything_else(ledger: Ledger, opens: bool, ending: Ending, what: str) -> None:
    started(ledger)
    half_way(ledger, opens=opens)
    ledger.finish_run("run-1", ENDED)
    (found,) = recover(ledger, Closer([])(), lambda run: None)
    assert (found.run, found.outcome.ending) == ("run-1", ending)
    assert found.what.startswith(what)


@pytest.mark.parametrize("says", [["HV01 is down"], Refused(Reason.RESOURCE_BUSY, "HV01 is down")], ids=["left", "busy"])
def test_what_cannot_be_closed_now_is_told_and_left_for_later(ledger: Ledger, says: list[str] | Refused) -> None:
    started(ledger)
    half_way(ledger, opens=True)
    ledger.finish_run("run-1", ENDED)
    assert recover(ledger, Closer(says)(), lambda run: None) == []
    last = ledger.trail("run-1")[-1]
    assert last.kind == "recover later"
    assert "HV01 is down" in str(last.data["why"])


def test_what_a_run_that_goes_on_has_open_is_its_own(ledger: Ledger) -> None:
    started(ledger)
    half_way(ledger, opens=True)
    closer = Closer([])
    assert recover(ledger, closer(), lambda run: None) == []
    assert closer.asked == []


# ---- what is said of it -----------------------------------------------------------------------------------------------


def test_what_is_left_is_told_with_why(ledger: Ledger) -> None:
    for run in ("goes on", "crashed", "far away", "ended, open", "ended, asked", "ended, whole", "goes on, open"):
        started(ledger, run)
    half_way(ledger, "ended, open", opens=True)
    half_way(ledger, "ended, asked")
    half_way(ledger, "goes on, open", opens=True)
    for run in ("ended, open", "ended, asked", "ended, whole"):
        ledger.finish_run(run, ENDED)
    for why in ("HV01 is down", "HV01 is down still"):
        ledger.note("ended, open", "recover later", {"why": why})
    found = left_over(
        ledger, lambda run: CRASHED if run == "crashed" else None, lambda run: "ask there" if run == "far away" else ""
    )
    assert {each.run: (each.what.partition(":")[0], each.why) for each in found} == {
        "crashed": ("without an outcome", "it was not tried yet"),
        "far away": ("without an outcome", "ask there"),
        "ended, asked": ("in question", "it was not tried yet"),
        "ended, open": ("half-way", "HV01 is down still"),
    }
