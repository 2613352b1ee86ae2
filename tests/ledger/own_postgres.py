"""A PostgreSQL server of our own, on a socket in a folder of its own, ended with the block."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from itertools import count
from pathlib import Path
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
        import psycopg  # noqa: F401
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


@contextmanager
def own_postgres(*, durable: bool = False) -> Iterator[str]:
    """Its URL. `durable` has it write to the disk at each commit, as in production."""
    home = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
    # PostgreSQL refuses to run as root.
    who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(home, who["user"], who["group"])
    server = None
    try:
        data = home / "data"
        make = [program("initdb"), "-D", data, "-U", "ledger", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]
        subprocess.run(make, check=True, capture_output=True, cwd=home, **who)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}"]
        options += [] if durable else ["-c", "fsync=off"]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen([program("postgres"), "-D", data, *options], stdout=log, stderr=log, cwd=home, **who)
        url = f"postgresql+psycopg://ledger@/postgres?host={quote(str(home))}"
        _wait_for(url, server, home / "log")
        yield url
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


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
