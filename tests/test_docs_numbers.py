"""The pages' numbers are the program's: whoever changes one finds the sentence here that has to change with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.deployments import SCHEDULES, SILENCE
from flows.dispatch import TRIES
from flows.fate import LOST
from flows.notify import PATIENCE
from flows.readiness import MOST
from remediations import ledger
from remediations.alerts import senders
from remediations.alerts.edge import Limits
from remediations.cli.sweep import SECONDS as SWEEP_SECONDS
from remediations.diagnosis import Knowledge
from remediations.engine.asking import MISTAKES
from remediations.engine.bundle import KEPT
from remediations.engine.collect import LOG_MEGABYTES
from remediations.engine.gather import BATCH
from remediations.engine.looking import EVIDENCE_HOURS
from remediations.engine.readers import ENOUGH
from remediations.engine.readiness_page import LARGEST
from remediations.engine.sending import MARGIN
from remediations.engine.watch import FIRST_LOOK, PAGES
from remediations.facts.event_log import PAGE
from remediations.ledger.approvers import WHILE, WRONG_CODES
from remediations.model.policy import Policy
from remediations.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"
CASES = Path(__file__).parent / "diagnosis"
POLICY = Policy()
CODES = Knowledge.packaged().codes.values()


def _rows(name: str) -> int:
    return len((CASES / name).read_text("utf-8").splitlines())


NUMBERS = [
    ("alerting.md", "more than 1 MiB", Limits().body, 1024**2),
    ("alerting.md", "(500, twice as many at once", (Limits().per_second, Limits().burst), (500, 1000)),
    ("alerting.md", "then valid for five minutes", senders.SKEW, 300),
    ("alerting.md", "begins within six minutes", LOST.total_seconds() + SWEEP_SECONDS, 360),
    ("approval.md", "after three the run ends", MISTAKES, 3),
    ("approval.md", "after five wrong ones", WRONG_CODES, 5),
    ("approval.md", "for fifteen minutes", WHILE.total_seconds(), 900),
    ("diagnosis.md", "386 events, codes and sentences", _rows("templates.jsonl"), 386),
    ("diagnosis.md", "292 of our own translations", _rows("translated.jsonl"), 292),
    ("diagnosis.md", "`configs/codes.yaml` has 342 codes", len(CODES), 342),
    ("diagnosis.md", "32 of them tell only that", sum(not code.causes for code in CODES), 32),
    ("diagnosis.md", "140 point to several causes", sum(len(code.causes) > 1 for code in CODES), 140),
    ("evidence.md", "newest 200 stay", KEPT, 200),
    ("evidence.md", "newest 8 MiB", LOG_MEGABYTES, 8),
    ("evidence.md", "two hours back", EVIDENCE_HOURS, 2),
    ("maintenance.md", "`drained_hours` (24)", POLICY.maintenance.drained_hours, 24),
    ("maintenance.md", "`healthy_hours` (12)", POLICY.maintenance.healthy_hours, 12),
    ("operations.md", "three times within 24 hours", (POLICY.breaker.failures, POLICY.breaker.within_hours), (3, 24)),
    ("operations.md", "verified ten times in a row", POLICY.trust.verified_in_a_row, 10),
    ("readiness.md", "Up to 160 hosts are drawn", LARGEST, 160),
    ("readiness.md", "From 128 hosts on, several processes read: one for every 64 hosts", 2 * ENOUGH, 128),
    ("readiness.md", "120 commands a request", BATCH, 120),
    ("readiness.md", "the last ten of each selection", ledger.readiness.KEPT, 10),
    ("readiness.md", "After fifty, one event", MOST, 50),
    ("readiness.md", "at 05:00 UTC every day", SCHEDULES["readiness"], "0 5 * * *"),
    ("runs.md", "After five such runs", TRIES, 5),
    ("runs.md", "every 60 seconds", Settings.model_fields["watch_seconds"].default, 60),
    ("runs.md", "up to 10,000 records of a channel", PAGES * PAGE, 10_000),
    ("runs.md", "first look\nat a channel counts the last hour", FIRST_LOOK.total_seconds(), 3600),
    ("runs.md", "longer than\n20 seconds", PATIENCE, 20),
    ("threat-model.md", "the margin (15 s)", MARGIN, 15),
    ("undo.md", "(90 seconds;", SILENCE.total_seconds(), 90),
]


@pytest.mark.parametrize(("page", "said", "is_so", "told"), NUMBERS, ids=[f"{page}: {said}" for page, said, *_ in NUMBERS])
def test_numbers_are_those_of_the_program(page: str, said: str, is_so: object, told: object) -> None:
    assert is_so == told
    assert " ".join(said.split()) in " ".join((DOCS / page).read_text("utf-8").split())


@pytest.mark.parametrize("metric", sorted(re.findall(r"`…(_\w+)", (DOCS / "readiness.md").read_text("utf-8"))))
def test_metrics_exist(metric: str) -> None:
    source = (DOCS.parent / "remediations" / "alerts" / "metrics.py").read_text("utf-8")
    assert re.search(rf"[\"}}]{metric.removeprefix('_').removesuffix('_total')}\"", source)
