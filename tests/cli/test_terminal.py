"""The command line without a server: what it says of bad input, its exit codes, its options from typed forms."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from remediations.catalogue import CATALOGUE
from remediations.cli import PANELS, app, console
from remediations.cli.engine import terminal_gate
from remediations.engine import Ask
from remediations.model.outcome import Ending, Outcome, Reason

RUNNER = CliRunner()
CONFIGS = Path(__file__).parents[2] / "configs"
pytestmark = pytest.mark.usefixtures("state")


def run(*arguments: str, stdin: str = "") -> Result:
    return RUNNER.invoke(app, arguments, input=stdin, env={"COLUMNS": "200"})


@pytest.mark.parametrize(
    ("ending", "reason", "code"),
    [
        (Ending.MENDED, None, 0),
        (Ending.NOTHING_TO_DO, None, 0),
        (Ending.FAILED, None, 1),
        (Ending.UNDONE, Reason.DRIFT, 1),
        (Ending.PROPOSED, None, 3),
        (Ending.NEEDS_PERSON, None, 3),
        (Ending.REFUSED, Reason.POLICY_NEVER, 3),
        (Ending.REFUSED, Reason.NOT_APPROVED, 4),
        (Ending.REFUSED, Reason.APPROVAL_EXPIRED, 4),
        (Ending.REFUSED, Reason.APPROVAL_INVALID, 4),
    ],
)
def test_exit_codes_tell_how_it_ended(ending: Ending, reason: Reason | None, code: int) -> None:
    assert console.exit_code(Outcome(ending=ending, reason=reason, summary="x")) == code


def test_the_catalogue_lists_every_remediation_for_scripts_and_for_people() -> None:
    listed = json.loads(run("catalogue", "--json").stdout)
    assert [each["id"] for each in listed] == list(CATALOGUE)
    assert all(each["request"]["properties"] for each in listed)
    assert all(name in run("catalogue").stdout for name in CATALOGUE)


@pytest.mark.parametrize("verb", ["plan", "apply"])
@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_remediation_has_its_options_described(verb: str, name: str) -> None:
    shown = run(verb, name, "--help")
    assert shown.exit_code == 0
    for field, info in CATALOGUE[name].model_fields.items():
        assert f"--{field.replace('_', '-')}" in shown.stdout
        assert info.description
        assert info.description.split()[0] in shown.stdout
    assert ("--approve" in shown.stdout) is (verb == "apply")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "register-spns"), "--host"),
        (("plan", "register-spns", "--host", "*"), "no host name"),
        (("plan", "register-spns", "--host", "all"), "no host name"),
        (("plan", "register-spns", "--host", ""), "no host name"),
        (("plan", "incident", "--vm", "VM*"), "could match more than one"),
        (("plan", "incident"), "names its virtual machine"),
        (("plan", "incident", "--vm", "VM42", "--source", "HV99"), "HV99 is not in the inventory"),
        (("plan", "incident", "--vm", "VM42", "--event-id", "many"), "--event-id"),
        (("plan", "unheard-of"), "unheard-of"),
        (("serve", "--port", "99999"), "--port"),
        (("approvals",), "no Prefect is known here"),
        (("approve", "3f9a41c0", "--as", "Anna Berg"), "no Prefect is known here"),
        (("--config", "/nowhere", "plan", "incident", "--vm", "VM42"), "/nowhere"),
    ],
)
def test_bad_input_is_named_and_ends_with_two(arguments: tuple[str, ...], says: str) -> None:
    ended = run(*arguments)
    assert ended.exit_code == 2, ended.output
    assert says in " ".join(ended.stderr.split()), ended.stderr
    assert ended.stdout == ""


def test_a_prefect_that_does_not_answer_is_a_failure_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    ended = run("approvals")
    assert ended.exit_code == 1
    assert "does not answer" in ended.stderr


@pytest.mark.parametrize("command", [("config", "check"), ("demo", "--list-faults"), ("diagnose", "0x8009030E", "--json")])
@pytest.mark.parametrize("before", [(), ("--config", str(CONFIGS))])
def test_commands_are_found_wherever_common_options_stand(command: tuple[str, ...], before: tuple[str, ...]) -> None:
    ended = run(*before, *command)
    assert "No such command" not in ended.stderr
    assert ended.output


def test_help_names_every_command() -> None:
    shown = run("--help").stdout
    for name in ("serve", "approvals", "approve", "reject", "plan", "apply", "diagnose", "catalogue", "host", "config", "demo"):
        assert f"│ {name} " in shown
    assert "Exit codes" in shown


def test_the_module_is_written_with_its_install_script(tmp_path: Path) -> None:
    for _ in range(2):
        assert run("host", "export", str(tmp_path / "out")).exit_code == 0
    written = tmp_path / "out" / "HyperVRemediation"
    source = CONFIGS / "HyperVRemediation"
    assert _files(written) == _files(source)
    assert (written / "Install.ps1").exists()


def test_a_module_that_cannot_be_written_whole_is_said_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "HyperVRemediation").mkdir()
    (tmp_path / "HyperVRemediation" / "Install.ps1").symlink_to("/dev/full")
    done = run("host", "export", str(tmp_path))
    told = done.stderr.replace("\n", "")
    assert done.exit_code == 1
    assert told.startswith(f"{tmp_path}/HyperVRemediation/Install.ps1: [Errno 28] No space left on device")


def _files(directory: Path) -> dict[str, bytes]:
    return {str(each.relative_to(directory)): each.read_bytes() for each in directory.rglob("*") if each.is_file()}


@pytest.mark.parametrize(
    ("approve", "decision"),
    [("{0}", "approve"), ("{1} {2}", "approve"), ("00000000", "reject"), ("{1}", "reject")],
)
def test_approve_on_the_command_line_is_bound_to_the_digest(question: Ask, approve: str, decision: str) -> None:
    digest = question.digest[:8]
    given = {"approve": approve.format(digest, digest[:4], digest[4:]), "no_retry": False, "comment": "CHG1"}
    answer = terminal_gate("Anna Berg", given)(question)
    assert (answer.decision, answer.approver, answer.digest) == (decision, "Anna Berg", digest)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("incidens",), "No such command 'incidens'. Did you mean 'incidents'?"),
        (("diagnoes",), "No such command 'diagnoes'. Did you mean 'diagnose'?"),  # imported only when it is called
        (("plan", "register-spn"), "No such command 'register-spn'. Did you mean 'register-spns'?"),
        (("register-spns", "--host", "HV01"), "'register-spns'. Write `remediate plan register-spns`, or `apply`."),
        (("rnu-away",), "No such command 'rnu-away'."),
    ],
)
def test_what_may_be_meant_by_a_name_that_is_none_is_said(arguments: tuple[str, ...], says: str) -> None:
    refused = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert (refused.exit_code, f" {says} " in " ".join(refused.stderr.split())) == (2, True), refused.stderr


def test_help_shows_every_command_in_a_panel_of_its_own_kind() -> None:
    shown = run("--help").stdout
    assert "─ Commands ─" not in shown, "a command is in no panel: see PANELS"
    assert all(f"─ {title} ─" in shown for title in PANELS)
    assert "--install-completion" not in run("audit", "--help").stdout


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("hyperv-remediation ")


def test_who_is_at_the_terminal_is_who_called_sudo_or_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert console.account() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)  # which no system gives a name to
    assert console.account() == "account 4000000001"
    monkeypatch.setenv("SUDO_USER", "anna")
    assert console.account() == "anna"


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_console_without_a_width_is_shown_everything(columns: str) -> None:
    command = [sys.executable, "-m", "remediations.cli", "catalogue"]
    environment = {**os.environ, "COLUMNS": columns}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert [each for each in CATALOGUE if each not in shown.stdout] == []


def test_an_encoding_without_our_marks_ends_nothing_and_json_stays_whole() -> None:
    def told(encoding: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "remediations.cli", *arguments]
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False)

    people = told("ascii:strict", "catalogue")
    assert (people.returncode, people.stderr) == (0, "")
    assert "register-spns" in people.stdout
    assert "?" not in people.stdout, "its dashes are dashes still"
    assert json.loads(told("ascii:strict", "catalogue", "--json").stdout) == json.loads(
        told("utf-8", "catalogue", "--json").stdout
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("incident",), "--vm: a failed migration names its virtual machine"),
        (("set-migration-limits",), "--host, --cluster: name exactly one of the two"),
        (("incident", "--vm", "VM1", "--occurred-at", "noon"), "too short; write it as 2026-03-01T14:05:00+01:00"),
        (
            ("incident", "--vm", "VM1", "--occurred-at", "2026-03-01T14:05"),
            "timezone info; write it as 2026-03-01T14:05:00+01:00",
        ),
    ],
)
def test_a_mistake_names_the_options_that_it_is_in_and_what_would_be_right(arguments: tuple[str, ...], says: str) -> None:
    refused = run("plan", *arguments)
    assert (refused.exit_code, says in refused.stderr) == (2, True), refused.stderr
