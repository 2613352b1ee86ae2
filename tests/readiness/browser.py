"""Debian's chromium, driven by its own protocol: what a person would see and do, without another library."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

OUTPUT = Path(__file__).parents[2] / "test-output"
"""Where pictures are kept for people to look at."""

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Page:
    """One page of a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self.requested: list[str] = []
        """Every address that the page asked for."""
        self.complaints: list[str] = []
        """What the browser complained of: errors of scripts, what the page's own policy refused."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **given: Any) -> dict[str, Any]:
        """One command of the protocol; its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": given}))
        while True:
            said = json.loads(self._socket.recv(timeout=60))
            if said.get("method") == "Network.requestWillBeSent":
                self.requested.append(said["params"]["request"]["url"])
            elif said.get("method") == "Log.entryAdded":
                self.complaints.append(said["params"]["entry"]["text"])
            elif said.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(said["params"]["exceptionDetails"]))
            if said.get("id") == number:
                assert "error" not in said, said["error"]
                found: dict[str, Any] = said["result"]
                return found

    def open(self, file: Path, *, width: int, height: int, scripts: bool = True) -> None:
        """Show a file, in a window of this size."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.do("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.do("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            tree = self.do("Page.getFrameTree")["frameTree"]["frame"]
            ready = self.do("DOM.getDocument", depth=1)["root"]["children"]
            done = not scripts or self.value("document.readyState") == "complete"
            if tree["url"].startswith("file:") and ready and done:
                return
            time.sleep(0.1)
        pytest.fail(f"{file} did not open in a minute")

    def value(self, script: str) -> Any:
        """What a script finds in the page."""
        return self.do("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def picture(self, name: str, *, whole: bool = False) -> Path:
        """Keep a picture of what is shown."""
        OUTPUT.mkdir(exist_ok=True)
        made = OUTPUT / name
        made.write_bytes(base64.b64decode(self.do("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))
        return made

    def printed(self, name: str) -> bytes:
        """Keep the page as it would come out of a printer, landscape; the PDF."""
        OUTPUT.mkdir(exist_ok=True)
        made = base64.b64decode(
            self.do("Page.printToPDF", landscape=True, printBackground=True, preferCSSPageSize=True)["data"]
        )
        (OUTPUT / name).write_bytes(made)
        return made


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser with a profile of its own; ended with the block. Skips without chromium, unless REQUIRE_CHROMIUM is set."""
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("REQUIRE_CHROMIUM"):
            pytest.fail("REQUIRE_CHROMIUM is set, and there is no chromium")
        pytest.skip("needs Debian's chromium")
    with subprocess.Popen(
        [program, *_QUIET, f"--user-data-dir={profile}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with connect(_socket(profile), max_size=None, open_timeout=60) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.wait(20)


def _socket(profile: Path) -> str:
    """Where the browser's one page listens."""
    note = profile / "DevToolsActivePort"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if note.exists() and note.read_text().strip():
            port = note.read_text().splitlines()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                pages = [each for each in json.load(answer) if each["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        time.sleep(0.1)
    pytest.fail("the browser did not start in a minute")
