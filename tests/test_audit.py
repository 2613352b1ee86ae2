"""CI's audit of the libraries says what it could not look up, instead of passing for a clean bill."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_audit", Path(__file__).parents[1] / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FINE = {"name": "rich", "version": "13.0", "vulns": []}
LEFT_OUT = {"name": "typer", "skip_reason": "Dependency not found on PyPI and could not be audited: typer (0.15)"}
BAD = {"name": "jinja2", "version": "3.1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}]}


@pytest.mark.parametrize(
    ("dependencies", "required", "code", "said"),
    [
        ([FINE, FINE], True, 0, ["2 of 2 packages looked up, 0 with"]),
        ([FINE, LEFT_OUT], False, 0, ["1 of 2 packages looked up, 0 with", "NOT AUDITED"]),
        ([FINE, LEFT_OUT], True, 1, ["NOT AUDITED"]),
        ([LEFT_OUT, LEFT_OUT], True, 1, ["0 of 2 packages", "NOT AUDITED"]),
        ([FINE], True, 1, ["1 of 2 packages", "NOT AUDITED"]),
        (None, False, 0, ["0 of 2 packages", "NOT AUDITED"]),
        (None, True, 1, ["NOT AUDITED"]),
        ([FINE, BAD], False, 1, ["1 with a known vulnerability", "jinja2 3.1.0: PYSEC-1 (mended in 3.1.6)"]),
    ],
)
def test_what_was_not_looked_up_is_told(
    audit: ModuleType, dependencies: list[dict[str, Any]] | None, required: bool, code: int, said: list[str]
) -> None:
    report = None if dependencies is None else {"dependencies": dependencies, "fixes": []}
    found, words = audit.judged(report, asked=2, required=required)
    assert found == code
    for each in said:
        assert each in words
    assert ("NOT AUDITED" in words) == ("NOT AUDITED" in said)
