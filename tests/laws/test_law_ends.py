"""Endings: what a run says of itself is so, whoever kept it from going on, and it says it again when asked again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from breaking import Died, Life, interrupted, mortal, remediate
from law_bench import NAMES, Bench, incident_of, never

from remediations.catalogue.eject_media import EjectMedia
from remediations.catalogue.move_vm import MoveVm
from remediations.catalogue.remediation import Remediation
from remediations.catalogue.set_migration_limits import SetMigrationLimits
from remediations.engine import Answer, Ask, Over
from remediations.lab.world import migration
from remediations.model.causes import Cause
from remediations.model.incident import Incident, What
from remediations.model.outcome import Ending, Reason
from remediations.model.policy import Policy, Retry, Waits
from remediations.model.site import SecondHop, Site

SPN, CPU, LIMIT = Cause.SPN_MISSING.value, Cause.CPU_INCOMPATIBLE.value, Cause.MIGRATION_LIMIT_REACHED.value
SHORT = Policy(windows={}, proof=NAMES, waits=Waits(at_most_minutes=2))
ASKS_TWICE = Policy(windows={}, proof=NAMES, retry=Retry.APPROVE)


def lose_the_name_again(bench: Bench) -> None:
    """What was registered is taken out again, and the ticket for it is gone."""
    with bench.lab.world.lock:
        directory = bench.lab.world.directory
        lost = "Microsoft Virtual System Migration Service/hv04.contoso.com"
        directory.remove_spns("DC1", directory.computer("HV04").guid, (lost,))
        cache = bench.lab.world.host("HV03").tickets
        cache.tickets = [each for each in cache.tickets if "Migration" not in each.server]


def test_a_move_that_is_not_approved_leaves_a_mend_that_is_told(bench: Bench) -> None:
    def gate(ask: Ask) -> Answer:
        return bench.approving(ask).model_copy(update={"decision": "approve" if ask.plan else "reject"})

    report = bench.mend(bench.lab.fail(SPN), policy=ASKS_TWICE, gate=gate)
    assert (report.outcome.ending, report.verified, report.retried) == (Ending.MENDED, True, False), report.outcome
    assert report.outcome.reason is Reason.NOT_APPROVED
    assert "Nothing was changed" not in report.markdown


def test_a_second_round_that_is_rejected_says_what_the_first_one_changed(bench: Bench) -> None:
    bench.lab.inject(LIMIT)
    failure, asked = bench.lab.fail(CPU), []

    def gate(ask: Ask) -> Answer:
        asked.append(ask)
        return bench.approving(ask).model_copy(update={"decision": "approve" if len(asked) < 2 else "reject"})

    report = bench.mend(failure, gate=gate)
    first = asked[0].plan
    assert first is not None
    assert report.outcome.reason is Reason.NOT_APPROVED
    assert report.outcome.ending is not Ending.REFUSED, report.outcome
    assert first.steps[-1].command.name in report.outcome.summary
    assert "nothing was changed" not in report.markdown.casefold()


def test_a_pause_that_came_after_the_mend_stops_the_move_that_was_approved_with_it(bench: Bench) -> None:
    failure = bench.lab.fail(SPN)
    with pytest.raises(Died):
        remediate(interrupted(bench, "verify", error=Died), failure, bench.approving)
    sent = len(bench.changes())
    report = bench.mend(failure, policy=Policy(windows={}, proof=NAMES, pause=True), gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.MENDED, Reason.PAUSED), report.outcome
    assert len(bench.changes()) == sent
    assert [each.hypothesis.cause for each in report.considered], "a resumed report has its causes"
    assert "## Cause" in report.markdown


@pytest.mark.parametrize("gate", ["never", "propose"])
def test_the_gate_of_the_move_counts_beside_that_of_the_mend(bench: Bench, gate: str) -> None:
    policy = Policy.model_validate({"windows": {}, "gates": {"remediations": {"move-vm": gate}}})
    report = bench.mend(bench.lab.fail(SPN), policy=policy)
    assert (report.outcome.ending, report.verified, report.retried) == (Ending.MENDED, True, False), report.outcome
    assert "Move-VM" not in [name for _, name, _ in bench.changes()]
    assert [ask.retry for ask in bench.asked] == [None]


def test_a_mend_that_needs_no_approval_approves_no_move_of_a_running_machine(bench: Bench) -> None:
    rules = {"windows": {}, "proof": NAMES, "gates": {"tiers": {2: "auto"}}, "trust": {"verified_in_a_row": 0}}
    policy = Policy.model_validate(rules)
    report = bench.mend(bench.lab.fail(SPN), policy=policy)
    assert report.outcome.ending is Ending.MENDED
    assert [(ask.plan, ask.retry and ask.retry.remediation) for ask in bench.asked] == [(None, "move-vm")]


def test_a_window_that_closes_while_the_answer_is_awaited_is_closed(bench: Bench) -> None:
    failure = bench.lab.fail(CPU)
    now = bench.clock()
    opens, closes = now - timedelta(hours=1), now + timedelta(hours=1)
    window = {"from": f"{opens:%H:%M}", "to": f"{closes:%H:%M}", "zone": "UTC"}

    def gate(ask: Ask) -> Answer:
        bench.clock.ahead += timedelta(hours=2)
        return bench.approving(ask)

    report = bench.mend(failure, policy=Policy.model_validate({"windows": {3: [window]}, "proof": NAMES}), gate=gate)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.OUTSIDE_WINDOW), report.outcome
    assert bench.changes() == []


def test_a_run_that_has_ended_says_so_again_and_opens_nothing(bench: Bench) -> None:
    failure = bench.lab.fail(SPN)
    first = bench.mend(failure, gate=lambda ask: Answer(decision="reject", approver="anna"))
    again = bench.mend(failure, gate=never)
    assert again.outcome == first.outcome
    assert again.markdown == first.markdown
    assert bench.ledger.open_incidents() == []


def test_an_alert_after_a_crash_at_any_early_write_is_not_swallowed(bench: Bench) -> None:
    """However far the process came: recovery, or a new start, ends the incident, and nobody owns it who is gone."""
    failure = bench.lab.fail(SPN)
    for at in range(1, 4):
        for after in (False, True):
            life = Life(at, after=after)
            with pytest.raises(Died):
                remediate(mortal(bench, life), failure, never, run=f"run-{at}-{after}")
            bench.engine().recover(lambda run: Over(reason=None, words="The run crashed"))
            for opened in bench.ledger.open_incidents():
                assert opened.run is None, (life.writes, opened)
    report = bench.mend(failure, run="run-last")
    assert report.outcome.ending is Ending.MENDED
    assert bench.ledger.open_incidents() == []


def test_recovery_of_a_duplicate_leaves_the_incident_to_the_run_that_has_it(bench: Bench) -> None:
    failure, found = bench.lab.fail(SPN), []

    def gate(ask: Ask) -> Answer:
        with pytest.raises(Died):
            remediate(mortal(bench, Life(3)), failure, never, run="run-2")
        bench.engine().recover(lambda run: Over(reason=None, words="It crashed") if run == "run-2" else None)
        found.extend(bench.ledger.open_incidents())
        return bench.approving(ask)

    report = bench.mend(failure, gate=gate)
    assert report.outcome.ending is Ending.MENDED
    assert [opened.run for opened in found] == ["run-1"]


def test_one_run_that_cannot_be_recovered_does_not_keep_the_others(bench: Bench) -> None:
    """A host of the first run has left the inventory meanwhile."""
    first, second = bench.lab.fail(SPN), bench.lab.fail(CPU)
    for run, failure in (("run-1", first), ("run-2", second)):
        with pytest.raises(Died):
            remediate(interrupted(bench, "verify", error=Died), failure, bench.approving, run=run)
    engine = bench.engine()
    engine.site = engine.site.model_copy(update={"hosts": tuple(each for each in engine.site.hosts if each.name != "HV04")})
    recovered = engine.recover(lambda run: Over(reason=None, words="The run crashed"))
    assert [each.run for each in recovered] == ["run-2"]
    assert [each.run for each in bench.ledger.unfinished_runs()] == ["run-1"]


def test_a_move_that_only_a_person_can_make_is_told_after_the_mend(bench: Bench) -> None:
    """The source's endpoint has no second hop: Move-VM is for a person, with the command."""
    failure = bench.lab.fail(SPN)
    engine = bench.engine(SHORT)
    engine.site = without_second_hop(bench)
    report = remediate(engine, failure, bench.approving)
    assert (report.outcome.ending, report.verified, report.retried) == (Ending.MENDED, True, False), report.outcome
    assert report.outcome.reason is Reason.GUARD_FAILED
    assert "Move-VM -Name VM51 -DestinationHost HV04" in report.markdown


