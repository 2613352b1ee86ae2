"""The page in a real browser: seen, chosen, printed, with and without scripts. Pictures are kept in test-output/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import OUTPUT, Page, browser
from readiness_examples import report

from remediations.engine.readiness_page import page

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def written(folder: Path, hosts: int, **more: int) -> Path:
    made = folder / f"{hosts}.html"
    made.write_text(page(report(hosts, **more)), "utf-8")
    return made


@pytest.mark.parametrize(
    ("hosts", "window", "smallest"), [(2, (1400, 1300), 30), (24, (1500, 1800), 20), (128, (1700, 2300), 10)]
)
def test_the_map_is_seen_whole_and_legible(
    shown: Page, tmp_path: Path, hosts: int, window: tuple[int, int], smallest: int
) -> None:
    width, height = window
    shown.open(written(tmp_path, hosts, vms=3 if hosts == 2 else 0), width=width, height=height)
    shown.picture(f"readiness-{hosts}.png")
    assert shown.value("document.querySelectorAll('table.map tbody tr').length") == hosts
    cell = "document.querySelector('table.map td.fails').getBoundingClientRect()"
    assert shown.value(f"Math.min({cell}.width, {cell}.height)") >= smallest
    # All of it fits in the window's width: nobody scrolls sideways to see the last host.
    assert shown.value("document.querySelector('table.map').getBoundingClientRect().right <= innerWidth")
    assert shown.value("document.documentElement.scrollWidth <= innerWidth")
    assert shown.complaints == []
    assert {address for address in shown.requested if not address.startswith("file:")} == set()


def test_a_cell_tells_its_reasons_and_commands(shown: Page, tmp_path: Path) -> None:
    shown.open(written(tmp_path, 24), width=1500, height=1300)
    shown.value("document.querySelector('table.map td.fails a').click()")
    assert not shown.value("document.getElementById('panel').hidden")
    told = shown.value("document.getElementById('panel').innerText")
    assert "HV01 → HV05" in told
    assert "Set-ADComputer" in told
    assert "remediate plan register-spns --host HV05" in told
    shown.picture("readiness-chosen.png")
    shown.do("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    assert shown.value("document.getElementById('panel').hidden")
    shown.do("Input.dispatchKeyEvent", type="keyDown", key="Tab")
    shown.do("Input.dispatchKeyEvent", type="keyUp", key="Tab")


def test_without_scripts_a_cell_leads_to_its_reasons(shown: Page, tmp_path: Path) -> None:
    file = written(tmp_path, 24)
    shown.open(file, width=1500, height=1300, scripts=False)
    root = shown.do("DOM.getDocument", depth=-1)["root"]["nodeId"]
    link = shown.do("DOM.querySelector", nodeId=root, selector="table.map td.fails a")["nodeId"]
    left, top, right, _, _, bottom = shown.do("DOM.getBoxModel", nodeId=link)["model"]["content"][:6]
    middle = {"x": (left + right) / 2, "y": (top + bottom) / 2, "button": "left", "clickCount": 1}
    for kind in ("mousePressed", "mouseReleased"):
        shown.do("Input.dispatchMouseEvent", type=kind, **middle)
    shown.picture("readiness-without-scripts.png")
    history = shown.do("Page.getNavigationHistory")
    assert history["entries"][history["currentIndex"]]["url"].startswith(f"{file.as_uri()}#w")


def test_it_prints(shown: Page, tmp_path: Path) -> None:
    shown.open(written(tmp_path, 128), width=1700, height=1300)
    made = shown.printed("readiness-128.pdf")
    assert made.startswith(b"%PDF")
    assert (OUTPUT / "readiness-128.pdf").stat().st_size > 20_000
