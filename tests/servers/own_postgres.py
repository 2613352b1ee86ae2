"""A PostgreSQL server of our own, on a socket in a folder of its own, ended with the block."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

_schemas = count(1)


def program(name: str) -> str | None:
    return shutil.which(name) or next(iter(sorted(glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)


def absent() -> str | None:
    """Why there can be no PostgreSQL here; None if there can."""
    if not (program("initdb") and program("postgres")):
        return "PostgreSQL's server programs (initdb, postgres) are not installed"
    try:
        import psycopg  # noqa: F401 - whether it can be had is the question
    except ImportError:
        return "psycopg is not installed: pip install 'hyperv-remediation[postgresql]'"
    return None


def require() -> None:
    """Skip the test where there can be no PostgreSQL; fail it where CI says that there must be."""
    if why := absent():
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(f"REQUIRE_POSTGRES=1, but {why}")
        pytest.skip(why)


def own_schema(server: str) -> str:
    """The URL of a part of the server that no other test uses."""
    import psycopg

    name = f"test_{next(_schemas)}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute(f"CREATE SCHEMA {name}")
    return f"{server}&options={quote(f'-c search_path={name}')}"


class Postgres:
    """A server in a folder of its own, which can be ended, killed and started again."""

    def __init__(self, home: Path) -> None:
        """Make its files. PostgreSQL refuses to run as root, so they are another user's then."""
        self.home = home
        self.url = f"postgresql+psycopg://ledger@/postgres?host={quote(str(home))}"
        self._who: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._who:
            shutil.chown(home, self._who["user"], self._who["group"])
        make = [program("initdb"), "-D", home / "data", "-U", "ledger", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]
        subprocess.run(make, check=True, capture_output=True, cwd=home, **self._who)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, durable: bool = True) -> None:
        """Start it, after whatever end. `durable` has it write to the disk at each commit, as in production."""
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.home}"]
        options += [] if durable else ["-c", "fsync=off"]
        with (self.home / "log").open("ab") as log:
            command = [program("postgres"), "-D", self.home / "data", *options]
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.home, start_new_session=True, **self._who
            )
        _wait_for(self.url, self._process, self.home / "log")

    def stop(self) -> None:
        """End it as one should."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)

    def kill(self) -> None:
        """All of it at once, with no chance to write anything."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def own_server() -> Iterator[Postgres]:
    """A server that is not started yet; it and its folder are gone with the block."""
    home = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
    try:
        server = Postgres(home)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def own_postgres(*, durable: bool = False) -> Iterator[str]:
    """The URL of one that runs."""
    with own_server() as server:
        server.start(durable=durable)
        yield server.url


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    end = time.monotonic() + 30
    while True:
        assert server.poll() is None, log.read_text()
        try:
            psycopg.connect(url.replace("+psycopg", "")).close()
        except psycopg.OperationalError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        else:
            return
