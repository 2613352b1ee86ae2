"""A ledger on each database, on a clock that stands still."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_examples import FakeClock
from own_postgres import own_postgres, own_schema, require

from remediations.ledger import Ledger, schema


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own, ended with the tests."""
    require()
    with own_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address at which there is no ledger yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return own_schema(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def blank_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite ledger, to copy: quicker than making one for each test."""
    path = tmp_path_factory.mktemp("blank") / "ledger.db"
    Ledger(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def blank_schema(postgres: str) -> str:
    """A PostgreSQL ledger, to empty: quicker than making one for each test."""
    address = own_schema(postgres)
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
