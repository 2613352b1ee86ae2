"""A ledger on each database, on a clock that stands still."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from glob import glob
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest
from ledger_examples import FakeClock

from remediations.ledger import Ledger, schema

_schemas = count(1)


def _program(name: str) -> str | None:
    return shutil.which(name) or next(iter(sorted(glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)


def _absent() -> str | None:
    """Why there can be no PostgreSQL here; None if there can."""
    if not (_program("initdb") and _program("postgres")):
        return "PostgreSQL's server programs (initdb, postgres) are not installed"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed: pip install 'hyperv-remediation[postgresql]'"
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, on a socket in a folder of its own, ended with the tests."""
    if why := _absent():
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(f"REQUIRE_POSTGRES=1, but {why}")
        pytest.skip(why)
    home = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
    # PostgreSQL refuses to run as root.
    who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if who:
        shutil.chown(home, who["user"], who["group"])
    server = None
    try:
        data = home / "data"
        make = [_program("initdb"), "-D", data, "-U", "ledger", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"]
        subprocess.run(make, check=True, capture_output=True, cwd=home, **who)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}", "-c", "fsync=off"]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen([_program("postgres"), "-D", data, *options], stdout=log, stderr=log, cwd=home, **who)
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


def _schema_of(server: str) -> str:
    """The URL of a part of the server that no other test uses."""
    import psycopg

    name = f"test_{next(_schemas)}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute(f"CREATE SCHEMA {name}")
    return f"{server}&options={quote(f'-c search_path={name}')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address at which there is no ledger yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return _schema_of(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def blank_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite ledger, to copy: quicker than making one for each test."""
    path = tmp_path_factory.mktemp("blank") / "ledger.db"
    Ledger(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def blank_schema(postgres: str) -> str:
    """A PostgreSQL ledger, to empty: quicker than making one for each test."""
    address = _schema_of(postgres)
    Ledger(address).close()
    return address


@pytest.fixture(params=["sqlite", "postgresql"])
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty ledger."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("blank_file"), tmp_path / "ledger.db")
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    address: str = request.getfixturevalue("blank_schema")
    import psycopg

    tables = ", ".join(table.name for table in schema.metadata.sorted_tables if table is not schema.meta)
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")  # without the trigger that keeps the trail
        conn.execute(f"TRUNCATE {tables}")
    return address


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(blank: str, clock: FakeClock) -> Iterator[Ledger]:
    with Ledger(blank, clock=clock) as opened:
        yield opened
