"""The database gone, read-only, full, garbled or of another version: nothing goes on without the ledger."""

from __future__ import annotations

import inspect
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from ledger_calls import every_call
from ledger_examples import (
    FakeClock,
    file_of,
    incident,
    on_postgres,
    on_sqlite,
    plan,
    refused,
    under_way,
)
from pytest_mock import MockerFixture
from sqlalchemy import Connection, create_engine, event, text

from remediations.ledger import Ledger, NoLedger, versions
from remediations.model.outcome import Reason, Refused

UNAVAILABLE = Reason.LEDGER_UNAVAILABLE


def test_these_are_all_the_calls_there_are(ledger: Ledger) -> None:
    public = {name for name, _ in inspect.getmembers(Ledger, callable) if not name.startswith("_")} - {"close"}
    assert set(every_call(ledger)) == public


@on_sqlite
def test_without_its_file_nothing_is_read_written_or_made_anew(ledger: Ledger, blank: str) -> None:
    calls = every_call(ledger)
    file_of(blank).unlink()
    for call in calls.values():
        with refused(UNAVAILABLE, "ledger.db", "nothing runs without it"):
            call()
    assert not file_of(blank).exists()


def test_who_only_asks_makes_none(url: str, clock: FakeClock) -> None:
    for _ in range(2):
        with pytest.raises(NoLedger, match=r"there is no ledger at .*: nothing ran with it yet; set REMEDIATE_STATE"):
            Ledger(url, clock=clock, make=False)
    Ledger(url, clock=clock).close()
    with Ledger(url, clock=clock, make=False) as ledger:
        assert ledger.end().seq == 0


@on_sqlite
def test_another_file_in_its_place_is_not_taken_for_it(ledger: Ledger, blank: str) -> None:
    calls = every_call(ledger)
    file_of(blank).unlink()
    file_of(blank).write_bytes(b"")
    for call in calls.values():
        with refused(UNAVAILABLE):
            call()


@on_sqlite
def test_a_garbled_file_is_refused(ledger: Ledger, blank: str) -> None:
    calls = every_call(ledger)
    ledger.close()
    file_of(blank).write_bytes(os.urandom(8192))
    for call in calls.values():
        with refused(UNAVAILABLE, "not a database"):
            call()
    with refused(UNAVAILABLE, "not a database", "nothing runs without it: restore it from a backup"):
        Ledger(blank)


