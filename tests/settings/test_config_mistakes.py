"""Malformed files: a comment `#!` in a line says which problem that line must have, and no other line may have one."""

import re
from pathlib import Path

import pytest

from remediations.catalogue import CATALOGUE
from remediations.model.tier import Tier
from remediations.settings import Problem, check

HERE = Path(__file__).parent / "mistakes"
GOOD_SITE = """\
domain: contoso.com
defaults: {endpoint: {username: u, password: {env: PW}}}
clusters: [{name: CLUSTER1, nodes: [HV01, HV02]}]
hosts: [{name: HV01}, {name: HV02}]
"""


def expected(text: str) -> list[tuple[int, str]]:
    return [(number, mark.strip()) for number, line in enumerate(text.splitlines(), start=1) for mark in line.split("#!")[1:]]


def said(problem: Problem) -> str:
    return f"{problem.where}: {problem.wrong}; {problem.right}" if problem.where else f"{problem.wrong}; {problem.right}"


def checked(tmp_path: Path, name: str, text: str | bytes) -> list[Problem]:
    files = {"site": tmp_path / "site.yaml", "policy": tmp_path / "policy.yaml"}
    files["site"].write_text(GOOD_SITE)
    files["policy"].write_text("pause: false\n")
    data = text if isinstance(text, bytes) else text.encode()
    files[name].write_bytes(data)
    problems = check(
        files["site"], files["policy"], {"move-vm": Tier.WORKLOAD} | {each.id: each.tier for each in CATALOGUE.values()}
    )
    assert all(problem.file == str(files[name]) for problem in problems)
    return problems


@pytest.mark.parametrize("case", sorted(HERE.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_mistake_is_named_in_its_line(case: Path, tmp_path: Path) -> None:
    text = case.read_text()
    wanted = expected(text)
    assert wanted
    problems = checked(tmp_path, case.stem.partition("-")[0], text)
    left = [(problem.line, said(problem)) for problem in problems]
    for number, mark in wanted:
        found = next((each for each in left if each[0] == number and each[1].startswith(mark)), None)
        assert found is not None, f"line {number} should say {mark!r}; left are {left}"
        left.remove(found)
    assert left == [], "these were not expected"
    assert all(re.search(r"\w", problem.right) and problem.column >= 1 for problem in problems)


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        (b"", 1, "the file is empty"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"- a\n- b\n", 1, "the file holds no mapping"),
        (b"domain: contoso.com\nhosts: caf\xe9\n", 2, "this is not UTF-8"),
        (
            b"domain: contoso.com\nhosts:\n\t- name: HV01\n",
            3,
            "this cannot be read as YAML: found character '\\t' that cannot start any token",
        ),
        (b'domain: "contoso.com\n', 2, "this cannot be read as YAML: found unexpected end of stream"),
        (b"domain: a\nhosts: a\x00b\n", 2, "a character here is not allowed in YAML"),
        (b"domain: " + b"[" * 5000, 1, "the entries are nested too deep to be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(text: bytes, line: int, wrong: str, tmp_path: Path) -> None:
    (problem,) = checked(tmp_path, "site", text)
    assert (problem.line, problem.wrong) == (line, wrong)
    assert problem.right


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    site, policy = check(tmp_path / "site.yaml", tmp_path / "policy.yaml")
    assert str(site) == (
        f"{tmp_path / 'site.yaml'}: No such file or directory; "
        "write the file, or name its directory with --config DIR or REMEDIATE_CONFIG"
    )
    assert policy.wrong == "No such file or directory"


def test_both_files_are_told_of_at_once(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("domain: contoso.com\n")
    (tmp_path / "policy.yaml").write_text("pause: maybe\n")
    problems = check(tmp_path / "site.yaml", tmp_path / "policy.yaml")
    assert [(Path(each.file).name, each.where) for each in problems] == [("site.yaml", "hosts"), ("policy.yaml", "pause")]


def test_a_secret_that_was_written_in_clear_is_never_shown(tmp_path: Path) -> None:
    secret = "hunter2-in-clear"
    for entry in (
        f"password: {secret}",
        f"password: [{secret}]",
        f"password: {{env: {secret}}}",
        f"password: {{value: {secret}}}",
        f"passwort: {secret}",
        f"token: {secret}",
        f"password: *{secret}",
        f"password: !{secret} x",
        f"password: !{secret}!x y",
        f"password: {{file: [{secret}]}}",
        f"password: {{env: {{a: {secret}}}}}",
        f"password: '{secret}\n",
    ):
        text = f"domain: contoso.com\nhosts:\n  - name: HV01\n    endpoint:\n      username: u\n      {entry}\n"
        problems = checked(tmp_path, "site", text)
        assert problems, entry
        assert not any(secret in str(problem) or secret in repr(problem) for problem in problems), entry
