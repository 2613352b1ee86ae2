"""`remediate config check`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remediations.cli.config import app
from remediations.settings import ConfigError, load, packaged


def test_a_good_directory() -> None:
    result = CliRunner().invoke(app, ["check", "--config", str(packaged("site.yaml").parent)])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing is wrong" in result.stderr


def test_what_keeps_much_from_being_looked_at_is_told_and_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OF_NOBODY", raising=False)
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path))
    (tmp_path / "site.yaml").write_text(
        "domain: a.test\nhosts:\n"
        "  - {name: HV01, endpoint: {username: u, password: {env: OF_NOBODY}}}\n"
        "  - {name: HV02, endpoint: {username: u, password: {env: OF_NOBODY}}}\n"
    )
    result = CliRunner().invoke(app, ["check", "--config", str(tmp_path)])
    assert result.exit_code == 0
    told = " ".join(result.stderr.split())
    assert "the policy that came with the program" in told
    assert "but: no domain controller is named (controllers:)" in told
    assert "the password for HV01, HV02 cannot be read here: environment variable OF_NOBODY is not set" in told


def test_a_variable_that_is_wrong_is_a_mistake_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMEDIATE_RECEIVER_PORT", "many")
    (tmp_path / "site.yaml").write_text("domain: contoso.com\nhosts:\n  - name: HV01\n")
    result = CliRunner().invoke(app, ["check", "--config", str(tmp_path)])
    assert result.exit_code == 2, result.exception
    assert [each.split(": ")[:2] for each in result.stdout.splitlines()] == [
        [f"{tmp_path}/site.yaml:3", "hosts[0].endpoint"],
        ["environment", "REMEDIATE_RECEIVER_PORT"],
    ]


def test_a_ledger_that_cannot_be_read_now_is_no_mistake_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMEDIATE_STATE", str(tmp_path))
    (tmp_path / "ledger.db").write_text("none")
    result = CliRunner().invoke(app, ["check", "--config", str(packaged("site.yaml").parent)])
    assert result.exit_code == 0, result.exception
    told = " ".join(result.stderr.split())
    assert "but: whether enough approvers are enrolled is not known: the ledger" in told
    assert "file is not a database" in told


def test_the_example_is_right_but_nothing_runs_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMEDIATE_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 2
    assert result.stdout.startswith("environment: REMEDIATE_CONFIG: this is not set, and ")
    assert "remediate demo" in result.stdout


def test_every_problem_is_a_line_and_the_exit_code_is_2(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("domain: contoso.com\nhosts:\n  - name: HV01\n")
    (tmp_path / "policy.yaml").write_text("retry: always\n")
    result = CliRunner().invoke(app, ["check", "--config", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        f"{tmp_path}/site.yaml:3: hosts[0].endpoint: this is missing; add it (Where its commands go, and as whom)",
        f"{tmp_path}/policy.yaml:1: retry: 'always' is none of the choices; write one of never, approve, with-repair",
    ]
    assert "2 problems: nothing runs on this configuration" in result.stderr


@pytest.mark.parametrize("name", ["policy.yml", "Policy.yaml", "POLICY.YML"])
def test_a_policy_that_would_not_be_read_is_no_policy_by_default(tmp_path: Path, name: str) -> None:
    (tmp_path / "site.yaml").write_text(packaged("site.yaml").read_text())
    (tmp_path / name).write_text("pause: true\n")
    result = CliRunner().invoke(app, ["check", "--config", str(tmp_path)])
    assert result.exit_code == 2
    wrong = "this name is not read, and the packaged policy would hold in its place; call it policy.yaml"
    assert result.stdout.splitlines() == [f"{tmp_path}/{name}: {wrong}"]
    with pytest.raises(ConfigError, match=r"call it policy\.yaml"):
        load(tmp_path)


def test_a_link_to_a_policy_that_is_gone_stops_everything(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(packaged("site.yaml").read_text())
    (tmp_path / "policy.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match=r"policy\.yaml: No such file or directory"):
        load(tmp_path)


def test_json_for_scripts(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("domain: contoso.com\nhosts: [{name: HV01, endpoint: {}}]\n")
    result = CliRunner().invoke(app, ["check", "--config", str(tmp_path), "--json"])
    assert result.exit_code == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["line"], problem["where"]) == (2, "hosts[0].endpoint")
    assert problem["right"]


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_a_directory_that_is_none(extra: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", "--config", str(tmp_path / "gone"), *extra])
    assert result.exit_code == 2
    assert "this is no directory" in result.stdout
