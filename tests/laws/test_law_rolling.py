"""Rolling maintenance: one node at a time, each drained for a person and taken back, wherever a run of it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from breaking import LEDGER_WRITES, Died, Life, Mortal, Suspended, Suspending
from law_bench import ANYTIME, Bench, never

from remediations.engine import Answer, Ask, Engine, Over, Report, looking
from remediations.ledger import Ledger
from remediations.model.maintenance import Maintenance
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Caps, Policy
from remediations.model.roll import RollingMaintenance, Stage

ROLL = RollingMaintenance(cluster="CLUSTER1")
WRITES = LEDGER_WRITES | {"take_roll", "stage", "end_roll"}


def roll(bench: Bench, gate: Callable[[Ask], Answer], run: str = "roll-1", **more: object) -> Report:
    policy, request = more.get("policy", ANYTIME), more.get("request", ROLL)
    assert isinstance(policy, Policy)
    assert isinstance(request, RollingMaintenance)
    return bench.engine(policy).roll(run, request, dry_run=False, gate=gate, requested_by="carl")


def sent(bench: Bench) -> list[str]:
    """What was sent to nodes, in order: command and node."""
    return [f"{name} {''.join(given['Name'])}" for _, name, given in bench.changes() if name.endswith("ClusterNode")]


WHOLE = [
    "Suspend-ClusterNode HV01",
    "Resume-ClusterNode HV01",
    "Suspend-ClusterNode HV02",
    "Resume-ClusterNode HV02",
]


def settled(bench: Bench) -> None:
    """Everything that was sent is over, and so are the moves that a failback began."""
    world = bench.lab.world
    world.wait(lambda: all(entry.outcome != "running" for entry in bench.lab.journal))
    world.wait(lambda: not world.active_migrations())


def test_one_node_after_another_and_everything_is_as_before(bench: Bench) -> None:
    volumes = {each.name: each.owner for each in bench.lab.world.cluster.volumes.values()}
    machines = {name: each.host for name, each in bench.lab.world.machines.items()}
    report = roll(bench, bench.approving)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert sent(bench) == WHOLE
    settled(bench)
    assert {name: each.host for name, each in bench.lab.world.machines.items()} == machines
    assert set(volumes) == set(bench.lab.world.cluster.volumes)
    assert [ask.plan.title for ask in bench.asked if ask.plan] == [
        "Drain a cluster node: HV01, NoFailback",
        "Resume a cluster node: HV01, Immediate",
        "Drain a cluster node: HV02, NoFailback",
        "Resume a cluster node: HV02, Immediate",
    ]
    assert "HV01 is drained and yours" in bench.asked[1].why
    assert bench.ledger.open_roll("CLUSTER1") is None
    assert bench.ledger.unfinished_runs() == []
    assert "| 2 | HV02 | done |" in report.markdown


def test_a_dry_run_shows_each_node_in_order_and_changes_nothing(bench: Bench) -> None:
    before = bench.lab.world.state_hash()
    report = bench.engine().roll("dry", ROLL, dry_run=True, gate=never, requested_by="carl")
    assert report.outcome.ending is Ending.PROPOSED
    assert "1. **HV01** would be drained" in report.markdown
    assert "2. **HV02** would be drained" in report.markdown
    assert bench.lab.world.state_hash() == before
    assert bench.changes() == []
    assert bench.ledger.rolls() == []


def test_suspended_at_each_question_it_asks_each_once(bench: Bench) -> None:
    gate, report = Suspending(bench), None
    for _ in range(5):
        try:
            report = roll(bench, gate)
        except Suspended:
            continue
        break
    assert report is not None
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert len(gate.keys) == len(set(gate.keys)) == 4
    assert sent(bench) == WHOLE


def test_a_node_that_is_off_while_it_is_the_persons_stops_nothing(bench: Bench) -> None:
    """The run is started again meanwhile, then answered while the node still boots."""
    cluster, gate = bench.lab.world.cluster, Suspending(bench)
    assert cluster is not None
    for _ in range(2):
        with pytest.raises(Suspended):
            roll(bench, gate)
    cluster.nodes["HV01"].state = "Down"
    asked = [*gate.keys]
    gate.keys.pop()
    with pytest.raises(Suspended):
        roll(bench, gate)
    assert gate.keys == asked
    wait = bench.pause

    def boot(seconds: float) -> None:
        if cluster.nodes["HV01"].state == "Down":
            cluster.nodes["HV01"].state, cluster.nodes["HV01"].drain = "Paused", "NotInitiated"
        wait(seconds)

    bench.pause = boot
    with pytest.raises(Suspended):
        roll(bench, gate)
    assert sent(bench) == WHOLE[:2]
    assert len(gate.keys) == 3


def test_an_answer_on_the_spot_waits_for_a_node_that_still_starts(bench: Bench) -> None:
    """At a terminal: the person restarts the node while the question stands there, and approves before it is back."""
    cluster, wait = bench.lab.world.cluster, bench.pause
    assert cluster is not None

    def restarted(ask: Ask) -> Answer:
        assert ask.plan is not None
        if ask.plan.remediation == "resume-node":
            cluster.nodes[ask.plan.steps[0].target.name].state = "Down"
        return bench.approving(ask)

    def boot(seconds: float) -> None:
        for each in cluster.nodes.values():
            if each.state == "Down":
                each.state, each.drain = "Paused", "NotInitiated"
        wait(seconds)

    bench.pause = boot
    report = roll(bench, restarted)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert sent(bench) == WHOLE


def test_a_failing_drain_stops_the_roll_is_told_and_taken_back(bench: Bench) -> None:
    bench.lab.inject("possible_owner_excluded")
    report = roll(bench, bench.approving)
    assert report.outcome.ending is Ending.UNDONE, report.markdown
    assert sent(bench) == ["Suspend-ClusterNode HV01", "Resume-ClusterNode HV01"]
    assert "stops at HV01" in report.outcome.summary
    assert "VM42" in report.outcome.summary
    assert bench.ledger.open_brackets() == []
    there = bench.ledger.open_roll("CLUSTER1")
    assert there is not None
    assert [turn.stage for turn in there.turns] == [Stage.BEGUN, Stage.WAITS]
    bench.lab.world.cluster.roles["VM42"].possible = ()
    bench.lab.world.cluster.roles["VM42"].possible_configuration = ()
    bench.clock.ahead += timedelta(hours=2)  # caps leave room for four changes of a host within the hour
    again = roll(bench, bench.approving, run="roll-2")
    assert again.outcome.ending is Ending.MENDED, again.markdown
    assert sent(bench)[2:] == WHOLE


def test_a_resume_that_is_rejected_leaves_the_node_to_the_person_and_says_so(bench: Bench) -> None:
    def gate(ask: Ask) -> Answer:
        answer = bench.approving(ask)
        return answer.model_copy(update={"decision": "reject"}) if "Resume" in ((ask.plan and ask.plan.title) or "") else answer

    report = roll(bench, gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.NEEDS_PERSON, Reason.NOT_APPROVED), report.markdown
    assert "HV01 stays drained for the person who works on it" in report.outcome.summary
    again = roll(bench, bench.approving, run="roll-2")
    assert again.outcome.ending is Ending.MENDED, again.markdown
    assert sent(bench) == WHOLE


def test_nobody_who_answers_leaves_the_node_to_the_person_and_recovery_says_so(bench: Bench) -> None:
    gate = Suspending(bench)
    for _ in range(2):
        with pytest.raises(Suspended):
            roll(bench, gate)
    waiting = [each for each in bench.ledger.waiting() if "Resume" in each.plan.title]
    left = waiting[0].expires_at - bench.clock()
    assert timedelta(hours=23) < left < timedelta(hours=25)
    bench.clock.ahead += timedelta(hours=25)
    found = bench.engine().recover(lambda run: Over(reason=Reason.APPROVAL_EXPIRED, words="Nobody answered"))
    (told,) = [each for each in found if each.run == "roll-1"]
    assert told.outcome.ending is Ending.NEEDS_PERSON
    assert "HV01 stays drained for the person who works on it" in told.outcome.summary
    assert bench.lab.world.cluster.nodes["HV01"].state == "Paused"
    again = roll(bench, bench.approving, run="roll-2")
    assert again.outcome.ending is Ending.MENDED, again.markdown
    assert sent(bench) == WHOLE


def test_a_cluster_that_is_not_healthy_gets_no_second_node(bench: Bench) -> None:
    cluster = bench.lab.world.cluster
    assert cluster is not None

    def gate(ask: Ask) -> Answer:
        if ask.plan is not None and "Resume" in ask.plan.title:
            cluster.witness_online = False
        return bench.approving(ask)

    policy = ANYTIME.model_copy(update={"maintenance": Maintenance(healthy_hours=0.1)})
    report = roll(bench, gate, policy=policy)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.NEEDS_PERSON, Reason.GUARD_FAILED), report.markdown
    assert "the witness Cluster Disk 1 is Failed" in report.outcome.summary
    assert sent(bench) == WHOLE[:2]
    cluster.witness_online = True
    again = roll(bench, bench.approving, run="roll-2")
    assert again.outcome.ending is Ending.MENDED, again.markdown
    assert sent(bench) == WHOLE


def test_policy_stops_the_roll_before_its_first_node(bench: Bench) -> None:
    policy = ANYTIME.model_copy(update={"maintenance": Maintenance(least_nodes_up=2)})
    report = roll(bench, never, policy=policy)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert "1 other nodes would stay up, 2 have to" in report.outcome.summary
    assert bench.changes() == []


def test_no_node_is_drained_that_a_cap_would_keep_from_coming_back(bench: Bench) -> None:
    policy = ANYTIME.model_copy(update={"caps": Caps(per_host_per_hour=1)})
    report = roll(bench, never, policy=policy)
    assert report.outcome.reason is Reason.CAP_REACHED, report.markdown
    assert "counting what has to follow it, HV0" in report.outcome.summary
    assert bench.changes() == []


def test_a_node_that_somebody_paused_before_its_turn_is_left_to_them(bench: Bench) -> None:
    cluster = bench.lab.world.cluster
    assert cluster is not None
    cluster.nodes["HV02"].state = "Paused"
    report = roll(bench, never)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert "HV02 is Paused" in report.outcome.summary


def test_a_second_roll_of_the_cluster_waits_for_the_first(bench: Bench) -> None:
    with pytest.raises(Suspended):
        roll(bench, Suspending(bench))
    second = roll(bench, never, run="roll-2")
    assert (second.outcome.ending, second.outcome.reason) == (Ending.REFUSED, Reason.DUPLICATE_IN_PROGRESS)
    assert bench.changes() == []


def test_pausing_changes_stops_it_and_it_goes_on_later(bench: Bench) -> None:
    gate = Suspending(bench)
    for _ in range(2):
        with pytest.raises(Suspended):
            roll(bench, gate)
    bench.ledger.pause("anna", "an outage")
    report = roll(bench, gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.NEEDS_PERSON, Reason.PAUSED), report.markdown
    assert sent(bench) == WHOLE[:1]
    bench.ledger.resume("anna")
    again = roll(bench, bench.approving, run="roll-2")
    assert again.outcome.ending is Ending.MENDED, again.markdown
    assert sent(bench) == WHOLE


# ---- killed anywhere --------------------------------------------------------------------------------------------------


def dying(bench: Bench, life: Life) -> Engine:
    engine = bench.engine()
    engine.ledger = Mortal(life, bench.ledger, WRITES)
    engine.hosts = Mortal(life, bench.remoting, frozenset({"change"}))
    engine.judging = type(engine.judging)(engine.site, engine.policy, engine.ledger, engine.clock, engine.judging.switches)
    return engine


def killed(bench: Bench, at: int | None, *, after: bool, way: str) -> list[str]:
    """A roll that dies at its `at`-th write, and the next one: the same run again, or another after recovery."""
    life = Life(at, after=after)
    try:
        dying(bench, life).roll("roll-1", ROLL, dry_run=False, gate=bench.approving, requested_by="carl")
        assert at is None
        return life.writes
    except Died:
        pass
    settled(bench)
    bench.clock.ahead += timedelta(hours=6)
    run = "roll-1"
    if way == "recovered":
        over = Over(reason=None, words="The run crashed")
        bench.engine().recover(lambda each: over if each.startswith("roll-1") else None)
        assert bench.ledger.unfinished_runs() == []
        run = "roll-2"
    there = bench.ledger.open_roll("CLUSTER1")
    begun = there is not None or bench.ledger.rolls() != []
    if there is not None or not begun:
        report = roll(bench, bench.approving, run=run)
        # A drain that was being taken back when its process ended is taken back, and the roll says so.
        if report.outcome.ending is not Ending.MENDED:
            report = roll(bench, bench.approving, run="roll-3")
        assert report.outcome.ending is Ending.MENDED, f"{way} {at} {after}: {report.markdown}"
    at_rest(bench, f"{way} at write {at} ({life.writes[-1]}), {'after' if after else 'before'}", way)
    return []


def at_rest(bench: Bench, where: str, way: str) -> None:
    settled(bench)
    cluster = bench.lab.world.cluster
    assert cluster is not None
    assert {node.name: node.state for node in cluster.nodes.values()} == {"HV01": "Up", "HV02": "Up"}, where
    assert bench.ledger.open_brackets() == [], where
    assert bench.ledger.undecided() == [], where
    assert bench.ledger.held() == [], where
    bench.ledger.verify()
    away: set[str] = set()
    for each in sent(bench):
        name, node = each.split()
        (away.add if name.startswith("Suspend") else away.discard)(node)
        assert len(away) <= 1, f"{where}: two nodes at once, {sent(bench)}"
    ran = Counter(sent(bench))
    if way == "resumed":
        assert ran == Counter(WHOLE), where
    else:
        # A drain that was half-way was taken back by recovery, and was then begun anew; nothing else ran twice.
        assert all(ran[f"Suspend-ClusterNode {node}"] == ran[f"Resume-ClusterNode {node}"] for node in ("HV01", "HV02")), where
        assert sum(ran.values()) <= len(WHOLE) + 2, where


@pytest.mark.usefixtures("blind")
@pytest.mark.parametrize(("at", "after", "way"), [(6, False, "resumed"), (17, True, "recovered")])
def test_killed_once_it_goes_on_where_it_was(bench: Bench, at: int, after: bool, way: str) -> None:
    killed(bench, at, after=after, way=way)


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks ahead before a drain: that only reads, and takes most of a roll's time here."""
    monkeypatch.setattr(looking, "foresee", lambda *_: None)


