"""For all tests: examples without a clock, logging as it was, a real browser for pages (Debian's chromium, by Playwright).

Pictures are kept in test-output/.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Page, sync_playwright

# A busy machine is no defect: how long an example takes decides nothing.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A shell's background jobs ignore Ctrl-C, and so would all that the tests start to press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

OUTPUT = Path(__file__).parents[1] / "test-output"

Keep = Callable[[str], Path]

_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a process. Skips without chromium, unless REQUIRE_CHROMIUM is set."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail("REQUIRE_CHROMIUM is set, and there is no chromium")
        pytest.skip("needs Debian's chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def shown(chromium: Browser) -> Iterator[Page]:
    """A page in a window of its own."""
    with chromium.new_context(viewport={"width": 1400, "height": 1000}) as context:
        yield context.new_page()


@pytest.fixture
def keep() -> Keep:
    """Where a picture of this name is kept for people to look at."""

    def path(name: str) -> Path:
        OUTPUT.mkdir(exist_ok=True)
        return OUTPUT / name

    return path


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    """What a command sets up for its process is put back."""
    root = logging.getLogger()
    handlers, level, factory = root.handlers[:], root.level, logging.getLogRecordFactory()
    yield
    root.handlers, root.level = handlers, level
    logging.setLogRecordFactory(factory)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
