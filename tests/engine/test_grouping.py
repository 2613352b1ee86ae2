"""Who gets a run, who goes with another, who waits: cases, and laws over any order of alerts, plans and outcomes."""

from __future__ import annotations

import pytest
from grouping_examples import TEXTS, World, failure, plan
from hypothesis import given, settings
from hypothesis import strategies as st

from remediations.catalogue.eject_media import EjectMedia
from remediations.engine.grouping import Group, covers, group_of
from remediations.ledger import Standing
from remediations.model.causes import Cause
from remediations.model.incident import Incident, What
from remediations.model.plan import Plan
from remediations.settings import load_site, packaged

DENIED, SWITCH = TEXTS[Cause.ACCESS_DENIED_DELEGATION], TEXTS[Cause.SWITCH_MISSING]


def arranged(world: World, *incidents: Incident) -> list[Standing]:
    """Where these reports stand, each decided on as it came."""
    found = []
    for each in incidents:
        number = world.report(each)
        world.arrange()
        found.append(world.stand[number][0])
    return found


FIRST = failure("VM1", "HV01", "HV02", DENIED)


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        (failure("VM2", "HV01", "HV02", DENIED), Standing.JOINED),
        (failure("VM2", "hv02.contoso.com", "HV01", DENIED), Standing.JOINED),  # the other direction, by full name
        (failure("VM2", "HV01", "HV03", DENIED), Standing.JOINED),  # another pair of the same node
        (failure("VM2", "HV01", None, DENIED), Standing.JOINED),  # what is known of the pair
        (failure("VM2", "HV03", "HV04", DENIED), Standing.STARTED),  # other hosts
        (failure("VM2", "HV01", "HV02", SWITCH), Standing.STARTED),  # another cause
        (failure("VM2", "HV01", "HV02"), Standing.STARTED),  # nothing points to the same cause
        (failure("VM2", None, None, DENIED), Standing.STARTED),  # nobody knows where
    ],
)
def test_what_goes_with_a_failure_of_one_pair(second: Incident, wanted: Standing) -> None:
    assert arranged(World(10), FIRST, second) == [Standing.STARTED, wanted]


def test_without_a_hypothesis_only_the_same_pair_goes_together() -> None:
    silent = failure("VM1", "HV01", "HV02"), failure("VM2", "HV02", "HV01"), failure("VM3", "HV01", "HV03")
    assert arranged(World(10), *silent) == [Standing.STARTED, Standing.JOINED, Standing.STARTED]


def test_a_drain_goes_with_what_fails_on_its_node_for_the_same_reason() -> None:
    drain = Incident(what=What.DRAIN, source="HV01")
    assert group_of(drain) == Group(Cause.NODE_DRAIN_FAILED, frozenset({"hv01"}))


def test_where_no_host_is_known_the_cluster_is_the_place() -> None:
    two = [failure(vm, None, None, DENIED, cluster="CLUSTER1") for vm in ("VM1", "VM2")]
    assert arranged(World(10), *two) == [Standing.STARTED, Standing.JOINED]


def test_who_comes_after_the_plan_waits_for_its_outcome_if_it_is_for_them_too() -> None:
    world = World(10)
    arranged(world, FIRST)
    world.seal("INC-000000", plan())
    assert arranged(world, failure("VM2", "HV01", "HV02", DENIED)) == [Standing.HELD]
    world.end("INC-000000")
    world.arrange()
    assert world.stand["INC-000001"] == (Standing.AGAIN, None)
    world.read_again()
    world.arrange()
    assert world.begun == ["INC-000000", "INC-000001"]


def test_a_plan_for_one_machine_keeps_no_other_waiting() -> None:
    world = World(10)
    arranged(world, FIRST, failure("VM2", "HV01", "HV02", DENIED))
    world.seal("INC-000000", plan(vm="VM1"))
    assert world.stand["INC-000001"][0] is Standing.APART, "let go at once"
    assert arranged(world, failure("VM3", "HV01", "HV02", DENIED)) == [Standing.STARTED], "it leads a group of its own"
    world.read_again()
    world.arrange()
    assert world.stand["INC-000001"][0] is Standing.STARTED, "and joins nobody again"


def test_as_many_runs_as_policy_allows_and_the_oldest_next() -> None:
    world = World(2)
    pairs = [failure(f"VM{n}", f"A{n}", f"B{n}", DENIED) for n in range(4)]
    assert arranged(world, *pairs) == [Standing.STARTED, Standing.STARTED, Standing.WAITS, Standing.WAITS]
    assert arranged(world, failure("VM9", "A3", "B3", DENIED)) == [Standing.JOINED], "also one that waits itself is led"
    assert world.arrange() == [], "nothing has changed"
    world.end("INC-000000")
    world.arrange()
    assert world.begun == ["INC-000000", "INC-000001", "INC-000002"]


# ---- laws --------------------------------------------------------------------------------------------------------------

