"""The page in a real browser: seen, chosen, printed, with and without scripts. Pictures are kept in test-output/."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from readiness_examples import report

from remediations.engine.readiness_page import page

pytestmark = pytest.mark.long

FAILING = "table.map td.fails"


def written(folder: Path, hosts: int, **more: int) -> Path:
    made = folder / f"{hosts}.html"
    made.write_text(page(report(hosts, **more)), "utf-8")
    return made


@pytest.mark.parametrize(("hosts", "window"), [(2, (1400, 1300, 30)), (24, (1500, 1800, 20)), (128, (1700, 2300, 10))])
def test_the_map_is_seen_whole_and_legible(
    shown: Page, keep: Callable[[str], Path], tmp_path: Path, hosts: int, window: tuple[int, int, int]
) -> None:
    width, height, smallest = window
    requested: list[str] = []
    complaints: list[str] = []
    shown.on("request", lambda each: requested.append(each.url))
    shown.on("console", lambda each: complaints.append(each.text))
    shown.on("pageerror", lambda each: complaints.append(str(each)))
    shown.set_viewport_size({"width": width, "height": height})
    file = written(tmp_path, hosts, vms=3 if hosts == 2 else 0)
    shown.goto(file.as_uri())
    shown.screenshot(path=keep(f"readiness-{hosts}.png"))
    expect(shown.locator("table.map tbody tr")).to_have_count(hosts)
    cell = shown.locator(FAILING).first.bounding_box()
    assert cell is not None
    assert min(cell["width"], cell["height"]) >= smallest
    # All of it fits in the window's width: nobody scrolls sideways to see the last host.
    assert shown.evaluate("document.querySelector('table.map').getBoundingClientRect().right <= innerWidth")
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
    assert requested == [file.as_uri()]


def test_a_cell_tells_its_reasons_and_commands(shown: Page, keep: Callable[[str], Path], tmp_path: Path) -> None:
    shown.goto(written(tmp_path, 24).as_uri())
    panel = shown.locator("#panel")
    shown.locator(f"{FAILING} a").first.click()
    expect(panel).to_be_visible()
    for told in ("HV01 → HV05", "Set-ADComputer", "remediate plan register-spns --host HV05"):
        expect(panel).to_contain_text(told)
    shown.screenshot(path=keep("readiness-chosen.png"))
    shown.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    shown.locator(f"{FAILING} a").first.focus()
    shown.keyboard.press("Enter")
    expect(panel).to_be_visible()


def test_without_scripts_a_cell_leads_to_its_reasons(chromium: Browser, keep: Callable[[str], Path], tmp_path: Path) -> None:
    file = written(tmp_path, 24)
    with chromium.new_context(java_script_enabled=False) as context:
        shown = context.new_page()
        shown.goto(file.as_uri())
        shown.locator(f"{FAILING} a").first.click()
        shown.screenshot(path=keep("readiness-without-scripts.png"))
        assert shown.url.startswith(f"{file.as_uri()}#w")


def test_it_prints(shown: Page, keep: Callable[[str], Path], tmp_path: Path) -> None:
    shown.goto(written(tmp_path, 128).as_uri())
    made = shown.pdf(path=keep("readiness-128.pdf"), landscape=True, print_background=True, prefer_css_page_size=True)
    assert made.startswith(b"%PDF")
    assert len(made) > 20_000
