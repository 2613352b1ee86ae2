"""Law 3: undo is a plan: only what the journal says we did and what is still so, shown, approved, proven."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from law_bench import Bench, never

from remediations.engine import Answer, Report
from remediations.engine.done import Did
from remediations.engine.render import plan_markdown, plan_text
from remediations.engine.sending import drift
from remediations.engine.undo import guards_of_undo, undo_plan
from remediations.lab.protocol import Fault
from remediations.ledger import Entry
from remediations.model.base import Json
from remediations.model.causes import Cause
from remediations.model.command import command
from remediations.model.fact import Change, Fact, Guard
from remediations.model.fact import Test as By
from remediations.model.outcome import Ending, Reason
from remediations.model.plan import Blocked, Close, Manual, Plan, Satisfied, Step, Target, Verdict
from remediations.model.tier import Reversal, Tier

SPN, CPU = Cause.SPN_MISSING.value, Cause.CPU_INCOMPATIBLE.value


def undone(bench: Bench, run: str = "run-1", **wanted: object) -> Report:
    given = {"dry_run": False, "gate": bench.approving, "requested_by": "ben"} | wanted
    name = "dry" if given["dry_run"] else f"undo-{run}"
    return bench.engine().undo(name, run, **given)


def test_only_ours_is_taken_back_and_the_report_said_how(bench: Bench) -> None:
    """Somebody registered another SPN on the same account meanwhile: it stays."""
    failure = bench.lab.fail(SPN)
    before = bench.lab.world.state_hash()
    report = bench.mend(failure)
    assert "`remediate undo run-1`" in report.markdown
    (step,) = report.plan.steps
    directory = bench.lab.world.directory
    account = directory.computer(step.target.name.rstrip("$"))
    theirs = "HTTP/somebody.contoso.com"

    def spns() -> list[str]:
        return list(directory.controllers["DC1"].value(account.guid, "servicePrincipalName"))

    with bench.lab.world.lock:
        directory.write("DC1", account.guid, "servicePrincipalName", [*spns(), theirs])
    back = undone(bench)
    assert (back.outcome.ending, back.verified) == (Ending.MENDED, True), back.markdown
    assert theirs in spns()
    ours = [each for change in step.changes for each in change.after]
    assert ours
    assert not set(ours) & set(spns())
    (entry,) = bench.ledger.journal("run-1", report.plan.digest)
    assert entry.undone is not None
    assert (entry.undone.ok, entry.undone.detail) == (True, "by run undo-run-1")
    sent = len(bench.changes())
    assert undone(bench, dry_run=True, gate=never).outcome.ending is Ending.NOTHING_TO_DO
    with bench.lab.world.lock:
        directory.write("DC1", account.guid, "servicePrincipalName", [each for each in spns() if each != theirs])
    # The move that had succeeded is no part of the undo: placement is the only thing that differs.
    assert len(bench.changes()) == sent
    assert bench.lab.world.state_hash() != before
    assert bench.lab.world.machine("VM51").host == "HV04"


def test_what_somebody_added_since_to_a_list_that_is_set_whole_stays_when_it_is_taken_back(three: Bench) -> None:
    """A pause comes after the first of two lists was set, and somebody lets HV05 own it too before it is taken back."""
    assert three.lab.world.cluster is not None
    failure, role = three.lab.fail("possible_owner_excluded"), three.lab.world.cluster.role_of("VM42")
    assert role is not None

    def paused() -> dict[str, str | None]:
        if three.changes() and "HV05" not in role.possible_configuration:
            role.possible_configuration = (*role.possible_configuration, "HV05")
        return {"a variable": "a storm" if three.changes() else None}

    three.switches = paused
    report = three.mend(failure)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.FAILED, Reason.PAUSED), report.outcome
    assert "could not be taken back: Set-ClusterOwnerNode" in report.outcome.summary
    assert set(role.possible_configuration) == {"HV01", "HV02", "HV05"}
    assert role.possible == ("HV01",)


def test_a_medium_that_somebody_put_in_since_stays_in_its_drive(bench: Bench) -> None:
    bench.mend(bench.lab.fail(Cause.DVD_OR_ISO_ATTACHED.value))
    drives = bench.lab.world.machine("VM44").media
    drives[0, 1] = "C:\\ClusterStorage\\Volume1\\iso\\theirs.iso"
    report = undone(bench, gate=never)
    assert report.outcome.ending is Ending.NEEDS_PERSON, report.outcome
    assert "drives of VM44 hold other media" in report.outcome.summary
    assert drives[0, 1].endswith("theirs.iso")


def test_without_an_approval_nothing_is_taken_back(bench: Bench) -> None:
    bench.mend(bench.lab.fail(SPN))
    mended, sent = bench.lab.world.state_hash(), len(bench.changes())
    report = undone(bench, gate=lambda ask: Answer(decision="reject", approver="anna"))
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.NOT_APPROVED), report.outcome
    assert bench.lab.world.state_hash() == mended
    assert len(bench.changes()) == sent


@pytest.mark.long
def test_a_machine_is_followed_to_where_it_is_now(bench: Bench) -> None:
    """The repair was made on the source; the move that followed took the machine to the destination."""
    report = bench.mend(bench.lab.fail(CPU))
    home = bench.lab.world.machine("VM42").host
    assert {step.host for step in report.plan.steps} != {home}
    back = undone(bench)
    assert back.outcome.ending is Ending.MENDED, back.markdown
    assert {step.host for step in back.plan.steps} == {home}
    machine = bench.lab.world.machine("VM42")
    bench.lab.world.wait(lambda: machine.running)
    assert (machine.compatible, machine.host) == (False, home)
    assert bench.ledger.open_brackets() == []


@pytest.mark.long
def test_what_somebody_set_since_is_left_alone(bench: Bench) -> None:
    """Nothing is left to undo between shutdown and start, so that the machine is not even shut down."""
    bench.mend(bench.lab.fail(CPU))
    with bench.lab.world.lock:
        bench.lab.world.machine("VM42").compatible = False
    report = undone(bench, gate=never)
    assert report.outcome.ending is Ending.NOTHING_TO_DO, report.outcome
    assert "no longer ours" in report.outcome.summary


@pytest.mark.long
def test_an_undo_that_fails_half_way_leaves_the_mend_whole(bench: Bench) -> None:
    bench.mend(bench.lab.fail(CPU))
    mended = bench.lab.world.state_hash()
    bench.lab.protocol_faults.add(Fault(action="Command", kind="wsman", command="Set-VMProcessor", count=None))
    report = undone(bench)
    assert report.outcome.ending is Ending.UNDONE, report.outcome
    bench.lab.world.wait(lambda: bench.lab.world.machine("VM42").running)
    assert bench.lab.world.state_hash() == mended
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.held() == []


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_taking_back_whose_answer_is_lost_is_decided_by_the_host(bench: Bench, moment: str) -> None:
    """The second step fails, and the answer to taking back the first is lost, whether that ran or not."""
    failure = bench.lab.fail(CPU)
    before = bench.lab.world.state_hash()
    bench.lab.protocol_faults.add(
        Fault(action="Command", kind="wsman", command="Set-VMProcessor", count=None),
        Fault(action="Command", kind="reset", moment=moment, command="Start-ClusterResource"),
    )
    report = bench.mend(failure)
    assert [each.command.split()[0] for each in report.sent if each.became == "not known"] == []
    bench.lab.protocol_faults.clear()
    bench.engine().recover(lambda run: None)
    bench.lab.world.wait(lambda: bench.lab.world.machine("VM42").running)
    assert [name for _, name, _ in bench.changes()].count("Start-ClusterResource") == 1
    assert bench.lab.world.state_hash() == before
    assert bench.ledger.open_brackets() == []
    assert bench.ledger.undecided() == []


def test_a_run_that_is_not_over_is_not_undone(bench: Bench) -> None:
    bench.ledger.start_run("run-1", kind="drain-node", incident_id=None, requested_by="anna")
    report = undone(bench, gate=never)
    assert (report.outcome.ending, report.outcome.reason) == (Ending.REFUSED, Reason.DUPLICATE_IN_PROGRESS)
    with pytest.raises(LookupError, match="run: the ledger has no run run-9"):
        undone(bench, "run-9")


# ---- the plan itself, on facts made by hand --------------------------------------------------------------------------


class Lamp(Fact):
    """Something that can be set."""

    state: str = "Off"
    version: str = "1"
    host: str = "HV01"


def lamp_step(field: str, old: str, new: str, *, undo: bool = True, **more: object) -> Step:
    start, stop = command("Start-VM", Name="VM42"), command("Stop-VM", Name="VM42")
    return Step.model_validate(
        {
            "target": Target(kind="virtual machine", name="VM42", id="vm42"),
            "host": "HV01",
            "command": start if new == "On" else stop,
            "undo": (stop if new == "On" else start) if undo else None,
            "why": "it has to be so",
            "changes": (Change(fact="Lamp:vm42", field=field, before=old, after=new),),
            **more,
        }
    )


DOWN = lamp_step("state", "On", "Off", opens="off", close=Close(host="HV01", command=command("Start-VM", Name="VM42")))
UPGRADE = lamp_step("version", "1", "2", undo=False)
UP = lamp_step("state", "Off", "On", closes="off")


def did(*steps: Step, reversal: Reversal = Reversal.EXACT, result: bool | None = True) -> list[Did]:
    plan = Plan(
        remediation="upgrade-vm-version",
        request={},
        title="Upgrade VM42",
        tier=Tier.IRREVERSIBLE if reversal is Reversal.IRREVERSIBLE else Tier.WORKLOAD,
        reversal=reversal,
        proof=None,
        items=steps,
    )
    at = datetime(2026, 3, 1, tzinfo=UTC)
    how = None if result is None else "answered"
    entries = (
        Entry(index=index, step=step, command_id=uuid4(), attempt=1, intended_at=at, result=result, how=how)
        for index, step in enumerate(steps)
    )
    return [Did(plan, entry) for entry in entries]


def facts(**values: str) -> dict[str, Fact]:
    fact = Lamp(subject="vm42", **values)
    return {fact.key: fact}


def test_an_irreversible_step_is_a_persons_and_nothing_is_shut_down_for_it() -> None:
    done = did(DOWN, UPGRADE, UP, reversal=Reversal.IRREVERSIBLE)
    plan = undo_plan("run-1", done, [], facts(state="On", version="2"))
    assert [type(item) for item in plan.items] == [Satisfied, Manual, Satisfied]
    assert (plan.verdict, plan.steps, plan.appliable) == (Verdict.PRESENT, (), False)
    assert "cannot be undone" in plan.manuals[0].why
    told = plan_markdown(done[0].plan), plan_text(done[0].plan)
    assert "**none: this cannot be undone**" in told[0], "whoever approves it is told first"
    assert "undo: none: this cannot be undone" in told[1]


def test_what_is_neither_as_before_nor_as_made_blocks() -> None:
    (item,) = undo_plan("run-1", did(UP), [], facts(state="Broken")).items
    assert isinstance(item, Blocked)
    assert "state is Broken; it was Off before the run, and On after it" in item.why
    assert drift(UP, facts(state="Broken")) == "state of Lamp:vm42 is Broken; approved is its change from Off to On"


def test_what_nobody_knows_blocks() -> None:
    (item,) = undo_plan("run-1", did(UP, result=None), [], facts(state="On")).items
    assert isinstance(item, Blocked)
    assert "remediate recover" in item.why


def test_an_undo_that_turns_something_off_carries_what_turns_it_on_again() -> None:
    between = lamp_step("version", "1", "2")
    plan = undo_plan("run-1", did(DOWN, between, UP), [], facts(state="On", version="2"))
    first, second, third = plan.steps
    assert (first.opens, first.close.command.name, third.closes) == ("off", "Start-VM", "off")
    assert [change.after for step in plan.steps for change in step.changes] == ["Off", "1", "On"]
    assert (second.undo, plan.tier, plan.reversal) == (between.command, Tier.WORKLOAD, Reversal.EXACT)


def test_steps_that_open_and_close_nothing_are_all_taken_back_newest_first() -> None:
    first, second = lamp_step("version", "1", "2"), lamp_step("state", "Off", "On")
    plan = undo_plan("run-1", did(first, second), [], facts(state="On", version="2"))
    assert [change.after for step in plan.steps for change in step.changes] == ["Off", "1"]


def test_nothing_is_shut_down_for_what_is_already_as_it_was() -> None:
    between = lamp_step("version", "1", "2")
    plan = undo_plan("run-1", did(DOWN, between, UP), [], facts(state="On", version="1"))
    assert [type(item) for item in plan.items] == [Satisfied] * 3


def lamp(field: str, test: By, bound: Json) -> Guard:
    return Guard(fact="Lamp:vm42", field=field, test=test, bound=bound)


HOME = lamp("host", By.EQUALS, "HV01")


@pytest.mark.parametrize(
    ("guard", "kept"),
    [
        (HOME, lamp("host", By.EQUALS, "HV02")),  # where it is now
        (lamp("state", By.EQUALS, "Off"), lamp("state", By.EQUALS, "On")),  # as the step left it
        (lamp("version", By.EQUALS, "2"), lamp("version", By.EQUALS, "2")),  # as the plan had made it for the step
        (lamp("subject", By.NOT, "vm43"), lamp("subject", By.NOT, "vm43")),  # what must not be must not be
        (lamp("state", By.NOT, "Saved"), None),  # of what the step itself changed
        (lamp("subject", By.EQUALS, "vm42"), None),  # what was so before is not the undo's affair
        (lamp("version", By.AT_LEAST, "2"), None),  # nor is how much there had to be
    ],
)
def test_an_undo_has_the_guards_that_are_its_own(guard: Guard, kept: Guard | None) -> None:
    (first, second) = did(lamp_step("version", "1", "2"), lamp_step("state", "Off", "On", guards=(guard,)))
    assert list(guards_of_undo(first.plan, second.step, "HV02")) == ([] if kept is None else [kept])


@pytest.mark.parametrize(("closes_at", "then_at"), [("HV01", "HV02"), ("HV09", "HV09")])
def test_what_ends_the_bracket_of_an_undo_follows_the_machine_as_the_undo_does(closes_at: str, then_at: str) -> None:
    close = Close(host=closes_at, command=command("Start-VM", Name="VM42"))
    down = lamp_step("state", "On", "Off", opens="off", close=close, guards=(HOME,))
    between, up = lamp_step("version", "1", "2", guards=(HOME,)), lamp_step("state", "Off", "On", closes="off", guards=(HOME,))
    plan = undo_plan("run-1", did(down, between, up), [], facts(state="On", version="2", host="HV02"))
    assert [step.host for step in plan.steps] == ["HV02"] * 3
    opened = plan.steps[0].close
    assert opened is not None
    assert opened.host == then_at
