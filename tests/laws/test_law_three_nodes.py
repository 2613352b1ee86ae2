"""A cluster of three nodes: rolls, drains and failures where there is more than one place to go to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from law_bench import ANYTIME, Bench, incident_of, never

from remediations.catalogue.drain_node import DrainNode
from remediations.engine import Answer, Ask, Report, looking
from remediations.engine.render import escape
from remediations.lab.world.hosts import GIB
from remediations.model.incident import Incident, What
from remediations.model.maintenance import Maintenance
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Policy
from remediations.model.roll import RollingMaintenance, Stage

ROLL = RollingMaintenance(cluster="CLUSTER1")
NODES = ("HV01", "HV02", "HV05")
WHOLE = [f"{what} {node}" for node in NODES for what in ("Suspend-ClusterNode", "Resume-ClusterNode")]


def roll(three: Bench, gate: Callable[[Ask], Answer], run: str = "roll-1", policy: Policy = ANYTIME) -> Report:
    return three.engine(policy).roll(run, ROLL, dry_run=False, gate=gate, requested_by="carl")


def drain(three: Bench, node: str = "HV01", policy: Policy = ANYTIME, **wanted: object) -> Report:
    request = DrainNode.model_validate({"node": node, **wanted})
    return three.engine(policy).carry_out("run-1", request, dry_run=False, gate=three.approving, requested_by="carl")


def foreseen(three: Bench, node: str = "HV01") -> str:
    """What is told of a drain, by reads alone."""
    before = three.lab.world.state_hash()
    report = three.engine().carry_out("look", DrainNode(node=node), dry_run=True, gate=never, requested_by="carl")
    assert three.lab.world.state_hash() == before
    assert three.changes() == []
    return report.markdown


def sent(three: Bench) -> list[str]:
    """What was sent to nodes, in order: command and node."""
    return [f"{name} {''.join(given['Name'])}" for _, name, given in three.changes() if name.endswith("ClusterNode")]


def placed(three: Bench) -> dict[str, str]:
    """Where the cluster's virtual machines are, once nothing moves any more."""
    world = three.lab.world
    world.wait(lambda: all(entry.outcome != "running" for entry in three.lab.journal))
    world.wait(lambda: not world.active_migrations())
    return {name: each.host for name, each in world.machines.items() if each.host in NODES}