@contextmanager
def _without_privileges() -> Iterator[None]:
    """As a user whom file modes bind: root may write anything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only() -> Iterator[str]:
    """A ledger that its owner may read, in a folder that it may not write."""
    with tempfile.TemporaryDirectory(prefix="ledger-ro-") as name:
        folder, path = Path(name), Path(name) / "ledger.db"
        Ledger(f"sqlite:///{path}").close()
        path.chmod(0o400)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        folder.chmod(0o555)
        yield f"sqlite:///{path}"
        folder.chmod(0o755)


def test_a_ledger_that_cannot_be_written_is_refused(read_only: str) -> None:
    with _without_privileges(), refused(UNAVAILABLE, "ledger.db"):
        ledger = Ledger(read_only)
        ledger.open_incident(incident(), None)


_OPENS = """
import resource, signal, sys
from remediations.ledger import Ledger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
Ledger(sys.argv[1])
"""


@on_sqlite
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_disk_that_had_no_room_for_the_index_beside_it_is_thought_of(blank: str) -> None:
    """What SQLite says then is no more than that something is wrong with the disk. A limit stands in for a disk."""
    done = subprocess.run([sys.executable, "-c", _OPENS, blank], capture_output=True, text=True, timeout=60, check=False)
    assert "(disk I/O error); nothing runs without it: look whether its disk is full, or failing" in done.stderr


@pytest.mark.parametrize("make", [True, False])
def test_what_a_mistyped_address_names_is_left_as_it_is(tmp_path: Path, *, make: bool) -> None:
    tmp_path.chmod(0o755)
    other = tmp_path / "notes.txt"
    other.write_text("milk")
    other.chmod(0o644)
    with refused(UNAVAILABLE, f"{tmp_path} is a directory: name a file in it"):
        Ledger(f"sqlite:///{tmp_path}", make=make)
    with refused(UNAVAILABLE, "not a database"):
        Ledger(f"sqlite:///{other}", make=make)
    assert [each.stat().st_mode & 0o777 for each in (tmp_path, other)] == [0o755, 0o644]
    assert other.read_text() == "milk"
    assert list(tmp_path.iterdir()) == [other]


def test_who_may_not_open_the_ledger_is_told_whose_account_it_takes(read_only: str) -> None:
    file_of(read_only).chmod(0)
    with _without_privileges(), refused(UNAVAILABLE, "ledger.db", "as the account that `remediate serve` runs as"):
        Ledger(read_only)


@on_sqlite
def test_a_full_disk_is_refused_and_loses_nothing(ledger: Ledger, blank: str) -> None:
    which, lease = under_way(ledger, plan())
    head = ledger.head()
    ledger._database._engine.dispose()

    @event.listens_for(ledger._database._engine, "connect")
    def no_room(raw: sqlite3.Connection, _: object) -> None:
        raw.execute(f"PRAGMA max_page_count = {raw.execute('PRAGMA page_count').fetchone()[0]}")

    with refused(UNAVAILABLE, "full"):
        while True:
            ledger.note(None, "padding", {"pad": "x" * 4000})
    before = ledger.journal("run-1", which.digest)
    with refused(UNAVAILABLE, "full"):
        ledger.seal("run-1", round=2, part="repair", plan=plan(title="x" * 9000), expires_at=lease.until)
    assert ledger.journal("run-1", which.digest) == before
    ledger.verify(head)


# ---- PostgreSQL -------------------------------------------------------------------------------------------------------


@on_postgres
def test_a_server_that_was_restarted_is_found_again(ledger: Ledger, blank: str) -> None:
    ledger.note(None, "before", {})
    with create_engine(blank).connect() as other:
        kill = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'ledger'"
        )
        assert other.execute(text(kill)).scalar_one() >= 1
    ledger.note(None, "after", {})
    assert [note.kind for note in ledger.trail(None)] == ["before", "after"]


@on_postgres
def test_a_connection_cut_inside_a_transaction_writes_nothing(ledger: Ledger, blank: str) -> None:
    kill = text("SELECT pg_terminate_backend(:pid)")
    with refused(UNAVAILABLE), ledger._writing() as writing:
        pid = writing.conn.execute(text("SELECT pg_backend_pid()")).scalar_one()
        writing.note(None, "lost", {})
        with create_engine(blank).connect() as other:
            other.execute(kill, {"pid": pid})
        writing.note(None, "lost too", {})
    assert ledger.trail(None) == []
    ledger.note(None, "after", {})
    ledger.verify()


def test_no_server_is_refused_without_showing_the_password() -> None:
    with pytest.raises(Refused) as caught:
        Ledger("postgresql+psycopg://ledger:hunter2@127.0.0.1:1/ledger")
    assert caught.value.reason is UNAVAILABLE
    assert "127.0.0.1:1/ledger" in caught.value.detail
    shown: BaseException | None = caught.value
    while shown is not None:
        assert "hunter2" not in f"{shown} {shown!r}"
        shown = shown.__cause__ or shown.__context__


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for scheme in ("postgresql", "postgresql+psycopg"):
        with refused(UNAVAILABLE, "pip install 'hyperv-remediation[postgresql]'"):
            Ledger(f"{scheme}://ledger@127.0.0.1:1/ledger")


# ---- addresses and files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=memory",
        "mysql://u:hunter2@h/d",
        "://hunter2",
        "postgresql://u:hunter2@127.0.0.1:5432x/d",
        "postgresql://u:letters@hunter2@127.0.0.1/d",
    ],
)
def test_an_address_that_is_none_says_what_one_looks_like(url: str) -> None:
    with pytest.raises(Refused, match="sqlite:////absolute/path") as caught:
        Ledger(url)
    assert caught.value.reason is UNAVAILABLE
    assert "hunter2" not in str(caught.value)


def test_a_password_behind_the_question_mark_is_not_told_either() -> None:
    url = "postgresql://127.0.0.1:1/d?user=remediate&password=hunter2&sslpassword=hunter2"
    with pytest.raises(Refused, match=r"127\.0\.0\.1:1/d\?user=remediate cannot be read") as caught:
        Ledger(url, patience=1)
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with refused(UNAVAILABLE, "does not exist: make it, or mount it"):
        Ledger(f"sqlite:///{tmp_path}/disk/ledger.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead of modes")
def test_a_new_file_is_whole_without_a_log_beside_it(tmp_path: Path, mocker: MockerFixture) -> None:
    """A full disk may leave in the log what belongs into the file; here it is another reader that has it left there."""
    create, readers = versions.create, []

    def read_meanwhile(conn: Connection, now: datetime) -> None:
        (fresh,) = [each for each in tmp_path.iterdir() if each.name.endswith(tuple("0123456789abcdef"))]
        readers.append(sqlite3.connect(fresh))
        readers[0].execute("SELECT * FROM sqlite_master").fetchall()
        create(conn, now)

    mocker.patch.object(versions, "create", read_meanwhile)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    try:
        Ledger(url).close()
    finally:
        readers[0].close()
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]
    with Ledger(url) as ledger:
        ledger.verify()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a name with # and ?.db"
    mask = os.umask(0)
    try:
        with Ledger(f"sqlite:///{path}".replace("#", "%23").replace("?", "%3F")) as ledger:
            ledger.note(None, "x", {})
            files = sorted(tmp_path.iterdir())
            assert [each.stat().st_mode & 0o777 for each in files] == [0o600] * 3, files
        (found,) = tmp_path.iterdir()
        found.chmod(0o644)
        with Ledger(f"sqlite:///{found}".replace("#", "%23").replace("?", "%3F")):
            files = sorted(tmp_path.iterdir())
            assert [each.stat().st_mode & 0o777 for each in files] == [0o600] * 3, files
    finally:
        os.umask(mask)


@on_sqlite
def test_what_was_committed_is_on_disk_and_readers_do_not_wait(ledger: Ledger) -> None:
    with ledger._database.reading() as conn:
        found = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@on_postgres
def test_a_commit_waits_for_the_disk_whatever_the_server_does_by_default(ledger: Ledger) -> None:
    with ledger._database.writing() as conn:
        assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    with ledger._database.reading() as conn:
        assert conn.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    for name, statement in (("empty.db", "VACUUM"), ("prefect.db", "CREATE TABLE flow_run (id INTEGER)")):
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as raw:
            raw.execute(statement)
        path.touch()
        before = path.read_bytes()
        with refused(UNAVAILABLE, name, "something else than a ledger"):
            Ledger(f"sqlite:///{path}")
        assert path.read_bytes() == before
