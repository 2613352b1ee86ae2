"""The one database behind the ledger: SQLite or PostgreSQL, opened, begun and failing the same way.

Writers take turns, across threads, processes and machines: `BEGIN IMMEDIATE` on SQLite, an advisory lock on PostgreSQL. So
what a writing transaction has read stays true until it commits. What is committed is on disk (`synchronous`): a step is
sent only after its intent is.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError

from remediations.ledger import locked, versions
from remediations.model.outcome import Reason, Refused

_LOCK = 0x4C6564676572
"""Number of the advisory lock that PostgreSQL's writers take in turns ("Ledger" in ASCII)."""

Begin = Callable[[Connection, bool], None]


class NoLedger(Refused):
    """There is none at that address, and none was to be made: what is read from an empty one says nothing of another."""

    def __init__(self, where: str) -> None:
        super().__init__(Reason.LEDGER_UNAVAILABLE, f"there is no ledger at {where}: nothing ran with it yet; {_ELSEWHERE}")


_ELSEWHERE = "set REMEDIATE_STATE, or REMEDIATE_LEDGER, as it is for `remediate serve`, which makes one"


class Database:
    """A ledger's database, open and at the newest schema version. Whatever goes wrong is `Refused` (LedgerUnavailable).

    Where there is none it is made, or without `make` refused as `NoLedger`.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime], patience: float, make: bool = True) -> None:
        parsed = _parsed(url)
        self.where = _shown(parsed)
        self._queue, self._patience = threading.Lock(), patience
        self._file = Path(parsed.database or "").absolute() if parsed.drivername == "sqlite" else None
        begin: Begin
        with self._refusing():
            if self._file is not None:
                if not make and not self._file.exists():
                    raise NoLedger(self.where)
                _make_if_absent(self._file, clock)
                self._engine, begin = _sqlite(self._file, patience), _begin_sqlite
            else:
                self._engine, begin = _postgresql(parsed, patience), _begin_postgresql(patience)
            self._writer = self._engine.execution_options(ledger_writes=True)
            event.listen(self._engine, "begin", lambda conn: begin(conn, "ledger_writes" in conn.get_execution_options()))
        try:
            self._bring_up_to_date(clock, make=make, may_create=self._file is None)
            if self._file is not None:
                with self._refusing():
                    _tighten(self._file)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the ledger and cannot change it."""
        with self._refusing(), self._engine.connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer runs beside; rolled back if the body raises."""
        with self._refusing(), self._turn(), self._writer.connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Our own threads queue up here: quicker and fairer than asking the database for its lock again and again."""
        if not self._queue.acquire(timeout=self._patience):
            raise TimeoutError("it is locked, and another thread of this process has its turn before this one")
        try:
            yield
        finally:
            self._queue.release()

    def _bring_up_to_date(self, clock: Callable[[], datetime], *, make: bool, may_create: bool) -> None:
        with self.reading() as conn:
            found = versions.version(conn)
            if found == versions.newest() and not versions.missing(conn):
                return
            if found is None and may_create and not make:
                raise NoLedger(self.where)
        with self.writing() as conn:
            if may_create and versions.version(conn) is None:
                versions.create(conn, clock())
            versions.migrate(conn, self.where)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError, ModuleNotFoundError) as error:
            why, cure = _why(error), _cure(error)
            if self._file is not None and "locked" in why:
                why, cure = f"{why}, for {self._patience:g} s", f": {locked.words(self._file)}"
            detail = f"the ledger {self.where} cannot be read or written ({why}); nothing runs without it{cure}"
            raise Refused(Reason.LEDGER_UNAVAILABLE, detail) from error


def _why(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install 'hyperv-remediation[postgresql]'"
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip().splitlines() or [type(error).__name__])[0]


_CURES = {
    "operation not permitted": "run this as the account that `remediate serve` runs as",
    "permission denied": "run this as the account that `remediate serve` runs as",
    "unable to open": "run this as the account that `remediate serve` runs as",
    "readonly database": "run this as the account that `remediate serve` runs as",
    "not a database": "restore it from a backup (docs/operations.md)",
    "malformed": "restore it from a backup (docs/operations.md)",
    "disk i/o error": "look whether its disk is full, or failing",  # the first, where it is the -shm file that has no room
    "disk is full": "make room on its disk",
    "no space left": "make room on its disk",
}
"""What to do, by what SQLite and the system say."""


def _cure(error: Exception) -> str:
    said = _why(error).casefold()
    return next((f": {cure}" for words, cure in _CURES.items() if words in said), "")


def _parsed(url: str) -> URL:
    right = "sqlite:////absolute/path/ledger.db or postgresql+psycopg://user@host/database"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the second for a port that is no number
        # Not even the text is repeated: it may hold a password.
        raise Refused(Reason.LEDGER_UNAVAILABLE, f"the ledger's address is no URL: it wants {right}") from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise Refused(Reason.LEDGER_UNAVAILABLE, f"the ledger cannot be kept in {parsed.drivername}: it wants {right}")
    if "@" in (parsed.host or ""):
        # Else what follows it would be looked up as a host's name, and told as one.
        detail = f"the ledger's address has an @ in its user name or password: write it as %40; it wants {right}"
        raise Refused(Reason.LEDGER_UNAVAILABLE, detail)
    if parsed.drivername == "sqlite" and (not parsed.database or parsed.database.startswith(":") or parsed.query):
        raise Refused(Reason.LEDGER_UNAVAILABLE, f"the ledger must be a file that outlives this process: it wants {right}")
    return parsed