HOSTS = st.sampled_from(["HV01", "HV02", "HV03"])
ACTION = st.one_of(
    st.tuples(st.just("report"), HOSTS, HOSTS, st.sampled_from(list(TEXTS.values()))),
    st.tuples(st.just("arrange")),
    st.tuples(st.just("seal"), st.integers(0, 20), st.booleans()),
    st.tuples(st.just("end"), st.integers(0, 20)),
    st.tuples(st.just("read again")),
)


def act(world: World, action: tuple[object, ...]) -> None:
    running = world.of(Standing.STARTED)
    match action:
        case ("report", str(source), str(destination), str(text)):
            where = None if destination == source else destination
            world.report(failure(f"VM{len(world.incidents)}", source, where, text))
        case ("arrange",):
            lawful(world)
        case ("seal", int(which), bool(general)) if running:
            number = running[which % len(running)]
            if number not in world.sealed:
                world.seal(number, plan(None if general else world.incidents[number].incident.vm))
        case ("end", int(which)) if running:
            world.end(running[which % len(running)])
        case ("read again",):
            world.read_again()


def lawful(world: World) -> None:
    """One decision, and everything that has to hold of it."""
    board = world.board()
    new = {each.id for each in board.waiting if each.standing is Standing.NEW}
    room = world.most - board.running
    moves = world.arrange()
    assert len({move.incident_id for move in moves}) == len(moves), "one word for each"
    assert {each.id for each in board.left} | new <= {move.incident_id for move in moves}, "nothing is left undecided"
    started = [move for move in moves if move.standing is Standing.STARTED]
    assert len(started) <= max(room, 0)
    assert not world.of(Standing.WAITS) or len(world.of(Standing.STARTED)) >= world.most, "who waits, waits for a reason"
    for move in moves:
        if move.standing in (Standing.JOINED, Standing.HELD):
            assert move.leader is not None
            assert move.leader not in world.closed
            assert world.stand[move.leader][0] in (Standing.STARTED, Standing.WAITS), "nobody follows a follower"
            assert (move.standing is Standing.HELD) == bool(world.sealed.get(move.leader))
            mine, theirs = (group_of(world.incidents[each].incident) for each in (move.incident_id, move.leader))
            assert mine.cause is theirs.cause
            assert mine.hosts & theirs.hosts
    assert world.arrange() == [], "decided once is decided"


@settings(max_examples=150)
@given(st.integers(1, 4), st.lists(ACTION, max_size=40))
def test_every_decision_is_lawful_and_everything_comes_to_an_end(most: int, actions: list[tuple[object, ...]]) -> None:
    world = World(most)
    for action in actions:
        act(world, action)
    for _ in range(3 * len(world.incidents) + 3):  # from here on nothing new comes, and every run ends
        lawful(world)
        for each in world.of(Standing.STARTED):
            world.end(each)
        world.read_again()
    assert world.closed == set(world.incidents), "no incident is forgotten"
    assert len(world.begun) == len(set(world.begun)), "none has two runs"


@settings(max_examples=30)
@given(st.permutations(range(60)), st.integers(1, 10))
def test_a_storm_of_few_groups_makes_few_runs(order: list[int], most: int) -> None:
    """Twelve pairs that share no host, five failures each, in any order: twelve runs."""
    world = World(most)
    for number in order:
        world.report(failure(f"VM{number}", f"A{number % 12}", f"B{number % 12}", DENIED))
        lawful(world)
    while world.of(Standing.STARTED):
        for each in world.of(Standing.STARTED):
            world.seal(each, plan())
            world.end(each)
        lawful(world)
    assert len(world.begun) == 12
    assert world.closed == set(world.incidents)


# ---- what a plan is for ------------------------------------------------------------------------------------------------

SITE = load_site(packaged("site.yaml"))


def for_request(remediation: str, **request: object) -> Plan:
    return plan().model_copy(update={"remediation": remediation, "request": request})


def ejected(vm: str) -> Plan:
    (request,) = EjectMedia.for_incident(failure(vm, "HV01", "HV02"), SITE)
    return for_request("eject-media", **request.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("mend", "is_for"),
    [
        (for_request("register-spns", host="HV02"), True),
        (for_request("register-spns", host="HV03"), False),  # not on its path
        (ejected("VM2"), True),  # its own
        (ejected("VM1"), False),  # another's
        (for_request("move-vm", vm="VM2", to="HV02"), False),  # an operation mends nothing
        (for_request("no-such-thing"), False),
        (for_request("register-spns", host="HV02", more=1), False),
    ],
)
def test_whom_a_mend_is_for(mend: Plan, is_for: bool) -> None:
    assert covers(mend, failure("VM2", "HV01", "HV02"), SITE) is is_for


def test_a_mend_of_several_parts_is_for_whom_all_of_them_are() -> None:
    parts = [{"remediation": "register-spns", "request": {"host": host}} for host in ("HV01", "HV02")]
    mend = plan().model_copy(update={"remediation": "register-spns+register-spns", "request": {"parts": parts}})
    assert covers(mend, failure("VM2", "HV01", "HV02"), SITE)
    assert not covers(mend, failure("VM2", "HV01", "HV03"), SITE)
