"""The diagnosis on labelled real messages: how right it is, and that no harmless message ever leads to a cause.

Five files of messages, each row with its source. `corpus.jsonl`, `field.jsonl` and `later.jsonl` are what the signatures were
written with; the latter two hold every batch that was once held out and then learned from, each row with the `first_answer`
that it got before (80 rows of `field.jsonl` are older than the batches and have none), `later.jsonl` the harder batches since
the fifth, the eleventh to the thirteenth with bounds of their own. `held_out.jsonl` holds three batches from sources, held
out until they were measured; `recalled.jsonl` holds eleven batches that were written down without a source at hand. docs/diagnosis.md
tells the numbers of each batch at first sight.
"""

# ruff: noqa: E501 - messages stand as Windows writes them, on one line

from __future__ import annotations

from pathlib import Path

import pytest
from measure import NEGATIVE, Measure, asked, labels, rows

from remediations.diagnosis import ReportedEvent, diagnose
from remediations.model.causes import Cause
from remediations.model.diagnosis import TextVerdict

HERE = Path(__file__).parent
FILES = {name: HERE / f"{name}.jsonl" for name in ("corpus", "field", "later", "held_out", "recalled")}
KNOWN_LABELS = {cause.value for cause in Cause} | {"unknown_escalate", NEGATIVE}


@pytest.mark.parametrize(
    ("name", "batch", "but", "first", "in_three"),
    [
        ("corpus", None, (), 0.97, 1.0),
        ("field", None, (), 0.96, 0.97),
        ("later", None, ("11", "12", "13"), 0.93, 0.94),
        ("later", "11", (), 0.83, 0.84),
        ("later", "12", (), 0.69, 0.71),
        ("later", "13", (), 0.64, 0.72),
        ("held_out", "14", (), 0.89, 0.9),
        ("held_out", "17", (), 0.93, 0.94),
        ("held_out", "21", (), 0.77, 0.78),
        ("recalled", None, ("18", "19", "20", "22", "23", "24", "25", "26", "27"), 0.9, 0.91),
        ("recalled", "18", (), 0.75, 0.81),
        ("recalled", "19", (), 0.91, 0.94),
        ("recalled", "20", (), 0.83, 0.85),
        ("recalled", "22", (), 0.83, 0.86),
        ("recalled", "23", (), 0.84, 0.91),
        ("recalled", "24", (), 0.8, 0.9),
        ("recalled", "25", (), 0.92, 0.95),
        ("recalled", "26", (), 0.89, 0.9),
        ("recalled", "27", (), 0.88, 0.92),
    ],
)
def test_it_is_as_right_as_published(name: str, batch: str | None, but: tuple[str, ...], first: float, in_three: float) -> None:
    found = Measure.of(FILES[name], batch=batch, but=but)
    assert found.first / found.total >= first, found.text(name)
    assert found.in_three / found.total >= in_three, found.text(name)


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_what_is_no_migration_failure_never_leads_to_a_cause(path: Path) -> None:
    found = {row["id"]: asked(row) for row in rows(path) if row["label"] == NEGATIVE}
    wrong = {number: labels(answer) for number, answer in found.items() if answer.verdict is TextVerdict.CAUSES}
    assert found
    assert not wrong


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_nor_does_it_without_its_log_and_number(path: Path) -> None:
    wrong = {}
    for row in rows(path):
        # Management errors read alike with and without their log; only the log says that no migration stood behind them.
        allowed = {row["label"], "unknown_escalate", "winrm_misconfigured", *row.get("also", ())}
        if row["label"] == NEGATIVE and (said := labels(diagnose(ReportedEvent(text=row["text"]))))[0] not in allowed:
            wrong[row["id"]] = said
    assert not wrong


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_rows_say_where_they_come_from(path: Path) -> None:
    seen = set()
    for row in rows(path):
        assert row["source"], row["id"]
        assert {row["label"], *row.get("also", ())} <= KNOWN_LABELS, row["id"]
        assert row["id"] not in seen, row["id"]
        seen.add(row["id"])


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_every_answer_is_ranked_and_says_why(path: Path) -> None:
    for row in rows(path):
        answer = asked(row)
        scores = [each.score for each in answer.hypotheses]
        assert scores == sorted(scores, reverse=True), row["id"]
        assert all(each.evidence and all(each.evidence) for each in answer.hypotheses), row["id"]
        assert bool(answer.hypotheses) == (answer.verdict is TextVerdict.CAUSES), row["id"]
        assert len({each.cause for each in answer.hypotheses}) == len(answer.hypotheses), row["id"]


def _wrapped(text: str) -> str:
    return f"Live migration of 'Virtual Machine VM01' failed.\n\nVirtual machine migration operation for 'VM01' failed at migration source 'HV01'.\n\n{text}"


@pytest.mark.parametrize(
    "row",
    [row for row in rows(FILES["corpus"]) if row["label"] in KNOWN_LABELS - {NEGATIVE, "unknown_escalate"}],
    ids=lambda row: row["id"],
)
def test_wrappers_around_a_message_do_not_change_what_is_found(row: dict[str, str]) -> None:
    """The outer sentences say only that a migration failed: the innermost one decides, with or without them."""
    alone = labels(asked(row))
    inside = labels(asked({**row, "text": _wrapped(row["text"])}))
    assert alone[0] in inside[:3]


@pytest.mark.parametrize("row", rows(FILES["corpus"]), ids=lambda row: row["id"])
def test_case_quotes_and_line_breaks_do_not_matter(row: dict[str, str]) -> None:
    curly = row["text"].replace("\n", "\r\n  ").replace(" '", " “").replace("'", "’")
    shouted = asked({**row, "text": curly.upper() if row["text"].isascii() else curly})
    assert labels(shouted)[0] == labels(asked(row))[0]


@pytest.mark.parametrize(
    "text",
    [
        "SQL Server: the maximum number of simultaneous connections was reached.",
        "The CORP\\admin user is allowed a maximum number of 30 concurrent shells, which has been exceeded.",
        "elasticsearch: the cluster lost quorum, no master was elected.",
        "Pacemaker: node fencing, quorum lost.",
        "The TPM is not ready: the BitLocker key protector is missing.",
        "Cluster service failed to start the cluster log trace session. The error code was '5'.",
        "Resource 'Virtual Machine VM01' moved from group 'VM01' on node 'NODE1' to group 'VM02' on node 'NODE2'.",
        "CPU incompatible: this program needs AVX2.",
        "Docker: the switch 'DockerNAT' does not exist.",
    ],
)
def test_the_same_words_of_other_programs_are_no_cause(text: str) -> None:
    assert diagnose(ReportedEvent(text=text)).verdict is not TextVerdict.CAUSES