def fresh(bench: Bench, number: int) -> Bench:
    """The same lab as it was at first, with a new ledger."""
    world = bench.lab.world
    with world.lock:
        assert world.cluster is not None
        for name, host in (("VM42", "HV01"), ("VM43", "HV02"), ("VM44", "HV01")):
            world.machine(name).host = world.cluster.roles[name].owner = host
        for volume, owner in zip(world.cluster.volumes.values(), ("HV01", "HV02"), strict=True):
            volume.owner = owner
        for node in world.cluster.nodes.values():
            node.drained = []
    bench.lab.journal.clear()
    path = bench.path / str(number)
    path.mkdir()
    return Bench(bench.lab, Ledger(f"sqlite:///{path / 'ledger.db'}", clock=bench.clock), bench.remoting, bench.clock, path)


@pytest.mark.usefixtures("blind")
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("way", ["resumed", "recovered"])
def test_killed_anywhere_it_goes_on_where_it_was(bench: Bench, way: str) -> None:
    """Every eighteenth write to the ledger or to a host, others for each way, before it and after it in turn."""
    writes = killed(fresh(bench, 0), None, after=False, way=way)
    assert {"take_roll", "stage", "end_roll", "change", "intend"} <= set(writes)
    points = range(1 if way == "resumed" else 10, len(writes) + 1, 18)
    for at in points:
        one = fresh(bench, at)
        killed(one, at, after=at % 36 > 18, way=way)
        one.ledger.close()
    print(f"{way}: {len(points)} of {len(writes)} writes")
