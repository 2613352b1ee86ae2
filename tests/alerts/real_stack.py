"""Debian's Prometheus and Alertmanager on loopback, with the example configuration, over a metric that a test sets."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "configs" / "alerting"
PROGRAMS = ("prometheus", "prometheus-alertmanager", "promtool", "amtool")
WINDOW = "10m"
"""For so long the example's rule fires after a failure."""

T = TypeVar("T")


def needed() -> None:
    """Skips the test where the programs are not installed; fails it where they must be."""
    missing = [each for each in PROGRAMS if shutil.which(each) is None]
    if missing and os.environ.get("REQUIRE_ALERTMANAGER") == "1":
        pytest.fail(f"REQUIRE_ALERTMANAGER=1, but {', '.join(missing)} is not installed")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def eventually(look: Callable[[], T | None], what: str, told: Callable[[], str] = str, seconds: float = 90) -> T:
    """What `look` gives once it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds:g} s for {what}\n{told()}")


class Stack:
    """Running; `fail` lets the metric of failed migrations appear, as an exporter of event log metrics would."""

    def __init__(self, home: Path, receiver: str, token: str | None, *, window: str = WINDOW, resolves: bool = False) -> None:
        self.home, self.receiver, self.token, self.window, self.resolves = home, receiver, token, window, resolves
        self._named, self._failing, self._failures = "", False, 0
        self.alertmanager = f"http://127.0.0.1:{free_port()}"
        self.prometheus = f"http://127.0.0.1:{free_port()}"
        self.exporter = ""

    def fail(self, labels: Mapping[str, str]) -> None:
        """It fails, and again each time the metric is read, until `stop_failing`."""
        self._named = ",".join(f'{name}="{value}"' for name, value in labels.items())
        self._failing = True

    def stop_failing(self) -> None:
        """The counter stays where it is."""
        self._failing = False

    def metrics(self) -> str:
        """What an exporter of event log metrics says now."""
        if not self._named:
            return ""
        self._failures += self._failing
        return (
            f"# TYPE hyperv_migration_failed_total counter\nhyperv_migration_failed_total{{{self._named}}} {self._failures}\n"
        )

    def active(self) -> list[Any]:
        """The alerts that Alertmanager has."""
        try:
            found: list[Any] = httpx.get(f"{self.alertmanager}/api/v2/alerts").raise_for_status().json()
        except httpx.HTTPError:
            return []
        return found

    def told(self) -> str:
        """What the programs have logged, for who reads of a test that failed."""
        return "\n".join(f"== {each.name}\n{each.read_text()[-2000:]}" for each in self.home.glob("*.log"))

    @contextlib.contextmanager
    def running(self) -> Iterator[Stack]:
        """Prometheus, Alertmanager and the metric's endpoint; ended with the block."""
        self.home.mkdir(exist_ok=True)
        stack = self

        class Exporter(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = stack.metrics().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        with contextlib.ExitStack() as ending:
            exporter = ThreadingHTTPServer(("127.0.0.1", 0), Exporter)
            threading.Thread(target=exporter.serve_forever, daemon=True).start()
            ending.callback(exporter.server_close)
            ending.callback(exporter.shutdown)
            self.exporter = f"127.0.0.1:{exporter.server_address[1]}"
            self._write()
            self._start(ending, "prometheus-alertmanager", "storage.path", self.alertmanager, "--cluster.listen-address=")
            self._start(ending, "prometheus", "storage.tsdb.path", self.prometheus)
            eventually(lambda: self._ready(self.alertmanager) and self._ready(self.prometheus), "the stack", self.told)
            yield self

    def _write(self) -> None:
        """The examples, with addresses of this machine and a quicker clock; if so told, they tell of an alert's end too."""
        rules = (EXAMPLES / "prometheus-rules.yml").read_text().replace(WINDOW, self.window)
        (self.home / "prometheus-rules.yml").write_text(rules)
        config = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [self.alertmanager.removeprefix("http://")]
        alloy, _ = config["scrape_configs"]
        alloy["static_configs"] = [{"targets": [self.exporter], "labels": alloy["static_configs"][0]["labels"]}]
        config["scrape_configs"] = [alloy]
        (self.home / "prometheus.yml").write_text(yaml.safe_dump(config))

        alerting = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())
        route = alerting["route"]["routes"][0]
        route |= {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1s"}
        hook = alerting["receivers"][0]["webhook_configs"][0]
        hook["send_resolved"] = hook["send_resolved"] or self.resolves
        hook["url"] = f"{self.receiver}/alertmanager"
        if self.token is None:
            del hook["http_config"]
        else:
            (self.home / "token").write_text(self.token)
            hook["http_config"]["authorization"]["credentials_file"] = str(self.home / "token")
        (self.home / "alertmanager.yml").write_text(yaml.safe_dump(alerting))

    def _start(self, ending: contextlib.ExitStack, program: str, storage: str, url: str, *more: str) -> None:
        config, data = self.home / f"{program.removeprefix('prometheus-')}.yml", self.home / f"{program}-data"
        options = (f"--config.file={config}", f"--{storage}={data}", f"--web.listen-address={url.removeprefix('http://')}")
        with (self.home / f"{program}.log").open("wb") as log:
            process = subprocess.Popen([program, *options, *more], stdout=log, stderr=log, cwd=self.home)
        ending.callback(_end, process)

    def _ready(self, url: str) -> bool:
        try:
            return httpx.get(f"{url}/-/ready").status_code == 200
        except httpx.HTTPError:
            return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
