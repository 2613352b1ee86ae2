"""How right the diagnosis is on labelled messages: accuracy and confusion matrix. Run it on one or more JSON Lines files.

`python tests/diagnosis/measure.py tests/diagnosis/corpus.jsonl tests/diagnosis/{field,later,held_out}.jsonl`
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remediations.diagnosis import ReportedEvent, diagnose
from remediations.model.diagnosis import Diagnosis, TextVerdict

NEGATIVE = "not_a_migration_failure"
_LABELS = {TextVerdict.UNKNOWN: "unknown_escalate", TextVerdict.NOT_A_MIGRATION_FAILURE: NEGATIVE}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def asked(row: dict[str, Any]) -> Diagnosis:
    return diagnose(
        ReportedEvent(text=row["text"], event_id=row.get("event_id"), channel=row.get("log"), provider=row.get("provider"))
    )


def labels(answer: Diagnosis) -> list[str]:
    """The answer as labels, best first. Where it is unknown that comes first, before what words alone point to."""
    if answer.verdict is TextVerdict.CAUSES:
        return [each.cause.value for each in answer.hypotheses]
    return [_LABELS[answer.verdict], *(each.cause.value for each in answer.weak)]


@dataclass
class Measure:
    total: int = 0
    first: int = 0
    in_three: int = 0
    at_first_sight: int | None = None
    seen_first: int = 0
    negatives_as_causes: list[str] = field(default_factory=list)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    misses: list[tuple[str, str, list[str]]] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path, *, batch: str | None = None, but: tuple[str, ...] = ()) -> Measure:
        """Of all its rows, of one batch's, or of all but some batches'."""
        found = cls()
        for row in rows(path):
            if row.get("batch", "") in but or (batch is not None and row.get("batch") != batch):
                continue
            answer = asked(row)
            said = labels(answer)
            found.total += 1
            found.first += said[0] == row["label"]
            found.in_three += row["label"] in said[:3]
            found.confusion[row["label"], said[0]] += 1
            if "first_answer" in row:
                found.seen_first += 1
                found.at_first_sight = (found.at_first_sight or 0) + (row["first_answer"] == row["label"])
            if row["label"] == NEGATIVE and answer.verdict is TextVerdict.CAUSES:
                found.negatives_as_causes.append(row["id"])
            if said[0] != row["label"]:
                found.misses.append((row["id"], row["label"], said[:3]))
        return found

    def text(self, name: str) -> str:
        once = (
            ""
            if self.at_first_sight is None
            else f"right first before anything was learned from them {self.at_first_sight / self.seen_first:.1%} · "
        )
        lines = [
            f"{name}: {self.total} messages · right first {self.first / self.total:.1%} · right in the first three "
            f"{self.in_three / self.total:.1%} · {once}negatives answered with causes: {len(self.negatives_as_causes)}"
        ]
        wanted = sorted({want for want, _ in self.confusion})
        width = max(map(len, wanted))
        for want in wanted:
            got = sorted(((count, said) for (label, said), count in self.confusion.items() if label == want), reverse=True)
            lines.append(f"  {want:{width}}  " + " · ".join(f"{said} {count}" for count, said in got))
        lines += [f"  missed {number}: {want}, said {', '.join(said)}" for number, want, said in self.misses]
        return "\n".join(lines)


if __name__ == "__main__":
    for given in sys.argv[1:]:
        print(Measure.of(Path(given)).text(Path(given).name))
