"""Another writer in the middle of a transaction: who waits gives up in time and is told why, who reads is not kept out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from ledger_calls import READS, every_call
from ledger_examples import FakeClock, file_of, on_postgres, on_sqlite, refused
from sqlalchemy import create_engine

from remediations.ledger import Ledger, locked
from remediations.ledger.database import _LOCK
from remediations.model.outcome import Reason

UNAVAILABLE = Reason.LEDGER_UNAVAILABLE


def test_while_another_writer_hangs_writers_give_up_and_readers_read(blank: str, clock: FakeClock) -> None:
    with Ledger(blank, clock=clock, patience=0.02) as ledger, closing(create_engine(blank).connect()) as other:
        calls = every_call(ledger)
        head = ledger.head()
        if other.dialect.name == "sqlite":
            other.exec_driver_sql("UPDATE ledger_meta SET version = version")
        else:
            other.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        for name, call in calls.items():
            if name in READS:
                call()
            else:
                with refused(UNAVAILABLE, "lock"):
                    call()
        assert ledger.head() == head
        other.rollback()
        ledger.note(None, "and on", {})


_WRITES = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("BEGIN IMMEDIATE")
print("writing", flush=True)
sys.stdin.read()
"""


@on_sqlite
@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who has locked a file")
def test_who_waits_for_a_process_that_is_stopped_is_told_which_and_what_to_do(blank: str) -> None:
    command = [sys.executable, "-c", _WRITES, str(file_of(blank))]
    with (
        Ledger(blank, patience=0.02) as ledger,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == b"writing\n"
        try:
            with refused(
                UNAVAILABLE, f"{file_of(blank)} ", f"process {other.pid} (", "is in the middle of writing to it: wait"
            ):
                ledger.note(None, "it goes on", {})
            other.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
            with refused(UNAVAILABLE, "locked, for 0.02 s", f"process {other.pid} (", f"`kill -CONT {other.pid}`", "-KILL"):
                ledger.note(None, "it was stopped", {})
            assert ledger.end().seq == 0, "who reads is not kept out"
        finally:
            other.kill()
        other.wait()
        ledger.note(None, "and on", {})


def test_where_nobody_is_seen_to_have_it_locked_it_says_how_to_look() -> None:
    assert locked.words(Path("/nowhere/ledger.db")).startswith(
        "another process is in the middle of writing to it: find it (`fuser"
    )


@on_postgres
def test_a_writer_that_is_frozen_in_the_middle_keeps_no_other_out_and_writes_nothing(blank: str) -> None:
    with Ledger(blank, patience=2.0) as frozen, Ledger(blank, patience=10.0) as other:
        with refused(UNAVAILABLE), frozen._writing() as writing:
            writing.note(None, "lost", {})
            other.note(None, "meanwhile", {})
        assert [note.kind for note in other.trail(None)] == ["meanwhile"]
        other.verify()


@on_postgres
def test_a_writer_that_is_only_slow_keeps_its_turn(blank: str) -> None:
    with Ledger(blank, patience=0.02) as slow:
        with slow._writing() as writing:
            time.sleep(0.1)
            writing.note(None, "late", {})
        assert [note.kind for note in slow.trail(None)] == ["late"]