def pinned(three: Bench, *nodes: str) -> None:
    """Let VM42 be owned by these nodes alone."""
    assert three.lab.world.cluster is not None
    role = three.lab.world.cluster.roles["VM42"]
    role.possible = role.possible_configuration = nodes


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks ahead before a drain: that only reads, and takes most of its time here."""
    monkeypatch.setattr(looking, "foresee", lambda *_: None)


@pytest.fixture
def away(three: Bench, monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """Which nodes were not up, at every command and at whatever else looked at the lab meanwhile."""
    world, seen = three.lab.world, list[set[str]]()
    settle = world.settle

    def looked() -> None:
        settle()
        assert world.cluster is not None
        seen.append({node.name for node in world.cluster.nodes.values() if node.state != "Up"})

    monkeypatch.setattr(world, "settle", looked)
    return seen


# ---- rolls -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("blind")
@pytest.mark.long
def test_one_after_another_never_two_away_and_everything_is_as_before(three: Bench, away: list[set[str]]) -> None:
    before = placed(three)
    report = roll(three, three.approving)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert sent(three) == WHOLE
    assert placed(three) == before
    assert max(map(len, away)) == 1
    turns = [each for number, each in enumerate(away) if each and each != (away[number - 1] if number else set())]
    assert turns == [{"HV01"}, {"HV02"}, {"HV05"}]
    assert {node.state for node in three.lab.world.cluster.nodes.values()} == {"Up"}
    assert "| 3 | HV05 | done |" in report.markdown


@pytest.mark.usefixtures("blind")
@pytest.mark.long
def test_with_two_to_stay_up_a_node_that_fails_stops_the_roll_until_it_is_back(three: Bench, away: list[set[str]]) -> None:
    """HV05 goes down while the person works on HV01."""
    cluster = three.lab.world.cluster
    assert cluster is not None
    before = placed(three)
    policy = ANYTIME.model_copy(update={"maintenance": Maintenance(least_nodes_up=2, healthy_hours=0.1)})

    def gate(ask: Ask) -> Answer:
        if ask.plan is not None and ask.plan.remediation == "resume-node" and len(sent(three)) == 1:
            cluster.nodes["HV05"].state = "Down"
        return three.approving(ask)

    report = roll(three, gate, policy=policy)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.NEEDS_PERSON, Reason.GUARD_FAILED), report.markdown
    assert sent(three) == WHOLE[:2]
    assert "HV01 is back" in report.outcome.summary
    assert "HV05 is Down" in report.outcome.summary
    assert "The roll of CLUSTER1 stops at HV01" in report.outcome.summary
    assert "Started again it goes on there" in report.outcome.summary
    there = three.ledger.open_roll("CLUSTER1")
    assert there is not None
    assert [turn.stage for turn in there.turns] == [Stage.RESUMED, Stage.WAITS, Stage.WAITS]
    refused = three.engine(policy).carry_out("one", DrainNode(node="HV02"), dry_run=False, gate=never, requested_by="carl")
    assert refused.outcome.ending is Ending.NEEDS_PERSON
    assert "paused, down or joining: HV05" in refused.outcome.summary
    cluster.nodes["HV05"].state = "Up"
    again = roll(three, three.approving, run="roll-2", policy=policy)
    assert again.outcome.ending is Ending.MENDED, again.markdown
    assert sent(three) == WHOLE
    assert placed(three) == before
    assert max(len(each - {"HV05"}) for each in away) == 1


@pytest.mark.usefixtures("blind")
@pytest.mark.long
def test_a_node_that_fails_while_the_next_drain_is_decided_stops_it_until_it_is_back(
    three: Bench, away: list[set[str]]
) -> None:
    cluster = three.lab.world.cluster
    assert cluster is not None
    before = placed(three)

    def gate(ask: Ask) -> Answer:
        if ask.plan is not None and ask.plan.title.startswith("Drain a cluster node: HV02"):
            cluster.nodes["HV05"].state = "Down"
        return three.approving(ask)

    report = roll(three, gate)
    assert report.outcome.ending in (Ending.REFUSED, Ending.NEEDS_PERSON), report.markdown
    assert "paused, down or joining: HV05" in report.outcome.summary
    assert "The roll of CLUSTER1 stops at HV02" in report.outcome.summary
    assert sent(three) == WHOLE[:2]
    assert three.ledger.open_brackets() == []
    still = roll(three, never, run="roll-2")
    assert "HV05" in still.outcome.summary
    cluster.nodes["HV05"].state = "Up"
    again = roll(three, three.approving, run="roll-3")
    assert again.outcome.ending is Ending.MENDED, again.markdown
    assert sent(three) == WHOLE
    assert placed(three) == before
    assert max(len(each - {"HV05"}) for each in away) == 1


def test_three_to_stay_up_are_more_than_there_are(three: Bench) -> None:
    policy = ANYTIME.model_copy(update={"maintenance": Maintenance(least_nodes_up=3)})
    report = roll(three, never, policy=policy)
    assert "2 other nodes would stay up, 3 have to" in report.outcome.summary
    assert three.changes() == []


# ---- drains ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("blind")
@pytest.mark.long
def test_an_undone_drain_brings_the_node_back_with_the_failback_that_its_plan_shows(three: Bench) -> None:
    before = placed(three)
    report = drain(three, failback="Immediate")
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert placed(three) == {**before, "VM42": "HV05", "VM44": "HV02"}
    (ask,) = three.asked
    assert ask.plan is not None
    shown = [step.undo.text for step in ask.plan.steps if step.undo is not None]
    assert any("Resume-ClusterNode -Name HV01 -Failback Immediate" in each for each in shown)
    back = three.engine().undo("run-2", "run-1", dry_run=False, gate=three.approving, requested_by="carl")
    assert back.outcome.ending is Ending.MENDED, back.markdown
    assert sent(three) == WHOLE[:2]
    resumed = [given for _, name, given in three.changes() if name == "Resume-ClusterNode"]
    assert [str(given["Failback"]) for given in resumed] == ["Immediate"]
    assert placed(three) == before


@pytest.mark.long
def test_a_machine_that_one_of_two_nodes_may_not_own_is_foreseen_and_goes_to_the_other(three: Bench) -> None:
    pinned(three, "HV01", "HV02")
    told = foreseen(three)
    assert "2 of 2 virtual machines on HV01 can move now" in told
    assert "**VM42** can only go to HV02: HV05 is not a possible owner" in told
    assert "The cluster chooses the node" not in told, "it looks at owners itself"
    assert "**VM44** can only" not in told
    assert drain(three).outcome.ending is Ending.MENDED
    assert placed(three)["VM42"] == "HV02"


@pytest.mark.long
def test_a_machine_that_one_of_two_nodes_has_no_memory_for_is_foreseen_and_goes_to_the_other(three: Bench) -> None:
    three.lab.world.host("HV05").memory = 15 * GIB
    told = foreseen(three)
    assert "2 of 2 virtual machines on HV01 can move now" in told
    assert "**VM42** can only go to HV02: VM42 needs 8192 MiB; HV05 has 7168 of 15360 MiB free" in told
    assert "**VM44** can only" not in told
    assert drain(three).outcome.ending is Ending.MENDED
    assert placed(three) == {"VM42": "HV02", "VM43": "HV02", "VM44": "HV02", "VM45": "HV05"}


@pytest.mark.long
def test_a_node_that_the_cluster_may_choose_and_that_would_refuse_is_told_before_and_after(three: Bench) -> None:
    """The cluster looks at owners and memory; that HV05 lacks the switch it learns by the move that fails."""
    switches = three.lab.world.host("HV05").switches
    switches["Other"] = switches.pop("Compute")
    switches["Other"].name = three.lab.world.machine("VM45").switch = "Other"
    told = foreseen(three)
    assert "**VM42** can only go to HV02: " in told
    assert "The cluster chooses the node, and may choose one that refuses" in told
    report = drain(three)
    assert report.outcome.ending is Ending.UNDONE, report.markdown
    assert "What got stuck: VM42: can only go to HV02: " in report.outcome.summary
    assert three.lab.world.cluster.nodes["HV01"].state == "Up"


def nowhere(three: Bench) -> None:
    """Make it so that HV05 may not own VM42, and HV02 has no memory for it. Placed on HV05, it would keep to policy."""
    pinned(three, "HV01", "HV02")
    three.lab.world.host("HV02").memory = 21 * GIB


def test_a_machine_that_no_other_node_can_take_is_named_with_each_ones_reason(three: Bench) -> None:
    nowhere(three)
    told = foreseen(three)
    assert "1 of 2 virtual machines on HV01 can move now" in told
    (line,) = [each for each in told.splitlines() if each.startswith("- **VM42** would stay: ")]
    assert "VM42 needs 8192 MiB; HV02 has 5120 of 21504 MiB free" in line
    assert "HV05 is not a possible owner" in line


@pytest.mark.usefixtures("blind")
@pytest.mark.long
def test_a_drain_that_leaves_it_is_taken_back_and_names_both_reasons(three: Bench) -> None:
    before = placed(three)
    nowhere(three)
    report = drain(three)
    assert report.outcome.ending is Ending.UNDONE, report.markdown
    stuck = report.outcome.summary.partition("What got stuck: VM42: ")[2]
    assert "VM42 needs 8192 MiB; HV02 has 5120" in stuck
    assert "HV05 is not a possible owner" in stuck
    assert {**placed(three), "VM44": "HV01"} == before


def test_a_machine_that_no_other_node_has_memory_for_is_refused_with_what_each_could_spare(three: Bench) -> None:
    for node, size in (("HV02", 24), ("HV05", 17)):
        three.lab.world.host(node).memory = size * GIB
    report = three.engine().carry_out("run-1", DrainNode(node="HV01"), dry_run=False, gate=never, requested_by="carl")
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert "HV02 5.6, HV05 7.3 GiB; VM42 (8.0 GiB) would find 7.3 GiB at most" in report.outcome.summary
    assert three.changes() == []


# ---- a failed move that names no destination -----------------------------------------------------------------------------


def to_any(three: Bench, cause: str) -> Incident:
    """A fault of HV02 made a move there fail, and what is reported of it names no destination."""
    return incident_of(three.lab.fail(cause)).model_copy(update={"destination": None})


def mended(three: Bench, incident: Incident, gate: Callable[[Ask], Answer] | None = None) -> Report:
    gate = gate or three.approving
    return three.engine().remediate("run-1", incident, dry_run=False, gate=gate, requested_by="alerting")


@pytest.mark.long
def test_what_is_wrong_with_the_node_that_refused_is_mended_there_alone(three: Bench) -> None:
    report = mended(three, to_any(three, "switch_missing"))
    assert report.outcome.ending is Ending.MENDED, report.markdown
    assert [(host, name) for host, name, _ in three.changes()] == [
        ("HV02", "Rename-VMSwitch"),
        ("HV01", "Move-ClusterVirtualMachineRole"),
    ]
    assert placed(three)["VM42"] == "HV02"


def test_a_node_that_may_not_own_it_is_found_where_no_log_names_it(three: Bench) -> None:
    pinned(three, "HV01", "HV05")
    three.lab.move("VM42", "HV02")
    told = three.lab.world.host("HV01").log.newest(21502)
    assert told is not None
    incident = Incident(
        what=What.MIGRATION, vm="VM42", source="HV01", event_id=21502, message=told.text("en-US"), occurred_at=told.time
    )
    report = mended(three, incident)
    assert report.outcome.ending is Ending.MENDED, report.markdown
    (ask,) = three.asked
    assert ask.plan is not None
    assert ask.plan.title == "Add a possible owner: VM42, HV02"
    assert {name: len(role.possible) for name, role in three.lab.world.cluster.roles.items() if role.machine} == {
        "VM42": 3,
        "VM43": 0,
        "VM44": 0,
        "VM45": 0,
    }
    assert placed(three)["VM42"] == "HV05", "any other node is what was asked for"


@pytest.mark.long
def test_where_no_other_node_may_own_it_all_that_the_site_wants_may_again(three: Bench) -> None:
    report = mended(three, to_any(three, "possible_owner_excluded"))
    assert report.outcome.ending is Ending.MENDED, report.markdown
    role = three.lab.world.cluster.roles["VM42"]
    assert set(role.possible) == set(role.possible_configuration) == set(NODES)


ELSEWHERE = "Nothing that was looked at keeps VM42 from HV05 (remediate plan move-vm --vm VM42 --source HV01 --to HV05)"


@pytest.mark.parametrize(
    "cause",
    [
        "insufficient_memory",
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in ("quorum_or_cluster_health", "duplicate_vm", "storage_unreachable", "switch_mismatch")
        ),
    ],
)
def test_where_a_person_is_needed_they_are_told_of_the_node_that_is_free(three: Bench, cause: str) -> None:
    report = mended(three, to_any(three, cause), never)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert "HV02" in report.outcome.summary
    assert ELSEWHERE in report.outcome.summary
    assert three.changes() == []


def test_before_it_is_shut_down_for_one_node_a_person_is_told_of_the_other(three: Bench) -> None:
    def gate(ask: Ask) -> Answer:
        return three.approving(ask).model_copy(update={"decision": "reject"})

    report = mended(three, to_any(three, "cpu_incompatible"), gate)
    assert report.outcome.reason is Reason.NOT_APPROVED, report.markdown
    assert [ask.plan.remediation for ask in three.asked if ask.plan] == ["enable-processor-compatibility"]
    assert escape(ELSEWHERE) in three.asked[0].why
    assert three.changes() == []


@pytest.mark.long
def test_a_destination_that_was_asked_for_is_not_talked_out_of(three: Bench) -> None:
    report = mended(three, incident_of(three.lab.fail("insufficient_memory")), never)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.markdown
    assert "Nothing that was looked at" not in report.markdown


@pytest.mark.long
@pytest.mark.parametrize("cause", ["cluster_group_multi_vm", "shared_disk_unsupported", "pass_through_disk"])
def test_what_is_wrong_with_the_machine_itself_is_so_for_every_node(three: Bench, cause: str) -> None:
    incident = to_any(three, cause)
    report = three.engine().remediate("dry", incident, dry_run=True, gate=never, requested_by="alerting")
    assert "Nothing that was looked at" not in report.markdown, report.markdown
