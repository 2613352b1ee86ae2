"""A backup as docs/operations.md says, and what happens when it is restored: it holds, and is noticed to be older."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from glob import glob
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from ledger_examples import intend, plan, refused, result, under_way

from remediations.ledger import Ledger
from remediations.ledger.published import Published
from remediations.model.outcome import Reason


def _program(name: str) -> str:
    found = shutil.which(name) or next(iter(sorted(glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)
    if found is None:
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(f"REQUIRE_POSTGRES=1, but {name} is not installed")
        pytest.skip(f"{name} is not installed")
    return found


def back_up(url: str, to: Path) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
            raw.execute(f"VACUUM INTO '{to}'")
    else:
        socket, schema = _where(url)
        dump = [_program("pg_dump"), "--format=custom", f"--file={to}", f"--schema={schema}", "-h", socket, "-U", "ledger"]
        subprocess.run([*dump, "postgres"], check=True)


def restore(url: str, backup: Path) -> None:
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        shutil.copy(backup, path)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    else:
        socket, _ = _where(url)
        subprocess.run(
            [_program("pg_restore"), "--clean", "--if-exists", "-h", socket, "-U", "ledger", "--dbname=postgres", backup],
            check=True,
        )


def _where(url: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(url).query)
    return query["host"][0], query["options"][0].partition("search_path=")[2]


def test_a_backup_holds_and_once_restored_stops_everything_until_a_person_says_so(url: str, tmp_path: Path) -> None:
    published = Published(tmp_path)
    with Ledger(url) as ledger:
        which, lease = under_way(ledger, plan())
        back_up(url, tmp_path / "backup")
        then = ledger.end()
        intend(ledger, which, lease)
        result(ledger, which)
        published.keep(ledger.end())
    restore(url, tmp_path / "backup")
    with Ledger(url) as ledger:
        ledger.verify(then.hash)
        assert ledger.end() == then
        assert ledger.journal("run-1", which.digest) == [], "what was done since is forgotten"
        with refused(Reason.LEDGER_UNAVAILABLE, f"ends at row {then.seq}", "audit accept"):
            published.check(ledger)
        published.accept(ledger, "anna")
        published.check(ledger)
        with pytest.raises(Exception, match="the audit trail only grows"), ledger._writing() as writing:
            writing.conn.exec_driver_sql("DELETE FROM ledger_note")
