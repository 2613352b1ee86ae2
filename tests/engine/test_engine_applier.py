"""What an applier holds while it works, and how it waits: until a thing has come, has plainly stalled, or its time is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from approving import Clock, plan

from remediations.engine.apply import Applier
from remediations.engine.sending import MARGIN, Sending, Stopped
from remediations.ledger import Ledger
from remediations.model.fact import Fact, Guard
from remediations.model.fact import Test as By
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Wait
from remediations.model.policy import Policy
from remediations.model.situation import unlimited
from remediations.model.tier import Tier
from remediations.settings import load_site, packaged

PLAN = plan(Tier.LOCAL, 4)


class Boiler(Fact):
    """What is waited for."""

    state: str = "Stopping"


def shows(facts: Mapping[str, Fact]) -> str:
    return str(facts["Boiler:vm42"].to_json()["state"])


def is_(state: str) -> Guard:
    return Guard(fact="Boiler:vm42", field="state", test=By.EQUALS, bound=state)


@dataclass
class Scripted(Applier):
    """Reads a machine that shows, from so many seconds on, this and then that; its clock goes on only where it pauses."""

    script: dict[float, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reads: list[float] = []

    def read(self, plan: object) -> dict[str, Fact]:
        passed = (self.clock() - Clock().now).total_seconds()
        self.reads.append(passed)
        state = next(state for since, state in sorted(self.script.items(), reverse=True) if since <= passed)
        return {"Boiler:vm42": Boiler(subject="VM42", state=state)}


def nothing(*_: object) -> None:
    return None


@dataclass
class Bench:
    """An applier whose machine follows a script, and a plan that it sends under a lease of a real ledger."""

    ledger: Ledger
    clock: Clock

    def applier(self, script: dict[float, str]) -> Scripted:
        def pause(seconds: float) -> None:
            self.clock.now += timedelta(seconds=seconds)

        return Scripted(
            site=load_site(packaged("site.yaml")),
            policy=Policy(lease_seconds=150),
            ledger=self.ledger,
            hosts=cast(Any, None),
            clock=self.clock,
            pause=pause,
            room=lambda plan: unlimited,
            may_begin=nothing,
            paused=nothing,
            publish=nothing,
            observe=cast(Any, None),
            script=script,
        )

    def sending(self, script: dict[float, str]) -> Sending:
        self.ledger.start_run("run-1", kind="test", incident_id=None, requested_by="anna")
        until = self.clock.now + timedelta(hours=8)
        sealed = self.ledger.seal("run-1", round=1, part="repair", plan=PLAN, expires_at=until)
        return Sending(self.applier(script), "run-1", sealed, self.ledger.lease(["host:hv01"], holder="run-1", seconds=150))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    clock = Clock()
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock=clock) as ledger:
        yield Bench(ledger, clock)


@pytest.mark.parametrize(
    ("tier", "host", "held"),
    [
        (Tier.LOCAL, "HV01", ["host:hv01", "virtual machine:id-of-vm42"]),
        (Tier.DIRECTORY, "HV01", ["host:hv01", "virtual machine:id-of-vm42"]),
        (Tier.WORKLOAD, "HV01", ["cluster:cluster1", "host:hv01", "virtual machine:id-of-vm42"]),
        (Tier.IRREVERSIBLE, "hv01", ["cluster:cluster1", "host:hv01", "virtual machine:id-of-vm42"]),
        (Tier.WORKLOAD, "ALONE", ["host:alone", "virtual machine:id-of-vm42"]),
    ],
)
def test_what_disrupts_holds_its_cluster_too(bench: Bench, tier: Tier, host: str, held: list[str]) -> None:
    wanted = plan(tier, 4)
    step = wanted.steps[0].model_copy(update={"host": host})
    assert bench.applier({0: "Off"}).resources(wanted.model_copy(update={"items": (step,)})) == held


def wait(**other: object) -> Wait:
    whole = {"until": (is_("Off"),), "poll": 5, "at_most": 20, "why": "it shuts down"}
    return Wait.model_validate(whole | other)


@pytest.mark.parametrize(
    ("script", "wanted", "waited", "reads"),
    [
        ({0: "Off"}, wait(), False, [0]),
        ({0: "Stopping", 1: "Off"}, wait(), True, [0, 5]),
        ({0: "Stopping", 20: "Off"}, wait(), True, [0, 5, 10, 15, 20]),
        ({0: "Stopping", 9: "Saving", 20: "Off"}, wait(patience=15), True, [0, 5, 10, 15, 20]),
    ],
)
def test_what_comes_is_waited_for(bench: Bench, script: dict[float, str], wanted: Wait, waited: bool, reads: list[int]) -> None:
    applier, kept = bench.applier(script), []
    assert applier.until(PLAN, wanted, lambda: kept.append(1)) is waited
    assert applier.reads == reads
    assert len(kept) == len(reads) - 1, "kept while it is waited for"


@pytest.mark.parametrize(
    ("script", "wanted", "says", "reads"),
    [
        ({0: "Stopping", 21: "Off"}, wait(), "it shuts down: not within 20 s", [0, 5, 10, 15, 20]),
        ({0: "Stopping", 4: "Broken", 9: "Off"}, wait(stalls=(is_("Broken"),)), "it stalled, Boiler state is Broken", [0, 5]),
        ({0: "Stopping", 15: "Off"}, wait(patience=10), "nothing moved for 10 s (Boiler state: Stopping)", [0, 5, 10]),
        ({0: "Stopping", 5: "Saving", 19: "Off"}, wait(patience=10), "nothing moved for 10 s", [0, 5, 10, 15]),
    ],
    ids=["too long", "stalled", "patience", "patience anew"],
)
def test_what_does_not_come_ends_the_wait(
    bench: Bench, script: dict[float, str], wanted: Wait, says: str, reads: list[int]
) -> None:
    applier = bench.applier(script)
    with pytest.raises(Stopped) as stopped:
        applier.until(PLAN, wanted, nothing)
    assert says in stopped.value.detail
    assert stopped.value.reason is Reason.GUARD_FAILED
    assert applier.reads == reads


def test_a_plan_that_only_waits_is_refused_if_it_does_not_come(bench: Bench) -> None:
    bench.applier({0: "Off"}).wait_out(PLAN, wait())
    with pytest.raises(Refused, match="not within 20 s") as refused:
        bench.applier({0: "Stopping"}).wait_out(PLAN, wait())
    assert refused.value.reason is Reason.GUARD_FAILED


At = Callable[[float], bool]


@pytest.mark.parametrize(
    ("script", "limits", "ends"),
    [
        ({0: "Off"}, {"settles": 20, "flight": 20}, lambda at: at == 0),
        ({0: "Stopping"}, {}, lambda at: at == 0),
        ({0: "Stopping", 7: "Off"}, {"settles": 20}, lambda at: 7 <= at < 10),
        ({0: "Stopping"}, {"settles": 20}, lambda at: 20 <= at < 23),
        ({0: "Stopping"}, {"flight": 60}, lambda at: 60 <= at < 71),
        ({0: "Resting"}, {"settles": 600}, lambda at: at == 0),
        ({0: "Resting"}, {"settles": 600, "flight": 60}, lambda at: 60 <= at < 71),
        ({0: "Resting"}, {"settles": 600, "patience": 30}, lambda at: 30 <= at < 33),
        ({0: "Resting", 20: "Stopping", 40: "Resting"}, {"settles": 600, "patience": 30}, lambda at: 70 <= at < 76),
    ],
    ids=[
        "shown", "nothing to wait for", "shown later", "not within its time", "while in flight", "at rest",
        "at rest, and may yet land", "at rest for a while", "at rest again",
    ],
)  # fmt: skip
def test_what_a_command_does_may_show_later(bench: Bench, script: dict[float, str], limits: dict[str, float], ends: At) -> None:
    sending = bench.sending(script)
    sending.settled(
        lambda facts: shows(facts) == "Off",
        at_rest=lambda facts: shows(facts) == "Resting",
        **{"settles": 0.0, "flight": 0.0, **limits},
    )
    reads = cast(Scripted, sending.applier).reads
    assert ends(reads[-1]), reads
    assert sending.lease.until >= bench.clock.now + timedelta(seconds=100), "kept while it is waited for"


@pytest.mark.parametrize(("since", "left"), [(0, 60 + MARGIN), (30, 30 + MARGIN), (60 + MARGIN, 0), (600, 0)])
def test_how_long_a_command_may_still_be_in_flight(bench: Bench, since: float, left: float) -> None:
    sending = bench.sending({0: "Off"})
    assert sending.flying(bench.clock.now - timedelta(seconds=since), 60) == left
