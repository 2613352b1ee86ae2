"""`remediate collect` keeps what it could read, and says by its exit code whether that was everything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remediations.cli import app
from remediations.lab.lab import Lab


@pytest.mark.usefixtures("logging_as_it_was")
@pytest.mark.parametrize(("silent", "code"), [([], 0), (["HV04"], 3)])
def test_a_host_that_did_not_answer_is_named_and_shows_in_the_exit_code(
    lab: Lab, tmp_path: Path, silent: list[str], code: int
) -> None:
    for host in silent:
        lab.server.stop_host(host)
    file = tmp_path / "kept.zip"
    command = ("collect", "--vm", "VM51", "--source", "HV03", "--destination", "HV04", "--to", str(file), "--json")
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == code, ended.output
    assert json.loads(ended.stdout)["silent"] == silent
    assert file.is_file()
