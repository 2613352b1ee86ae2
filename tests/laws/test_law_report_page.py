"""The page of a run's report, in a real browser: all that was sent is on it, as text, and it asks for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from law_bench import Bench
from playwright.sync_api import Page, expect

from remediations.engine.report_page import page
from remediations.model.causes import Cause
from remediations.model.outcome import Ending

pytestmark = pytest.mark.long


@pytest.mark.parametrize("cause", [Cause.SPN_MISSING, Cause.CPU_INCOMPATIBLE, Cause.NODE_DRAIN_FAILED])
def test_a_run_is_seen_with_all_that_it_sent(
    bench: Bench, shown: Page, keep: Callable[[str], Path], tmp_path: Path, cause: Cause
) -> None:
    report = bench.mend(bench.lab.fail(cause.value))
    assert report.outcome.ending is Ending.MENDED, report.outcome
    file = tmp_path / "report.html"
    file.write_text(page(report), "utf-8")
    requested: list[str] = []
    complaints: list[str] = []
    shown.on("request", lambda each: requested.append(each.url))
    shown.on("console", lambda each: complaints.append(each.text))
    shown.goto(file.as_uri())
    shown.screenshot(path=keep(f"report-{cause.value}.png"), full_page=True)
    body = shown.locator("body")
    for told in (report.outcome.summary, cause.value, *(each.command for each in report.sent), f"remediate undo {report.run}"):
        expect(body).to_contain_text(told)
    expect(shown.locator("svg rect").first).to_be_visible()
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a manager reads it without scrolling sideways"
    assert complaints == []
    assert requested == [file.as_uri()]