def test_an_operation_that_only_a_person_can_do_ends_with_the_person(bench: Bench) -> None:
    engine = bench.engine(SHORT)
    engine.site = without_second_hop(bench)
    report = engine.carry_out("run-1", MoveVm(vm="VM51", to="HV04"), dry_run=False, gate=never, requested_by="ben")
    assert report.outcome.ending is Ending.NEEDS_PERSON
    assert "Move-VM -Name VM51 -DestinationHost HV04" in report.markdown
    assert bench.ledger.unfinished_runs() == []


@pytest.mark.parametrize("mends", [True, False], ids=["after a mend", "asked for by name"])
def test_a_run_waits_for_the_move_that_a_person_makes(bench: Bench, mends: bool) -> None:
    """While it waits, the command stands in the name of its task; once the machine has arrived, it ends."""
    failure = bench.lab.fail(SPN) if mends else None
    engine = bench.engine(SHORT)
    engine.site = without_second_hop(bench)

    def person(seconds: float) -> None:
        if any("Log on to HV03" in piece for piece in bench.pieces) and bench.lab.world.machine("VM51").host == "HV03":
            assert bench.lab.move("VM51", "HV04").refusal is None
        bench.pause(seconds)

    engine.pause = person
    if failure is not None:
        report = remediate(engine, failure, bench.approving)
        assert (report.outcome.ending, report.retried) == (Ending.MENDED, True), report.outcome
    else:
        report = engine.carry_out("run-1", MoveVm(vm="VM51", to="HV04"), dry_run=False, gate=never, requested_by="ben")
        assert report.outcome.ending is Ending.NOTHING_TO_DO, report.outcome
    assert report.verified
    assert "Move-VM" not in {name for _, name, _ in bench.changes()}
    assert any("run: Move-VM -Name VM51 -DestinationHost HV04" in piece for piece in bench.pieces)