def _shown(url: URL) -> str:
    """The address as errors tell it: of what stands behind a ? only what is no secret, as a password may stand there too."""
    plain = {key: value for key, value in url.query.items() if key in _PLAIN}
    return url.set(query=plain).render_as_string(hide_password=True)


_PLAIN = frozenset({"host", "port", "user", "dbname", "options", "sslmode", "target_session_attrs"})
"""Parameters of libpq that say where a database is (its documentation, "Parameter Key Words")."""


# ---- SQLite -----------------------------------------------------------------------------------------------------------


def _make_if_absent(path: Path, clock: Callable[[], datetime]) -> None:
    """Make a new ledger file, whole or not at all, readable by its owner only."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory: name a file in it")
    if path.exists():
        return
    if not path.parent.is_dir():
        # Not made by ourselves: an empty ledger instead of the one on a disk that is not mounted would forget everything.
        raise FileNotFoundError(f"the folder {path.parent} does not exist: make it, or mount it")
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        engine = _sqlite(fresh, 0)
        event.listen(engine, "begin", lambda conn: _begin_sqlite(conn, writes=True))
        try:
            with engine.begin() as conn:
                versions.create(conn, clock())
        finally:
            engine.dispose()
        # Only now: what is still in a log beside it would be missing from the file that gets the name, as on a full disk.
        with closing(_connect(fresh, 0)) as raw:
            raw.execute("PRAGMA journal_mode = WAL")
        with suppress(FileExistsError):  # another process was first: its file is as good
            _publish(fresh, path)
    finally:
        for each in ("", "-journal", "-wal", "-shm"):
            fresh.with_name(f"{fresh.name}{each}").unlink(missing_ok=True)


def _tighten(path: Path) -> None:
    """Let only its owner read a ledger's files. Not before it is known to be one: what a mistyped address names is not ours."""
    for each in ("", "-wal", "-shm") if os.name != "nt" else ():
        file = path.with_name(f"{path.name}{each}")
        with suppress(FileNotFoundError):
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _publish(fresh: Path, path: Path) -> None:
    """Give a whole file its name, never over another one."""
    if os.name == "nt":
        fresh.rename(path)
    else:
        os.link(fresh, path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _connect(path: Path, patience: float) -> sqlite3.Connection:
    raw = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",  # never makes a new file where the ledger was
        uri=True,
        timeout=patience,
        isolation_level=None,  # transactions begin where we say so
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )
    raw.execute("PRAGMA foreign_keys = ON")
    raw.execute("PRAGMA synchronous = FULL")
    return raw


def _sqlite(path: Path, patience: float) -> Engine:
    engine = create_engine(
        "sqlite://", creator=lambda: _connect(path, patience), poolclass=QueuePool, pool_timeout=max(patience, 1)
    )

    def same() -> tuple[int, ...]:
        found = path.stat()
        return os.getpid(), found.st_dev, found.st_ino

    _only_while(engine, same)
    return engine


def _begin_sqlite(conn: Connection, writes: bool) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


# ---- PostgreSQL -------------------------------------------------------------------------------------------------------


def _postgresql(url: URL, patience: float) -> Engine:
    # A peer that vanished without a word is noticed in seconds, not after the system's two hours.
    defaults = {
        "connect_timeout": "10",
        "keepalives_idle": "10",
        "tcp_user_timeout": "15000",
        "application_name": "remediation ledger",
    }
    engine = create_engine(
        url.update_query_dict({key: value for key, value in defaults.items() if key not in url.query}),
        pool_pre_ping=True,
        pool_timeout=max(patience, 1),
        hide_parameters=True,
    )
    _only_while(engine, lambda: (os.getpid(),))
    return engine


def _begin_postgresql(patience: float) -> Begin:
    lock_timeout = max(1, int(patience * 1000))

    def begin(conn: Connection, writes: bool) -> None:
        if not writes:
            conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = {lock_timeout}")
        # Who is frozen in the middle (a suspended machine, a paused container) keeps its turn for half of the others' patience,
        # but for a second at least: who is only slow, on a busy machine, is not frozen.
        conn.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {max(1000, lock_timeout // 2)}")
        conn.exec_driver_sql("SET LOCAL synchronous_commit = on")
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    return begin


# ---- both -------------------------------------------------------------------------------------------------------------


def _only_while(engine: Engine, same: Callable[[], tuple[int, ...]]) -> None:
    """Use a pooled connection only in the process, and on the file, that it was opened for.

    A deleted or replaced file would go on taking what is written to it, for nobody to read; a forked child would speak on
    its parent's connection.
    """

    @event.listens_for(engine, "connect")
    def _opened(_raw: Any, record: Any) -> None:
        record.info["opened"] = same()

    @event.listens_for(engine, "checkout")
    def _checked(_raw: Any, record: Any, proxy: Any) -> None:
        opened, now = record.info["opened"], same()
        if opened == now:
            return
        if opened[0] != now[0]:
            record.dbapi_connection = proxy.dbapi_connection = None  # the parent's, not ours to close
        raise DisconnectionError("the ledger's file was replaced")
