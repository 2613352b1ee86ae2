"""Enrolling and approving at the terminal, with a real ledger and no Prefect: what a terminal asked, another one answers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pyotp
import pytest
from pytest_mock import MockerFixture
from rich.console import Console
from typer.testing import CliRunner, Result

from remediations.cli import app
from remediations.cli.engine import terminal_gate
from remediations.engine import Ask, Considered
from remediations.ledger import Ledger, Sealed
from remediations.model.causes import Cause
from remediations.model.diagnosis import Hypothesis
from remediations.model.incident import Incident
from remediations.model.outcome import Reason, Refused
from remediations.model.plan import Verdict
from remediations.model.policy import Needed, Proven
from remediations.model.tier import Tier
from remediations.redaction import hide

TWO = Needed(people=2, proof=Proven.CODE, own=False, typed="HV02$")


@pytest.fixture
def ledger(state: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as opened:
        yield opened


@pytest.fixture
def waiting(ledger: Ledger, question: Ask) -> Sealed:
    """What cannot be undone, asked for by carla at a terminal."""
    assert question.plan is not None
    ledger.start_run("cli:here:1:0-1:x", kind="test", incident_id=None, requested_by="carla")
    plan = question.plan.model_copy(update={"tier": Tier.IRREVERSIBLE})
    until = datetime.now(UTC) + timedelta(hours=1)
    return ledger.seal("cli:here:1:0-1:x", round=1, part="repair", plan=plan, expires_at=until)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


class Screen(Console):
    """Standard error as a terminal has it, kept as text."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        super().__init__(file=self.text, force_terminal=True, width=300, highlight=False)

    @property
    def shown(self) -> str:
        return self.text.getvalue()

    @property
    def busy(self) -> bool:
        """Whether a line of progress is there: it hides the cursor meanwhile."""
        return self.shown.count("\x1b[?25l") > self.shown.count("\x1b[?25h")


def enrolled(name: str) -> pyotp.TOTP:
    shown = run("approvers", "add", name)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("█") > 50, "the picture that the authenticator takes"
    found = pyotp.parse_uri(next(line for line in shown.stdout.splitlines() if line.startswith("otpauth://")))
    assert isinstance(found, pyotp.TOTP)
    return found