@pytest.mark.parametrize("request_", [MoveVm(vm="VM99", to="HV02", source="HV01"), EjectMedia(vm="VM99", source="HV01")])
def test_a_machine_that_does_not_exist_is_told_with_where_it_was_looked_for(bench: Bench, request_: Remediation) -> None:
    report = bench.engine().carry_out("run-1", request_, dry_run=False, gate=never, requested_by="ben")
    assert report.outcome.ending is Ending.NEEDS_PERSON
    for host in ("HV01", "HV02"):
        assert f"{host} has no virtual machine VM99" in report.outcome.summary


def test_a_request_that_is_only_to_wait_waits(bench: Bench) -> None:
    bench.lab.inject(LIMIT)
    engine = bench.engine()
    site = bench.lab.site()
    silent = tuple(each.model_copy(update={"expect": type(each.expect)()}) for each in site.clusters)
    engine.site = site.model_copy(update={"clusters": silent})

    def pause(seconds: float) -> None:
        with bench.lab.world.lock:
            for move in bench.lab.world.active_migrations():
                machine = bench.lab.world.machine(move.machine)
                migration._arrive(bench.lab.world, move, machine, bench.lab.world.host(move.destination))
        Bench.pause(bench, seconds)

    engine.pause = pause
    request = SetMigrationLimits(cluster="CLUSTER1")
    report = engine.carry_out("run-1", request, dry_run=False, gate=never, requested_by="ben")
    assert report.outcome.ending is Ending.NOTHING_TO_DO, report.outcome
    assert bench.changes() == []


class Queue(list[str]):
    """Moves that waited for a slot: they take every one that there is as soon as there are more of them."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.world = bench.lab.world

    def append(self, name: str) -> None:
        """The name of a piece of work; those moves come before `verify`, and have ended before the next."""
        super().append(name)
        with self.world.lock:
            for move in self.world.active_migrations():
                move.done = self.world.now if move.machine == "VM44" else None
            if self.count("verify") == 1 and name == "verify":
                moves = (migration.Migration("VM44", "HV01", "HV02", self.world.now, 60) for _ in range(3))
                self.world.migrations.extend(moves)


@pytest.mark.parametrize("mends", [True, False], ids=["a mend", "asked for by name"])
def test_what_takes_the_new_slots_at_once_does_not_make_the_raised_limit_a_failure(bench: Bench, mends: bool) -> None:
    failure = bench.lab.fail(LIMIT)
    bench.pieces = Queue(bench)
    if mends:
        report = bench.mend(failure)
        assert report.retried, report.outcome
    else:
        request = SetMigrationLimits(cluster="CLUSTER1")
        report = bench.engine().carry_out("run-1", request, dry_run=False, gate=bench.approving, requested_by="ben")
    assert (report.outcome.ending, report.verified) == (Ending.MENDED, True), report.outcome
    assert any(name.startswith("wait: HV") for name in bench.pieces)
    assert [each.verified for each in bench.ledger.trials(["set-migration-limits"])] == [True]


def test_a_report_that_names_its_cluster_another_way_is_the_same_incident(bench: Bench) -> None:
    failure = bench.lab.fail(CPU)
    told = incident_of(failure)
    raw = told.model_copy(update={"cluster": None, "source": f"{failure.source.lower()}.contoso.com"})
    opened = bench.ledger.open_incident(raw, None)
    report = bench.engine().remediate("run-1", raw, dry_run=False, gate=bench.approving, requested_by="alerting")
    assert report.incident_id == opened.id
    assert bench.ledger.open_incidents() == []


@pytest.mark.parametrize(
    ("incident", "field"),
    [
        ({"vm": "VM51", "source": "HV03", "destination": "hv03.contoso.com"}, "destination"),
        ({"what": What.DRAIN, "source": "HV03"}, "source"),
        ({"vm": "VM42", "cluster": "CLUSTER9"}, "cluster"),
    ],
    ids=["to itself", "drain without a cluster", "unknown cluster"],
)
def test_a_report_that_cannot_be_is_named_and_opens_nothing(bench: Bench, incident: dict[str, object], field: str) -> None:
    with pytest.raises(LookupError, match=field):
        bench.engine().remediate("run-1", Incident.model_validate(incident), dry_run=False, gate=never, requested_by="alerting")
    assert bench.ledger.open_incidents() == []
    assert bench.ledger.unfinished_runs() == []


def test_a_machine_that_is_gone_has_not_succeeded_in_moving(bench: Bench) -> None:
    incident = Incident(vm="VM99", source="HV01", destination="HV02", message="it did not work")
    report = bench.engine().remediate("run-1", incident, dry_run=False, gate=never, requested_by="alerting")
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.outcome
    assert "VM99" in report.outcome.summary


def without_second_hop(bench: Bench) -> Site:
    """The inventory with endpoints that cannot act on another host as us."""
    site = bench.lab.site()
    hosts = tuple(
        each.model_copy(update={"endpoint": each.endpoint.model_copy(update={"second_hop": SecondHop.NONE})})
        for each in site.hosts
    )
    return site.model_copy(update={"hosts": hosts})