def test_a_secret_is_shown_at_enrolment_only_and_kept_sealed(state: Path) -> None:
    with Ledger(f"sqlite:///{state / 'ledger.db'}"):
        assert "Nobody is enrolled" in run("approvers", "list").stdout
    secret = enrolled("Anna Berg").secret
    assert hide(f"was it {secret}?") == "was it ***?", "from then on no log shows it"
    assert (state / "approvers.key").stat().st_mode & 0o077 == 0
    listed = run("approvers", "list", "--json").stdout
    assert [each["name"] for each in json.loads(listed)] == ["Anna Berg"]
    again = run("approvers", "add", "anna  berg")
    assert (again.exit_code, "is enrolled since" in again.stderr) == (2, True)
    assert secret not in listed + again.output
    assert not [path for path in state.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert run("approvers", "remove", "ANNA BERG").exit_code == 0
    gone = run("approvers", "remove", "Anna Berg")
    assert (gone.exit_code, "is no approver" in gone.stderr) == (2, True)
    with Ledger(f"sqlite:///{state / 'ledger.db'}") as ledger:
        kinds = [note.kind for note in ledger.trail(None)]
    assert kinds == ["approver added", "approver removed"]


@pytest.mark.parametrize("name", ["", " ", "A", "x" * 65, "Anna\x1b[31m"])
def test_a_name_that_is_none_enrols_nobody(state: Path, name: str) -> None:
    assert run("approvers", "add", name).exit_code == 2
    assert json.loads(run("approvers", "list", "--json").stdout) == []


def test_a_lost_key_is_never_made_anew_under_those_who_are_enrolled(state: Path) -> None:
    enrolled("Anna Berg")
    (state / "approvers.key").unlink()
    lost = run("approvers", "add", "Bert Clay")
    assert lost.exit_code == 2
    assert "is gone" in lost.stderr
    assert not (state / "approvers.key").exists()


def test_a_key_that_others_can_read_or_that_is_none_is_not_used(state: Path) -> None:
    enrolled("Anna Berg")
    key = state / "approvers.key"
    key.chmod(0o644)
    assert "chmod 600" in run("approvers", "add", "Bert Clay").stderr
    key.chmod(0o600)
    key.write_text("no key\n")
    assert "holds none" in run("approvers", "add", "Bert Clay").stderr


def test_what_a_flow_run_asked_is_listed_while_no_prefect_is_known(state: Path, ledger: Ledger, question: Ask) -> None:
    assert question.plan is not None
    ledger.start_run("a-flow-run", kind="test", incident_id=None, requested_by="carla")
    until = datetime(2099, 1, 2, 3, 4, 5, 678, UTC)
    asked = ledger.seal("a-flow-run", round=1, part="repair", plan=question.plan, expires_at=until)
    (listed,) = json.loads(run("approvals", "--json").stdout)
    assert (listed["digest"], listed["run"]) == (asked.digest, "a-flow-run")
    assert "answer until 2099-01-02 03:04 UTC" in run("approvals").stdout


def test_while_prefect_does_not_answer_the_ledger_tells_what_waits(
    ledger: Ledger, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert question.plan is not None
    ledger.start_run("a-flow-run", kind="test", incident_id=None, requested_by="carla")
    until = datetime(2099, 1, 2, 3, 4, 5, 678, UTC)
    asked = ledger.seal("a-flow-run", round=1, part="repair", plan=question.plan, expires_at=until)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    shown = run("approvals", "--json")
    assert [each["digest"] for each in json.loads(shown.stdout)] == [asked.digest]
    assert "does not answer" in shown.stderr
    assert "An answer by `remediate approve` counts" in shown.stderr


def test_an_error_without_words_is_told_by_its_name(
    ledger: Ledger, mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    mocker.patch("flows.approvals.waiting", side_effect=httpx.ReadTimeout(""))
    assert "Prefect at http://127.0.0.1:9/api does not answer (ReadTimeout)" in run("approvals").stderr


def test_a_plan_that_is_nowhere_to_be_had_says_where_it_is_and_who_does_not_answer(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    shown = run("approvals", "3f9a41c0")
    assert shown.exit_code == 2, shown.exception
    assert "the plan itself is in the ledger, and there is none here" in shown.stderr
    assert "Prefect at http://127.0.0.1:9/api does not answer" in shown.stderr
    assert list(state.iterdir()) == []


def test_the_plan_itself_is_shown_before_it_is_approved(ledger: Ledger, question: Ask) -> None:
    assert question.plan is not None
    opened = ledger.open_incident(Incident(vm="VM51", source="HV01"), None)
    ledger.start_run("a-flow-run", kind="test", incident_id=opened.id, requested_by="carla")
    assert ledger.attach_run(opened.id, "a-flow-run")
    suspected = Hypothesis(cause=Cause.SPN_MISSING, score=0.9, evidence=("0x8009030E",))
    considered = Considered(hypothesis=suspected, verdict=Verdict.PRESENT, plan=None, why="it is missing")
    ledger.note("a-flow-run", "considered", {"causes": [considered.model_dump(mode="json")]})
    until = datetime(2099, 1, 2, 3, 4, 5, 678, UTC)
    asked = ledger.seal("a-flow-run", round=1, part="repair", plan=question.plan, expires_at=until)
    short = asked.digest[:8]
    assert f"remediate approvals {short} " in run("approvals").stdout
    shown = run("approvals", short).stdout
    assert shown.startswith("proven by the facts: spn_missing. it is missing\n")
    assert all(step.command.text in shown for step in question.plan.steps)
    assert json.loads(run("approvals", short, "--json").stdout)["plans"] == [question.plan.to_json()]
    assert short in run("incidents").stdout
    assert json.loads(run("incidents", "--json").stdout)[0]["asks"] == asked.digest
    unknown = run("approvals", "deadbeef")
    assert (unknown.exit_code, f"waiting: {short}" in unknown.stderr) == (2, True)


def test_two_people_approve_what_a_terminal_asked(waiting: Sealed, ledger: Ledger) -> None:
    anna, bert = enrolled("Anna Berg"), enrolled("Bert Clay")
    (listed,) = json.loads(run("approvals", "--json").stdout)
    assert (listed["digest"], listed["typed"], listed["approved_by"]) == (waiting.digest, "HV02$", [])
    short = waiting.digest[:8]

    def approve(name: str, code: str, *more: str) -> Result:
        return run("approve", short, "--as", name, "--code", code, *more)

    untyped = approve("Anna Berg", anna.now())
    assert (untyped.exit_code, "--target 'HV02$'" in untyped.stderr) == (2, True)
    bare = run("approve", short, "--as", "Anna Berg", "--target", "HV02$")
    assert (bare.exit_code, "--code" in bare.stderr) == (4, True)
    wrong = approve("Anna Berg", f"{(int(anna.now()) + 1) % 1_000_000:06}", "--target", "HV02$")
    assert (wrong.exit_code, "the code is not Anna Berg's" in wrong.stderr) == (4, True)
    first = approve("Anna Berg", anna.now(), "--target", "HV02$")
    assert (first.exit_code, "a second person has to approve it" in first.stdout) == (0, True), first.output
    assert ledger.decision(waiting) is None
    second = json.loads(approve("bert clay", bert.now(), "--target", "hv02$", "--json").stdout)
    assert (second["missing"], second["run"]) == (0, waiting.run)
    decided = ledger.decision(waiting)
    assert decided is not None
    assert decided.by == "Anna Berg and Bert Clay"
    over = approve("Bert Clay", bert.now(), "--target", "HV02$")
    assert (over.exit_code, "no plan" in over.stderr) == (2, True)


def test_anybody_rejects_without_a_code(waiting: Sealed, ledger: Ledger) -> None:
    ended = run("reject", waiting.digest[:8], "--as", "Dora", "--comment", "not tonight")
    assert ended.exit_code == 0, ended.output
    decided = ledger.decision(waiting)
    assert decided is not None
    assert (decided.decision, decided.approver, decided.comment) == ("reject", "Dora", "not tonight")


@pytest.mark.parametrize("name", ["", " ", "   ", "A"])
def test_nobody_decides_without_a_name(waiting: Sealed, ledger: Ledger, name: str) -> None:
    nameless = run("reject", waiting.digest[:8], "--as", name)
    assert (nameless.exit_code, "--as: " in nameless.stderr) == (2, True), nameless.output
    assert ledger.decision(waiting) is None


def test_people_see_what_is_being_done_while_it_lasts(waiting: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("remediations.cli.approvals.err", screen)
    assert run("reject", waiting.digest[:8], "--as", "Dora").exit_code == 0
    assert "looking for what waits" in screen.shown
    assert "writing it into the ledger" in screen.shown


def test_a_code_is_asked_for_with_no_line_of_progress_over_the_question(
    state: Path, monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture
) -> None:
    screen = Screen()
    monkeypatch.setattr("remediations.cli.approvals.err", screen)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    waits = mocker.Mock(fields=("code",), typed="", title="Raise it", shown="", link="")
    mocker.patch("flows.approvals.find", return_value=waits)
    answer = mocker.patch("flows.approvals.answer")
    asked = mocker.patch("remediations.cli.approvals._ask", side_effect=lambda who: f"{screen.busy}")
    assert not (state / "ledger.db").exists(), "so it goes by the form"
    assert run("approve", "3f9a41c0", "--as", "Anna Berg").exit_code == 0
    asked.assert_called_once_with("Anna Berg")
    assert answer.call_args.kwargs["code"] == "False"
    assert "asking http://127.0.0.1:9/api" in screen.shown


@pytest.mark.usefixtures("state", "logging_as_it_was")
def test_a_look_tells_its_progress_and_what_is_logged_meanwhile_goes_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMEDIATE_PASSWORD", raising=False)
    screen = Screen()
    monkeypatch.setattr("remediations.cli.console.err", screen)
    looked = run("watch")
    assert looked.exit_code == 3, looked.output
    assert "not read: HV01" in looked.stdout, "there is no password, which is logged"
    assert "look at the event logs of 4 hosts" in screen.shown
    assert "an event log could not be read" in screen.shown
    assert "an event log could not be read" not in looked.stderr, "past the screen, into the line of progress"


def test_the_check_says_how_many_approvers_are_missing(state: Path) -> None:
    def warnings() -> str:
        checked = run("config", "check", "--json")
        assert checked.exit_code == 0
        told = json.loads(checked.stdout)["warnings"]
        return " ".join(each for each in told if "enrolled" in each)

    assert "2 people at tiers 3, 4, and 0 people are enrolled" in warnings()
    assert list(state.iterdir()) == [], "asking makes no ledger"
    enrolled("Anna Berg")
    assert "at tier 4, and 1 person is enrolled" in warnings()
    enrolled("Bert Clay")
    assert warnings() == ""


def test_at_the_terminal_the_second_is_waited_for_and_a_refused_answer_ends_it(question: Ask) -> None:
    given = {"approve": question.digest[:8], "no_retry": False, "comment": "", "code": "123 456", "target": "HV02$"}
    slept: list[float] = []
    gate = terminal_gate("carla", given, slept.append)
    answer = gate(question.model_copy(update={"needed": TWO}))
    assert answer is not None
    assert (answer.code, answer.target, answer.proof) == ("123456", "HV02$", "terminal")
    second = question.model_copy(update={"needed": TWO, "approved_by": ("carla",), "key": "approve-2"})
    assert [gate(second), gate(second)] == [None, None]
    assert slept == [1, 1]
    again = question.model_copy(update={"needed": TWO, "refused": "the code is wrong", "key": "approve-3"})
    with pytest.raises(Refused, match="the code is wrong") as refused:
        gate(again)
    assert refused.value.reason is Reason.APPROVAL_INVALID
